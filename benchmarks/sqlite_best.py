"""SQLite as fast as we can write it by hand with the `sqlite3` module, for this workload and nothing else.

Tables are WITHOUT ROWID; the module keeps each statement prepared; a call is one statement in autocommit where it
can be (a transaction of its own, without BEGIN and COMMIT). Rows go in as many to a statement, in key order, with
what they share bound once. What makes it short is what it leaves out: any other interval, any check of a value.

Values stand one to a row, so that SQL can be written on them, as in kairos; packed into blobs they would be faster.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock, local
from typing import Any

from coalescing import added_up, appended
from workload import Bulk

MINUTE, HOUR = 0, 1

COUNTS = """
CREATE TABLE IF NOT EXISTS counts (
    name TEXT NOT NULL, interval INTEGER NOT NULL, i INTEGER NOT NULL, r INTEGER NOT NULL, count NUMERIC NOT NULL,
    PRIMARY KEY (name, interval, i, r)
) WITHOUT ROWID
"""
VALUES = """
CREATE TABLE IF NOT EXISTS buckets (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL, interval INTEGER NOT NULL, i INTEGER NOT NULL, r INTEGER NOT NULL,
    UNIQUE (name, interval, i, r)
);
CREATE TABLE IF NOT EXISTS series_values (
    bucket INTEGER NOT NULL, position INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (bucket, position)
) WITHOUT ROWID
"""
UPSERT = """
INSERT INTO counts VALUES (?1, 0, ?2, 0, ?4), (?1, 1, ?3, ?2, ?4)
ON CONFLICT DO UPDATE SET count = count + excluded.count
"""
GET_MINUTE = "SELECT count FROM counts WHERE name = ? AND interval = 0 AND i = ? AND r = 0"
GET_HOUR = "SELECT r * 60, count FROM counts WHERE name = ? AND interval = 1 AND i = ? ORDER BY r"
SERIES_MINUTE = "SELECT i * 60, count FROM counts WHERE name = ? AND interval = 0 AND i BETWEEN ? AND ?"
BUCKET = "SELECT id FROM buckets WHERE name = ? AND interval = ? AND i = ? AND r = ?"
NEW_BUCKET = "INSERT INTO buckets (name, interval, i, r) VALUES (?, ?, ?, ?)"
NEXT = "SELECT coalesce(max(position) + 1, 0) FROM series_values WHERE bucket = ?"
VALUES_MINUTE = """
SELECT value FROM series_values WHERE bucket =
    (SELECT id FROM buckets WHERE name = ? AND interval = 0 AND i = ? AND r = 0) ORDER BY position
