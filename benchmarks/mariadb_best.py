"""MariaDB as fast as we can write it by hand with mysqlclient, for this workload and nothing else.

Statements are text, sent with the connection's own `query` in autocommit, a connection for each thread; names are
VARBINARY, intervals numbers. A bulk is one multi-row upsert, in key order.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import local
from typing import Any

import MySQLdb  # type: ignore[import-untyped]

from coalescing import added_up, appended
from workload import Bulk

COUNTS = """
CREATE TABLE IF NOT EXISTS {table} (
    name VARBINARY(255) NOT NULL, `interval` TINYINT NOT NULL, i BIGINT NOT NULL, r BIGINT NOT NULL,
    count BIGINT NOT NULL, PRIMARY KEY (name, `interval`, i, r)
) ENGINE = InnoDB
"""
BUCKETS = """
CREATE TABLE IF NOT EXISTS {table}_buckets (
    id BIGINT AUTO_INCREMENT PRIMARY KEY, length BIGINT NOT NULL,
    name VARBINARY(255) NOT NULL, `interval` TINYINT NOT NULL, i BIGINT NOT NULL, r BIGINT NOT NULL,
    UNIQUE (name, `interval`, i, r)
) ENGINE = InnoDB
"""
VALUES = """
CREATE TABLE IF NOT EXISTS {table} (
    bucket BIGINT NOT NULL, position BIGINT NOT NULL, value DOUBLE NOT NULL, PRIMARY KEY (bucket, position)
) ENGINE = InnoDB
"""


class Best:
    """What counts and values have in common: a connection for each thread."""

    def __init__(self, options: dict[str, Any], table: str, *tables: str) -> None:
        self._options = options
        self.table = table.encode()
        self._local = local()
        for statement in tables:
            self.execute(statement.format(table=table).encode())

    def connection(self) -> Any:
        """Return the thread's connection."""
        try:
            return self._local.connection
        except AttributeError:
            self._local.connection = MySQLdb.connect(**self._options, autocommit=True, charset="utf8mb4")
            return self._local.connection

    def execute(self, statement: bytes) -> None:
        """Run a statement that returns no rows."""
        self.connection().query(statement)

    def rows(self, statement: bytes) -> tuple[tuple[Any, ...], ...]:
        """Return a statement's rows."""
        connection = self.connection()
        connection.query(statement)
        found: tuple[tuple[Any, ...], ...] = connection.store_result().fetch_row(0)
        return found

    def quoted(self, name: str) -> bytes:
        """Return a name as SQL text."""
        quoted: bytes = self.connection().literal(name.encode())
        return quoted.removeprefix(b"_binary")

    def close(self) -> None:
        self.connection().close()


class BestCounts(Best):
    """Counts, a row for each bucket."""

    def __init__(self, options: dict[str, Any], table: str) -> None:
        super().__init__(options, table, COUNTS)

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, quoted = timestamp // 60, self.quoted(name)
        self._upsert(((quoted, minute, value),))
        return 2

    def _upsert(self, increments: Iterable[tuple[bytes, int, int]]) -> None:
        rows = [
            b"(%b,0,%d,0,%d),(%b,1,%d,%d,%d)" % (name, minute, total, name, minute // 60, minute, total)
            for name, minute, total in increments
        ]
        self.execute(
            b"INSERT INTO %b VALUES %b ON DUPLICATE KEY UPDATE count=count+VALUES(count)"
            % (self.table, b",".join(rows))
        )

    def bulk_insert(self, inserts: Bulk) -> int:
        by_name, stored = added_up(inserts)
        self._upsert(
            (quoted, minute, totals[minute])
            for name, totals in sorted(by_name.items())
            for quoted in (self.quoted(name),)
            for minute in sorted(totals)
        )
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            found = self.rows(
                b"SELECT count FROM %b WHERE name=%b AND `interval`=0 AND i=%d AND r=0"
                % (self.table, self.quoted(name), minute)
            )
            return {minute * 60: found[0][0] if found else 0}
        return dict(
            self.rows(
                b"SELECT r*60,count FROM %b WHERE name=%b AND `interval`=1 AND i=%d ORDER BY r"
                % (self.table, self.quoted(name), timestamp // 3600)
            )
        )

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        answer: dict[int, Any]
        if interval == "minute":
            last = end // 60
            first = last - steps + 1
            answer = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
            answer.update(
                self.rows(
                    b"SELECT i*60,count FROM %b WHERE name=%b AND `interval`=0 AND i BETWEEN %d AND %d"
                    % (self.table, self.quoted(name), first, last)
                )
            )
            return answer
        last = end // 3600
        first = last - steps + 1
        answer = {start: {} for start in range(first * 3600, last * 3600 + 1, 3600)}
        for hour, minute, count in self.rows(
            b"SELECT i*3600,r*60,count FROM %b WHERE name=%b AND `interval`=1 AND i BETWEEN %d AND %d ORDER BY i,r"
            % (self.table, self.quoted(name), first, last)
        ):
            answer[hour][minute] = count
        return answer

    def list(self) -> list[str]:
        return [
            name.decode() for (name,) in self.rows(b"SELECT DISTINCT name FROM %b ORDER BY name" % self.table)
        ]

    def delete(self, name: str) -> int:
        self.execute(b"DELETE FROM %b WHERE name=%b" % (self.table, self.quoted(name)))
        return int(self.connection().affected_rows() > 0)


class BestValues(Best):
    """Values in arrival order, a row for each; a bucket's long key and its length stand once, in a table of its own."""

    def __init__(self, options: dict[str, Any], table: str) -> None:
        super().__init__(options, table, BUCKETS, VALUES)

    def bulk_insert(self, inserts: Bulk) -> int:
        by_bucket, stored = appended(inserts)
        self.execute(b"BEGIN")
        try:
            for (name, minute), values in sorted(by_bucket.items()):
                n, quoted = len(values), self.quoted(name)
                buckets = self.rows(
                    b"INSERT INTO %b_buckets (length, name, `interval`, i, r) VALUES (%d,%b,0,%d,0),(%d,%b,1,%d,%d)"
                    b" ON DUPLICATE KEY UPDATE length=length+VALUES(length) RETURNING id, length"
                    % (self.table, n, quoted, minute, n, quoted, minute // 60, minute)
                )
                texts = [repr(value).encode() for value in values]
                rows = [
                    b"(%d,%d,%b)" % (bucket, position, text)
                    for bucket, length in buckets
                    for position, text in enumerate(texts, length - n)
                ]
                self.execute(b"INSERT INTO %b VALUES %b" % (self.table, b",".join(rows)))
        except BaseException:
            self.execute(b"ROLLBACK")
            raise
        self.execute(b"COMMIT")
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        if interval == "minute":
            minute = timestamp // 60
            found = self.rows(
                b"SELECT value FROM %b WHERE bucket="
                b"(SELECT id FROM %b_buckets WHERE name=%b AND `interval`=0 AND i=%d AND r=0) ORDER BY position"
                % (self.table, self.table, self.quoted(name), minute)
            )
            return {minute * 60: [value for (value,) in found]}
        answer: dict[int, list[float]] = {}
        for start, value in self.rows(
            b"SELECT r*60,value FROM %b_buckets JOIN %b ON bucket=id"
            b" WHERE name=%b AND `interval`=1 AND i=%d ORDER BY r,position"
            % (self.table, self.table, self.quoted(name), timestamp // 3600)
        ):
            answer.setdefault(start, []).append(value)
        return answer
