"""The keyspace and tables: look first, then create what is missing; eight may come at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cassandra import AlreadyExists, InvalidRequest
from cassandra.cluster import NoHostAvailable
from cassandra.query import SimpleStatement

from kairos.errors import InvalidType, InvalidValue, SchemaMismatch, show

from .clusters import Shared
from .data import DataTable
from .index import GRACE, TABLES
from .sending import may_wait

__all__ = ["check_replication", "make_ready", "patiently", "takes_far_deadlines"]

T = TypeVar("T")
PATIENCE = 10.0
"""How long a table that another client has just made may take to be known everywhere, in seconds."""

_EXAMPLE = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}"


def check_replication(replication: Any) -> dict[str, str] | None:
    """Return the option ``create_keyspace``, checked."""
    if replication is None:
        return None
    if not isinstance(replication, Mapping) or not replication:
        raise InvalidType(f"create_keyspace must be a mapping such as {_EXAMPLE}; got {show(replication)}")
    for key, value in replication.items():
        if not isinstance(key, str) or isinstance(value, bool) or not isinstance(value, str | int):
            raise InvalidType(f"create_keyspace must map str to str or int; got {show(key)}: {show(value)}")
        if "'" in key or (isinstance(value, str) and "'" in value):
            raise InvalidValue(f"create_keyspace must have no quotes; got {show(key)}: {show(value)}")
    if "class" not in replication:
        raise InvalidValue(
            f"create_keyspace must say which 'class', as in {_EXAMPLE}; got {show(dict(replication))}"
        )
    return {key: str(value) for key, value in replication.items()}


def make_ready(
    shared: Shared, keyspace: str, table_name: str, data: DataTable, replication: dict[str, str] | None
) -> None:
    """Create the keyspace, if asked to, and the tables that are missing; see that the data's table fits."""
    found = _columns(shared, keyspace, table_name)
    if found is None:
        _ensure_keyspace(shared, keyspace, replication)
        _create(shared, data.create)
        found = patiently(lambda: _required(_columns(shared, keyspace, table_name)))
    _check_columns(data, table_name, found)
    there = {
        row[0]
        for row in _execute(
            shared, "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,)
        )
    }
    for table, columns in TABLES.items():
        if table not in there:
            grace = f" WITH gc_grace_seconds = {GRACE[table]}" if table in GRACE else ""
            _create(shared, f'CREATE TABLE IF NOT EXISTS "{keyspace}".{table} ({columns}){grace}')


def patiently(work: Callable[[], T]) -> T:
    """Do what fails as long as another client's new table is not known to every node."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return work()
        except (InvalidRequest, LookupError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def takes_far_deadlines(shared: Shared) -> bool:
    """Return whether rows may expire after January 2038: from 5.0 on, unless it runs in an older one's mode."""
    ((version,),) = _execute(shared, "SELECT release_version FROM system.local")
    if int(version.split(".")[0]) < 5:
        return False
    try:
        rows = _execute(
            shared, "SELECT value FROM system_views.settings WHERE name = 'storage_compatibility_mode'"
        )
    except Exception:  # not everybody may look: then as if it could not
        return False
    return bool(rows) and rows[0][0] in ("NONE", "UPGRADING")


def _ensure_keyspace(shared: Shared, keyspace: str, replication: dict[str, str] | None) -> None:
    look = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s"
    if _execute(shared, look, (keyspace,)):
        return

    def statement(settings: str) -> str:
        return f'CREATE KEYSPACE IF NOT EXISTS "{keyspace}" WITH replication = {settings}'

    if replication is None:
        raise InvalidValue(
            f"there is no keyspace {keyspace}: make it with {statement(_EXAMPLE)}; "
            f"or pass create_keyspace={_EXAMPLE}"
        )
    settings = ", ".join(f"'{key}': '{value}'" for key, value in replication.items())
    _create(shared, statement(f"{{{settings}}}"))


def _create(shared: Shared, statement: str) -> None:
    """Create something, at the same node for all clients: it takes turns, which several do not."""

    def execute() -> None:
        up = [host for host in shared.session.cluster.metadata.all_hosts() if host.is_up]
        host = min(up, key=lambda host: str(host.endpoint), default=None)
        shared.session.execute(SimpleStatement(statement), host=host, **shared.arguments)

    end = time.monotonic() + PATIENCE
    while True:
        try:
            return patiently(execute)
        except AlreadyExists:
            return None
        except NoHostAvailable as error:  # that node is up but not connected yet, or not any more
            if time.monotonic() > end or not may_wait(error, again=True):
                raise
            time.sleep(0.1)


def _execute(shared: Shared, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    return list(shared.session.execute(SimpleStatement(statement), values or None, **shared.arguments))


Columns = dict[str, tuple[str, str, int]]
"""Column -> its type, what it is to the primary key, and where in it."""


def _columns(shared: Shared, keyspace: str, table_name: str) -> Columns | None:
    """Return a table's columns; None if there is no such table."""
    rows = _execute(
        shared,
        "SELECT column_name, type, kind, position FROM system_schema.columns "
        "WHERE keyspace_name = %s AND table_name = %s",
        (keyspace, table_name),
    )
    return {name: (cql, kind, position) for name, cql, kind, position in rows} or None


def _required(columns: Columns | None) -> Columns:
    if columns is None:
        raise LookupError("the table is not known everywhere yet")
    return columns


def _check_columns(data: DataTable, table_name: str, found: Columns) -> None:
    key = data.key
    wanted = {column: (cql, *key[column]) for column, cql in data.columns.items()}
    if found != wanted:
        shown = [
            ", ".join(f"{name} {cql} ({kind})" for name, (cql, kind, _) in sorted(some.items()))
            for some in (found, wanted)
        ]
        raise SchemaMismatch(
            f"table {table_name!r} holds another kind, value_type or way to count: it has {shown[0]}; "
            f"a {data.kind} asks for {shown[1]}: choose another table_name"
        )
