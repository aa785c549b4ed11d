"""PostgreSQL as fast as we can write it by hand with psycopg, for this workload and nothing else.

Prepared statements in autocommit, a connection for each thread, numbers in place of intervals' names. A bulk is one
upsert of arrays, in one order so that two of them never wait for each other crosswise.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import local
from typing import Any

import psycopg
from psycopg import pq

from coalescing import added_up, appended
from workload import Bulk

COUNTS = """
CREATE TABLE IF NOT EXISTS {table} (
    name text NOT NULL, interval smallint NOT NULL, i bigint NOT NULL, r bigint NOT NULL, count bigint NOT NULL,
    PRIMARY KEY (name, interval, i, r)
)
"""
BUCKETS = """
CREATE TABLE IF NOT EXISTS {table}_buckets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, length bigint NOT NULL,
    name text NOT NULL, interval smallint NOT NULL, i bigint NOT NULL, r bigint NOT NULL,
    UNIQUE (name, interval, i, r)
)
"""
VALUES = """
CREATE TABLE IF NOT EXISTS {table} (
    bucket bigint NOT NULL, position bigint NOT NULL, value double precision NOT NULL, PRIMARY KEY (bucket, position)
)
"""
ADDING = "ON CONFLICT (name, interval, i, r) DO UPDATE SET count = {table}.count + excluded.count"
UPSERT = f"INSERT INTO {{table}} VALUES (%s, 0, %s, 0, %s), (%s, 1, %s, %s, %s) {ADDING}"
UPSERT_MANY = f"""
INSERT INTO {{table}}
SELECT name, interval, CASE interval WHEN 0 THEN minute ELSE minute / 60 END, minute * interval, total
FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS increments (name, minute, total)
CROSS JOIN (VALUES (0), (1)) AS intervals (interval)
{ADDING}
"""
GET_MINUTE = "SELECT count FROM {table} WHERE name = %s AND interval = 0 AND i = %s AND r = 0"
GET_HOUR = "SELECT r * 60, count FROM {table} WHERE name = %s AND interval = 1 AND i = %s ORDER BY r"
SERIES_MINUTE = """
SELECT array_agg(i * 60), array_agg(count) FROM {table} WHERE name = %s AND interval = 0 AND i BETWEEN %s AND %s
"""
SERIES_HOUR = """
SELECT i * 3600, r * 60, count FROM {table} WHERE name = %s AND interval = 1 AND i BETWEEN %s AND %s ORDER BY i, r
"""
LIST = "SELECT json_agg(name) FROM (SELECT DISTINCT name FROM {table}) AS names"
DELETE = "DELETE FROM {table} WHERE name = %s"
APPEND = """
WITH bucket AS (
    INSERT INTO {table}_buckets (length, name, interval, i, r) VALUES (%s, %s, 0, %s, 0), (%s, %s, 1, %s, %s)
    ON CONFLICT (name, interval, i, r) DO UPDATE SET length = {table}_buckets.length + excluded.length
    RETURNING id, length
)
INSERT INTO {table}
SELECT id, length + position, value FROM bucket
CROSS JOIN unnest(%s::double precision[]) WITH ORDINALITY AS fresh (value, position)
"""
VALUES_MINUTE = """
SELECT array_agg(value ORDER BY position) FROM {table}
WHERE bucket = (SELECT id FROM {table}_buckets WHERE name = %s AND interval = 0 AND i = %s AND r = 0)
"""
VALUES_HOUR = """
SELECT r * 60, array_agg(value ORDER BY position) FROM {table}_buckets JOIN {table} ON bucket = id
WHERE name = %s AND interval = 1 AND i = %s GROUP BY r ORDER BY r
"""


def array(texts: Any) -> str:
    """Return an array's text."""
    return f"{{{','.join(texts)}}}"


def quoted(name: str) -> str:
    """Return an array's element."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Best:
    """What counts and values have in common: a connection for each thread."""

    def __init__(self, conninfo: str, table: str, *tables: str) -> None:
        self._conninfo = conninfo
        self.table = table
        self._local = local()
        for statement in tables:
            self.connection().execute(statement.format(table=table))

    def connection(self) -> psycopg.Connection:
        """Return the thread's connection."""
        try:
            return self._local.connection  # type: ignore[no-any-return]
        except AttributeError:
            self._local.connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=0)
            self._local.cursor = self._local.connection.cursor(binary=True)
            return self._local.connection  # type: ignore[no-any-return]

    def execute(self, statement: str, parameters: tuple[Any, ...]) -> psycopg.Cursor:
        """Run a prepared statement."""
        try:
            cursor = self._local.cursor
        except AttributeError:
            self.connection()
            cursor = self._local.cursor
        return cursor.execute(statement, parameters)  # type: ignore[no-any-return]

    def prepared(self, statement: str) -> str:
        return statement.format(table=self.table)

    def close(self) -> None:
        self.connection().close()


