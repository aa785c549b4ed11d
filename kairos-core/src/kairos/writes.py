"""From a call to a checked, coalesced batch. Pure: everything here happens before any I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from .errors import InvalidType, InvalidValue, show
from .intervals import Interval
from .kinds import KindRules, increment
from .storage import Batch, Capabilities, Write
from .times import INT64, clock_second, to_second
from .values import COLLECTIONS, check_name, value_checker

__all__ = ["MAX_COPIES", "Writer", "Written"]

MAX_COPIES = 100_000


@frozen
class Written:
    """What a write did, in (item, bucket) pairs.

    Attributes
    ----------
    stored
        Pairs that were stored.
    dropped
        Pairs that fell into dead buckets.
    """

    stored: int
    dropped: int


@frozen
class _Slots:
    """The buckets that one timestamp touches."""

    live: Sequence[tuple[str, int, int | None, int | None]]  # the fields of a Write before its rows
    dead: int


@define
class Writer:
    """Plans the writes of one timeseries."""

    rules: KindRules
    intervals: Sequence[Interval]
    capabilities: Capabilities
    write_func: Callable[[Any], Any] | None
    _check: Callable[[Any], Any] = field(init=False)
    _prepare: Callable[[Any], tuple[Any, int]] = field(init=False)
    _native: bool = field(init=False)
    _live_at: tuple[int | None, Sequence[int | None]] = field(init=False, default=(None, ()))
    _recent: tuple[tuple[int, int, int] | None, _Slots] = field(init=False, default=(None, _Slots((), 0)))

    def __attrs_post_init__(self) -> None:
        self._check = value_checker(self.capabilities.values)
        self._prepare = self._increments if self.rules.name == "count" else self._values
        self._native = self.capabilities.expiry[self.rules.name] == "native"

    def insert(
        self, name: Any, value: Any, timestamp: Any, now: float, intervals: Any, options: Mapping[str, Any]
    ) -> tuple[Batch, Written]:
        """Return the batch of an ``insert``; ``timestamp`` None means ``now``."""
        name = check_name(name, self.capabilities.max_name_bytes)
        copies = _check_copies(intervals)
        self._check_options(options)
        second = clock_second(now)
        slots = self._slots(second if timestamp is None else to_second(timestamp), copies, second)
        payload, count = self._prepare(value if isinstance(value, COLLECTIONS) else (value,))
        if not count:
            return Batch((), now, options), Written(0, 0)
        self._check_totals((payload,))
        rows = {name: payload}
        writes = [Write(interval, i, r, deadline, rows) for interval, i, r, deadline in slots.live]
        return Batch(writes, now, options), Written(count * len(writes), count * slots.dead)

    def bulk_insert(
        self, inserts: Any, now: float, intervals: Any, options: Mapping[str, Any]
    ) -> tuple[Batch, Written]:
        """Return the batch of a ``bulk_insert``: one payload for each touched name and bucket."""
        copies = _check_copies(intervals)
        self._check_options(options)
        if not isinstance(inserts, Mapping):
            raise InvalidType(
                f"bulk_insert takes {{timestamp: {{name: [values]}}}}; got {show(inserts)} ({type(inserts).__name__})"
            )
        second = clock_second(now)
        buckets: dict[tuple[str, int, int | None, int | None], dict[str, Any]] = {}
        stored = dropped = 0
        max_bytes, add, prepare = self.capabilities.max_name_bytes, self.rules.add, self._prepare
        known: dict[Any, str] = {}
        for timestamp, by_name in inserts.items():
            slots = self._slots(second if timestamp is None else to_second(timestamp), copies, second)
            if not isinstance(by_name, Mapping):
                raise InvalidType(
                    "bulk_insert takes {timestamp: {name: [values]}}; "
                    f"got {show(by_name)} for timestamp {show(timestamp)}"
                )
            live = None  # buckets are made when there is something to put into them
            for given, values in by_name.items():
                name = known.get(given) or known.setdefault(given, check_name(given, max_bytes))
                if not isinstance(values, COLLECTIONS):
                    raise InvalidType(
                        "bulk_insert takes a list, tuple, set or frozenset of values for each name; "
                        f"got {show(values)} ({type(values).__name__}) for {show(name)}"
                    )
                payload, count = prepare(values)
                if count:
                    if live is None:
                        live = [buckets.setdefault(slot, {}) for slot in slots.live]
                    for payloads in live:
                        payloads[name] = add(payloads.get(name), payload)
                    stored += count * len(live)
                    dropped += count * slots.dead
        for payloads in buckets.values():
            self._check_totals(payloads.values())
        writes = [Write(*slot, payloads) for slot, payloads in buckets.items()]
        return Batch(writes, now, options), Written(stored, dropped)

    def _values(self, values: Any) -> tuple[Any, int]:
        """Return the payload of values in their own order, and how many they are."""
        if self.write_func is not None:
            values = map(self.write_func, values)
        checked = list(map(self._check, values))
        return (self.rules.coalesce(checked), len(checked)) if checked else (None, 0)

    def _increments(self, values: Any) -> tuple[float, int]:
        """Return the sum of increments, and how many are not 0."""
        if self.write_func is not None:
            values = map(self.write_func, values)
        total: float = 0
        count = 0
        for value in values:
            number = value if type(value) is int and -INT64 <= value < INT64 else self._increment(value)
            if number:
                total += number
                count += 1
        return total, count

    def _increment(self, value: Any) -> float:
        return increment(value, self.capabilities.float_counts)

    def _check_totals(self, payloads: Any) -> None:
        if self.rules.name == "count":
            for total in payloads:
                self.rules.check(0, total, total)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        for option in options:
            if option not in self.capabilities.write_options:
                allowed = ", ".join(sorted(self.capabilities.write_options)) or "none"
                raise InvalidType(f"unknown write option {show(option)}; this backend takes: {allowed}")

    def _first_live(self, now: int) -> Sequence[int | None]:
        """Return the first live bucket of each interval."""
        at, found = self._live_at
        if at != now:
            found = [interval.first_live(now) if self._native else None for interval in self.intervals]
            self._live_at = (now, found)
        return found

    def _slots(self, second: int, copies: int, now: int) -> _Slots:
        """Return the buckets that a value of ``second`` goes to, with its copies."""
        key = (second, copies, now)
        recent, slots = self._recent
        if recent == key:
            return slots
        live: list[tuple[str, int, int | None, int | None]] = []
        dead = 0
        for interval, first in zip(self.intervals, self._first_live(now), strict=True):
            step, resolution = interval.step, interval.resolution
            own = step.bucket(second)
            for i in interval.copies(own, copies) if copies else (own,):
                if first is not None and i < first:
                    dead += 1
                    continue
                r = None
                if resolution is not None:
                    r = resolution.bucket(second if i == own else step.start(i))
                live.append((interval.name, i, r, interval.deadline(i) if self._native else None))
        slots = _Slots(live, dead)
        if not copies:  # copies may be many: not worth keeping
            self._recent = (key, slots)
        return slots


def _check_copies(intervals: Any) -> int:
    if type(intervals) is int and -MAX_COPIES <= intervals <= MAX_COPIES:
        return intervals
    if isinstance(intervals, bool) or not isinstance(intervals, int):
        raise InvalidType(
            f"intervals must be an int from -{MAX_COPIES} to {MAX_COPIES}; got {show(intervals)}"
        )
    if not -MAX_COPIES <= intervals <= MAX_COPIES:
        raise InvalidValue(
            f"intervals must be an int from -{MAX_COPIES} to {MAX_COPIES}; got {show(intervals)}"
        )
    return int.__int__(intervals)
