"""Measure kairos on PostgreSQL and MariaDB: `python benchmarks/bench_sql.py --help`."""

from __future__ import annotations

from importlib.metadata import version

import sql_cases
import sql_sums
from server_bench import Target, main, server_bounds

POSTGRESQL = """\
PostgreSQL {version} and psycopg. *Plain* is
[what a competent developer writes](../benchmarks/sql_plain.py) with SQLAlchemy Core, *best*
[the fastest code that we could write by hand](../benchmarks/postgresql_best.py) with psycopg's cursors: prepared
statements in autocommit; *wire* is the same beneath them, with psycopg's wrapper of libpq. The server does not wait for
the disk (`fsync` off)."""
MARIADB = """\
MariaDB {version} and mysqlclient. *Plain* is the same as on PostgreSQL, *best*
[the fastest code that we could write by hand](../benchmarks/mariadb_best.py) with mysqlclient's connections. The
server does not wait for the disk."""

SUMS = {"collapsed-sum": sql_sums.collapsed_sum}
TARGETS = (
    Target("postgresql", "PostgreSQL", POSTGRESQL, sql_cases.postgresql_stores, server_bounds(2), SUMS),
    Target("mariadb", "MariaDB", MARIADB, sql_cases.mariadb_stores, server_bounds(2), SUMS),
)

if __name__ == "__main__":
    drivers = {"SQLAlchemy": "sqlalchemy", "psycopg": "psycopg", "mysqlclient": "mysqlclient-static"}
    versions = ", ".join(f"{name} {version(package)}" for name, package in drivers.items())
    main(__file__, "figures-sql.md", TARGETS, versions)