class BestCounts(Best):
    """Counts, a row for each bucket."""

    def __init__(self, conninfo: str, table: str) -> None:
        super().__init__(conninfo, table, COUNTS)
        texts = (UPSERT, UPSERT_MANY, GET_MINUTE, GET_HOUR, SERIES_MINUTE, SERIES_HOUR, LIST, DELETE)
        (
            self._upsert,
            self._upsert_many,
            self._get_minute,
            self._get_hour,
            self._series_minute,
            self._series_hour,
            self._list,
            self._delete,
        ) = map(self.prepared, texts)

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, hour = timestamp // 60, timestamp // 3600
        self.execute(self._upsert, (name, minute, value, name, hour, minute, value))
        return 2

    def bulk_insert(self, inserts: Bulk) -> int:
        by_name, stored = added_up(inserts)
        names: list[str] = []
        minutes: list[int] = []
        counts: list[int] = []
        for name in sorted(by_name):
            totals = by_name[name]
            names += [quoted(name)] * len(totals)
            for minute in sorted(totals):
                minutes.append(minute)
                counts.append(totals[minute])
        self.execute(self._upsert_many, (array(names), array(map(str, minutes)), array(map(str, counts))))
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            row = self.execute(self._get_minute, (name, minute)).fetchone()
            return {minute * 60: row[0] if row else 0}
        return dict(self.execute(self._get_hour, (name, timestamp // 3600)).fetchall())

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        answer: dict[int, Any]
        if interval == "minute":
            last = end // 60
            first = last - steps + 1
            answer = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
            starts, counts = self.execute(self._series_minute, (name, first, last)).fetchone() or (None, None)
            answer.update(zip(starts or (), counts or (), strict=True))
            return answer
        last = end // 3600
        first = last - steps + 1
        answer = {start: {} for start in range(first * 3600, last * 3600 + 1, 3600)}
        for hour, minute, count in self.execute(self._series_hour, (name, first, last)).fetchall():
            answer[hour][minute] = count
        return answer

    def list(self) -> list[str]:
        (names,) = self.execute(self._list, ()).fetchone() or (None,)
        return sorted(names or ())

    def delete(self, name: str) -> int:
        return int(self.execute(self._delete, (name,)).rowcount > 0)


class WireCounts(BestCounts):
    """The same beneath the cursor: psycopg's wrapper of libpq, parameters and answers as bytes."""

    def _prepared(self) -> pq.abc.PGconn:
        try:
            return self._local.wire  # type: ignore[no-any-return]
        except AttributeError:
            wire = self._local.wire = self.connection().pgconn
            upsert = f"INSERT INTO {{table}} VALUES ($1, 0, $2, 0, $4), ($1, 1, $3, $2, $4) {ADDING}"
            get = "SELECT count FROM {table} WHERE name = $1 AND interval = 0 AND i = $2 AND r = 0"
            for key, statement in ((b"upsert", upsert), (b"get", get)):
                checked(wire.prepare(key, self.prepared(statement).encode()))
            return wire

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, hour = timestamp // 60, timestamp // 3600
        parameters = [name.encode(), b"%d" % minute, b"%d" % hour, b"%d" % value]
        checked(self._prepared().exec_prepared(b"upsert", parameters))
        return 2

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval != "minute":
            return super().get(name, interval, timestamp=timestamp)
        minute = timestamp // 60
        found = checked(self._prepared().exec_prepared(b"get", [name.encode(), b"%d" % minute]))
        return {minute * 60: int(found.get_value(0, 0) or 0) if found.ntuples else 0}


def checked(result: pq.abc.PGresult) -> pq.abc.PGresult:
    """Return what libpq answered, or raise what it says."""
    if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
        raise RuntimeError(result.get_error_message())
    return result


class BestValues(Best):
    """Values in arrival order, a row for each; a bucket's long key and its length stand once, in a table of its own."""

    def __init__(self, conninfo: str, table: str) -> None:
        super().__init__(conninfo, table, BUCKETS, VALUES)
        self._append, self._minute, self._hour = map(self.prepared, (APPEND, VALUES_MINUTE, VALUES_HOUR))

    def bulk_insert(self, inserts: Bulk) -> int:
        by_bucket, stored = appended(inserts)
        append: Callable[..., Any] = self.execute
        if len(by_bucket) > 1:  # whole or not at all
            with self.connection().transaction():
                for (name, minute), values in sorted(by_bucket.items()):
                    append(self._append, self._parameters(name, minute, values))
        else:
            for (name, minute), values in by_bucket.items():
                append(self._append, self._parameters(name, minute, values))
        return stored

    def _parameters(self, name: str, minute: int, values: list[float]) -> tuple[Any, ...]:
        n, text = len(values), array(map(repr, values))
        return (n, name, minute, n, name, minute // 60, minute, text)

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        if interval == "minute":
            minute = timestamp // 60
            (values,) = self.execute(self._minute, (name, minute)).fetchone() or (None,)
            return {minute * 60: values or []}
        return dict(self.execute(self._hour, (name, timestamp // 3600)).fetchall())
