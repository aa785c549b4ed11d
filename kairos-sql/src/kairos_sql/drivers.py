"""Which of our dialects goes with which of SQLAlchemy's, and which driver with a URL that names none."""

from __future__ import annotations

import os
from importlib.util import find_spec

from sqlalchemy.engine import URL

from kairos.errors import BackendNotFound

from .dialects import Dialect

__all__ = ["dialect_for", "with_async_driver", "with_driver"]

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


_ASYNC = {"sqlite": ("aiosqlite", "aiosqlite")}
"""Scheme -> (module, driver) for asyncio."""


def with_async_driver(url: URL) -> URL | None:
    """Return a URL that names the asynchronous driver, if it names none; None if kairos knows of none."""
    known = _ASYNC.get(url.get_backend_name())
    if known is None:
        return None
    if "+" in url.drivername:
        return url
    module, driver = known
    if find_spec(module) is None:
        raise BackendNotFound(
            f"{url.drivername}:// needs a driver ({module}) with AsyncTimeseries: "
            f"pip install 'kairos-sql[{module}]'"
        )
    return url.set(drivername=f"{url.drivername}+{driver}")


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
