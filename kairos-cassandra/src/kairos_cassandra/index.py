"""The tables beside the data: which names, which partitions, which cuts, which layouts. One set for a keyspace.

All timeseries of a keyspace share them; ``table_name`` keeps them apart. See ``docs/cassandra.md``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from zlib import crc32

from attrs import Factory, define, frozen
from cassandra.query import BatchType

from .partitions import Cut, Cuts, needed
from .preparing import Prepared, batch, batches, far_ahead
from .rounds import Request, Rows

__all__ = ["GRACE", "TABLES", "Entry", "Group", "Index", "Part", "Records", "Steps", "cuts_by_interval"]

NAME_SHARDS = 16
"""In how many partitions the names of one group are kept."""

DOUBTFUL = -1
"""The shard of names that had no data left when they were expired: a look at the data decides."""

_NAMES_A_PAGE = 10_000

_GROUP = "\0"
"""What marks a group among the layouts: no interval's name has it."""

_STEPS = "\0\0"
"""What marks the ``steps`` of a handle there."""

_DOUBT = 7 * 86_400
"""How long a name stays doubtful, in seconds: longer than any write is on its way."""

GRACE = {"kairos_cuts": 10_800}
"""Table -> how long its tombstones are kept, where it is shorter than usual, in seconds.

A cut is only removed when a later one says more: it would mean nothing if it came back. What is read beside every
write should not go over tombstones of ten days.
"""

TABLES = {
    "kairos_names": (
        "table_name text, intervals text, shard int, name text, generation bigint, until bigint, "
        "PRIMARY KEY ((table_name, intervals, shard), name, generation, until)"
    ),
    "kairos_parts": (
        "table_name text, name text, interval text, part bigint, generation bigint, shard int, until bigint, "
        "PRIMARY KEY ((table_name, name), interval, part, generation, shard, until)"
    ),
    "kairos_cuts": (
        "table_name text, name text, interval text, generation bigint, high bigint, "
        "PRIMARY KEY ((table_name, name), interval, generation, high)"
    ),
    "kairos_layouts": ("table_name text, interval text, layout text, PRIMARY KEY ((table_name), interval)"),
}
"""Table -> its columns."""


@frozen
class Part:
    """A partition of the data, as the index knows it."""

    interval: str
    part: int
    generation: int
    shard: int
    until: int = 0


@frozen
class Group:
    """The intervals of a timeseries, as JSON: names are listed under all of them together.

    An insert goes to all intervals at once, so that one entry says what as many entries would.
    """

    text: str

    @classmethod
    def of(cls, intervals: Iterable[str]) -> Group:
        """Return the group of some intervals."""
        return cls(json.dumps(sorted(intervals), ensure_ascii=False))

    @property
    def intervals(self) -> frozenset[str]:
        """The intervals."""
        return frozenset(json.loads(self.text))

    def generation(self, cuts: Mapping[str, Cuts]) -> int:
        """Return a number that grows with every cut of a name in these intervals."""
        return sum(
            max((cut.generation for cut in cuts[interval]), default=0)
            for interval in cuts.keys() & self.intervals
        )


Steps = dict[str, int]
"""Interval -> how many buckets a handle keeps; 0: all."""


@frozen
class Records:
    """What is recorded of a timeseries as a whole.

    Attributes
    ----------
    layouts
        Interval -> its layout.
    groups
        The groups under which names are listed.
    steps
        Of the handles that have written.
    """

    layouts: dict[str, str]
    groups: list[Group]
    steps: list[Steps]

    @classmethod
    def of(cls, rows: Rows) -> Records:
        """Return what the answer to :meth:`Index.layouts` says."""
        records = cls({}, [], [])
        for key, text in rows:
            if key.startswith(_STEPS):
                records.steps.append(json.loads(text))
            elif key.startswith(_GROUP):
                records.groups.append(Group(key.removeprefix(_GROUP)))
            else:
                records.layouts[key] = text
        return records


@define
class Entry:
    """What the index is to know of one name.

    Attributes
    ----------
    generation
        Of the group, by the name's cuts.
    parts
        Partitions, and the times to live of their entries; 0: for ever.
    """

    generation: int
    parts: list[tuple[Part, int]] = Factory(list)


