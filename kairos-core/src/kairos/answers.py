"""From a reply to an answer: the stages run over the rows that a storage returned. Pure.

The order is ``process_row``, ``condense``, ``join_rows``, ``collapse``, ``transform``; where ``condense`` and
``join_rows`` are both native they are one merge, by time and then by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        find, empty, finish = self.buckets[0].get, question.empty, self._finish
        if question.stages.timed or self.transformed:
            return {
                start: self._shown(empty(), i)
                if (cells := find(i)) is None
                else self._processed(cells[None], i)
                for i, start in starts
            }
        if process is None:
            answer = {start: empty() if (cells := find(i)) is None else cells[None] for i, start in starts}
        else:
            answer = {
                start: empty() if (cells := find(i)) is None else process(cells[None]) for i, start in starts
            }
        return answer if finish is None else dict(zip(answer, map(finish, answer.values()), strict=True))

    @cached_property
    def _finish(self) -> Callable[[Any], Any] | None:
        """What transforms a finished row, if no transform is timed; None if none is wanted."""
        stages = self.question.stages
        transforms = stages.transforms
        if transforms is None or stages.timed:
            return None
        if stages.single:
            return transforms[0].call
        return lambda row: {transform.key: transform.call(row) for transform in transforms}

    def _row(self, i: int) -> Any:
        """Return the row of one interval bucket, condensed and joined."""
        question, stages = self.question, self.question.stages
        if not self.resolved:
            rows = [self._process(cells.get(i, _NO_CELLS), None) for cells in self.buckets]
            return stages.join_rows(rows) if self.joined else rows[0]
        condense = stages.condense
        assert condense is not None
        if "condense" in stages.native and (not self.joined or "join_rows" in stages.native):
            return question.rules.merge(self._in_time_order(i))  # one merge, of the rows that there are
        if not self.joined:
            return condense(self._windows(i, show=False))
        return stages.join_rows([condense(answer._windows(i, show=False)) for answer in self._by_name])

    @cached_property
    def _by_name(self) -> list[Answer]:
        """The answers for each name alone."""
        return [
            evolve(self, question=evolve(self.question, joined=False), buckets=[cells], joined=False)
            for cells in self.buckets
        ]

    def _in_time_order(self, i: int) -> Iterable[Any]:
        """Return the processed rows of an interval bucket, by time and then by name."""
        found = [cells.get(i, _NO_CELLS) for cells in self.buckets]
        process = self.question.stages.process_row
        if len(found) == 1:
            rows = map(found[0].__getitem__, sorted(found[0]))  # type: ignore[type-var]
        else:
            numbers = sorted({r for cells in found for r in cells})  # type: ignore[type-var]
            rows = (cells[r] for r in numbers for cells in found if r in cells)  # type: ignore[assignment]
        return rows if process is None else map(process, rows)

    def _windows(self, i: int, *, show: bool) -> dict[int, Any]:
        """Return the rows of the resolution buckets of one interval bucket that have data, joined."""
        found = [cells.get(i, _NO_CELLS) for cells in self.buckets]
        if not any(found):
            return {}
        interval, stages = self.question.interval, self.question.stages
        assert interval.resolution is not None
        numbers: list[Any] = sorted({r for cells in found for r in cells} if self.joined else found[0])
        starts = interval.resolution.starts_of(numbers)
        starts[0] = max(starts[0], interval.step.start(i))  # only the first can be cut there
        rows: Iterable[Any]
        if self.joined:
            rows = [stages.join_rows([self._process(cells, r) for cells in found]) for r in numbers]
        elif show and self.transformed:
            rows = [self._processed(found[0][r], i, r) for r in numbers]
            show = False
        else:
            rows = map(found[0].__getitem__, numbers)
            rows = rows if stages.process_row is None else map(stages.process_row, rows)
        if show and stages.timed:
            rows = [self._shown(row, i, r) for r, row in zip(numbers, rows, strict=True)]
        elif show and self._finish is not None:
            rows = map(self._finish, rows)
        return dict(zip(starts, rows, strict=True))

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
        stages = self.question.stages
        if stages.transforms is None:
            return row
        if not stages.timed:
            assert self._finish is not None
            return self._finish(row)
        seconds = self._seconds(i, r)
        results = {t.key: t.call(row, seconds) if t.timed else t.call(row) for t in stages.transforms}
        return next(iter(results.values())) if stages.single else results

    def _seconds(self, i: int | None, r: int | None) -> int:
        """Return how long a row lasts."""
        interval = self.question.interval
        if i is None:
            return interval.step.total(self.question.first, self.question.last)
        return interval.step.duration(i) if r is None else interval.window(i, r)[1]
