"""Where a row lives: slices of time, and generations. Pure.

A partition is one *part* of one name and interval: as many consecutive buckets of its finest step as
:data:`BUCKETS` says, or :data:`BUCKETS_OF_MANY` where a bucket has many rows. There a *shard* that is full goes on in a
narrower one of the next *level*: the whole part, a tenth, a hundredth, one bucket, and then as many of that bucket as
it takes. So a bucket's rows are in one shard of each level at most, but for what it has too many of by itself.

A *cut* says that the buckets up to ``high`` were removed: what is written to them from then on goes to a
partition of a higher *generation*, so that nothing that was removed can come back, whatever the clocks say
(a Cassandra counter that is deleted and incremented again does come back).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from attrs import frozen

from kairos.intervals import Interval

__all__ = [
    "BUCKETS",
    "BUCKETS_OF_MANY",
    "EVERY",
    "FLAT",
    "ONE_BUCKET",
    "Cut",
    "Cuts",
    "Reign",
    "finest",
    "generation",
    "needed",
    "part_of",
    "parts_of",
    "reigns",
    "shard_at",
    "shard_span",
]

BUCKETS = 10_000
"""How many buckets of the finest step one partition spans, where each has one row."""

BUCKETS_OF_MANY = 1_000
"""How many it spans where a bucket has any number of rows: a power of ten, for levels."""

ONE_BUCKET = 3
"""The first level whose shards have a single bucket."""

_LEVELS = ((0, 1000), (1, 100), (11, 10), (111, 1))
"""The number of each level's first shard, and how many buckets its shards have."""

_FIRSTS = [first for first, _ in _LEVELS]

FLAT = -(2**63)
"""The resolution bucket of an interval without resolution."""

EVERY = 2**63 - 1
"""The ``high`` of a cut that removed every bucket."""

LOWEST = -(2**63)


@frozen(order=True)
class Cut:
    """The buckets up to ``high`` were removed; ``generation`` is where they are written from then on."""

    generation: int
    high: int


Cuts = tuple[Cut, ...]
"""All cuts of a name in one interval, in any order; empty for most names, which were never deleted."""


@frozen
class Reign:
    """The buckets, from ``low`` to ``high``, whose rows are in partitions of a generation."""

    generation: int
    low: int
    high: int


def generation(cuts: Cuts, i: int) -> int:
    """Return the generation of a bucket.

    Examples
    --------
    >>> generation((), 7), generation((Cut(1, EVERY),), 7), generation((Cut(1, EVERY), Cut(2, 5)), 7)
    (0, 1, 1)
    """
    return max((cut.generation for cut in cuts if i <= cut.high), default=0) if cuts else 0


def reigns(cuts: Cuts) -> list[Reign]:
    """Return which buckets each generation has, latest buckets last.

    Examples
    --------
    >>> reigns((Cut(1, EVERY), Cut(2, 5)))[-1]
    Reign(generation=1, low=6, high=9223372036854775807)
    """
    found: list[Reign] = []
    low = LOWEST
    for cut in sorted(cuts, reverse=True):
        if cut.high >= low:
            found.append(Reign(cut.generation, low, cut.high))
            if cut.high == EVERY:
                return found
            low = cut.high + 1
    return [*found, Reign(0, low, EVERY)]


def needed(cuts: Iterable[Cut]) -> Cuts:
    """Return the cuts that say something: no later one removed as much."""
    kept: list[Cut] = []
    for cut in sorted(cuts, reverse=True):
        if all(cut.high > later.high for later in kept):
            kept.append(cut)
    return tuple(kept)


def part_of(i: int, r: int | None, buckets: int) -> int:
    """Return the part in which a bucket lies: counted in the finest step that there is."""
    return (i if r is None else r) // buckets


def parts_of(interval: Interval, first: int, last: int, buckets: int) -> range:
    """Return the parts of so many buckets in which the buckets from ``first`` to ``last`` can lie."""
    low, high = finest(interval, first, last)
    return range(low // buckets, high // buckets + 1)


def finest(interval: Interval, first: int, last: int) -> tuple[int, int]:
    """Return the first and last bucket of the finest step that can lie in a range of buckets."""
    if interval.resolution is None:
        return first, last
    return interval.resolutions(first)[0], interval.resolutions(last)[-1]


def shard_at(level: int, offset: int) -> int:
    """Return the number of the shard of a level that has the bucket at an offset in its part.

    Examples
    --------
    >>> [shard_at(level, 456) for level in range(6)]
    [0, 5, 56, 567, 1567, 2567]
    """
    beyond = max(0, level - ONE_BUCKET)
    first, width = _LEVELS[level - beyond]
    return first + offset // width + beyond * BUCKETS_OF_MANY


def shard_span(shard: int) -> tuple[int, int, int]:
    """Return a shard's level, and the first and last offset in its part that it has.

    Examples
    --------
    >>> shard_span(0), shard_span(5), shard_span(2567)
    ((0, 0, 999), (1, 400, 499), (5, 456, 456))
    """
    level = bisect_right(_FIRSTS, shard) - 1
    first, width = _LEVELS[level]
    beyond, place = divmod(shard - first, BUCKETS_OF_MANY)
    return level + beyond, place * width, place * width + width - 1
