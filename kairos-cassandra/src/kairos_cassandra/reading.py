"""How a range is read: the partitions that can hold it, at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kairos.intervals import Interval
from kairos.storage import Buckets

from .data import DataTable, place
from .index import Index, cuts_by_interval
from .known import Memo, now
from .partitions import Cuts, finest, parts_of, reigns, shard_span
from .rounds import Protocol, Request, Round, Rows

__all__ = ["Reader", "Slice", "slices"]

DIRECT = 4
"""Ranges over so many parts are read without asking the index which parts there are."""

Slice = tuple[int, int, int, int, int]
"""Part, generation, shard, and the first and last bucket that it holds of a range."""


def slices(cuts: Cuts, parts: Iterable[tuple[int, int, int]], first: int, last: int) -> list[Slice]:
    """Return what to read of partitions (part, generation, shard) for a range; dead generations are left out."""
    by_generation = {reign.generation: reign for reign in reigns(cuts)}
    found = []
    for part, generation, shard in dict.fromkeys(parts):
        reign = by_generation.get(generation)
        if reign is not None:
            low, high = max(first, reign.low), min(last, reign.high)
            if low <= high:
                found.append((part, generation, shard, low, high))
    return found


class Reader:
    """Reads for one handle.

    Parameters
    ----------
    data, index, memo
        The tables, and what is known of them.
    intervals
        The configured intervals.
    """

    def __init__(self, data: DataTable, index: Index, memo: Memo, intervals: Mapping[str, Interval]) -> None:
        self._data = data
        self._index = index
        self._memo = memo
        self._intervals = intervals

    def read(self, name: str, interval: str, first: int, last: int) -> Protocol[Buckets]:
        """Return the rows of a range."""
        configured = self._intervals[interval]
        parts = parts_of(configured, first, last, self._data.buckets)
        flat = configured.resolution is None
        known = self._memo.get(name)
        cuts = known.of(interval)
        asked = now()
        direct = len(parts) <= DIRECT
        requests = []
        stale = known.until < asked
        if stale:
            requests.append(self._index.cuts(name))
        indexed = self._data.collects or not direct
        if indexed:
            requests.append(self._index.parts(name, interval, parts))
        guessed = self._direct(cuts, parts, first, last) if direct else []
        requests += self._requests(name, interval, guessed)
        answers = yield Round(requests)
        cuts_now = (
            self._memo.learn(name, cuts_by_interval(answers.pop(0)), asked).of(interval) if stale else cuts
        )
        if not indexed and cuts_now == cuts:
            return self._data.collect(answers, flat)
        wanted = self._direct(cuts_now, parts, first, last)
        if indexed:
            there = self._with_range(interval, answers.pop(0), first, last)
            wanted = slices(cuts_now, there, first, last)
        read = dict(zip(guessed, answers, strict=True))
        others = [one for one in wanted if one not in read]
        if others:
            read |= zip(others, (yield Round(self._requests(name, interval, others))), strict=True)
        return self._data.collect([read[one] for one in wanted], flat)

    def partitions(self, name: str, interval: str, first: int, last: int) -> Protocol[list[Slice]]:
        """Return the partitions that have data of a range, as the index knows them."""
        parts = parts_of(self._intervals[interval], first, last, self._data.buckets)
        asked = now()
        cuts, there = yield Round([self._index.cuts(name), self._index.parts(name, interval, parts)])
        known = self._memo.learn(name, cuts_by_interval(cuts), asked)
        return slices(known.of(interval), self._with_range(interval, there, first, last), first, last)

    def _with_range(self, interval: str, rows: Rows, first: int, last: int) -> list[tuple[int, int, int]]:
        """Return those of the partitions of an answer whose shard can have buckets of a range."""
        found = [(part.part, part.generation, part.shard) for part in self._index.parts_found(rows)]
        buckets = self._data.buckets
        if not self._data.collects:
            return found
        low, high = finest(self._intervals[interval], first, last)
        having = []
        for one in found:
            _, left, right = shard_span(one[2])
            if one[0] * buckets + left <= high and one[0] * buckets + right >= low:
                having.append(one)
        return having

    def _direct(self, cuts: Cuts, parts: range, first: int, last: int) -> list[Slice]:
        if not cuts:
            return [(part, 0, 0, first, last) for part in parts]
        there = ((part, reign.generation, 0) for part in parts for reign in reigns(cuts))
        return slices(cuts, there, first, last)

    def _requests(self, name: str, interval: str, some: Iterable[Slice]) -> list[Request]:
        return [
            self._data.read(place(name, interval, generation, part, shard), low, high)
            for part, generation, shard, low, high in some
        ]
