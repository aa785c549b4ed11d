"""The table that holds the data of one timeseries: its columns, what is written to it, and what rows mean."""

from __future__ import annotations

import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar
from zlib import crc32

from cassandra.query import BatchType

from kairos.kinds import KIND_BY_NAME
from kairos.storage import Buckets

from .partitions import BUCKETS, BUCKETS_OF_MANY, FLAT, ONE_BUCKET, shard_span
from .preparing import Prepared, Values, far_ahead, pack_int, pack_long
from .rounds import Request, Rows
from .timeuuids import TimeUUIDs
from .values import ColumnType

__all__ = ["DataTable", "data_table"]

PARTITION = ("name", "interval", "generation", "part", "shard")
_COMMON = {
    "name": "text",
    "interval": "text",
    "generation": "bigint",
    "part": "bigint",
    "shard": "int",
    "i": "bigint",
    "r": "bigint",
}
_HERE = " AND ".join(f"{column} = ?" for column in PARTITION)
SHARDS_BY_VALUE = 16
"""Over how many shards the values of one bucket of a set are spread, when they are many."""
_double = struct.Struct(">d").pack
_uuids = TimeUUIDs()
os.register_at_fork(after_in_child=_uuids.renew)

Place = list[bytes]
"""The partition's columns, serialized."""


def place(name: str, interval: str, generation: int, part: int, shard: int) -> Place:
    """Return the columns of a partition, serialized."""
    return [name.encode(), interval.encode(), pack_long(generation), pack_long(part), pack_int(shard)]


