"""The seam between kairos and a database's dialect: one class for each, no branches elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.pool import Pool
from sqlalchemy.types import TypeEngine

__all__ = ["Change", "Dialect", "Lister", "Lock"]

Lister = Callable[[Any, Iterable[str]], dict[str, None]]
"""Given a DBAPI cursor and intervals: the distinct names that have data there, about sorted."""


class Lock(Protocol):
    """A reentrant lock."""

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; return whether it was free."""

    def release(self) -> None:
        """Give it back."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *_: Any) -> None: ...


_locks: WeakKeyDictionary[Pool, Lock] = WeakKeyDictionary()
_locks_lock = RLock()

Change = Callable[[sa.ColumnElement[Any], sa.ColumnElement[Any]], sa.ColumnElement[Any]]
"""From a column's present and offered values to its new one."""


class Dialect(ABC):
    """What differs between databases.

    Parameters
    ----------
    engine
        The engine that is used; nothing is sent before :meth:`inspect_connection`.
    """

    table_options: ClassVar[Mapping[str, Any]] = {}
    """Keywords of :class:`sqlalchemy.Table` for tables that are read by their primary key."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @staticmethod
    @abstractmethod
    def create_engine(url: URL, client_config: dict[str, Any]) -> Engine:
        """Return an engine for a URL, set up for kairos; the caller's ``client_config`` goes before."""

    @property
    def engine_dialect(self) -> EngineDialect:
        """SQLAlchemy's own dialect object."""
        return self.engine.dialect

    @property
    @abstractmethod
    def shared(self) -> bool:
        """Whether two processes with this URL see one database."""

    @property
    @abstractmethod
    def one_connection(self) -> bool:
        """Whether all threads share one connection, so that calls must take turns."""

    def lock(self) -> Lock:
        """Return the lock under which writes of this process take turns."""
        with _locks_lock:
            return _locks.setdefault(self.engine.pool, RLock())

    @abstractmethod
    def inspect_connection(self, cursor: Any) -> None:
        """Look at the first connection through a DBAPI cursor; raise if the engine cannot be used as it is."""

    @abstractmethod
    def begin(self, cursor: Any) -> None:
        """Begin a write on a DBAPI cursor."""

    @abstractmethod
    def in_transaction(self, cursor: Any) -> bool:
        """Whether a DBAPI cursor's connection is in a transaction that somebody has begun."""

    @abstractmethod
    def refused(self, error: Exception) -> bool:
        """Whether the database refused the data of a write, so that nothing of it is stored."""

    @abstractmethod
    def end_read(self, connection: Any) -> None:
        """Leave no transaction behind on a DBAPI connection that has been read from."""

    @abstractmethod
    def begin_ddl(self, connection: Connection) -> None:
        """Begin a transaction in which tables are made, on a fresh SQLAlchemy connection."""

    @abstractmethod
    def table_key(self, table_name: str) -> str:
        """Return the same text for all names of one table."""

    @abstractmethod
    def check_table_name(self, table_name: str) -> None:
        """Raise if a table cannot have this name."""

    @abstractmethod
    def column_types(self, connection: Connection, table_name: str) -> Mapping[str, str] | None:
        """Return column -> type as the database shows it, without parameters; None: no such table."""

    @abstractmethod
    def within_limits(self, count: str, fraction: str | None) -> str | None:
        """Return the text of a CHECK that refuses a sum beyond 64 bits; None where the database does so itself."""

    @abstractmethod
    def is_overflow(self, error: Exception) -> bool:
        """Whether a driver's error says that a sum left its range."""

    @abstractmethod
    def upsert(self, table: sa.Table, rows: int, changes: Mapping[str, Change] | None) -> sa.Insert:
        """Return an INSERT of so many rows which makes ``changes`` where the key exists.

        No changes keep the row that is there; None lets the database refuse the new one. Parameters are
        ``{column}_{row}``.
        """

    @abstractmethod
    def group_upsert(self, table: sa.Table, rows: int, changes: Mapping[str, Change] | None) -> sa.Insert:
        """Return the same for rows that have the first two columns in common.

        Parameters are these columns' names, then ``{column}_{row}`` of the others.
        """

    @abstractmethod
    def append(self, table: sa.Table, rows: int) -> sa.Insert:
        """Return an INSERT of so many values of one row of a series.

        Parameters are ``interval``, ``name``, ``i``, ``r``, ``id`` (that of the first) and ``value_{row}``.
        """

    @abstractmethod
    def adapt(self, sql: TypeEngine[Any], string_length: int) -> TypeEngine[Any]:
        """Return the type that holds exactly, on this database, what ``sql`` stands for."""

    @abstractmethod
    def keeps(self, sql: TypeEngine[Any], python: type) -> bool:
        """Whether a column gives back every value of a Python type that the driver gets as it is."""

    @abstractmethod
    def keeps_bound(self, sql: TypeEngine[Any], bound: Any) -> bool:
        """Whether a column gives back this value, as the driver gets it."""

    @abstractmethod
    def names_lister(self, table: sa.Table) -> Lister:
        """Return what lists the names of a table."""
