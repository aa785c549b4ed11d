"""What ``kairos_layouts`` says of a place: the layouts of intervals, the groups of names, and who keeps how long.

**Steps.** A row lives as long as the time to live that it was written with, and no later write can lengthen it without
reading it. So handles with several ``steps`` on one place all write what the longest asks for: each records its own
before its first write, and looks at those of the others once in :data:`LEASE` seconds. Who comes with longer ones
than another waits as long, once, so that what is written from then on lives long enough for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve

from kairos.errors import SchemaMismatch
from kairos.intervals import Interval, check_layout

from .index import Group, Index, Records, Steps
from .known import Memo, now
from .rounds import Protocol, Request, Round, in_turn

__all__ = ["LEASE", "Layouts"]

LEASE = 1.0
"""How long a handle may go on without a look at others' ``steps``, in seconds."""
_MARGIN = 1.2
"""Who waits for leases waits this much longer: clocks that measure durations differ a little."""


class Layouts:
    """The records of a place, for one handle.

    Parameters
    ----------
    index, memo
        The tables, and what is known of them.
    intervals
        The configured intervals.
    keeps
        Whether rows have a time to live.
    """

    def __init__(self, index: Index, memo: Memo, intervals: Mapping[str, Interval], *, keeps: bool) -> None:
        self._index = index
        self._memo = memo
        self._intervals = intervals
        self._own = {name: interval.steps or 0 for name, interval in intervals.items()} if keeps else {}
        self.longer: dict[str, Interval] = {}
        """The intervals for which another handle asks for more than this one, as that one has them."""
        self._ends = any(self._own.values())
        self.until = 0.0 if self._ends else math.inf
        """Until when others' ``steps`` need no look."""
        self._recorded: dict[str, str] = {}
        """The layouts that this handle has recorded, or seen recorded."""

    def read(self) -> Protocol[Records]:
        """Return the records."""
        asked = now()
        (rows,) = yield Round([self._index.layouts()])
        return self.learn(rows, asked)

    def learn(self, rows: Any, asked: float) -> Records:
        """Return the records in an answer to a question asked at a time; note others' ``steps``."""
        there = Records.of(rows)
        if self._ends:
            self.until = max(self.until, asked + LEASE)
            longer = dict(self._longest(there.steps))
            if longer != self.longer:
                self.longer = longer
                self._memo.unregister()  # entries in the index have to live longer, too
        return there

    def _longest(self, records: Iterable[Steps]) -> Iterable[tuple[str, Interval]]:
        """Return the intervals for which there is a record of more steps than this handle's, with the most."""
        for name, own in self._own.items():
            most = max((_length(steps[name]) for steps in records if name in steps), default=0)
            if most > _length(own):
                yield name, evolve(self._intervals[name], steps=None if most == math.inf else int(most))

    def record(self, layouts: Mapping[str, str]) -> Protocol[dict[str, str]]:
        """Record layouts that are not there yet, and this handle's ``steps``; return what is recorded then."""
        there = yield from self.read()
        missing = [self._index.record(*item) for item in layouts.items() if item[0] not in there.layouts]
        steps = self._steps(there)
        if missing or steps:
            yield from in_turn([*missing, *steps])
            there = yield from self.read()
        if steps:
            yield from self._wait_for_shorter(there)
        found = {interval: there.layouts.get(interval, layout) for interval, layout in layouts.items()}
        self._recorded.update(found)
        return found

    def _steps(self, there: Records) -> list[Request]:
        """Return what records this handle's ``steps``, if they are not there."""
        return [self._index.record_steps(self._own)] if self._own and self._own not in there.steps else []

    def _wait_for_shorter(self, there: Records) -> Protocol[None]:
        """Wait until handles with fewer ``steps`` have seen those that this one has recorded."""
        shorter = any(
            _length(steps[name]) < _length(own)
            for steps in there.steps
            for name, own in self._own.items()
            if name in steps
        )
        if shorter:
            yield Round(pause=LEASE * _MARGIN)

    def check(self, rows: Any, asked: float) -> Protocol[None]:
        """See that the place still has what this handle recorded; record again what was forgotten."""
        there = self.learn(rows, asked)
        lost = [
            self._index.record(interval, layout)
            for interval, layout in self._recorded.items()
            if interval not in there.layouts
        ]
        steps = self._steps(there)
        group = [] if self._index.group in there.groups else [self._index.record_group(self._index.group)]
        yield from in_turn([*lost, *steps, *group])
        if lost or steps:
            there = yield from self.read()
        if steps:
            yield from self._wait_for_shorter(there)
        for interval, layout in self._recorded.items():
            found = there.layouts.get(interval, layout)
            if found != layout:
                check_layout(interval, found, layout)
                raise SchemaMismatch(
                    f"interval {interval!r}: the layout of this place has changed to {found!r}"
                )

    def forget(self, intervals: Sequence[str]) -> Protocol[tuple[dict[str, str], list[Group]]]:
        """Remove the layouts of intervals, and the groups that have no others; return what there was."""
        there = yield from self.read()
        gone = set(intervals)
        groups = [group for group in there.groups if group.intervals <= gone]
        steps = [steps for steps in there.steps if steps.keys() <= gone]
        forget = map(self._index.forget, intervals)
        yield from in_turn(
            [*forget, *map(self._index.forget_group, groups), *map(self._index.forget_steps, steps)]
        )
        for interval in intervals:
            self._recorded.pop(interval, None)
        return there.layouts, groups

    def restore(self, layouts: Mapping[str, str], groups: Iterable[Group]) -> Protocol[None]:
        """Record again what :meth:`forget` removed."""
        record = [self._index.record(interval, layout) for interval, layout in layouts.items()]
        yield from in_turn([*record, *map(self._index.record_group, groups)])


def _length(steps: int) -> float:
    """Return steps as a number that can be compared: 0 is for ever."""
    return steps or math.inf
