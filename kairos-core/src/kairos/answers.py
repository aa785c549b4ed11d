"""From a reply to an answer: the stages run over the rows that a storage returned. Pure.

The order is ``process_row``, ``condense``, ``join_rows``, ``collapse``, ``transform``; where ``condense`` and
``join_rows`` are both native they are one merge, by time and then by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

from attrs import define, evolve

from .intervals import Interval
from .kinds import KindRules
from .stages import Stages
from .storage import Axis, Buckets, Reply

__all__ = ["Answer", "Question"]

Cells = dict[int | None, Any]
_NO_CELLS: Cells = {}


@define
class Question:
    """What a call asks: names, a range of one interval and the stages to run.

    Attributes
    ----------
    names
        In the caller's order; a repeated one counts each time.
    joined
        Whether the rows of a window go to ``join_rows``.
    first, last
        The buckets that the answer shows, both included.
    empty
        Gives the processed row of a bucket without data.
    """

    rules: KindRules
    interval: Interval
    names: tuple[str, ...]
    joined: bool
    first: int
    last: int
    stages: Stages
    empty: Callable[[], Any]


@define
class Answer:
    """A reply, and how much of the question is still to be done."""

    question: Question
    buckets: Sequence[Buckets]  # of each name, in order
    joined: bool
    resolved: bool
    collapsed: bool
    transformed: bool

    @classmethod
    def of(cls, question: Question, reply: Reply, fold: frozenset[Axis]) -> Answer:
        """Start from a reply to a request that wanted ``fold``."""
        done: frozenset[Axis] = fold if reply.folded else frozenset()
        names = ("",) if "name" in done else question.names
        buckets = [reply.data.get(name, {}) for name in names]
        for position, name in enumerate(names):
            if name in names[:position]:  # counted again: rows of its own, which a stage may change
                buckets[position] = deepcopy(buckets[position])
        return cls(
            question,
            buckets,
            question.joined and "name" not in done,
            question.interval.resolution is not None and "resolution" not in done,
            "interval" in done,
            reply.transformed,
        )

    def by_interval(self) -> dict[int, Any]:
        """Return ``{interval start: row}``, or ``{interval start: {resolution start: row}}`` if not condensed."""
        question = self.question
        stages, step = question.stages, question.interval.step
        if stages.collapse is not None:
            return self._collapse()
        if not self.joined and not self.resolved:
            return self._plain()
        windows = self.resolved and stages.condense is None
        answer = {}
        for i, start in step.starts(question.first, question.last):
            answer[start] = self._windows(i, show=True) if windows else self._shown(self._row(i), i)
        return answer

    def flat(self) -> dict[int, Any]:
        """Return the rows in time order, those of resolution buckets if not condensed."""
        answer = self.by_interval()
        if self.resolved and self.question.stages.condense is None:
            return {start: row for rows in answer.values() for start, row in rows.items()}
        return answer

    def _plain(self) -> dict[int, Any]:
        """Return the rows of one name without resolution: the hot loop of most reads."""
        question, process = self.question, self.question.stages.process_row
        starts = question.interval.step.starts(question.first, question.last)
        find, empty = self.buckets[0].get, question.empty
        answer = {}
        if question.stages.transforms is not None:
            for i, start in starts:
                cells = find(i)
                answer[start] = self._shown(empty(), i) if cells is None else self._processed(cells[None], i)
        elif process is None:
            for i, start in starts:
                cells = find(i)
                answer[start] = empty() if cells is None else cells[None]
        else:
            for i, start in starts:
                cells = find(i)
                answer[start] = empty() if cells is None else process(cells[None])
        return answer

    def _row(self, i: int) -> Any:
        """Return the row of one interval bucket, condensed and joined."""
        question, stages = self.question, self.question.stages
        if not self.resolved:
            rows = [self._process(cells.get(i, _NO_CELLS), None) for cells in self.buckets]
            return stages.join_rows(rows) if self.joined else rows[0]
        condense = stages.condense
        assert condense is not None
        if not self.joined:
            return condense(self._windows(i, show=False))
        if {"condense", "join_rows"} <= stages.native:  # one merge, of the rows that there are
            return question.rules.merge(self._in_time_order(i))
        return stages.join_rows([condense(answer._windows(i, show=False)) for answer in self._by_name])

    @cached_property
    def _by_name(self) -> list[Answer]:
        """The answers for each name alone."""
        return [
            evolve(self, question=evolve(self.question, joined=False), buckets=[cells], joined=False)
            for cells in self.buckets
        ]

    def _in_time_order(self, i: int) -> Iterator[Any]:
        """Yield the processed rows of an interval bucket, by time and then by name."""
        found = [cells.get(i, _NO_CELLS) for cells in self.buckets]
        for r in sorted({r for cells in found for r in cells}):  # type: ignore[type-var]
            for cells in found:
                if r in cells:
                    yield self._process(cells, r)

    def _windows(self, i: int, *, show: bool) -> dict[int, Any]:
        """Return the rows of the resolution buckets of one interval bucket that have data, joined."""
        found = [cells.get(i, _NO_CELLS) for cells in self.buckets]
        if not any(found):
            return {}
        interval, stages = self.question.interval, self.question.stages
        assert interval.resolution is not None
        start_of, left = interval.resolution.start, interval.step.start(i)
        numbers = found[0] if len(found) == 1 else {r for cells in found for r in cells}
        windows = {}
        for r in sorted(numbers):  # type: ignore[type-var]
            assert r is not None
            if self.joined:
                row = stages.join_rows([self._process(cells, r) for cells in found])
                shown = self._shown(row, i, r) if show else row
            else:
                shown = self._processed(found[0][r], i, r) if show else self._process(found[0], r)
            windows[max(start_of(r), left)] = shown
        return windows

    def _collapse(self) -> dict[int, Any]:
        question = self.question
        step, collapse = question.interval.step, question.stages.collapse
        start = step.start(question.first)
        if self.collapsed:  # by the storage: one row, of the first bucket that was read
            cells = next(iter(self.buckets[0].values()), None)
            empty = None if cells else question.empty()
            return {start: self._processed(cells[None], None) if cells else self._shown(empty, None)}
        assert collapse is not None
        row = collapse({start: self._row(i) for i, start in step.starts(question.first, question.last)})
        return {start: self._shown(row, None)}

    def _process(self, cells: Cells, r: int | None) -> Any:
        if r not in cells:
            return self.question.empty()
        process = self.question.stages.process_row
        return cells[r] if process is None else process(cells[r])

    def _processed(self, row: Any, i: int | None, r: int | None = None) -> Any:
        """Return what is shown of a row of the reply."""
        stages = self.question.stages
        if self.transformed:
            assert stages.transforms is not None
            results = {transform.key: row[transform.name] for transform in stages.transforms}
            return next(iter(results.values())) if stages.single else results
        return self._shown(row if stages.process_row is None else stages.process_row(row), i, r)

    def _shown(self, row: Any, i: int | None, r: int | None = None) -> Any:
        """Return what is shown of a finished row: transformed, if the call says so. ``i`` None: the whole range."""
        transforms = self.question.stages.transforms
        if transforms is None:
            return row

        def duration() -> int:
            interval = self.question.interval
            if i is None:
                return interval.step.total(self.question.first, self.question.last)
            return interval.step.duration(i) if r is None else interval.window(i, r)[1]

        if self.question.stages.single:
            return transforms[0].call(row, duration)
        return {transform.key: transform.call(row, duration) for transform in transforms}
