"""Where a row lives: slices of time, and generations. Pure.

A partition is one *part* of one name and interval: as many consecutive buckets of its finest step as
:data:`BUCKETS` says, or :data:`BUCKETS_OF_MANY` where a bucket has many rows. Such a part is cut into *shards*, see
:mod:`kairos_cassandra.known`.

A *cut* says that the buckets up to ``high`` were removed: what is written to them from then on goes to a
partition of a higher *generation*, so that nothing that was removed can come back, whatever the clocks say
(a Cassandra counter that is deleted and incremented again does come back).
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from kairos.intervals import Interval

__all__ = [
    "BUCKETS",
    "BUCKETS_OF_MANY",
    "EVERY",
    "FLAT",
    "Cut",
    "Cuts",
    "Reign",
    "generation",
    "needed",
    "part_of",
    "parts_of",
    "reigns",
]

BUCKETS = 10_000
"""How many buckets of the finest step one partition spans, where each has one row."""

BUCKETS_OF_MANY = 1_000
"""How many it spans where a bucket has any number of rows: a read of one bucket asks all shards of its part."""

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
    if interval.resolution is None:
        return range(first // buckets, last // buckets + 1)
    low, high = interval.resolutions(first)[0], interval.resolutions(last)[-1]
    return range(low // buckets, high // buckets + 1)