class DataTable(ABC):
    """What sets the table of one kind apart.

    Parameters
    ----------
    name
        The table's name, with its keyspace, as CQL.
    column
        The type of its values.
    """

    kind: str
    collects = True
    """Whether a bucket may have any number of rows, so that partitions have shards."""
    counters = False
    """Whether it is a counter table: integers only, no time to live, and nothing may be sent twice."""
    deepest: ClassVar[int | None] = None
    """The level of shards that are never full; None: there is none."""
    clustering: ClassVar[dict[str, str]] = {}
    """Columns after ``i`` and ``r`` in the primary key, and their types; None stands for the value's."""
    regular: ClassVar[dict[str, str]] = {}
    """The other columns."""

    def __init__(self, name: str, column: ColumnType) -> None:
        self.name = name
        self.column = column
        self.batch_type = BatchType.COUNTER if self.counters else BatchType.UNLOGGED
        self._write: Prepared
        self._one: Prepared
        self._range: Prepared

    @property
    def columns(self) -> dict[str, str]:
        """Column -> type."""
        own = {**self.clustering, **self.regular}
        return _COMMON | {column: self.column.cql if cql == "value" else cql for column, cql in own.items()}

    @property
    def buckets(self) -> int:
        """How many buckets one partition spans."""
        return BUCKETS_OF_MANY if self.collects else BUCKETS

    @property
    def alike(self) -> bool:
        """Whether rows of one partition are about as long as each other."""
        return "value" not in self.columns or self.column.cql in ("double", "bigint", "boolean", "inet")

    @property
    def key(self) -> dict[str, tuple[str, int]]:
        """Column -> what it is to the primary key, and where in it, as Cassandra's schema says."""
        clustering = ("i", "r", *self.clustering)
        return (
            {column: ("partition_key", at) for at, column in enumerate(PARTITION)}
            | {column: ("clustering", at) for at, column in enumerate(clustering)}
            | dict.fromkeys(self.regular, ("regular", -1))
        )

    @property
    def create(self) -> str:
        """The statement that makes the table."""
        columns = ", ".join(f"{column} {cql}" for column, cql in self.columns.items())
        key = ", ".join((f"({', '.join(PARTITION)})", "i", "r", *self.clustering))
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns}, PRIMARY KEY ({key}))"

    def prepare(
        self, prepare: Callable[[str, int], Prepared], prepare_once: Callable[[str, int], Prepared]
    ) -> None:
        """Prepare the statements."""
        self._write = (prepare_once if self.counters else prepare)(self._writing(), 1)
        self._serialize = self._value_serializer()
        self._one = prepare(self._reading("i = ?"), 0)
        self._range = prepare(self._reading("i >= ? AND i <= ?"), 0)
        if self.counters and not self.collects:  # a partition has few more rows, all of them small: one page
            self._range.statement.fetch_size = BUCKETS
        within = f"FROM {self.name} WHERE {_HERE} AND i >= ? AND i <= ?"
        self._first = prepare(f"SELECT i {within} LIMIT 1", 0)
        self._last = prepare(f"SELECT i {within} ORDER BY i DESC LIMIT 1", 0)
        ahead = "" if self.counters else " USING TIMESTAMP ?"
        self._delete = prepare(f"DELETE FROM {self.name}{ahead} WHERE {_HERE}", 1)
        self._delete_to = prepare(f"DELETE FROM {self.name} WHERE {_HERE} AND i <= ?", 1)

    def _writing(self) -> str:
        columns = [*_COMMON, *self.clustering, *self.regular]
        marks = ", ".join("?" * len(columns))
        return f"INSERT INTO {self.name} ({', '.join(columns)}) VALUES ({marks}) USING TTL ?"

    def _reading(self, buckets: str) -> str:
        columns = ", ".join(("i", "r", *self.clustering, *self.regular))
        return f"SELECT {columns} FROM {self.name} WHERE {_HERE} AND {buckets}"

    def _value_serializer(self) -> Callable[[Any], bytes]:
        meta = next((c for c in self._write.statement.column_metadata if c.name == "value"), None)
        if meta is None:
            return lambda value: b""
        cql, version, bind = meta.type, self._write.statement.protocol_version, self.column.bind
        if self.column.cql == "double":
            return _double
        if bind is None:
            return lambda value: cql.serialize(value, version)
        return lambda value: cql.serialize(bind(value), version)

    # writing

    @abstractmethod
    def rows(self, payload: Any) -> list[Values]:
        """Return the rows of a payload: the values of the columns after ``r``, serialized."""

    def shared_out(self, shard: int, rows: list[Values]) -> Iterable[tuple[int, list[Values]]]:
        """Return the rows of a bucket that go to a shard, and what to others beside it."""
        return ((shard, rows),)

    def bind(self, place: Place, i: int, r: int | None, row: Values, ttl: bytes) -> Values:
        """Return the values of a statement that writes a row."""
        return [*place, pack_long(i), pack_long(FLAT if r is None else r), *row, ttl]

    @property
    def write(self) -> Prepared:
        """The statement that writes a row."""
        return self._write

    # reading

    def read(self, place: Place, first: int, last: int) -> Request:
        """Read the rows of a range of buckets in one partition."""
        if first == last:
            return self._one.packed([*place, pack_long(first)])
        return self._range.packed([*place, pack_long(first), pack_long(last)])

    def first(self, place: Place, low: int, high: int) -> Request:
        """Read the first bucket with data from ``low`` to ``high``."""
        return self._first.packed([*place, pack_long(low), pack_long(high)])

    def last(self, place: Place, low: int, high: int) -> Request:
        """Read the last bucket with data from ``low`` to ``high``."""
        return self._last.packed([*place, pack_long(low), pack_long(high)])

    @abstractmethod
    def collect(self, answers: Sequence[Rows], flat: bool) -> Buckets:
        """Return the rows of partitions: the answers are in the order of their parts, then of their shards.

        ``flat``: the interval has no resolution. Else any number is one of a resolution bucket, :data:`FLAT` as well.
        """

    # removing

    def delete(self, place: Place, last: int | None) -> Request:
        """Remove a partition, or its buckets up to ``last``."""
        if last is None:  # it is never written to again
            return self._delete.packed(place if self.counters else [pack_long(far_ahead()), *place])
        return self._delete_to.packed([*place, pack_long(last)])


class _Counted(DataTable):
    """Counter columns."""

    counters = True
    regular: ClassVar = {"count": "counter"}

    def _writing(self) -> str:
        key = " AND ".join(f"{column} = ?" for column in (*_COMMON, *self.clustering))
        return f"UPDATE {self.name} SET count = count + ? WHERE {key}"


