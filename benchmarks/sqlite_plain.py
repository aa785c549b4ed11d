"""SQLite as a competent developer writes it: SQLAlchemy Core, one upsert statement, one transaction a call."""

from __future__ import annotations

from pathlib import Path
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
    create_engine,
    delete,
    event,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from workload import Bulk

metadata = MetaData()

counts = Table(
    "counts",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("interval", String(255), primary_key=True),
    Column("i", BigInteger, primary_key=True),
    Column("r", BigInteger, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

series_values = Table(
    "series_values",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("interval", String(255), nullable=False),
    Column("i", BigInteger, nullable=False),
    Column("r", BigInteger, nullable=False),
    Column("value", Double, nullable=False),
    Index("series_values_bucket", "name", "interval", "i", "r"),
)

NO_RESOLUTION = 0

upsert = insert(counts)
upsert = upsert.on_conflict_do_update(
    index_elements=counts.primary_key.columns, set_={"count": counts.c.count + upsert.excluded.count}
)


def open_engine(path: Path, synchronous: int) -> Engine:
    """Open a file in WAL mode."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    metadata.create_all(engine)
    return engine


class PlainCounts:
    """Counts, a row for each bucket."""

    def __init__(self, path: Path, synchronous: int) -> None:
        self.engine = open_engine(path, synchronous)

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, hour = timestamp // 60, timestamp // 3600
        rows = [
            {"name": name, "interval": "minute", "i": minute, "r": NO_RESOLUTION, "count": value},
            {"name": name, "interval": "hour", "i": hour, "r": minute, "count": value},
        ]
        with self.engine.begin() as connection:
            connection.execute(upsert, rows)
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
            connection.execute(upsert, rows)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        i = timestamp // (60 if interval == "minute" else 3600)
        query = (
            select(counts.c.r, counts.c.count)
            .where(counts.c.name == name, counts.c.interval == interval, counts.c.i == i)
            .order_by(counts.c.r)
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
            select(counts.c.i, counts.c.r, counts.c.count)
            .where(counts.c.name == name, counts.c.interval == interval, counts.c.i.between(first, last))
            .order_by(counts.c.i, counts.c.r)
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
            return list(connection.scalars(select(counts.c.name).distinct().order_by(counts.c.name)))

    def delete(self, name: str) -> int:
        with self.engine.begin() as connection:
            return int(connection.execute(delete(counts).where(counts.c.name == name)).rowcount > 0)

    def close(self) -> None:
        self.engine.dispose()


class PlainValues:
    """Values in arrival order, a row for each."""

    def __init__(self, path: Path, synchronous: int) -> None:
        self.engine = open_engine(path, synchronous)

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
            connection.execute(insert(series_values), rows)
        return len(rows)

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        i = timestamp // (60 if interval == "minute" else 3600)
        table = series_values.c
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
