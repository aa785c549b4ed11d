"""How a batch is written: one round where everything is known, three where a name or a part of time is new."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import define

from kairos.intervals import Interval
from kairos.steps import Relative
from kairos.storage import Batch

from .data import DataTable, place
from .index import Entry, Index, Part, cuts_by_interval
from .known import Known, Memo, Shards, now
from .layouts import Layouts
from .partitions import generation, part_of, reigns
from .preparing import Values, batch, batches, pack_int, size
from .rounds import Protocol, Request, Round

__all__ = ["SLACK", "Expiry", "Writer"]

SLACK = 900
"""How long rows are kept over their deadline, in seconds."""
MOST_TTL = 20 * 365 * 86_400
"""The longest time to live that Cassandra takes."""
YEAR_2038 = 2**31 - 2
"""The last second at which a row can expire, unless the cluster is known to go further."""

_PLACES = 8
"""One batch of counters goes over so many partitions at most: those of one insert, usually."""
_SMALL = 4_000
"""And has so many bytes at most: the server warns from 5 KiB on."""
_NO_TTL = pack_int(0)

Rows = list[tuple[int, "int | None", Any, int]]
"""(i, r, payload, time to live) of one part."""
Key = tuple[str, str, int, int]
"""Name, interval, generation, part."""
Place = tuple[Key, int]
"""A partition: where, and the shard."""


@define
class Expiry:
    """What becomes of deadlines.

    Attributes
    ----------
    far
        Whether the cluster takes times to live that end after January 2038.
    """

    far: bool = False

    def ttl(self, deadline: int | None, now: float) -> int:
        """Return a time to live in seconds; 0: none, also where Cassandra can't go as far."""
        if deadline is None:
            return 0
        seconds = max(1, math.ceil(deadline - now) + SLACK)
        most = MOST_TTL if self.far else min(MOST_TTL, YEAR_2038 - int(time.time()))
        return seconds if seconds <= most else 0


