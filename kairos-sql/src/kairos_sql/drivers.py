"""Which of our dialects goes with which of SQLAlchemy's, and which driver with a URL that names none."""

from __future__ import annotations

import os
from importlib.util import find_spec

from sqlalchemy.engine import URL

from kairos.errors import BackendNotFound

from .dialects import Dialect

__all__ = ["async_dialect_for", "dialect_for", "with_async_driver", "with_driver"]

_PREFERRED = {
    "postgresql": (("psycopg", "psycopg"),),
    "mysql": (("MySQLdb", "mysqldb"), ("pymysql", "pymysql")),
    "mariadb": (("MySQLdb", "mysqldb"), ("pymysql", "pymysql")),
}
"""Scheme -> (module, driver); the first that is installed is taken."""


_FALLBACK = "KAIROS_SQL_FALLBACK"
"""A variable of the environment that makes the fallback take every dialect: for its tests, also in their processes."""


def with_driver(url: URL) -> URL:
    """Return a URL that names the driver, if it names none and we know which is best."""
    known = _PREFERRED.get(url.drivername)
    if known is None:
        return url
    for module, driver in known:
        if find_spec(module) is not None:
            return url.set(drivername=f"{url.drivername}+{driver}")
    extra = "postgresql" if url.drivername == "postgresql" else "mysql"
    wanted = " or ".join(module for module, _ in known)
    raise BackendNotFound(
        f"{url.drivername}:// needs a driver ({wanted}): pip install 'kairos-sql[{extra}]', or name another "
        f"that is installed, as in {url.drivername}+driver://"
    )


_ASYNC = {
    "sqlite": ("aiosqlite", "aiosqlite", "aiosqlite"),
    "postgresql": ("psycopg", "psycopg_async", "asyncio-postgresql"),
    "mysql": ("asyncmy", "asyncmy", "asyncmy"),
    "mariadb": ("asyncmy", "asyncmy", "asyncmy"),
}
"""Scheme -> (module, driver, extra of kairos-sql) for asyncio."""


def with_async_driver(url: URL) -> URL | None:
    """Return a URL that names the asynchronous driver, if it names none; None if kairos knows of none.

    psycopg's driver has both sides.
    """
    known = _ASYNC.get(url.get_backend_name())
    if known is None:
        return None
    module, driver, extra = known
    name, _, asked = url.drivername.partition("+")
    if asked not in ("", module):
        return url
    if find_spec(module) is None or find_spec("greenlet") is None:
        raise BackendNotFound(
            f"{name}:// needs {module} and greenlet with AsyncTimeseries: pip install 'kairos-sql[{extra}]'"
        )
    return url.set(drivername=f"{name}+{driver}")


def async_dialect_for(name: str, driver: str) -> type[Dialect] | None:
    """Return our dialect for one of SQLAlchemy's that is asynchronous; None if kairos has none."""
    if os.environ.get(_FALLBACK):
        return None
    if (name, driver) == ("sqlite", "aiosqlite"):
        from .asynchronous_sqlite import AsyncSQLite

        return AsyncSQLite
    if (name, driver) == ("postgresql", "psycopg"):
        from .asynchronous_postgresql import AsyncPostgreSQL

        return AsyncPostgreSQL
    if name in ("mysql", "mariadb") and driver == "asyncmy":
        from .asynchronous_mysql import AsyncMySQL

        return AsyncMySQL
    return None


def dialect_for(name: str, driver: str) -> type[Dialect]:
    """Return our dialect for one of SQLAlchemy's."""
    if os.environ.get(_FALLBACK):
        name = ""
    if (name, driver) == ("sqlite", "pysqlite"):
        from .sqlite import SQLite

        return SQLite
    if (name, driver) == ("postgresql", "psycopg"):
        from .postgresql import PostgreSQL

        return PostgreSQL
    if name in ("mysql", "mariadb") and driver in ("pymysql", "mysqldb"):
        from .mysql import MySQL

        return MySQL
    from .generic import Generic

    return Generic
