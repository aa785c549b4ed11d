"""Cassandra as fast as we can write it by hand with cassandra-driver, for this workload and nothing else.

An insert is one counter batch within one partition: a name's. Bulks are batches of 100 rows of one partition, many
under way at once. A deleted counter comes back with its old value when it is written again, so a name has a
generation in its key; which one stands in the table of names, and in memory, since nobody else writes here.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from threading import Semaphore
from typing import Any

from cassandra.query import (
    BatchStatement,
    BatchType,
    BoundStatement,
    PreparedStatement,
    tuple_factory,
)

from cassandra_plain import FLAT, KEPT, connect
from coalescing import added_up, appended
from workload import Bulk

MINUTE, HOUR = 0, 1

COUNTS = """
CREATE TABLE {table} (name text, generation int, interval tinyint, i bigint, r bigint, count counter,
PRIMARY KEY ((name, generation), interval, i, r))
"""
VALUES = """
CREATE TABLE {table} (name text, interval tinyint, i bigint, r bigint, t timeuuid, value double,
PRIMARY KEY ((name, interval, i), r, t))
"""
NAMES = "CREATE TABLE {table}_names (name text PRIMARY KEY, generation int, live boolean)"
ROWS_A_BATCH = 100
AT_ONCE = 32
"""Requests under way."""

int8, int4, tinyint, double = (struct.Struct(form).pack for form in (">q", ">i", ">b", ">d"))


class Best:
    """What counts and values have in common."""

    def __init__(self, url: str, table: str, *tables: str) -> None:
        self.table = table
        self.session = connect(url, row_factory=tuple_factory)
        for create in tables:
            self.session.execute(create.format(table=table))

    def prepare(self, statement: str) -> PreparedStatement:
        return self.session.prepare(statement.format(table=self.table))

    def rows(self, statement: PreparedStatement, *values: bytes) -> list[Any]:
        """Return the rows of a query."""
        found: list[Any] = self.session.execute(bound(statement, values)).all()
        return found

    def together(self, statements: Iterable[Any]) -> None:
        """Execute statements, some at once; raise the first error when all have ended."""
        free = Semaphore(AT_ONCE)
        errors: list[BaseException] = []

        def failed(error: BaseException) -> None:
            errors.append(error)
            free.release()

        for statement in statements:
            free.acquire()
            self.session.execute_async(statement).add_callbacks(lambda _: free.release(), failed)
        for _ in range(AT_ONCE):
            free.acquire()
        if errors:
            raise errors[0]

    def close(self) -> None:
        self.session.cluster.shutdown()


def bound(statement: PreparedStatement, values: Iterable[bytes]) -> BoundStatement:
    """Bind values that are bytes already."""
    made = BoundStatement(statement)
    made.values = list(values)
    return made


def batches(
    kind: BatchType, statement: PreparedStatement, rows: Iterable[tuple[bytes, ...]]
) -> Iterator[BatchStatement]:
    """Pack rows of one partition."""
    rows = iter(rows)
    while some := list(islice(rows, ROWS_A_BATCH)):
        batch = BatchStatement(kind)
        for row in some:
            batch.add(bound(statement, row))
        yield batch


class BestCounts(Best):
    """Counts, a counter for each bucket."""

    def __init__(self, url: str, table: str) -> None:
        super().__init__(url, table, COUNTS, NAMES)
        key = "name = ? AND generation = ? AND interval = ?"
        self._add = self.prepare(f"UPDATE {{table}} SET count = count + ? WHERE {key} AND i = ? AND r = ?")
        self._get = self.prepare(f"SELECT r, count FROM {{table}} WHERE {key} AND i = ?")
        self._minutes = self.prepare(f"SELECT i, count FROM {{table}} WHERE {key} AND i >= ? AND i <= ?")
        self._hours = self.prepare(f"SELECT r, count FROM {{table}} WHERE {key} AND i >= ? AND i <= ?")
        self._minutes.fetch_size = self._hours.fetch_size = 20_000
        self._remove = self.prepare("DELETE FROM {table} WHERE name = ? AND generation = ?")
        self._name = self.prepare("SELECT generation, live FROM {table}_names WHERE name = ?")
        self._mark = self.prepare("UPDATE {table}_names SET generation = ?, live = ? WHERE name = ?")
        self._list = self.prepare("SELECT name, live FROM {table}_names")
        self._list.fetch_size = 20_000
        self._live: dict[str, bytes] = {}

    def _generation(self, name: str) -> bytes:
        """Return a name's generation, to be written to."""
        try:
            return self._live[name]
        except KeyError:
            self._register((name,))
            return self._live[name]

    def _register(self, names: Iterable[str]) -> None:
        new = [name for name in names if name not in self._live]
        found = {name: self._known(name) for name in new} if len(new) == 1 else self._all_known(new)
        marks = []
        for name in new:
            generation = int4(found[name])
            self._live[name] = generation
            marks.append(bound(self._mark, (generation, b"\1", name.encode())))
        self.together(marks)

    def _known(self, name: str) -> int:
        rows = self.rows(self._name, name.encode())
        return rows[0][0] if rows else 0

    def _all_known(self, names: list[str]) -> dict[str, int]:
        found = dict.fromkeys(names, 0)
        free = Semaphore(AT_ONCE)
        errors: list[BaseException] = []

        def keep(name: str) -> Callable[[list[Any]], None]:
            def kept(rows: list[Any]) -> None:
                found[name] = rows[0][0] if rows else 0
                free.release()

            return kept

        def failed(error: BaseException) -> None:
            errors.append(error)
            free.release()

        for name in names:
            free.acquire()
            self.session.execute_async(bound(self._name, (name.encode(),))).add_callbacks(keep(name), failed)
        for _ in range(AT_ONCE):
            free.acquire()
        if errors:
            raise errors[0]
        return found

    def insert(self, name: str, value: int, timestamp: int) -> int:
        batch = BatchStatement(BatchType.COUNTER)
        amount, encoded, generation, minute = (
            int8(value),
            name.encode(),
            self._generation(name),
            timestamp // 60,
        )
        key = (amount, encoded, generation)
        batch.add(bound(self._add, (*key, tinyint(MINUTE), int8(minute), int8(FLAT))))
        batch.add(bound(self._add, (*key, tinyint(HOUR), int8(minute // 60), int8(minute))))
        self.session.execute(batch)
        return 2

    def bulk_insert(self, inserts: Bulk) -> int:
        by_name, stored = added_up(inserts)
        self._register(by_name)
        flat, of_minutes, of_hours = int8(FLAT), tinyint(MINUTE), tinyint(HOUR)

        def rows(name: str) -> Iterator[tuple[bytes, ...]]:
            encoded, generation = name.encode(), self._live[name]
            for minute, total in by_name[name].items():
                amount, number = int8(total), int8(minute)
                yield (amount, encoded, generation, of_minutes, number, flat)
                yield (amount, encoded, generation, of_hours, int8(minute // 60), number)

        self.together(
            batch for name in by_name for batch in batches(BatchType.COUNTER, self._add, rows(name))
        )
        return stored

    def _read(self, name: str) -> bytes:
        return self._live[name] if name in self._live else int4(self._known(name))

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            rows = self.rows(self._get, name.encode(), self._read(name), tinyint(MINUTE), int8(minute))
            return {minute * 60: rows[0][1] if rows else 0}
        rows = self.rows(self._get, name.encode(), self._read(name), tinyint(HOUR), int8(timestamp // 3600))
        return {minute * 60: count for minute, count in rows}

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        step, of, statement = (
            (60, MINUTE, self._minutes) if interval == "minute" else (3600, HOUR, self._hours)
        )
        last = end // step
        first = last - steps + 1
        rows = self.rows(statement, name.encode(), self._read(name), tinyint(of), int8(first), int8(last))
        answer: dict[int, Any]
        if interval == "minute":
            answer = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
            for minute, count in rows:
                answer[minute * 60] = count
        else:
            answer = {start: {} for start in range(first * 3600, last * 3600 + 1, 3600)}
            for minute, count in rows:
                answer[minute // 60 * 3600][minute * 60] = count
        return answer

    def list(self) -> list[str]:
        return sorted([name for name, live in self.session.execute(self._list) if live])

    def delete(self, name: str) -> int:
        rows = self.rows(self._name, name.encode())
        if not rows or not rows[0][1]:
            return 0
        generation = rows[0][0]
        self._live.pop(name, None)
        self.session.execute(bound(self._mark, (int4(generation + 1), b"\0", name.encode())))
        self.session.execute(bound(self._remove, (name.encode(), int4(generation))))
        return 1


class BestValues(Best):
    """Values in arrival order, a row for each."""

    def __init__(self, url: str, table: str) -> None:
        super().__init__(url, table, VALUES)
        columns = "(name, interval, i, r, t, value) VALUES (?, ?, ?, ?, ?, ?)"
        self._minute = self.prepare(f"INSERT INTO {{table}} {columns} USING TTL {KEPT}")
        self._hour = self.prepare(f"INSERT INTO {{table}} {columns}")
        self._get = self.prepare("SELECT r, value FROM {table} WHERE name = ? AND interval = ? AND i = ?")
        self._get.fetch_size = 20_000

    def bulk_insert(self, inserts: Bulk) -> int:
        by_bucket, stored = appended(inserts)

        def all_batches() -> Iterator[BatchStatement]:
            for (name, minute), values in by_bucket.items():
                pairs = list(zip(times(len(values)), map(double, values), strict=True))
                key = (name.encode(), tinyint(MINUTE), int8(minute), int8(FLAT))
                yield from batches(BatchType.UNLOGGED, self._minute, ((*key, *pair) for pair in pairs))
                key = (name.encode(), tinyint(HOUR), int8(minute // 60), int8(minute))
                yield from batches(BatchType.UNLOGGED, self._hour, ((*key, *pair) for pair in pairs))

        self.together(all_batches())
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        if interval == "minute":
            minute = timestamp // 60
            rows = self.rows(self._get, name.encode(), tinyint(MINUTE), int8(minute))
            return {minute * 60: [value for _, value in rows]}
        answer: dict[int, list[float]] = {}
        for minute, value in self.rows(self._get, name.encode(), tinyint(HOUR), int8(timestamp // 3600)):
            answer.setdefault(minute * 60, []).append(value)
        return answer


def times(n: int) -> Iterator[bytes]:
    """Return ascending timeuuids of now as bytes; one process makes them, so the clock's sequence tells nothing."""
    first = time.time_ns() // 100 + 0x01B21DD213814000
    for ticks in range(first, first + n):
        low, middle, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 | 0x1000
        yield struct.pack(">IHHQ", low, middle, high, 0x8080_0000_0000_0001)
