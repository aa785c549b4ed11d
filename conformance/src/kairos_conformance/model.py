"""The model: a list of what was written, and answers by filtering it.

Written from SEMANTICS alone. It knows nothing of how a backend stores a row, coalesces a batch or walks a
range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from .calendar import Ruler, second_of
from .configurations import Configuration, Interval
from .kinds import merge, row_of
from .stages import NATIVE, Stages
from .transforms import named

__all__ = ["Model", "stored_as_text"]

Timestamp = float | datetime | None
Items = list[tuple[str, Any, int]]
"""Name, value and second of each single item."""


@frozen
class _Point:
    name: str
    interval: str
    bucket: int
    resolution: int | None
    value: Any


def stored_as_text(value: Any) -> str:
    """Return how a text store holds a value."""
    return repr(float(value)) if isinstance(value, float) else str(value)


@define
class Model:
    """The answers of one timeseries.

    Parameters
    ----------
    kind, configuration
        What the timeseries was opened with.
    native
        Whether dead buckets vanish by themselves.
    text
        Whether the store holds text.
    read_func, write_func
        As given to the timeseries.
    """

    kind: str
    configuration: Configuration
    native: bool
    text: bool = False
    read_func: Callable[[Any], Any] | None = None
    write_func: Callable[[Any], Any] | None = None
    _points: list[_Point] = field(factory=list, repr=False)
    _deadlines: dict[tuple[str, int], int] = field(factory=dict, repr=False)

    def insert(self, name: str, value: Any, timestamp: Timestamp, copies: int, now: float) -> tuple[int, int]:
        """Write one value or a collection of them; return how many pairs were stored and dropped."""
        return self._write(((name, item, _second(timestamp, now)) for item in _items(value)), copies, now)

    def bulk_insert(
        self, data: Mapping[Any, Mapping[str, Iterable[Any]]], copies: int, now: float
    ) -> tuple[int, int]:
        """Write like the same inserts one by one."""
        items: Items = []
        for timestamp, names in data.items():
            for name, values in names.items():
                items += [(name, value, _second(timestamp, now)) for value in values]
        return self._write(items, copies, now)

    def delete(self, name: str, now: float) -> int:
        """Forget a name; return 1 if it had data."""
        known = name in self.listed(now)
        self._points = [point for point in self._points if point.name != name]
        return int(known)

    def expire(self, name: str | None, now: float) -> None:
        """Forget dead buckets of a name, or of all."""
        self._points = [p for p in self._points if name not in (None, p.name) or self._lives(p, now)]

    def listed(self, now: float) -> list[str]:
        """Return the sorted names with data."""
        return sorted({point.name for point in self._alive(now)})

    def properties(self, name: str, now: float) -> dict[str, dict[str, int]]:
        """Return the starts of the first and last bucket with data of each interval."""
        result = {}
        for interval in self.configuration.intervals.values():
            if span := self.span([name], interval.name, now):
                first, last = (interval.step.start(bucket) for bucket in span)
                result[interval.name] = {"first": first, "last": last}
        return result

    def span(self, names: Iterable[str], interval: str, now: float) -> tuple[int, int] | None:
        """Return the first and the last bucket with data of these names."""
        wanted = set(names)
        buckets = [p.bucket for p in self._alive(now, interval) if p.name in wanted]
        return (min(buckets), max(buckets)) if buckets else None

    def get(
        self, name: Any, interval: str, timestamp: Timestamp, now: float, stages: Stages = NATIVE
    ) -> dict[Any, Any]:
        """Answer ``get``."""
        it = self.configuration.intervals[interval]
        bucket = it.step.bucket(_second(timestamp, now))
        shown = self._bucket(self._alive(now, interval), name, it, bucket, stages)
        return {start: self._transformed(row, seconds, stages) for start, row, seconds in shown}

    def series(
        self,
        name: Any,
        interval: str,
        start: Timestamp,
        end: Timestamp,
        steps: int | None,
        now: float,
        stages: Stages = NATIVE,
    ) -> dict[int, Any]:
        """Answer ``series``."""
        it = self.configuration.intervals[interval]
        buckets = self.range(it, start, end, steps, now)
        points = self._alive(now, interval)
        if stages.collapse:
            return self._collapsed(points, name, it, buckets, stages)
        result: dict[int, Any] = {}
        for bucket in buckets:
            shown = {
                at: self._transformed(row, seconds, stages)
                for at, row, seconds in self._bucket(points, name, it, bucket, stages)
            }
            nested = it.resolution is not None and not stages.condense
            result[it.step.start(bucket)] = shown if nested else shown[it.step.start(bucket)]
        return result

    def iterate(
        self, name: Any, interval: str, now: float, stages: Stages = NATIVE
    ) -> Iterator[tuple[int, Any]]:
        """Answer ``iterate``."""
        it = self.configuration.intervals[interval]
        span = self.span(_names(name), interval, now)
        if span is None:
            return
        points = self._alive(now, interval)
        if it.resolution is not None and not stages.condense:
            buckets: Iterable[int] = sorted({p.bucket for p in points if p.name in _names(name)})
        else:
            buckets = _walk(it.step, *span)
        for bucket in buckets:
            for start, row, seconds in self._bucket(points, name, it, bucket, stages):
                yield start, self._transformed(row, seconds, stages)

    def range(
        self, interval: Interval, start: Timestamp, end: Timestamp, steps: int | None, now: float
    ) -> list[int]:
        """Return the interval buckets of a ``series`` call."""
        step = interval.step
        count = steps or interval.steps or 1
        if start is None:
            buckets = [step.bucket(_second(end, now))]
            while len(buckets) < count:
                buckets.append(step.after(buckets[-1], -1))
            return buckets[::-1]
        buckets = [step.bucket(_second(start, now))]
        last = None if end is None else step.bucket(_second(end, now))
        while (len(buckets) < count) if last is None else (buckets[-1] < last):
            buckets.append(step.after(buckets[-1], 1))
        return buckets

    def is_live(self, interval: Interval, bucket: int, now: float) -> bool:
        """Return whether fewer than ``steps`` buckets lie from the bucket to now."""
        if interval.steps is None:
            return True
        deadline = self._deadlines.get((interval.name, bucket))
        if deadline is None:
            deadline = interval.step.start(interval.step.after(bucket, interval.steps))
            self._deadlines[interval.name, bucket] = deadline
        return second_of(now) < deadline

    def _write(self, items: Iterable[tuple[str, Any, int]], copies: int, now: float) -> tuple[int, int]:
        stored = dropped = 0
        for name, value, second in items:
            if self.write_func is not None:
                value = self.write_func(value)
            if self.kind == "count":
                if not value:
                    continue
            elif self.text:
                value = stored_as_text(value)
            for interval in self.configuration.intervals.values():
                for bucket, resolution in _places(interval, second, copies):
                    if self.native and not self.is_live(interval, bucket, now):
                        dropped += 1
                        continue
                    stored += 1
                    self._points.append(_Point(name, interval.name, bucket, resolution, value))
        return stored, dropped

    def _alive(self, now: float, interval: str | None = None) -> list[_Point]:
        """Return the points (of one interval) that are data now, in the order in which they were written."""
        return [
            point
            for point in self._points
            if interval in (None, point.interval) and (not self.native or self._lives(point, now))
        ]

    def _lives(self, point: _Point, now: float) -> bool:
        return self.is_live(self.configuration.intervals[point.interval], point.bucket, now)

    def _bucket(
        self, points: list[_Point], name: Any, interval: Interval, bucket: int, stages: Stages
    ) -> list[tuple[int, Any, int]]:
        """Return (start shown, row, seconds) of the rows that one interval bucket shows."""
        names = _names(name)
        points = [point for point in points if point.bucket == bucket]
        begin, end = interval.step.start(bucket), interval.step.end(bucket)
        whole = interval.step.length(bucket)
        if interval.resolution is None:
            rows = [self._processed(points, one, None, name, stages) for one in names]
            return [(begin, stages.joined(self.kind, name, rows), whole)]
        numbers = sorted({p.resolution for p in points if p.name in names and p.resolution is not None})
        starts = {r: max(begin, interval.resolution.start(r)) for r in numbers}
        if not stages.condense:
            shown = []
            for r in numbers:
                rows = [self._processed(points, one, r, name, stages) for one in names]
                row = stages.joined(self.kind, name, rows)
                shown.append((starts[r], row, _lasts(interval, r, begin, end)))
            return shown
        held = [
            {
                starts[r]: self._processed(points, one, r, name, stages)
                for r in numbers
                if _has(points, one, r)
            }
            for one in names
        ]
        return [(begin, stages.condensed(self.kind, name, held), whole)]

    def _collapsed(
        self, points: list[_Point], name: Any, interval: Interval, buckets: list[int], stages: Stages
    ) -> dict[int, Any]:
        rows, seconds = {}, 0
        for bucket in buckets:
            ((start, row, lasts),) = self._bucket(points, name, interval, bucket, stages.collapsing())
            rows[start] = row
            seconds += lasts
        row = stages.collapsed(self.kind, rows)
        return {interval.step.start(buckets[0]): self._transformed(row, seconds, stages)}

    def _processed(self, points: list[_Point], one: str, r: int | None, name: Any, stages: Stages) -> Any:
        row = row_of(self.kind, (p.value for p in points if p.name == one and p.resolution == r))
        if stages.process_row is not None:
            return stages.process_row(row)
        if self.read_func is None or self.kind == "count":
            return row
        if self.kind == "gauge":
            missing_text = self.text and isinstance(name, str) and not stages.condense and not stages.collapse
            if row is None:
                return self.read_func("") if missing_text else None
            return self.read_func(row)
        if self.kind == "histogram":
            return merge("histogram", [{self.read_func(value): n} for value, n in row.items()])
        return type(row)(map(self.read_func, row))

    def _transformed(self, row: Any, seconds: int, stages: Stages) -> Any:
        return stages.transformed(lambda name: named(name, self.kind, row, seconds), row)


def _second(timestamp: Timestamp, now: float) -> int:
    return second_of(now if timestamp is None else timestamp)


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _names(name: Any) -> list[str]:
    if isinstance(name, str):
        return [name]
    return sorted(name) if isinstance(name, set | frozenset) else list(name)


def _walk(step: Ruler, first: int, last: int) -> Iterator[int]:
    while first <= last:
        yield first
        first = step.after(first, 1)


def _has(points: list[_Point], name: str, resolution: int) -> bool:
    return any(p.name == name and p.resolution == resolution for p in points)


def _places(interval: Interval, second: int, copies: int) -> list[tuple[int, int | None]]:
    """Return the buckets of one interval that a write touches: its own first, then the copies'."""
    own = interval.step.bucket(second)
    seconds = {own: second}
    for n in range(1, abs(copies) + 1):
        bucket = interval.step.after(own, n if copies > 0 else -n)
        seconds[bucket] = interval.step.start(bucket)
    finer = interval.resolution
    return [(b, None if finer is None else finer.bucket(at)) for b, at in seconds.items()]


def _lasts(interval: Interval, resolution: int, begin: int, end: int) -> int:
    """Return the duration of a resolution row: its whole length, or its real seconds where the edge cuts it."""
    assert interval.resolution is not None
    own_begin, own_end = interval.resolution.start(resolution), interval.resolution.end(resolution)
    if own_begin >= begin and own_end <= end:
        return interval.resolution.length(resolution)
    return min(end, own_end) - max(begin, own_begin)