class CounterTable(_Counted):
    """``count`` in counter columns."""

    kind = "count"
    collects = False

    def rows(self, payload: int) -> list[Values]:
        return [[pack_long(payload)]]

    def bind(self, place: Place, i: int, r: int | None, row: Values, ttl: bytes) -> Values:
        return [*row, *place, pack_long(i), pack_long(FLAT if r is None else r)]

    def collect(self, answers: Sequence[Rows], flat: bool) -> Buckets:
        if flat:
            return {i: {None: count} for rows in answers for i, _, count in rows}
        found: Buckets = {}
        for rows in answers:
            for i, r, count in rows:
                found.setdefault(i, {})[r] = count
        return found


class HistogramCounterTable(_Counted):
    """``histogram`` in counter columns."""

    kind = "histogram"
    clustering: ClassVar = {"value": "value"}

    def rows(self, payload: dict[Any, int]) -> list[Values]:
        serialize = self._serialize
        return [[pack_long(count), serialize(value)] for value, count in payload.items()]

    def bind(self, place: Place, i: int, r: int | None, row: Values, ttl: bytes) -> Values:
        return [row[0], *place, pack_long(i), pack_long(FLAT if r is None else r), row[1]]

    def collect(self, answers: Sequence[Rows], flat: bool) -> Buckets:
        return _histograms(answers, flat, self.column.result)


class LogTable(DataTable):
    """``count`` in rows, added up by the engine: one for each increment."""

    kind = "count"
    clustering: ClassVar = {"id": "timeuuid"}
    regular: ClassVar = {"whole": "varint", "fraction": "double"}

    def rows(self, payload: float) -> list[Values]:
        (identity,) = _uuids.make(1)
        if type(payload) is int:
            return [[identity, _varint(payload), None]]
        return [[identity, None, _double(payload)]]

    def _reading(self, buckets: str) -> str:
        sums = "i, r, sum(whole), sum(fraction)"
        return f"SELECT {sums} FROM {self.name} WHERE {_HERE} AND {buckets} GROUP BY {', '.join(PARTITION)}, i, r"

    def collect(self, answers: Sequence[Rows], flat: bool) -> Buckets:
        found: dict[int, dict[int | None, list[float]]] = {}
        for rows in answers:
            for i, r, whole, fraction in rows:
                parts = found.setdefault(i, {}).setdefault(None if flat else r, [])
                parts += (whole or 0, fraction or 0.0)
        add = KIND_BY_NAME["count"].merge
        return {i: {r: add(parts) for r, parts in cells.items()} for i, cells in found.items()}


class HistogramLogTable(DataTable):
    """``histogram`` in rows, added up by the engine: one for each increment of a value."""

    kind = "histogram"
    clustering: ClassVar = {"value": "value", "id": "timeuuid"}
    regular: ClassVar = {"count": "varint"}

    def rows(self, payload: dict[Any, int]) -> list[Values]:
        serialize, ids = self._serialize, _uuids.make(len(payload))
        return [
            [serialize(value), identity, _varint(count)]
            for (value, count), identity in zip(payload.items(), ids, strict=True)
        ]

    def _reading(self, buckets: str) -> str:
        groups = f"{', '.join(PARTITION)}, i, r, value"
        return (
            f"SELECT i, r, value, sum(count) FROM {self.name} WHERE {_HERE} AND {buckets} GROUP BY {groups}"
        )

    def collect(self, answers: Sequence[Rows], flat: bool) -> Buckets:
        return _histograms(answers, flat, self.column.result)


