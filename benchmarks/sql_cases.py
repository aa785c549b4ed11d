"""PostgreSQL and MariaDB: the sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine, make_url

import kairos_sides
import mariadb_best
import postgresql_best
from cases import Stores
from sql_plain import PlainCounts, PlainValues


def postgresql_stores(url: str) -> Stores:
    """Return the sides on PostgreSQL, with psycopg."""
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    best = {"counts": postgresql_best.BestCounts, "values": postgresql_best.BestValues}
    wire = {"wire": _opener(postgresql_best.WireCounts, conninfo)}
    return _stores(url, conninfo, best, {"insert": wire, "get": wire})


def mariadb_stores(url: str) -> Stores:
    """Return the sides on MariaDB, with mysqlclient."""
    at = make_url(url).set(drivername="mysql+mysqldb")
    options = {
        "host": at.host,
        "port": at.port,
        "user": at.username,
        "password": at.password or "",
        "database": at.database,
    }
    best = {"counts": mariadb_best.BestCounts, "values": mariadb_best.BestValues}
    return _stores(at.render_as_string(hide_password=False), options, best, {})


def _opener(make: Callable[[Any, str], Any], where: Any) -> Callable[[str], Any]:
    return lambda place: make(where, place)


def _stores(url: str, where: Any, best: Any, more: Any) -> Stores:
    return Stores(
        {
            "plain": lambda place: PlainCounts(create_engine(url), place),
            "best": _opener(best["counts"], where),
            "kairos": kairos_sides.server_counts(url, "table_name"),
        },
        {
            "plain": lambda place: PlainValues(create_engine(url), place),
            "best": _opener(best["values"], where),
            "kairos": kairos_sides.server_values(url, "table_name"),
        },
        more,
    )