"""
VALUES_HOUR = """
SELECT r * 60, value FROM buckets JOIN series_values ON bucket = id WHERE name = ? AND interval = 1 AND i = ?
ORDER BY r, position
"""
LIST = "SELECT json_group_array(name) FROM (SELECT DISTINCT name FROM counts ORDER BY name)"
"""One text, which costs less than 10,000 rows."""

ROWS = 500
"""At most so many rows go into one statement."""


@cache
def upsert_of(minutes: int) -> str:
    """Return the statement that adds to so many minutes of one name: ?1, then minute, hour and count of each."""
    rows = (
        f"(?1, 0, ?{k}, 0, ?{k + 2}), (?1, 1, ?{k + 1}, ?{k}, ?{k + 2})" for k in range(2, 2 + 3 * minutes, 3)
    )
    return f"INSERT INTO counts VALUES {', '.join(rows)} ON CONFLICT DO UPDATE SET count = count + excluded.count"


@cache
def append_of(values: int) -> str:
    """Return the statement that appends so many values: bucket, first position, then the values."""
    rows = (f"(?1, ?2 + {k}, ?{k + 3})" for k in range(values))
    return f"INSERT INTO series_values VALUES {', '.join(rows)}"


def connect(path: Path, synchronous: int) -> sqlite3.Connection:
    """Open a file in WAL mode and autocommit."""
    connection = sqlite3.connect(
        path, timeout=60, isolation_level=None, check_same_thread=False, cached_statements=1000
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


class Waiting:
    """An insert that its thread waits for."""

    __slots__ = ("done", "error", "row")

    def __init__(self, row: tuple[str, int, int, int]) -> None:
        self.row = row
        self.done = False
        self.error: BaseException | None = None


class BestCounts:
    """Counts, a row for each bucket; one writing connection, and one for each thread that reads."""

    def __init__(self, path: Path, synchronous: int) -> None:
        self._path, self._synchronous = path, synchronous
        self._writer = connect(path, synchronous)
        self._writer.execute(COUNTS)
        self._lock = Lock()
        self._waiting: deque[Waiting] = deque()
        self._local = local()

    def insert(self, name: str, value: int, timestamp: int) -> int:
        mine = Waiting((name, timestamp // 60, timestamp // 3600, value))
        self._waiting.append(mine)
        with self._lock:
            if not mine.done:  # else the thread that held the lock has written mine too
                self._write_waiting()
        if mine.error is not None:
            raise mine.error
        return 2

    def _write_waiting(self) -> None:
        """Write what all threads wait for, in one commit."""
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        execute = self._writer.execute
        error = None
        try:
            if len(batch) == 1:
                execute(UPSERT, batch[0].row)
            else:
                totals: dict[tuple[str, int, int], int] = {}
                for waiting in batch:
                    name, minute, hour, value = waiting.row
                    key = (name, minute, hour)
                    totals[key] = totals.get(key, 0) + value
                execute("BEGIN IMMEDIATE")
                for key in sorted(totals):
                    execute(UPSERT, (*key, totals[key]))
                execute("COMMIT")
        except BaseException as caught:  # each of the waiting calls raises it
            error = caught
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
        for waiting in batch:
            waiting.error, waiting.done = error, True

    def bulk_insert(self, inserts: Bulk) -> int:
        by_name, stored = added_up(inserts)
        with self._lock:
            execute = self._writer.execute
            execute("BEGIN IMMEDIATE")
            try:
                for name in sorted(by_name):
                    rows = sorted(by_name[name].items())
                    for k in range(0, len(rows), ROWS):
                        parameters: list[Any] = [name]
                        for minute, total in rows[k : k + ROWS]:
                            parameters += (minute, minute // 60, total)
                        execute(upsert_of(len(parameters) // 3), parameters)
            except BaseException:
                execute("ROLLBACK")
                raise
            execute("COMMIT")
        return stored

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._local.connection  # type: ignore[no-any-return]
        except AttributeError:
            self._local.connection = connect(self._path, self._synchronous)
            return self._local.connection  # type: ignore[no-any-return]

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            i = timestamp // 60
            row = self._reader().execute(GET_MINUTE, (name, i)).fetchone()
            return {i * 60: row[0] if row else 0}
        return dict(self._reader().execute(GET_HOUR, (name, timestamp // 3600)))

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        execute = self._reader().execute
        if interval == "minute":
            last = end // 60
            first = last - steps + 1
            answer: dict[int, Any] = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
            answer.update(execute(SERIES_MINUTE, (name, first, last)))
            return answer
        last = end // 3600
        hours = range(last - steps + 1, last + 1)
        execute("BEGIN")
        try:  # one snapshot; a statement for each hour lets the rows become a dict without Python code
            return {hour * 3600: dict(execute(GET_HOUR, (name, hour))) for hour in hours}
        finally:
            execute("COMMIT")

    def list(self) -> list[str]:
        names: list[str] = json.loads(self._reader().execute(LIST).fetchone()[0])
        return names

    def delete(self, name: str) -> int:
        with self._lock:
            return int(self._writer.execute("DELETE FROM counts WHERE name = ?", (name,)).rowcount > 0)

    def close(self) -> None:
        self._writer.close()


class BestValues:
    """Values in arrival order, a row for each; a bucket's long key stands once, in a table of its own."""

    def __init__(self, path: Path, synchronous: int) -> None:
        self._connection = connect(path, synchronous)
        self._connection.executescript(VALUES)

    def bulk_insert(self, inserts: Bulk) -> int:
        by_bucket, stored = appended(inserts)
        buckets = {
            key: values
            for (name, minute), values in by_bucket.items()
            for key in ((name, MINUTE, minute, 0), (name, HOUR, minute // 60, minute))
        }
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for key in sorted(buckets):
                found = execute(BUCKET, key).fetchone()
                bucket = found[0] if found else execute(NEW_BUCKET, key).lastrowid
                position = execute(NEXT, (bucket,)).fetchone()[0]
                values = buckets[key]
                for k in range(0, len(values), ROWS):
                    part = values[k : k + ROWS]
                    execute(append_of(len(part)), (bucket, position + k, *part))
        except BaseException:
            execute("ROLLBACK")
            raise
        execute("COMMIT")
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        if interval == "minute":
            i = timestamp // 60
            return {i * 60: [value for (value,) in self._connection.execute(VALUES_MINUTE, (name, i))]}
        answer: dict[int, list[float]] = {}
        for start, value in self._connection.execute(VALUES_HOUR, (name, timestamp // 3600)):
            answer.setdefault(start, []).append(value)
        return answer

    def close(self) -> None:
        self._connection.close()
