"""Cassandra as a competent developer writes it: prepared statements, one a bucket, bulks with the driver's helper."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid1

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import DCAwareRoundRobinPolicy, FallthroughRetryPolicy
from cassandra.query import PreparedStatement

from workload import INTERVALS, Bulk

KEPT = INTERVALS["minute"]["step"] * INTERVALS["minute"]["steps"]
FLAT = 0
"""The resolution bucket of a minute, which has none."""

COUNTS = """
CREATE TABLE {table} (name text, interval text, i bigint, r bigint, count counter,
PRIMARY KEY ((name, interval), i, r))
"""
VALUES = """
CREATE TABLE {table} (name text, interval text, i bigint, r bigint, t timeuuid, value double,
PRIMARY KEY ((name, interval), i, r, t))
"""


def connect(url: str, **profile: Any) -> Session:
    """Return a session in the URL's keyspace; a counter must not be sent again by the driver."""
    at = urlsplit(url)
    execution = ExecutionProfile(
        load_balancing_policy=DCAwareRoundRobinPolicy(local_dc="datacenter1"),
        retry_policy=FallthroughRetryPolicy(),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        request_timeout=60,
        **profile,
    )
    cluster = Cluster([at.hostname], port=at.port, execution_profiles={EXEC_PROFILE_DEFAULT: execution})
    return cluster.connect(at.path.lstrip("/"))


def rows_of(name: str, timestamp: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the keys of the two buckets of a timestamp."""
    minute, hour = timestamp // 60, timestamp // 3600
    return (
        (name, "minute", minute, FLAT),
        (name, "hour", hour, minute),
    )


class Plain:
    """What counts and values have in common."""

    def __init__(self, url: str, table: str, create: str) -> None:
        self.table = table
        self.session = connect(url)
        self.session.execute(create.format(table=table))

    def prepare(self, statement: str) -> PreparedStatement:
        return self.session.prepare(statement.format(table=self.table))

    def close(self) -> None:
        self.session.cluster.shutdown()


class PlainCounts(Plain):
    """Counts, a counter for each bucket."""

    def __init__(self, url: str, table: str) -> None:
        super().__init__(url, table, COUNTS)
        partition = "name = ? AND interval = ?"
        self._add = self.prepare(
            f"UPDATE {{table}} SET count = count + ? WHERE {partition} AND i = ? AND r = ?"
        )
        self._get = self.prepare(f"SELECT r, count FROM {{table}} WHERE {partition} AND i = ?")
        self._range = self.prepare(
            f"SELECT i, r, count FROM {{table}} WHERE {partition} AND i >= ? AND i <= ?"
        )
        self._some = self.prepare(f"SELECT i FROM {{table}} WHERE {partition} LIMIT 1")
        self._list = self.prepare("SELECT DISTINCT name, interval FROM {table}")
        self._remove = self.prepare(f"DELETE FROM {{table}} WHERE {partition}")

    def insert(self, name: str, value: int, timestamp: int) -> int:
        for key in rows_of(name, timestamp):
            self.session.execute(self._add, (value, *key))
        return 2

    def bulk_insert(self, inserts: Bulk) -> int:
        totals: dict[tuple[Any, ...], int] = {}
        stored = 0
        for timestamp, by_name in inserts.items():
            for name, values in by_name.items():
                for key in rows_of(name, timestamp):
                    totals[key] = totals.get(key, 0) + sum(values)
                stored += 2 * len(values)
        execute_concurrent_with_args(
            self.session, self._add, [(total, *key) for key, total in totals.items()]
        )
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        i = timestamp // (60 if interval == "minute" else 3600)
        rows = self.session.execute(self._get, (name, interval, i)).all()
        if interval == "minute":
            return {i * 60: rows[0].count if rows else 0}
        return {row.r * 60: row.count for row in rows}

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        step = 60 if interval == "minute" else 3600
        last = end // step
        first = last - steps + 1
        rows = self.session.execute(self._range, (name, interval, first, last))
        answer: dict[int, Any]
        if interval == "minute":
            answer = {i * step: 0 for i in range(first, last + 1)}
            for row in rows:
                answer[row.i * step] = row.count
        else:
            answer = {i * step: {} for i in range(first, last + 1)}
            for row in rows:
                answer[row.i * step][row.r * 60] = row.count
        return answer

    def list(self) -> list[str]:
        return sorted({row.name for row in self.session.execute(self._list)})

    def delete(self, name: str) -> int:
        found = 0
        for interval in ("minute", "hour"):
            if self.session.execute(self._some, (name, interval)).one():
                found = 1
                self.session.execute(self._remove, (name, interval))
        return found


class PlainValues(Plain):
    """Values in arrival order, a row for each."""

    def __init__(self, url: str, table: str) -> None:
        super().__init__(url, table, VALUES)
        columns = "(name, interval, i, r, t, value) VALUES (?, ?, ?, ?, ?, ?)"
        self._minute = self.prepare(f"INSERT INTO {{table}} {columns} USING TTL {KEPT}")
        self._hour = self.prepare(f"INSERT INTO {{table}} {columns}")
        partition = "name = ? AND interval = ?"
        self._get = self.prepare(f"SELECT r, value FROM {{table}} WHERE {partition} AND i = ?")

    def bulk_insert(self, inserts: Bulk) -> int:
        minutes, hours = [], []
        for timestamp, by_name in inserts.items():
            for name, values in by_name.items():
                minute, hour = rows_of(name, timestamp)
                minutes += [(*minute, uuid1(), value) for value in values]
                hours += [(*hour, uuid1(), value) for value in values]
        execute_concurrent_with_args(self.session, self._minute, minutes)
        execute_concurrent_with_args(self.session, self._hour, hours)
        return len(minutes) + len(hours)

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        i = timestamp // (60 if interval == "minute" else 3600)
        rows = self.session.execute(self._get, (name, interval, i))
        if interval == "minute":
            return {i * 60: [row.value for row in rows]}
        answer: dict[int, list[float]] = {}
        for row in rows:
            answer.setdefault(row.r * 60, []).append(row.value)
        return answer
