"""The storage: kairos' contract on the tables of one timeseries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Any

import sqlalchemy as sa
from attrs import evolve

from kairos.errors import InvalidValue, SchemaMismatch
from kairos.storage import Batch, Buckets, Capabilities, Read, Reply, Scope, Storage

from .commits import GroupCommit
from .connections import Connections
from .dialects import Dialect
from .folds import declared
from .kinds import KIND_TABLES
from .schema import data_table, layouts_table, make_ready
from .shelf import Statements, statements_of
from .values import ColumnType

__all__ = ["SQLStorage"]

LOOK_AGAIN = 5.0
"""After how many seconds a write first looks whether the layouts' records are still there."""


class SQLStorage(Storage):
    """One timeseries in a SQL database.

    Parameters
    ----------
    dialect
        Of the engine to use.
    connections
        What lends its connections.
    kind
        The kind of the timeseries.
    flat
        Names of the intervals without resolution.
    table_name
        The name of the table.
    column
        The type of its value column.
    string_length
        The longest name, in bytes.
    """

    def __init__(
        self,
        dialect: Dialect,
        connections: Connections,
        kind: str,
        flat: Set[str],
        table_name: str,
        column: ColumnType,
        string_length: int,
    ) -> None:
        self._dialect = dialect
        self._connections = connections
        self._kind = kind
        self._flat = flat
        self._column = column
        metadata = sa.MetaData()
        self._table = data_table(
            metadata, kind, table_name, column.sql, string_length, dialect, dialect.schema
        )
        self._layouts_table = layouts_table(metadata, dialect, dialect.schema)
        self._commits = GroupCommit(self._store, connections.lock, self._refused)
        self._recorded: dict[str, str] = {}  # what was recorded here
        self._looked = time.monotonic()  # when it was last seen to be there
        self._statements: Statements
        axes, transforms = declared(kind, column, dialect)
        self.capabilities = Capabilities(
            kinds=frozenset(KIND_TABLES),
            values=column.values,
            max_name_bytes=string_length,
            expiry=dict.fromkeys(KIND_TABLES, "manual"),
            float_counts=True,
            checked_totals=True,
            atomic_batch=True,
            shared=dialect.shared,
            custom_fetch=True,
            write_options=frozenset(),
            folds=axes,
            transforms=transforms,
        )

    def ready(self) -> None:
        """Look at the engine, create what is missing, compile the statements."""
        with self._connections.connect() as connection:
            self._dialect.look_at(connection)
            self._dialect.check_size(self._column.values.max_bytes)
            self.capabilities = evolve(self.capabilities, shared=self._dialect.shared)
            make_ready(connection, self._dialect, self._kind, self._table, self._layouts_table)
        # A dialect compiles rightly only once it has met its server
        self._statements = statements_of(
            self._kind, self._table, self._layouts_table, self._column, self._dialect
        )

    @property
    def retries(self) -> int:
        """How many transactions were sent again, because the database had rolled them back for the sake of others."""
        return self._connections.retries

    def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        return self._connections.read(self._statements.layouts.all)

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        there = self._connections.write(lambda cursor: self._statements.layouts.record(cursor, layouts))
        self._recorded |= layouts
        self._looked = time.monotonic()
        return there

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        self._connections.write(lambda cursor: self._statements.layouts.forget(cursor, intervals))
        self._forgot(intervals)

    def _forgot(self, intervals: Iterable[str]) -> None:
        self._recorded = {k: layout for k, layout in self._recorded.items() if k not in intervals}

    def write(self, batch: Batch) -> None:
        """Store a batch, with those of threads that wait, in one transaction."""
        if time.monotonic() - self._looked > LOOK_AGAIN:
            self._look_again()
        self._commits.write(batch)

    def _look_again(self) -> None:
        """Record anew what a `delete_all()` of somebody else has made forgotten."""
        now, mine = time.monotonic(), self._recorded
        there = self.layouts()
        if not mine.keys() <= there.keys():
            there = self._connections.write(lambda cursor: self._statements.layouts.record(cursor, mine))
        for interval, layout in mine.items():
            if there[interval] != layout:
                raise SchemaMismatch(
                    f"all data of interval {interval!r} was deleted, and the interval is now written with "
                    f"{there[interval]}; this timeseries has {layout}: open a new one"
                )
        self._looked = now

    def _store(self, batches: Sequence[Batch], committing: Callable[[], None]) -> None:
        write = self._statements.rows.write(batches)
        try:
            if isinstance(write, tuple):
                committing()
                self._connections.write_one(*write)
            else:
                self._connections.write(lambda cursor: write(cursor, committing))
        except Exception as error:
            if self._dialect.is_overflow(error):
                raise InvalidValue(
                    "a total would leave 64 bits (or the range of a float): nothing of this call was stored"
                ) from error
            raise

    def _refused(self, error: Exception) -> bool:
        return isinstance(error, InvalidValue) or self._dialect.refused(error)

    def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        fetch = request.fetch
        if fetch is not None:
            return self._fetch(request, fetch)
        interval, first, last = request.interval, request.first, request.last
        flat, read = interval in self._flat, self._statements.rows.read
        if (request.fold or request.transforms) and (reply := self._folded(request, flat)) is not None:
            return reply
        if len(request.names) > 1:
            names, read_many = request.names, self._statements.rows.read_many
            return Reply(
                self._connections.read(lambda cursor: read_many(cursor, interval, names, first, last, flat))
            )
        (name,) = request.names
        return Reply(
            {name: self._connections.read(lambda cursor: read(cursor, interval, name, first, last, flat))}
        )

    def _folded(self, request: Read, flat: bool) -> Reply | None:
        """Return a reply that the database has calculated, if it can."""
        if not self._statements.folds.takes(request):
            return None
        try:
            return self._connections.read(lambda cursor: self._statements.folds.read(cursor, request, flat))
        except Exception as error:
            if not self._dialect.sum_overflowed(error):
                raise
        return None

    def _fetch(self, request: Read, fetch: Callable[..., Buckets]) -> Reply:
        first, last = request.first, request.last
        ends = (first,) if first == last else (first, last)
        with self._connections.connect() as connection:
            return Reply(
                {
                    name: fetch(connection, self._table, name, request.interval, *ends)
                    for name in request.names
                }
            )

    def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return self._connections.read(lambda cursor: self._statements.catalog.names(cursor, scope))

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return self._connections.read(
            lambda cursor: self._statements.catalog.span(cursor, name, interval, at_least)
        )

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        if len(names) == 1 and (one := self._statements.catalog.delete_one(names[0], scope)) is not None:
            return int(self._connections.run_one(*one) > 0)
        return self._connections.write(lambda cursor: self._statements.catalog.delete(cursor, names, scope))

    def delete_all(self, scope: Scope) -> int:
        """Remove all names at once."""

        def work(cursor: Any) -> int:
            count = self._statements.catalog.delete_all(cursor, scope)
            self._statements.layouts.forget(cursor, tuple(scope))
            return count

        deleted = self._connections.write(work)
        self._forgot(scope)
        return deleted

    def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        """Remove dead buckets, in transactions of bounded size."""
        for interval, first in scope.items():
            if first is not None:
                self._expire(interval, first, names)

    def _expire(self, interval: str, first: int, names: Sequence[str] | None) -> None:
        dead = self._connections.read(
            lambda cursor: self._statements.catalog.dead(cursor, interval, names, first)
        )
        while dead:
            dead = self._connections.write(
                partial(self._statements.catalog.expire, interval=interval, names=dead, first=first)
            )

    def close(self) -> None:
        """Give connections back; dispose of an engine that is the storage's own."""
        self._connections.close()