class SeriesTable(DataTable):
    """``series``: a row for each value, in the order of arrival."""

    kind = "series"
    clustering: ClassVar = {"id": "timeuuid"}
    regular: ClassVar = {"value": "value"}

    def rows(self, payload: list[Any]) -> list[Values]:
        serialize = self._serialize
        return [
            [identity, serialize(value)]
            for identity, value in zip(_uuids.make(len(payload)), payload, strict=True)
        ]

    def collect(self, answers: Sequence[Rows], flat: bool) -> Buckets:
        found: dict[int, dict[int | None, Any]] = {}
        pieces: set[tuple[int, int | None]] = set()
        for rows in answers:
            for (i, r), cell in _cells(rows):
                here = found.setdefault(i, {})
                key = None if flat else r
                if key in here:
                    here[key] = here[key] + cell
                    pieces.add((i, key))
                else:
                    here[key] = cell
        for i, key in pieces:  # of several shards
            found[i][key].sort(key=_arrival)
        result = self.column.result
        for cells in found.values():
            for key, cell in cells.items():
                values = [row[3] for row in cell]
                cells[key] = values if result is None else list(map(result, values))
        return found


class GaugeTable(DataTable):
    """``gauge``: one row."""

    kind = "gauge"
    collects = False
    regular: ClassVar = {"value": "value"}

    def rows(self, payload: Any) -> list[Values]:
        return [[self._serialize(payload)]]

    def collect(self, answers: Sequence[Rows], flat: bool) -> Buckets:
        found: Buckets = {}
        result = self.column.result
        for rows in answers:
            for i, r, value in rows:
                found.setdefault(i, {})[None if flat else r] = value if result is None else result(value)
        return found


class SetTable(DataTable):
    """``set``: a row for each distinct value."""

    kind = "set"
    clustering: ClassVar = {"value": "value"}
    deepest = ONE_BUCKET + 1
    """Values that a bucket has already take no room: it goes on in a fixed number of shards, by value."""

    def rows(self, payload: set[Any]) -> list[Values]:
        serialize = self._serialize
        return [[serialize(value)] for value in payload]

    def shared_out(self, shard: int, rows: list[Values]) -> Iterable[tuple[int, list[Values]]]:
        if shard_span(shard)[0] <= ONE_BUCKET:
            return ((shard, rows),)
        by_value: dict[int, list[Values]] = {}
        for row in rows:
            beside = crc32(row[0]) % SHARDS_BY_VALUE * BUCKETS_OF_MANY
            by_value.setdefault(shard + beside, []).append(row)
        return by_value.items()

    def collect(self, answers: Sequence[Rows], flat: bool) -> Buckets:
        found: Buckets = {}
        result = self.column.result
        for rows in answers:
            for i, r, value in rows:
                cells = found.setdefault(i, {})
                key = None if flat else r
                if key not in cells:
                    cells[key] = set()
                cells[key].add(value if result is None else result(value))
        return found


def _cells(rows: Rows) -> Iterable[tuple[tuple[int, int], Rows]]:
    """Return the rows of each bucket; they come in order."""
    if rows and rows[0][:2] == rows[-1][:2]:
        return [(rows[0][:2], rows)]
    return [(cell, list(some)) for cell, some in groupby(rows, itemgetter(0, 1))]


def _arrival(row: tuple[Any, ...]) -> tuple[int, bytes]:
    return row[2].time, row[2].bytes


def _varint(number: int) -> bytes:
    return number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, signed=True)


def _histograms(answers: Sequence[Rows], flat: bool, result: Callable[[Any], Any] | None) -> Buckets:
    found: Buckets = {}
    for rows in answers:
        for i, r, value, count in rows:
            cells = found.setdefault(i, {})
            key = None if flat else r
            row = cells.get(key)
            if row is None:
                row = cells[key] = {}
            shown = value if result is None else result(value)
            row[shown] = row.get(shown, 0) + count
    return found


_TABLES: dict[tuple[str, str], type[DataTable]] = {
    ("count", "counter"): CounterTable,
    ("count", "log"): LogTable,
    ("histogram", "counter"): HistogramCounterTable,
    ("histogram", "log"): HistogramLogTable,
    ("series", ""): SeriesTable,
    ("gauge", ""): GaugeTable,
    ("set", ""): SetTable,
}


def data_table(kind: str, counts: str, name: str, column: ColumnType) -> DataTable:
    """Return the table of a kind, and of a way to count."""
    return _TABLES[kind, counts if kind in ("count", "histogram") else ""](name, column)