class Index:
    """Statements on the index tables of one timeseries.

    Parameters
    ----------
    prepare
        Prepares a statement that writes so many rows.
    keyspace, table_name
        Where the timeseries is.
    intervals
        Its intervals.
    """

    def __init__(
        self,
        prepare: Callable[[str, int], Prepared],
        keyspace: str,
        table_name: str,
        intervals: Iterable[str],
    ) -> None:
        self._table = table_name
        self.group = Group.of(intervals)
        names, parts, cuts, layouts = (f'"{keyspace}".{table}' for table in TABLES)
        mine = "table_name = ? AND name = ?"
        self._cuts = prepare(f"SELECT interval, generation, high FROM {cuts} WHERE {mine}", 0)
        self._add_cut = prepare(
            f"INSERT INTO {cuts} (table_name, name, interval, generation, high) VALUES (?, ?, ?, ?, ?)", 1
        )
        self._drop_cut = prepare(
            f"DELETE FROM {cuts} WHERE {mine} AND interval = ? AND generation = ? AND high = ?", 1
        )
        columns = "interval, part, generation, shard, until"
        self._every_part = prepare(f"SELECT {columns} FROM {parts} WHERE {mine}", 0)
        self._parts = prepare(f"SELECT {columns} FROM {parts} WHERE {mine} AND interval = ?", 0)
        self._parts_between = prepare(
            f"SELECT {columns} FROM {parts} WHERE {mine} AND interval = ? AND part >= ? AND part <= ?", 0
        )
        self._add_part = prepare(
            f"INSERT INTO {parts} (table_name, name, {columns}) VALUES (?, ?, ?, ?, ?, ?, ?) USING TTL ?", 1
        )
        self._drop_part = prepare(
            f"DELETE FROM {parts} USING TIMESTAMP ? WHERE {mine} "
            "AND interval = ? AND part = ? AND generation = ? AND shard = ? AND until = ?",
            1,
        )
        here = "table_name = ? AND intervals = ? AND shard = ?"
        self._named = prepare(f"SELECT generation FROM {names} WHERE {here} AND name = ?", 0)
        self._doubtful = prepare(f"SELECT name FROM {names} WHERE {here}", 0)
        every = ", ".join(map(str, range(NAME_SHARDS)))
        sure = f"table_name = ? AND intervals = ? AND shard IN ({every})"
        self._names = prepare(f"SELECT name FROM {names} WHERE {sure}", 0)
        self._names.statement.fetch_size = _NAMES_A_PAGE
        self._add_name = prepare(
            f"INSERT INTO {names} (table_name, intervals, shard, name, generation, until) "
            "VALUES (?, ?, ?, ?, ?, ?) USING TTL ?",
            1,
        )
        self._drop_name = prepare(
            f"DELETE FROM {names} USING TIMESTAMP ? WHERE {here} AND name = ? AND generation < ?", 1
        )
        self._layouts = prepare(f"SELECT interval, layout FROM {layouts} WHERE table_name = ?", 0)
        self._record = prepare(
            f"INSERT INTO {layouts} (table_name, interval, layout) VALUES (?, ?, ?) IF NOT EXISTS", 1
        )
        self._forget = prepare(f"DELETE FROM {layouts} WHERE table_name = ? AND interval = ? IF EXISTS", 1)

    # cuts

    def cuts(self, name: str) -> Request:
        """Read the cuts of a name; :func:`cuts_by_interval` understands the answer."""
        return self._cuts(self._table, name)

    def add_cuts(self, name: str, cuts: Mapping[str, Cut]) -> Request:
        """Write a cut of each interval, all at once: who looks sees all of them or none.

        Else a write that goes by half of a delete would be on both sides of it: before it in one interval, after it in
        another.
        """
        bind = self._add_cut.statement.bind
        rows = [
            bind((self._table, name, interval, cut.generation, cut.high)).values
            for interval, cut in cuts.items()
        ]
        return batch(BatchType.UNLOGGED, self._add_cut, rows)

    def drop_cut(self, name: str, interval: str, cut: Cut) -> Request:
        """Remove a cut that later ones have made needless."""
        return self._drop_cut(self._table, name, interval, cut.generation, cut.high)

    # partitions

    def parts(self, name: str, interval: str, between: range) -> Request:
        """Read which partitions a name has of an interval; :meth:`parts_found` understands the answer."""
        return self._parts_between(self._table, name, interval, between[0], between[-1])

    def parts_of_intervals(self, name: str, intervals: Collection[str]) -> Request:
        """Read which partitions a name has: at least those of the intervals."""
        if len(intervals) != 1:
            return self._every_part(self._table, name)
        return self._parts(self._table, name, *intervals)

    @staticmethod
    def parts_found(rows: Rows) -> list[Part]:
        """Return the entries of an answer, in the order of their parts; a partition may have several."""
        return [Part(*row) for row in rows]

    def drop_part(self, name: str, part: Part) -> Request:
        """Remove a partition from the index."""
        return self._drop_part(
            far_ahead(), self._table, name, part.interval, part.part, part.generation, part.shard, part.until
        )

    def register(self, found: Mapping[str, Entry]) -> list[Request]:
        """Write entries of names, in few batches, each of one partition."""
        requests = []
        names: dict[int, list[list[bytes]]] = defaultdict(list)
        add_part, add_name = self._add_part.statement.bind, self._add_name.statement.bind
        for name, entry in found.items():
            rows = []
            for part, ttl in entry.parts:
                row = (name, part.interval, part.part, part.generation, part.shard, part.until, ttl)
                rows.append(add_part((self._table, *row)).values)
            requests += batches(BatchType.UNLOGGED, self._add_part, rows)
            until = min((part.until for part, _ in entry.parts), key=lambda until: (until != 0, -until))
            ttl = max(ttl for _, ttl in entry.parts) if until else 0
            shard = shard_of(name)
            entered = (self._table, self.group.text, shard, name, entry.generation, until, ttl)
            names[shard].append(add_name(entered).values)
        for rows in names.values():
            requests += batches(BatchType.UNLOGGED, self._add_name, rows)
        return requests

    # names

    def names(self, group: Group) -> Request:
        """Read the names of a group."""
        return self._names(self._table, group.text)

    def named(self, name: str, group: Group) -> Request:
        """Read whether a name is listed."""
        return self._named(self._table, group.text, shard_of(name), name)

    def doubtful(self, group: Group) -> Request:
        """Read the names of a group that are doubtful."""
        return self._doubtful(self._table, group.text, DOUBTFUL)

    def add_name(self, name: str, group: Group, generation: int) -> Request:
        """Note that a name has data."""
        return self._add_name(self._table, group.text, shard_of(name), name, generation, 0, 0)

    def doubt(self, name: str, group: Group, generation: int) -> Request:
        """Note that a name had no data."""
        return self._add_name(self._table, group.text, DOUBTFUL, name, generation, 0, _DOUBT)

    def drop_name(self, name: str, group: Group, before: int) -> Request:
        """Remove a name's entries of older generations."""
        return self._drop_name(far_ahead(), self._table, group.text, shard_of(name), name, before)

    # layouts

    def layouts(self) -> Request:
        """Read the layouts, the groups and the steps; :class:`Records` understands the answer."""
        return self._layouts(self._table)

    def record(self, interval: str, layout: str) -> Request:
        """Record a layout if there is none."""
        return self._record(self._table, interval, layout)

    def record_group(self, group: Group) -> Request:
        """Record a group if it is not there."""
        return self._record(self._table, _GROUP + group.text, "")

    def record_steps(self, steps: Steps) -> Request:
        """Record how many buckets a handle keeps, if it is not there."""
        return self._record(self._table, *_steps_row(steps))

    def forget(self, interval: str) -> Request:
        """Remove a layout."""
        return self._forget(self._table, interval)

    def forget_group(self, group: Group) -> Request:
        """Remove a group, of which no name has data."""
        return self._forget(self._table, _GROUP + group.text)

    def forget_steps(self, steps: Steps) -> Request:
        """Remove what a handle recorded."""
        return self._forget(self._table, _steps_row(steps)[0])


def _steps_row(steps: Steps) -> tuple[str, str]:
    """Return the key and the text of a record of steps; a key has no room for the names of all intervals."""
    text = json.dumps(steps, ensure_ascii=False, sort_keys=True)
    return _STEPS + sha256(text.encode()).hexdigest(), text


def shard_of(name: str) -> int:
    """Return the shard of the names' table that a name is in."""
    return crc32(name.encode()) % NAME_SHARDS


def cuts_by_interval(rows: Rows) -> dict[str, Cuts]:
    """Return the cuts of a name by interval: those that say something."""
    found: dict[str, list[Cut]] = {}
    for interval, generation, high in rows:
        found.setdefault(interval, []).append(Cut(generation, high))
    return {interval: needed(cuts) for interval, cuts in found.items()}
