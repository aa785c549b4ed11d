"""What a handle knows of names, so that a warm write is one round of statements.

**Leases.** A handle must notice that another one has deleted a name, or it would go on adding to what was deleted.
It may trust the cuts that it has read for :data:`LEASE` seconds, counted from before they were asked for. Who
deletes writes a cut, and waits as long before it returns. So a call that began after a delete returned knows of it,
and a call that trusted older cuts began before: it counts as the earlier of the two. Only durations are measured,
on one machine each: clocks need not agree.

**Registered.** The index is written before the data, and then remembered here, until the name's cuts change.

**Shards.** After about :data:`SHARD_ROWS` rows of one handle in a shard its buckets go on in those of the next level. A
handle begins at a random place of the count, so that many short-lived ones come on as well.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from threading import Lock
from typing import Any

from attrs import Factory, define, field

from .partitions import Cuts, needed, shard_at, shard_span

__all__ = ["LEASE", "SHARD_ROWS", "Known", "Memo", "Shards"]

LEASE = 0.002
"""For how long cuts that have been read may be trusted, in seconds."""

SHARD_ROWS = 50_000
"""How many rows one handle writes to a partition of a kind that collects values."""

_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_PARTS = 64
"""How many partitions of one name are remembered."""
_NAMES = 100_000
"""How many names are remembered."""

Part = tuple[str, int, int]
"""Interval, generation, part."""


@define(eq=False)
class Shards:
    """Where a handle writes its next rows of a part.

    Attributes
    ----------
    deepest
        The level whose shards are never full; None: there is none.
    """

    deepest: int | None = None
    _left: dict[int, int] = Factory(dict)
    _full: set[int] = Factory(set)
    _lock: Any = field(factory=Lock)

    def take(self, offset: int, rows: int) -> list[tuple[int, int]]:
        """Return (shard, how many rows go there) for so many rows of the bucket at an offset in the part."""
        taken = []
        level = 0
        with self._lock:
            while rows:
                while level != self.deepest and shard_at(level, offset) in self._full:
                    level += 1
                shard = shard_at(level, offset)
                left = self._left.get(shard) or random.randint(1, SHARD_ROWS)
                here = rows if level == self.deepest else min(rows, left)
                taken.append((shard, here))
                rows -= here
                if level == self.deepest:
                    continue
                if left > here:
                    self._left[shard] = left - here
                else:
                    self._left.pop(shard, None)
                    self._full.add(shard)
        return taken

    def learn(self, shard: int) -> None:
        """Note that there is a shard: those above it are full."""
        level, first, _ = shard_span(shard)
        with self._lock:
            for above in range(level):
                if above != self.deepest:
                    self._full.add(shard_at(above, first))


@define(eq=False)
class Known:
    """What is known of one name.

    Attributes
    ----------
    cuts
        Interval -> its cuts; intervals without cuts are missing.
    until
        Until when they may be trusted, by this machine's monotonic clock.
    registered
        The parts, and their shards, that are in the index.
    shards
        Where to write next, for kinds that collect values.
    """

    cuts: Mapping[str, Cuts]
    until: float
    registered: set[tuple[Part, int]] = Factory(set)
    shards: dict[Part, Shards] = Factory(dict)

    def register(self, part: Part, shard: int) -> None:
        """Remember that a partition is in the index; forget all others of the name if they are many."""
        if len(self.registered) >= _PARTS:
            self.registered.clear()
            self.shards = {key: self.shards[key] for key in (part,) if key in self.shards}
        self.registered.add((part, shard))

    def of(self, interval: str) -> Cuts:
        """Return the cuts of an interval."""
        return self.cuts.get(interval, ()) if self.cuts else ()


@define(eq=False)
class Memo:
    """What is known of names, as many as fit."""

    _names: dict[str, Known] = Factory(dict)
    _lock: Any = field(factory=Lock)

    def get(self, name: str) -> Known:
        """Return what is known of a name; of an unknown one a guess, which must not be trusted: it was never cut."""
        return self._names.get(name) or Known({}, 0.0)

    def unregister(self) -> None:
        """Forget what is in the index: entries are to be written again, also where a call is about to note one."""
        with self._lock:
            for name, known in self._names.items():
                self._names[name] = Known(known.cuts, known.until, shards=known.shards)

    def learn(self, name: str, cuts: Mapping[str, Cuts], asked: float) -> Known:
        """Note cuts that were asked for at a time; return what is known now.

        What was known stays true: answers may come in another order than they were asked for. What is registered is
        forgotten if there are new cuts.
        """
        with self._lock:  # of two answers at once neither may hide what the other says
            known = self._names.get(name)
            if known is not None:
                if known.cuts != cuts:
                    cuts = {i: needed({*known.of(i), *cuts.get(i, ())}) for i in {*known.cuts, *cuts}}
                if known.cuts == cuts:
                    known.until = max(known.until, asked + LEASE)
                    return known
            elif len(self._names) >= _NAMES:
                for old in list(self._names)[: _NAMES // 2]:
                    self._names.pop(old, None)
            known = self._names[name] = Known(cuts, asked + LEASE)
            return known


def now() -> float:
    """Return seconds of a clock that never goes back, and goes on while the machine is suspended, if there is one."""
    return time.clock_gettime(_CLOCK)
