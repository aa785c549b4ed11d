"""The hook implementation: from a target and options to a storage, without I/O."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from kairos.errors import InvalidType, InvalidValue, Unsupported
from kairos.hookspecs import hookimpl
from kairos.storage import AsyncStorage, Config

from .connections import Connections
from .dialects import Dialect
from .drivers import async_dialect_for, dialect_for, with_async_driver, with_driver
from .schema_names import INTERVAL_LENGTH, LAYOUTS
from .storage import SQLStorage
from .values import column_type

__all__ = ["kairos_open", "kairos_open_async"]


S = TypeVar("S", bound=SQLStorage)

_ASYNC_DRIVERS = "sqlite+aiosqlite://, postgresql+psycopg://, mysql+asyncmy:// or mariadb+asyncmy://"


@hookimpl
def kairos_open(target: Any, config: Config) -> SQLStorage | None:
    """Open URLs of SQLAlchemy's dialects, and SQLAlchemy engines."""
    if isinstance(target, str | URL):
        return _open_url(target, config)
    if isinstance(target, Engine):
        dialect = dialect_for(target.dialect.name, target.dialect.driver)
        own = dialect(target)
        return _storage(own, config, Connections(own, False, False), SQLStorage)
    if type(target).__module__.partition(".")[0] != "sqlalchemy":
        return None
    hint = "it is for kairos.AsyncTimeseries" if type(target).__name__ == "AsyncEngine" else "pass its Engine"
    raise InvalidType(f"target must be a URL or a SQLAlchemy Engine; got {type(target).__name__}: {hint}")


@hookimpl
def kairos_open_async(target: Any, config: Config) -> AsyncStorage | None:
    """Open URLs of dialects with a driver for asyncio, and SQLAlchemy's AsyncEngine, for asyncio."""
    if isinstance(target, str | URL):
        return _open_async_url(target, config)
    if type(target).__module__.partition(".")[0] != "sqlalchemy":
        return None
    if type(target).__name__ != "AsyncEngine":
        hint = "it is for kairos.Timeseries" if isinstance(target, Engine) else "pass its AsyncEngine"
        raise InvalidType(
            f"target must be a URL or a SQLAlchemy AsyncEngine; got {type(target).__name__}: {hint}"
        )
    engine: Engine = target.sync_engine
    return _async_storage(_async_dialect(engine.dialect)(engine), config, False)


def _open_async_url(target: str | URL, config: Config) -> AsyncStorage | None:
    try:
        asked = make_url(target)
        url = with_async_driver(asked)
        engine_dialect = (url or asked).get_dialect()  # of a database that SQLAlchemy knows
    except (ArgumentError, NoSuchModuleError, ValueError):
        return None
    if url is not None and not engine_dialect.is_async:
        name = url.get_backend_name()
        raise InvalidType(
            f"the driver {url.get_driver_name()} is for kairos.Timeseries; AsyncTimeseries takes {name}://, "
            f"{_ASYNC_DRIVERS}"
        )
    kind = _async_dialect(engine_dialect)
    assert url is not None, asked
    keep = not any(key.startswith(("pool", "max_overflow")) for key in config.client_config)
    engine = kind.create_engine(url, config.client_config)
    return _async_storage(kind(engine), config, True, keep)


def _async_dialect(engine_dialect: Any) -> type[Dialect]:
    kind = async_dialect_for(engine_dialect.name, engine_dialect.driver)
    if kind is None:
        raise Unsupported(
            f"the backend kairos-sql does asyncio with {_ASYNC_DRIVERS}; "
            f"got {engine_dialect.name}+{engine_dialect.driver}: use Timeseries"
        )
    return kind


def _async_storage(dialect: Dialect, config: Config, owned: bool, keep: bool = False) -> AsyncStorage:
    from .asynchronous import AsyncSQLStorage, GreenletStorage
    from .greenlets import GreenletConnections

    connections = GreenletConnections(dialect, owned, keep)
    return AsyncSQLStorage(_storage(dialect, config, connections, GreenletStorage))


def _open_url(target: str | URL, config: Config) -> SQLStorage | None:
    try:
        url = with_driver(make_url(target))
        engine_dialect = url.get_dialect()
    except (
        ArgumentError,
        NoSuchModuleError,
        ValueError,
    ):  # ValueError: several hosts, which SQLAlchemy has none of
        return None  # the core says what targets there are
    if engine_dialect.is_async:
        name, _, driver = url.drivername.partition("+")
        raise InvalidType(
            f"the driver {driver} is for kairos.AsyncTimeseries; Timeseries takes {name}:// or another driver"
        )
    kind = dialect_for(engine_dialect.name, engine_dialect.driver)
    keep = not any(key.startswith(("pool", "max_overflow")) for key in config.client_config)
    storage: SQLStorage | None = None
    engine = kind.create_engine(url, config.client_config)
    try:
        dialect = kind(engine)
        storage = _storage(
            dialect, config, Connections(dialect, True, keep and kind.keeps_connections), SQLStorage
        )
    finally:
        if storage is None:
            engine.dispose()
    return storage


def _storage(dialect: Dialect, config: Config, connections: Connections, storage: type[S]) -> S:
    string_length = _length(config, "string_length", 255)
    text_length = _length(config, "text_length", 32_768)
    longest = dialect.longest_name
    if longest is not None and string_length > longest:
        raise InvalidValue(
            f"string_length must be at most {longest} with {dialect.engine.dialect.name}, whose keys have no room "
            f"for longer names; got {string_length} (longer values: value_type 'text' and text_length)"
        )
    table_name = _table_name(config.option("table_name", config.kind), dialect)
    column = column_type(config.option("value_type", "float"), string_length, text_length, dialect)
    for interval in config.intervals:
        size = len(interval.encode())
        if size > INTERVAL_LENGTH:
            raise InvalidValue(
                f"interval {interval[:40]!r}…: its name must be at most {INTERVAL_LENGTH} bytes of UTF-8; got {size}"
            )
    return storage(
        dialect,
        connections,
        config.kind,
        {name for name, interval in config.intervals.items() if interval.resolution is None},
        table_name,
        column,
        string_length,
    )


def _length(config: Config, option: str, default: int) -> int:
    value = config.option(option, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidType(
            f"{option} must be an int >= 1 (bytes of UTF-8); got {value!r} ({type(value).__name__})"
        )
    if value < 1:
        raise InvalidValue(f"{option} must be an int >= 1 (bytes of UTF-8); got {value!r}")
    return int.__int__(value)


def _table_name(name: Any, dialect: Dialect) -> str:
    if not isinstance(name, str):
        raise InvalidType(
            f"table_name must be a non-empty str without NUL; got {name!r} ({type(name).__name__})"
        )
    if not name or "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise InvalidValue(
            f"table_name must be a non-empty str without NUL and lone surrogates; got {name!r}"
        )
    if dialect.table_key(name) == LAYOUTS:
        raise InvalidValue(f"table_name {name!r} is kairos' own table of layouts: choose another")
    dialect.check_table_name(name)
    return str.__str__(name)
