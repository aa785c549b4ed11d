"""The hook implementation: from a target and options to a storage, without I/O."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.cluster import Session

from kairos.errors import InvalidType, InvalidValue, show
from kairos.hookspecs import hookimpl
from kairos.storage import Config

from .clusters import LEGACY, Target
from .data import data_table
from .index import TABLES, Group
from .schema import check_replication
from .storage import CassandraStorage
from .urls import KEYSPACE, Address, check_keyspace, parse
from .values import column_type

__all__ = ["kairos_open"]

_INTERVAL_BYTES = 1_024
_INTERVALS_BYTES = 32_768
_COUNTS = ("counter", "log")
_LEVELS = sorted(ConsistencyLevel.name_to_value)


@hookimpl
def kairos_open(target: Any, config: Config) -> CassandraStorage | None:
    """Open ``cassandra://`` and ``cql://`` URLs and sessions of cassandra-driver."""
    if isinstance(target, Session):
        keyspace = check_keyspace(target.keyspace or KEYSPACE)
        return _storage(target, keyspace, config, None)
    if not isinstance(target, str):
        if type(target).__module__.partition(".")[0] != "cassandra":
            return None
        raise InvalidType(
            f"target must be a URL or a Session of cassandra-driver; got {type(target).__name__}: "
            "pass what its connect() returns"
        )
    address = parse(target)
    if address is None:
        return None
    database = config.client_config.pop("database", None)
    keyspace = check_keyspace(database) if database is not None else address.keyspace or KEYSPACE
    _check_pairs(address, config.client_config)
    return _storage(Target(address, config.client_config), keyspace, config, address.consistency)


def _check_pairs(address: Address, client_config: Mapping[str, Any]) -> None:
    """Refuse what the URL and ``client_config`` say both."""
    pairs = [("hosts", "contact_points"), ("hosts", "port")]
    pairs += [("a user", "auth_provider")] if address.user is not None else []
    pairs += [("tls_ca", "ssl_context")] if address.tls_ca is not None else []
    pairs += [("timeout", key) for key in LEGACY] if address.timeout is not None else []
    pairs += [("local_dc", key) for key in LEGACY] if address.local_dc is not None else []
    for said, key in pairs:
        if key in client_config:
            raise InvalidValue(f"the URL has {said}, and client_config has {key!r}: say it in one place")


def _storage(target: Any, keyspace: str, config: Config, consistency: str | None) -> CassandraStorage:
    kind = config.kind
    table_name = _table_name(config.option("table_name", kind))
    counts = config.option("counts", "counter")
    if counts not in _COUNTS:
        raise InvalidValue(f"counts must be 'counter' or 'log'; got {show(counts)}")
    column = column_type(config.option("value_type", "float"), kind)
    level = _consistency(config.option("consistency", consistency or "LOCAL_QUORUM"))
    replication = check_replication(config.option("create_keyspace"))
    if config.option("pool_size") is not None:
        warnings.warn(
            "pool_size does nothing: cassandra-driver has pools of its own, one for each node", stacklevel=2
        )
    for interval in config.intervals:
        size = len(interval.encode())
        if size > _INTERVAL_BYTES:
            raise InvalidValue(
                f"interval {interval[:40]!r}…: its name must be at most {_INTERVAL_BYTES} bytes of UTF-8; got {size}"
            )
    size = len(Group.of(config.intervals).text.encode())
    if size > _INTERVALS_BYTES:
        raise InvalidValue(
            f"the names of all intervals must be at most {_INTERVALS_BYTES} bytes together, as JSON; got {size}"
        )
    data = data_table(kind, counts, f'"{keyspace}"."{table_name}"', column)
    return CassandraStorage(target, keyspace, table_name, data, counts, config.intervals, level, replication)


def _table_name(name: Any) -> str:
    rule = "table_name must be a letter, then up to 47 letters, digits and underscores"
    if not isinstance(name, str):
        raise InvalidType(f"{rule}; got {show(name)} ({type(name).__name__})")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,47}", name):
        raise InvalidValue(f"{rule}; got {show(name)}")
    if name.lower() in TABLES:
        raise InvalidValue(f"table_name {name!r} is one of kairos' own tables: choose another")
    return str.__str__(name)


def _consistency(level: Any) -> int:
    if isinstance(level, str) and level.upper() in ConsistencyLevel.name_to_value:
        return int(ConsistencyLevel.name_to_value[level.upper()])
    if isinstance(level, int) and not isinstance(level, bool) and level in ConsistencyLevel.value_to_name:
        return level
    raise InvalidValue(f"consistency must be one of {', '.join(_LEVELS)}; got {show(level)}")
