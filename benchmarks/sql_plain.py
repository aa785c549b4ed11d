"""SQL as a competent developer writes it: SQLAlchemy Core, one upsert statement, one transaction a call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from workload import Bulk

NO_RESOLUTION = 0


def bucket_columns(primary_key: bool = False) -> Iterator[Column[Any]]:
    """Return what names a bucket."""
    for name, kind in (
        ("name", String(255)),
        ("interval", String(255)),
        ("i", BigInteger()),
        ("r", BigInteger()),
    ):
        yield Column(name, kind, nullable=False, primary_key=primary_key, autoincrement=False)


def upsert_into(table: Table, dialect: str) -> Insert:
    """Return the statement that adds to a count."""
    if dialect in ("mysql", "mariadb"):
        adding = mysql.insert(table)
        return adding.on_duplicate_key_update(count=table.c.count + adding.inserted.count)
    native = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    counts = {"count": table.c.count + native.excluded.count}
    return native.on_conflict_do_update(index_elements=table.primary_key.columns, set_=counts)


class PlainCounts:
    """Counts, a row for each bucket."""

    def __init__(self, engine: Engine, table_name: str = "counts") -> None:
        self.engine = engine
        self.table = Table(
            table_name,
            MetaData(),
            *bucket_columns(primary_key=True),
            Column("count", BigInteger, nullable=False),
        )
        self.table.create(engine, checkfirst=True)
        self.upsert = upsert_into(self.table, engine.dialect.name)

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, hour = timestamp // 60, timestamp // 3600
        rows = [
            {"name": name, "interval": "minute", "i": minute, "r": NO_RESOLUTION, "count": value},
            {"name": name, "interval": "hour", "i": hour, "r": minute, "count": value},
        ]
        with self.engine.begin() as connection:
            connection.execute(self.upsert, rows)
        return 2

    def bulk_insert(self, inserts: Bulk) -> int:
        totals: dict[tuple[str, str, int, int], int] = {}
        stored = 0
        for timestamp, by_name in inserts.items():
            minute, hour = timestamp // 60, timestamp // 3600
            for name, values in by_name.items():
                total = sum(values)
                for key in ((name, "minute", minute, NO_RESOLUTION), (name, "hour", hour, minute)):
                    totals[key] = totals.get(key, 0) + total
                stored += 2 * len(values)
        rows = [
            {"name": name, "interval": interval, "i": i, "r": r, "count": total}
            for (name, interval, i, r), total in totals.items()
        ]
        with self.engine.begin() as connection:
            connection.execute(self.upsert, rows)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        i = timestamp // (60 if interval == "minute" else 3600)
        query = (
            select(self.table.c.r, self.table.c.count)
            .where(self.table.c.name == name, self.table.c.interval == interval, self.table.c.i == i)
            .order_by(self.table.c.r)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        if interval == "minute":
            return {i * 60: rows[0].count if rows else 0}
        return {r * 60: count for r, count in rows}

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        step = 60 if interval == "minute" else 3600
        last = end // step
        first = last - steps + 1
        query = (
            select(self.table.c.i, self.table.c.r, self.table.c.count)
            .where(
                self.table.c.name == name,
                self.table.c.interval == interval,
                self.table.c.i.between(first, last),
            )
            .order_by(self.table.c.i, self.table.c.r)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        answer: dict[int, Any]
        if interval == "minute":
            answer = {i * step: 0 for i in range(first, last + 1)}
            for i, _, count in rows:
                answer[i * step] = count
        else:
            answer = {i * step: {} for i in range(first, last + 1)}
            for i, r, count in rows:
                answer[i * step][r * 60] = count
        return answer

    def list(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.scalars(select(self.table.c.name).distinct().order_by(self.table.c.name)))

    def delete(self, name: str) -> int:
        with self.engine.begin() as connection:
            return int(connection.execute(delete(self.table).where(self.table.c.name == name)).rowcount > 0)

    def close(self) -> None:
        self.engine.dispose()


class PlainValues:
    """Values in arrival order, a row for each."""

    def __init__(self, engine: Engine, table_name: str = "series_values") -> None:
        self.engine = engine
        self.table = Table(
            table_name,
            MetaData(),
            Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
            *bucket_columns(),
            Column("value", Double, nullable=False),
            Index(f"{table_name}_bucket", "name", "interval", "i", "r"),
        )
        self.table.create(engine, checkfirst=True)

    def bulk_insert(self, inserts: Bulk) -> int:
        rows = []
        for timestamp, by_name in inserts.items():
            minute, hour = timestamp // 60, timestamp // 3600
            for name, values in by_name.items():
                for interval, i, r in (("minute", minute, NO_RESOLUTION), ("hour", hour, minute)):
                    rows += [
                        {"name": name, "interval": interval, "i": i, "r": r, "value": value}
                        for value in values
                    ]
        with self.engine.begin() as connection:
            connection.execute(insert(self.table), rows)
        return len(rows)

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        i = timestamp // (60 if interval == "minute" else 3600)
        table = self.table.c
        query = (
            select(table.r, table.value)
            .where(table.name == name, table.interval == interval, table.i == i)
            .order_by(table.r, table.id)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        if interval == "minute":
            return {i * 60: [value for _, value in rows]}
        answer: dict[int, list[float]] = {}
        for r, value in rows:
            answer.setdefault(r * 60, []).append(value)
        return answer

    def close(self) -> None:
        self.engine.dispose()