class Writer:
    """Writes the batches of one handle.

    Parameters
    ----------
    data, index, memo, layouts
        The tables, and what is known of them.
    intervals
        The configured intervals.
    expiry
        What becomes of deadlines.
    """

    def __init__(
        self,
        data: DataTable,
        index: Index,
        memo: Memo,
        layouts: Layouts,
        intervals: Mapping[str, Interval],
        expiry: Expiry,
    ) -> None:
        self._data = data
        self._index = index
        self._memo = memo
        self._layouts = layouts
        self._intervals = intervals
        self._expiry = expiry

    def write(self, batch: Batch) -> Protocol[None]:
        """Write a batch."""
        if self._layouts.until < now():
            yield from self._layouts.read()
        begun = now()
        names = _names(batch)
        get = self._memo.get
        known = {name: get(name) for name in names}
        groups = self._groups(batch, known, None)
        if self._is_new(groups, known):
            yield from self._write_new(batch, names)
            return
        requests, written = self._data_requests(groups, known)
        missing = _unregistered(written, known)
        if missing:  # a shard is full
            yield from self._register(missing, groups, known, batch.now)
            begun = now()
        stale = [name for name, what in known.items() if what.until < begun]
        if not stale:
            yield Round(requests)
            return
        asked = now()
        answers = yield Round([*requests, *map(self._index.cuts, stale)])
        changed: dict[str, Known] = {}
        for name, rows in zip(stale, answers[len(requests) :], strict=True):
            found = self._memo.learn(name, cuts_by_interval(rows), asked)
            if found.cuts != known[name].cuts:
                changed[name] = found
        if changed:  # deleted before this call began, perhaps: what went there is not seen by anybody
            yield from self._write_new(batch, changed, known, written)
            yield Round(self._dead_partitions(changed, written))

    def _write_new(
        self,
        batch: Batch,
        names: Collection[str],
        before: Mapping[str, Known] | None = None,
        there: Sequence[Place] = (),
    ) -> Protocol[None]:
        """Write names of a batch of which not everything is in the index.

        With ``before``, all has been written under older cuts, to the partitions ``there``: only what newer cuts put
        elsewhere is written again.
        """
        asked = now()
        known = {name: self._memo.get(name) for name in names}
        stale = [name for name, what in known.items() if what.until < asked]
        looks = self._shard_looks(batch, known)
        own = [self._index.layouts(), *map(self._index.cuts, stale)]
        layouts, *answers = yield Round([*own, *(request for _, request in looks)])
        yield from self._layouts.check(layouts, asked)
        for name, rows in zip(stale, answers, strict=False):
            known[name] = self._memo.learn(name, cuts_by_interval(rows), asked)
        self._learn_shards(known, looks, answers[len(stale) :])
        groups = self._groups(batch, known, before)
        requests, written = self._data_requests(groups, known)
        missing = _unregistered(written, known)
        if before is not None:  # what stays where it is has to be listed under the new cuts, too
            everything = self._groups(batch, known, None)
            kept = [one for one in there if one[0] in everything and one[0] not in groups]
            missing += kept
            written += kept
            groups = everything
        if missing:
            yield from self._register(missing, groups, known, batch.now)
        asked = now()
        late = [name for name, what in known.items() if what.until < asked]
        answers = yield Round([*requests, self._index.layouts(), *map(self._index.cuts, late)])
        yield from self._layouts.check(answers[len(requests)], asked)  # a delete_all may have come between
        moved: dict[str, Known] = {}
        for name, rows in zip(late, answers[len(requests) + 1 :], strict=True):
            found = self._memo.learn(name, cuts_by_interval(rows), asked)
            if found.cuts != known[name].cuts:
                moved[name] = found
        if moved:
            # Deleted meanwhile: it counts as written before that, but its deleter may have missed these entries; and
            # what was not deleted has to be listed under the new cuts
            yield Round(self._dead_entries(moved, missing, groups, known, batch.now))
            yield Round(self._dead_partitions(moved, written))
            alive = [
                (key, shard) for key, shard in written if key[0] in moved and not _is_dead(moved[key[0]], key)
            ]
            if alive:
                yield from self._register(alive, groups, moved, batch.now)

    def _dead_partitions(self, moved: Mapping[str, Known], written: Sequence[Place]) -> list[Request]:
        """Return what removes what has been written to generations that are dead now: nobody else would find it."""
        return [
            self._data.delete(place(*key, shard), None)
            for key, shard in written
            if key[0] in moved and _is_dead(moved[key[0]], key)
        ]

    def _is_new(self, groups: Mapping[Key, Rows], known: Mapping[str, Known]) -> bool:
        """Return whether there are parts that this handle has not written to."""
        if self._data.collects:
            return any(key[1:] not in known[key[0]].shards for key in groups)
        return any((key[1:], 0) not in known[key[0]].registered for key in groups)

    def _register(
        self,
        missing: Sequence[Place],
        groups: Mapping[Key, Rows],
        known: Mapping[str, Known],
        at: float,
    ) -> Protocol[None]:
        """Put partitions into the index."""
        yield Round(self._index.register(self._entries(missing, groups, known, at)))
        for key, shard in missing:
            known[key[0]].register(key[1:], shard)

    def _groups(
        self, batch: Batch, known: Mapping[str, Known], before: Mapping[str, Known] | None
    ) -> dict[Key, Rows]:
        """Return what is to be written, by part."""
        groups: dict[Key, Rows] = {}
        ttl_of, at, buckets = self._expiry.ttl, batch.now, self._data.buckets
        longer = self._layouts.longer
        for write in batch.writes:
            interval, i, r, deadline = write.interval, write.i, write.r, write.deadline
            if interval in longer:
                deadline = longer[interval].deadline(i)
            part = part_of(i, r, buckets)
            ttl = 0 if deadline is None else ttl_of(deadline, at)
            for name, payload in write.rows.items():
                what = known.get(name)
                if what is None:
                    continue
                g = generation(what.of(interval), i) if what.cuts else 0
                if before is not None and generation(before[name].of(interval), i) == g:
                    continue
                key = (name, interval, g, part)
                group = groups.get(key)
                if group is None:
                    groups[key] = [(i, r, payload, ttl)]
                else:
                    group.append((i, r, payload, ttl))
        return groups

    def _data_requests(
        self, groups: Mapping[Key, Rows], known: Mapping[str, Known]
    ) -> tuple[list[Request], list[Place]]:
        """Return the statements of groups, and the partitions that they write to."""
        data = self._data
        rows_of, bind = data.rows, data.bind
        placed: dict[Place, list[Values]] = {}
        for key, group in groups.items():
            if data.collects:
                self._spread(key, group, known[key[0]], placed)
                continue
            here = place(*key, 0)
            placed[key, 0] = [
                bind(here, i, r, row, _NO_TTL if not ttl else pack_int(ttl))
                for i, r, payload, ttl in group
                for row in rows_of(payload)
            ]
        return self._batches(list(placed.values())), list(placed)

    def _spread(self, key: Key, group: Rows, what: Known, placed: dict[Place, list[Values]]) -> None:
        """Add the rows of a part, each to its shard."""
        data = self._data
        bind, buckets = data.bind, data.buckets
        shards = what.shards.get(key[1:]) or what.shards.setdefault(key[1:], Shards(data.deepest))
        for i, r, payload, ttl in group:
            rows, time = data.rows(payload), _NO_TTL if not ttl else pack_int(ttl)
            offset = (i if r is None else r) % buckets
            start = 0
            for shard, share in shards.take(offset, len(rows)):
                some = rows[start : start + share]
                start += share
                for number, few in data.shared_out(shard, some):
                    here = place(*key, number)
                    placed.setdefault((key, number), []).extend([bind(here, i, r, row, time) for row in few])

    def _batches(self, placed: Sequence[list[Values]]) -> list[Request]:
        data = self._data
        prepared, kind = data.write, data.batch_type
        if data.counters and 1 < len(placed) <= _PLACES and sum(map(len, placed)) <= 2 * _PLACES:
            rows = [row for rows in placed for row in rows]
            if sum(map(size, rows)) < _SMALL:
                return [batch(kind, prepared, rows)]
        alike = data.alike
        return [request for rows in placed for request in batches(kind, prepared, rows, alike=alike)]

    def _shard_looks(self, batch: Batch, known: Mapping[str, Known]) -> list[tuple[tuple[str, str], Request]]:
        """Return requests for the shards of parts that this handle has not written to."""
        if not self._data.collects:
            return []
        wanted: dict[tuple[str, str, int, int], None] = {}
        for write in batch.writes:
            part = part_of(write.i, write.r, self._data.buckets)
            for name in write.rows:
                if name in known:
                    g = generation(known[name].of(write.interval), write.i)
                    wanted[name, write.interval, g, part] = None
        return [
            ((name, interval), self._index.parts(name, interval, range(part, part + 1)))
            for name, interval, g, part in wanted
            if (interval, g, part) not in known[name].shards
        ]

    def _learn_shards(self, known: Mapping[str, Known], looks: Sequence[Any], answers: Sequence[Any]) -> None:
        """Go on where shards are not full."""
        for ((name, interval), _), rows in zip(looks, answers, strict=True):
            shards = known[name].shards
            for found in self._index.parts_found(rows):
                key = (interval, found.generation, found.part)
                shards.setdefault(key, Shards(self._data.deepest)).learn(found.shard)

    def _entries(
        self,
        missing: Sequence[Place],
        groups: Mapping[Key, Rows],
        known: Mapping[str, Known],
        at: float,
    ) -> dict[str, Entry]:
        """Return what the index is to know of partitions."""
        entries: dict[str, Entry] = {}
        for key, shard in missing:
            name, interval, g, part = key
            longest = max((ttl or math.inf for _, _, _, ttl in groups[key]), default=math.inf)
            until, ttl = self._until(interval, longest, at)
            if name not in entries:
                entries[name] = Entry(self._index.group.generation(known[name].cuts))
            entries[name].parts.append((Part(interval, part, g, shard, until), ttl))
        return entries

    def _until(self, interval: str, longest: float, at: float) -> tuple[int, int]:
        """Return until when an entry is needed, the same for all who write it, and its time to live; 0: for ever."""
        if longest == math.inf:
            return 0, 0
        length = _part_seconds(self._intervals[interval], self._data.buckets)
        if length is None:
            return 0, 0
        until = (math.ceil((at + longest) / length) + 1) * length
        ttl = self._expiry.ttl(until, at)
        return (until, ttl) if ttl else (0, 0)

    def _dead_entries(
        self,
        moved: Mapping[str, Known],
        missing: Sequence[Place],
        groups: Mapping[Key, Rows],
        known: Mapping[str, Known],
        at: float,
    ) -> list[Request]:
        """Return what removes entries that have just been made, of generations that are dead now."""
        index = self._index
        requests = []
        dead = [one for one in missing if one[0][0] in moved and _is_dead(moved[one[0][0]], one[0])]
        for name, entry in self._entries(dead, groups, known, at).items():
            requests += [index.drop_part(name, part) for part, _ in entry.parts]
        for name, found in moved.items():
            requests.append(index.drop_name(name, index.group, index.group.generation(found.cuts)))
        return requests


def _is_dead(known: Known, key: Key) -> bool:
    """Return whether no bucket is of a partition's generation any more."""
    return all(reign.generation != key[2] for reign in reigns(known.of(key[1])))


def _unregistered(written: Sequence[Place], known: Mapping[str, Known]) -> list[Place]:
    """Return the partitions that are not in the index yet, as far as this handle knows."""
    return [(key, shard) for key, shard in written if (key[1:], shard) not in known[key[0]].registered]


def _names(batch: Batch) -> list[str]:
    if len(batch.writes) == 1:
        return list(batch.writes[0].rows)
    names: dict[str, None] = {}
    seen: Mapping[str, Any] | None = None
    for write in batch.writes:
        if write.rows is not seen:
            seen = write.rows
            names.update(dict.fromkeys(seen))
    return list(names)


def _part_seconds(interval: Interval, buckets: int) -> int | None:
    """Return how much later than another one the deadline of a bucket in the same part can be; None: for ever."""
    finest = interval.resolution or interval.step
    if isinstance(finest, Relative):
        part = finest.seconds * buckets
    elif finest.text == "daily":
        part = 366 * 86_400
    else:
        return None
    return part + interval.step.nominal * 11 // 10  # months and years differ
