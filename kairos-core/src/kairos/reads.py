"""From a call to a request, and how ``iterate`` goes through its pages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from .answers import Answer, Question
from .errors import InvalidType, InvalidValue, UnknownInterval, show
from .intervals import Interval
from .kinds import KindRules
from .stages import Binder, Call, Plan, StageProviders, Stages
from .storage import Axis, Capabilities, Read, Reply
from .times import clock_second, to_second
from .values import COLLECTIONS, check_name

__all__ = ["MAX_BUCKETS", "Pages", "Plan", "Query", "Reader", "Span"]

MAX_BUCKETS = 10_000_000
PAGE = 1_000
"""About how many rows ``iterate`` reads at once."""

_NO_FOLD: frozenset[Axis] = frozenset()


@define
class Query:
    """One read: the request that goes to the storage (None: every bucket is dead), and the question behind it."""

    question: Question
    request: Read | None

    def answer(self, reply: Reply) -> Answer:
        """Return the reply, ready to be shown."""
        if self.request is not None and self.request.fetch is not None:
            _check_fetched(reply.data, self.question.interval.resolution is not None)
        return Answer.of(self.question, reply, _NO_FOLD if self.request is None else self.request.fold)


@frozen
class Span:
    """What ``iterate`` asks of :meth:`kairos.storage.Storage.span`."""

    name: str
    interval: str
    at_least: int | None


Pages = Generator[Read | Span | list[tuple[int, Any]], Any, None]
"""Yields requests, which are answered by ``send``, and lists of items for the caller."""


@define
class Reader:
    """Plans the reads of one timeseries."""

    rules: KindRules
    intervals: Mapping[str, Interval]
    capabilities: Capabilities
    read_func: Callable[[Any], Any] | None
    plugins: StageProviders | None
    backend: str
    _binder: Binder = field(init=False)
    _native: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._binder = Binder(self.rules, self.capabilities, self.read_func, self.plugins, self.backend)
        self._native = self.capabilities.expiry[self.rules.name] == "native"

    def interval(self, name: Any) -> Interval:
        """Return a configured interval."""
        try:
            return self.intervals[name]
        except (KeyError, TypeError):
            known = ", ".join(map(show, self.intervals))
            raise UnknownInterval(f"unknown interval {show(name)}; this timeseries has {known}") from None

    def name(self, name: Any) -> str:
        """Return a name that can be read."""
        return check_name(name, self.capabilities.max_name_bytes)

    def scope(self, now: float) -> dict[str, int | None]:
        """Return the first live bucket of each interval, as every call shows data."""
        second = clock_second(now) if self._native else 0
        return {i.name: i.first_live(second) if self._native else None for i in self.intervals.values()}

    def expired(self, now: float) -> dict[str, int | None]:
        """Return the first bucket to keep of each interval that can have dead ones."""
        second = clock_second(now)
        found = {i.name: i.first_live(second) for i in self.intervals.values()}
        return {name: first for name, first in found.items() if first is not None}

    def get(self, name: Any, interval: Any, timestamp: Any, now: float, call: Call) -> Query:
        """Plan a ``get``; ``timestamp`` None means ``now``."""
        found = self.interval(interval)
        names, joined = self._names(name)
        bucket = found.step.bucket(clock_second(now) if timestamp is None else to_second(timestamp))
        return self._query("get", found, names, joined, bucket, bucket, now, call)

    def series(
        self, name: Any, interval: Any, start: Any, end: Any, steps: Any, now: float, call: Call
    ) -> Query:
        """Plan a ``series``."""
        found = self.interval(interval)
        names, joined = self._names(name)
        step = found.step
        length = _check_steps(steps) or found.steps or 1
        first = None if start is None else step.ordinal(step.bucket(to_second(start, "start")))
        if end is not None:
            last = step.ordinal(step.bucket(to_second(end, "end")))
        elif first is None:
            last = step.ordinal(step.bucket(clock_second(now)))
        else:
            last = first + length - 1
        if first is None:
            first = last - length + 1
        last = max(first, last)
        if last - first >= MAX_BUCKETS:
            raise InvalidValue(
                f"series of interval {show(found.name)} asks for {show(last - first + 1)} buckets; at most "
                f"{MAX_BUCKETS} are allowed: pass start, end or steps, or use iterate"
            )
        return self._query("series", found, names, joined, step.at(first), step.at(last), now, call)

    def iterate(self, name: Any, interval: Any, call: Call) -> Callable[[float], Pages]:
        """Plan an ``iterate``: what it returns is started with the time of its first item."""
        found = self.interval(interval)
        names, joined = self._names(name)
        stages = self._binder.bind("iterate", names, found.name, call, found.resolution is not None)
        question = Question(self.rules, found, names, joined, 0, 0, stages, self._empty(stages, joined))
        return lambda now: self._pages(question, now)

    def plan(self, interval: Any) -> Plan:
        """Return what plugins are asked about a ``get`` of an interval."""
        return Plan(
            self.backend, self.rules.name, "get", (), self.interval(interval).name, self._binder.native
        )

    def _names(self, name: Any) -> tuple[tuple[str, ...], bool]:
        if not isinstance(name, COLLECTIONS):
            return (self.name(name),), False
        names = [self.name(one) for one in name]
        if not names:
            raise InvalidValue(
                f"name must be a str, or a list, tuple or set of at least one; got {show(name)}"
            )
        return tuple(sorted(names) if isinstance(name, set | frozenset) else names), True

    def _empty(self, stages: Stages, joined: bool) -> Callable[[], Any]:
        """Return what gives the processed row of a bucket without data."""
        empty, process, read_func = self.rules.empty, stages.process_row, self.read_func
        alone = (
            not joined
            and stages.condense is None
            and stages.collapse is None
            and "process_row" in stages.native
        )
        if self.rules.name == "gauge" and self.capabilities.values.text and read_func is not None and alone:
            return lambda: read_func("")
        if process is None:
            return empty
        return lambda: process(empty())

    def _query(
        self,
        call_name: str,
        interval: Interval,
        names: tuple[str, ...],
        joined: bool,
        first: int,
        last: int,
        now: float,
        call: Call,
    ) -> Query:
        stages = self._binder.bind(call_name, names, interval.name, call, interval.resolution is not None)
        question = Question(
            self.rules, interval, names, joined, first, last, stages, self._empty(stages, joined)
        )
        live = interval.first_live(clock_second(now)) if self._native else None
        return Query(question, self._request(question, live))

    def _request(self, question: Question, live: int | None) -> Read | None:
        """Return the request for the live buckets of a question's range."""
        interval, stages = question.interval, question.stages
        first, last = question.first, question.last
        if live is not None and first < live:
            if last < live:
                return None
            first = live
        step = interval.step
        fold = self._fold(question)
        return Read(
            question.names if len(question.names) == 1 else tuple(dict.fromkeys(question.names)),
            interval.name,
            first,
            last,
            lambda: step.buckets(first, last),
            None if interval.resolution is None else interval.resolutions,
            stages.fetch,
            fold,
            self._pushed(question, fold),
        )

    def _fold(self, question: Question) -> frozenset[Axis]:
        """Return the axes that the storage is asked to merge: all native ones before the first that is not."""
        declared, stages = self.capabilities.folds, question.stages
        if not declared or stages.fetch is not None or "process_row" not in stages.native:
            return _NO_FOLD
        if self.read_func is not None and self.rules.name != "count":
            return _NO_FOLD
        axes: list[Axis] = []
        if stages.condense is not None and "condense" in stages.native:
            axes.append("resolution")
        custom_condense = stages.condense is not None and not axes
        join = question.joined and not custom_condense and "join_rows" in stages.native
        if join and len(set(question.names)) == len(question.names):
            axes.append("name")
        elif join and axes:  # both native are one merge, which the storage can't do with a name counted twice
            return _NO_FOLD
        all_done = not custom_condense and ("name" in axes or not question.joined)
        if all_done and stages.collapse is not None and "collapse" in stages.native:
            axes.append("interval")
        wanted = frozenset(axes)
        if wanted <= declared:
            return wanted
        without = wanted - {"interval"}  # a collapse of merged rows gives the same in the core
        return without if without <= declared else _NO_FOLD

    def _pushed(self, question: Question, fold: frozenset[Axis]) -> tuple[str, ...]:
        """Return the transforms that the storage is asked for: all, if its rows are then the shown ones."""
        stages = question.stages
        if not stages.transforms or not self.capabilities.transforms or not self.rules.collects:
            return ()
        if self.read_func is not None or stages.fetch is not None or "process_row" not in stages.native:
            return ()
        if (
            (stages.condense is not None and "resolution" not in fold)
            or (question.joined and "name" not in fold)
            or (stages.collapse is not None and "interval" not in fold)
        ):
            return ()
        names = [
            transform.name
            for transform in stages.transforms
            if transform.name in self.capabilities.transforms
        ]
        return tuple(dict.fromkeys(n for n in names if n)) if len(names) == len(stages.transforms) else ()

    def _pages(self, question: Question, now: float) -> Pages:
        """Go through an interval from the first to the last bucket with data."""
        interval = question.interval
        step = interval.step
        names = tuple(dict.fromkeys(question.names))
        live = interval.first_live(clock_second(now)) if self._native else None
        spans = []
        for name in names:
            span = yield Span(name, interval.name, live)
            if span is not None:
                spans.append(span)
        if not spans:
            return
        position, end = (
            step.ordinal(min(span[0] for span in spans)),
            step.ordinal(max(span[1] for span in spans)),
        )
        windows = interval.resolution is not None and question.stages.condense is None
        size = 1 if interval.resolution is not None else PAGE
        known = position  # where the next data lies, as far as is known
        while position <= end:
            last = min(position + size - 1, end)
            page = evolve(question, first=step.at(position), last=step.at(last))
            reply = Reply({})
            request = self._request(page, None) if last >= known else None
            if request is not None:
                reply = yield request
            items = list(Query(page, request).answer(reply).flat().items())
            if items:
                yield items
            position = last + 1
            if request is None or position > end:
                continue
            found = sum(len(cells) for buckets in reply.data.values() for cells in buckets.values())
            if found < PAGE // 2:  # pages get as long as there is little in them
                size = min(2 * size, PAGE)
            elif found > 2 * PAGE:
                size = max(size // 2, 1)
            if not found:
                spans = []
                for name in names:
                    span = yield Span(name, interval.name, step.at(position))
                    if span is not None:
                        spans.append(span)
                known = step.ordinal(min(span[0] for span in spans)) if spans else end + 1
                if windows:
                    position = known  # only buckets with data are shown


def _check_fetched(data: Mapping[str, Any], resolved: bool) -> None:
    """Raise InvalidType for what a custom ``fetch`` returned, if it has not the shape of rows."""
    shape = "{bucket: {resolution bucket: row}}" if resolved else "{bucket: {None: row}}"
    for name, buckets in data.items():
        for cells in buckets.values() if isinstance(buckets, Mapping) else (None,):
            if not isinstance(cells, Mapping) or not cells or any((r is None) is resolved for r in cells):
                raise InvalidType(
                    f"fetch must return {shape}, without empty buckets; got {show(buckets)} for {show(name)}"
                )


def _check_steps(steps: Any) -> int:
    if steps is None:
        return 0
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise InvalidType(f"steps must be an int >= 0 or None; got {show(steps)} ({type(steps).__name__})")
    if steps < 0:
        raise InvalidValue(f"steps must be an int >= 0 or None; got {show(steps)}")
    return int.__int__(steps)
