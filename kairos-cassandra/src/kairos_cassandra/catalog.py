"""What is there: names, spans, deleting and expiring."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import TypeVar

from attrs import define

from kairos.intervals import Interval
from kairos.storage import Scope

from .data import DataTable, place
from .index import Group, Index, Part, Records, cuts_by_interval
from .known import LEASE, Memo, now
from .layouts import Layouts
from .partitions import EVERY, LOWEST, Cut, Cuts, needed, parts_of, reigns
from .reading import Slice, slices
from .rounds import Protocol, Request, Round, Rows, together

__all__ = ["Catalog"]

T = TypeVar("T")
Groups = list[Group]

CHUNK = 50
"""How many names are worked on together."""
_EDGES = 8
"""How many partitions of a name are looked at together, after the newest."""
_MARGIN = 1.2
"""Who waits for leases waits this much longer: clocks that measure durations differ a little."""


@define
class Found:
    """What the index knows of one name and interval."""

    cuts: Cuts
    parts: list[Part]

    def live(self, first: int, last: int = EVERY) -> list[Slice]:
        """Return what can hold buckets of a range."""
        return slices(self.cuts, ((p.part, p.generation, p.shard) for p in self.parts), first, last)


class Catalog:
    """Names, spans, deleting and expiring for one handle.

    Parameters
    ----------
    data, index, memo, layouts
        The tables, and what is known of them.
    intervals
        The configured intervals.
    """

    def __init__(
        self,
        data: DataTable,
        index: Index,
        memo: Memo,
        layouts: Layouts,
        intervals: Mapping[str, Interval],
    ) -> None:
        self._data = data
        self._index = index
        self._memo = memo
        self._layouts = layouts
        self._intervals = intervals

    def names(self, scope: Scope) -> Protocol[set[str]]:
        """Return the names with data."""
        (rows,) = yield Round([self._index.layouts()])
        groups = [group for group in Records.of(rows).groups if group.intervals & scope.keys()]
        listed = yield from together(map(self._listed, groups))
        names: set[str] = set()
        looked: set[str] = set()
        notes: list[tuple[Group, set[str]]] = []
        for group, (sure, doubtful) in zip(groups, listed, strict=True):
            notes.append((group, doubtful - sure))
            if all(interval in scope and scope[interval] is None for interval in group.intervals):
                names |= sure
            else:
                looked |= sure
            looked |= doubtful
        for some in _chunks(sorted(looked - names), CHUNK):
            has = yield from together([self._has_any(name, scope) for name in some])
            names.update(name for name, found in zip(some, has, strict=True) if found)
        for group, doubtful in notes:
            yield from together([self._relist(name, group) for name in sorted(doubtful & names)])
        return names

    def _relist(self, name: str, group: Group) -> Protocol[None]:
        """List a name for good that had been doubtful, and has data."""
        (rows,) = yield Round([self._index.cuts(name)])
        before = group.generation(cuts_by_interval(rows))
        yield Round([self._index.add_name(name, group, before)])
        (rows,) = yield Round([self._index.cuts(name)])
        after = group.generation(cuts_by_interval(rows))
        if after != before:  # it has just been deleted
            yield Round([self._index.drop_name(name, group, after)])

    def _listed(self, group: Group) -> Protocol[tuple[set[str], set[str]]]:
        """Return the names of a group in the index, and the doubtful ones."""
        sure, doubtful = yield Round([self._index.names(group), self._index.doubtful(group)])
        return {row[0] for row in sure}, {row[0] for row in doubtful}

    def _is_listed(self, groups: Groups) -> Protocol[bool]:
        """Return whether there is any name in the lists of groups."""
        listed = yield from together(map(self._listed, groups))
        return any(sure or doubtful for sure, doubtful in listed)

    def _has_any(self, name: str, scope: Scope) -> Protocol[bool]:
        """Return whether a name has data in a scope."""
        there = yield from self._found(name, scope)
        some: list[tuple[str, Slice]] = []
        for interval, first in scope.items():
            some += ((interval, one) for one in self._live(interval, there[interval], first)[::-1])
        for few in (some[:1], *_chunks(some[1:], _EDGES)):  # the newest part has data, nearly always
            if any((yield Round([self._edge(name, interval, one, last=True) for interval, one in few]))):
                return True
        return False

    def _live(self, interval: str, found: Found, first: int | None) -> list[Slice]:
        """Return what can hold buckets from ``first`` on, in the order of parts."""
        if first is None:
            return found.live(LOWEST)
        least = parts_of(self._intervals[interval], first, first, self._data.buckets)[0]
        return [one for one in found.live(first) if one[0] >= least]

    def _found(self, name: str, intervals: Collection[str]) -> Protocol[dict[str, Found]]:
        """Return what the index knows of a name."""
        asked = now()
        return self._understood(name, intervals, (yield Round(self._looks(name, intervals))), asked)

    def _looks(self, name: str, intervals: Collection[str]) -> list[Request]:
        return [self._index.cuts(name), self._index.parts_of_intervals(name, intervals)]

    def _understood(
        self, name: str, intervals: Collection[str], answers: Sequence[Rows], asked: float
    ) -> dict[str, Found]:
        """Return what the answers to :meth:`_looks` say: of the cuts, and of each interval's parts."""
        cuts, rows = answers
        known = self._memo.learn(name, cuts_by_interval(cuts), asked)
        there = {interval: Found(known.of(interval), []) for interval in intervals}
        for part in self._index.parts_found(rows):
            if part.interval in there:
                there[part.interval].parts.append(part)
        return there

    def _edges(self, name: str, interval: str, some: Iterable[Slice], *, last: bool) -> list[Request]:
        return [self._edge(name, interval, one, last=last) for one in some]

    def _edge(self, name: str, interval: str, one: Slice, *, last: bool) -> Request:
        part, generation, shard, low, high = one
        edge = self._data.last if last else self._data.first
        return edge(place(name, interval, generation, part, shard), low, high)

    def span(self, name: str, interval: str, at_least: int | None) -> Protocol[tuple[int, int] | None]:
        """Return the first and last bucket from ``at_least``."""
        found = yield from self._found(name, (interval,))
        some = self._live(interval, found[interval], at_least)
        parts = sorted({one[0] for one in some})
        first = last = None
        ascending, descending = iter(parts), iter(parts[::-1])
        while first is None or last is None:
            head = next(ascending, None) if first is None else None
            tail = next(descending, None) if last is None else None
            if head is None and tail is None:
                return None
            heads = self._edges(name, interval, [one for one in some if one[0] == head], last=False)
            tails = self._edges(name, interval, [one for one in some if one[0] == tail], last=True)
            answers = yield Round([*heads, *tails])
            if first is None:
                first = min((rows[0][0] for rows in answers[: len(heads)] if rows), default=None)
            if last is None:
                last = max((rows[0][0] for rows in answers[len(heads) :] if rows), default=None)
        return first, last

    def delete(self, names: Sequence[str], scope: Scope) -> Protocol[int]:
        """Remove names from the intervals of a scope; return how many had live data."""
        count = 0
        for some in _chunks(names, CHUNK):
            counted = yield from together([self._delete(name, scope) for name in some])
            count += sum(counted)
        return count

    def delete_all(self, scope: Scope) -> Protocol[int]:
        """Remove all names' data, and the recorded layouts, of the intervals of a scope; count the names."""
        there = yield from self._layouts.read()
        layouts = {interval: self._intervals[interval].layout for interval in scope} | there.layouts
        names = yield from self.names(dict.fromkeys(scope))
        count = yield from self.delete(sorted(names), scope)
        later, groups = yield from self._layouts.forget(tuple(scope))
        if self._index.group.intervals <= scope.keys() and self._index.group not in groups:
            groups.append(self._index.group)
        if (yield from self._is_listed(groups)):
            # who wrote meanwhile may have looked at the layouts before they were forgotten
            layouts |= later
            yield from self._layouts.restore({interval: layouts[interval] for interval in scope}, groups)
        return count

    def _delete(self, name: str, scope: Scope) -> Protocol[bool]:
        asked = now()
        layouts, *answers = yield Round([self._index.layouts(), *self._looks(name, scope)])
        there = self._understood(name, scope, answers, asked)
        if not any(found.parts for found in there.values()):
            groups = [group for group in Records.of(layouts).groups if group.intervals <= scope.keys()]
            if not any((yield Round([self._index.named(name, group) for group in groups]))):
                return False  # else its writer died before it wrote any data
        cuts = {interval: Cut(_latest(found.cuts) + 1, EVERY) for interval, found in there.items()}
        looks: list[Request] = []
        for interval, found in there.items():
            first = scope[interval]
            looks += self._edges(name, interval, found.live(LOWEST if first is None else first), last=True)
        _, *answers = yield Round([self._index.add_cuts(name, cuts), *looks])
        live = any(answers)
        removed = {interval: (found, cuts[interval]) for interval, found in there.items()}
        yield from self._remove(name, removed, scope.keys(), Records.of(layouts).groups)
        return live

    def _remove(
        self, name: str, cut: Mapping[str, tuple[Found, Cut]], emptied: Set[str], groups: Groups
    ) -> Protocol[None]:
        """Remove what cuts have just cut off, and wait until no handle trusts older ones.

        Parameters
        ----------
        cut
            Interval -> what was there, and the cut.
        emptied
            The intervals that have no data of the name now.
        groups
            The groups that there were.
        """
        requests: list[Request] = []
        cuts: dict[str, Cuts] = {}
        for interval, (found, new) in cut.items():
            requests += self._removals(name, found.parts, new)
            kept = needed((*found.cuts, new))
            requests += [self._index.drop_cut(name, interval, old) for old in found.cuts if old not in kept]
            cuts[interval] = kept
        over = [group for group in groups if group.intervals <= cut.keys() and group.intervals <= emptied]
        requests += [self._index.drop_name(name, group, group.generation(cuts)) for group in over]
        yield Round(requests, pause=LEASE * _MARGIN)
        asked = now()
        layouts, *answers = yield Round([self._index.layouts(), *self._looks(name, cut)])
        late = self._understood(name, cut, answers, asked)
        requests = []
        for interval, (_, new) in cut.items():
            requests += self._removals(name, late[interval].parts, new)
        if requests:
            yield Round(requests)
            over = []  # who came late has put the name on the lists again
        others = [group for group in Records.of(layouts).groups if group.intervals & cut.keys()]
        after = cuts_by_interval(answers[0])
        yield from self._unlist(name, emptied, [group for group in others if group not in over], after)

    def _unlist(
        self, name: str, emptied: Set[str], groups: Groups, cuts: Mapping[str, Cuts]
    ) -> Protocol[None]:
        """Take a name off the lists of groups that have no data of it any more."""
        requests = []
        for group in groups:
            others = group.intervals - emptied
            generation = group.generation(cuts)
            if others:  # a write that is on its way may still come: when in doubt the data is looked at
                has = yield from self._has_any(name, dict.fromkeys(sorted(others)))
                note = self._index.add_name if has else self._index.doubt
                yield Round([note(name, group, generation)])
            requests.append(self._index.drop_name(name, group, generation))
        if requests:
            yield Round(requests)

    def _removals(self, name: str, parts: Iterable[Part], new: Cut) -> list[Request]:
        """Return what removes the rows that a cut cuts off, and partitions that have no others."""
        requests: dict[tuple[int, int, int], Request] = {}
        entries = []
        for part in parts:
            if part.generation >= new.generation:
                continue
            whole = new.high == EVERY or part.part < self._part_after(part.interval, new.high)
            here = place(name, part.interval, part.generation, part.part, part.shard)
            if whole or part.part == self._part_after(part.interval, new.high):
                key = (part.part, part.generation, part.shard)
                requests[key] = self._data.delete(here, None if whole else new.high)
            if whole:
                entries.append(self._index.drop_part(name, part))
        return [*requests.values(), *entries]

    def _part_after(self, interval: str, high: int) -> int:
        """Return the first part that can hold buckets after ``high``."""
        return parts_of(self._intervals[interval], high + 1, high + 1, self._data.buckets)[0]

    def expire(self, scope: Scope, names: Sequence[str] | None) -> Protocol[None]:
        """Remove dead buckets; None: of all names."""
        for interval, first in scope.items():
            if first is not None:
                yield from self._expire_interval(interval, first, names)

    def _expire_interval(self, interval: str, first: int, names: Sequence[str] | None) -> Protocol[None]:
        if names is None:
            (rows,) = yield Round([self._index.layouts()])
            groups = [group for group in Records.of(rows).groups if interval in group.intervals]
            listed = yield from together(map(self._listed, groups))
            names = sorted({name for both in listed for some in both for name in some})
        for some in _chunks(names, CHUNK):
            yield from together([self._expire_name(name, interval, first) for name in some])

    def _expire_name(self, name: str, interval: str, first: int) -> Protocol[None]:
        found = (yield from self._found(name, (interval,)))[interval]
        last = self._part_after(interval, first - 1)
        before = [one for one in found.live(LOWEST, first - 1) if one[0] <= last]
        answers = yield Round(self._edges(name, interval, before, last=False))
        ruling = {reign.generation for reign in reigns(found.cuts)}
        dead = [part for part in found.parts if part.generation not in ruling]
        if dead:  # who cut them off died before it removed them
            yield Round(self._removals(name, dead, Cut(_latest(found.cuts) + 1, EVERY)))
        if any(answers):
            cut = Cut(_latest(found.cuts) + 1, first - 1)
            yield Round([self._index.add_cuts(name, {interval: cut})])
            yield from self._remove(name, {interval: (found, cut)}, frozenset(), [])


def _latest(cuts: Cuts) -> int:
    return max((cut.generation for cut in cuts), default=0)


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
