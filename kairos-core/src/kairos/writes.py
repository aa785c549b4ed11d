"""From a call to a checked, coalesced batch. Pure: everything here happens before any I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from attrs import define, field

from .errors import InvalidType, InvalidValue, show
from .intervals import Interval
from .kinds import KindRules, increment
from .storage import Batch, Capabilities, Write
from .times import INT64, clock_second, to_second
from .values import COLLECTIONS, check_name, list_checker

__all__ = ["MAX_COPIES", "Writer", "Written"]

MAX_COPIES = 100_000
_TIMESTAMP_OF_BULK = "a timestamp of bulk_insert({timestamp: {name: [values]}})"

STEP = 2_000
"""After so many values and names the planning of a bulk lets others run, on an event loop."""

T = TypeVar("T")


class Written(NamedTuple):
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


Slot = tuple[str, int, int | None, int | None]
"""The fields of a :class:`~kairos.storage.Write` before its rows."""


@define
class _Slots:
    """The buckets that the timestamps from ``low`` to ``high`` (not included) touch."""

    live: tuple[Slot, ...]
    dead: int
    low: int
    high: int


@define
class Writer:
    """Plans the writes of one timeseries."""

    rules: KindRules
    intervals: Sequence[Interval]
    capabilities: Capabilities
    write_func: Callable[[Any], Any] | None
    _check: Callable[[list[Any]], list[Any]] = field(init=False)
    _prepare: Callable[[Any], tuple[Any, int]] = field(init=False)
    _native: bool = field(init=False)
    _live_at: tuple[int | None, Sequence[int | None]] = field(init=False, default=(None, ()))
    _recent: tuple[int | None, _Slots] = field(init=False, default=(None, _Slots((), 0, 0, 0)))

    def __attrs_post_init__(self) -> None:
        self._check = list_checker(self.capabilities.values)
        self._prepare = self._increments if self.rules.name == "count" else self._values
        self._native = self.capabilities.expiry[self.rules.name] == "native"

    def insert(
        self, name: Any, value: Any, timestamp: Any, now: float, intervals: Any, options: Mapping[str, Any]
    ) -> tuple[Batch, Written]:
        """Return the batch of an ``insert``; ``timestamp`` None means ``now``."""
        name = check_name(name, self.capabilities.max_name_bytes)
        copies = _check_copies(intervals)
        if options:
            self._check_options(options)
        second = clock_second(now)
        slots = self._slots(second if timestamp is None else to_second(timestamp), copies, second)
        payload, count = self._prepare(value if isinstance(value, COLLECTIONS) else (value,))
        if not count:
            return Batch((), now, options), Written(0, 0)
        if count > 1:
            self._check_totals((payload,))
        rows = {name: payload}
        writes = [Write(interval, i, r, deadline, rows) for interval, i, r, deadline in slots.live]
        return Batch(writes, now, options), Written(count * len(writes), count * slots.dead)

    def bulk_insert(
        self, inserts: Any, now: float, intervals: Any, options: Mapping[str, Any]
    ) -> tuple[Batch, Written]:
        """Return the batch of a ``bulk_insert``: one payload for each touched name and bucket."""
        return finished(self.bulk_steps(inserts, now, intervals, options))

    def bulk_steps(
        self, inserts: Any, now: float, intervals: Any, options: Mapping[str, Any]
    ) -> Generator[None, None, tuple[Batch, Written]]:
        """Do the same in steps of a millisecond or so: between two of them an event loop may run."""
        copies = _check_copies(intervals)
        self._check_options(options)
        if not isinstance(inserts, Mapping):
            raise InvalidType(
                f"bulk_insert takes {{timestamp: {{name: [values]}}}}; got {show(inserts)} ({type(inserts).__name__})"
            )
        second = clock_second(now)
        parts: list[
            tuple[tuple[Slot, ...], dict[str, Any]]
        ] = []  # payloads of timestamps with the same slots
        stored = dropped = 0
        max_bytes, add, prepare = self.capabilities.max_name_bytes, self.rules.add, self._prepare
        known: dict[Any, str] = {}
        work = 0
        for timestamp, by_name in inserts.items():
            if work > STEP:
                work = 0
                yield
            moment = second if timestamp is None else to_second(timestamp, _TIMESTAMP_OF_BULK)
            slots = self._slots(moment, copies, second)
            if not isinstance(by_name, Mapping):
                raise InvalidType(
                    "bulk_insert takes {timestamp: {name: [values]}}; "
                    f"got {show(by_name)} for timestamp {show(timestamp)}"
                )
            items = 0
            payloads: dict[str, Any] = parts[-1][1] if parts and parts[-1][0] == slots.live else {}
            for given, values in by_name.items():
                name = known.get(given) or known.setdefault(given, check_name(given, max_bytes))
                if not isinstance(values, COLLECTIONS):
                    raise InvalidType(
                        "bulk_insert takes a list, tuple, set or frozenset of values for each name; "
                        f"got {show(values)} ({type(values).__name__}) for {show(name)}"
                    )
                payload, count = prepare(values)
                if count:
                    payloads[name] = add(payloads.get(name), payload)
                    items += count
            if items and not (parts and parts[-1][1] is payloads):
                parts.append((slots.live, payloads))
            work += items + len(by_name)
            stored += items * len(slots.live)
            dropped += items * slots.dead
        writes = yield from self._joined(parts)
        return Batch(writes, now, options), Written(stored, dropped)

    def _joined(
        self, parts: Sequence[tuple[tuple[Slot, ...], dict[str, Any]]]
    ) -> Generator[None, None, list[Write]]:
        """Return one write for each bucket; parts stay in their order."""
        by_slot: dict[Slot, list[dict[str, Any]]] = {}
        for live, payloads in parts:
            for slot in live:
                by_slot.setdefault(slot, []).append(payloads)
        writes = []
        add = self.rules.add
        work = 0
        for slot, found in by_slot.items():
            if work > STEP:
                work = 0
                yield
            rows = found[0]
            if len(found) > 1:
                rows = {}
                for payloads in found:
                    for name, payload in payloads.items():
                        rows[name] = add(rows.get(name), payload)
                    work += len(payloads)
            writes.append(Write(*slot, rows))
        yield
        for shared in {id(write.rows): write.rows for write in writes}.values():
            self._check_totals(shared.values())
        return writes

    def _values(self, values: Any) -> tuple[Any, int]:
        """Return the payload of values in their own order, and how many they are."""
        if self.write_func is not None:
            values = map(self.write_func, values)
        checked = self._check(list(values))
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
        at, slots = self._recent
        if slots.low <= second < slots.high and at == now and not copies:
            return slots
        live: list[Slot] = []
        dead = 0
        lows, highs = [], []
        for interval, first in zip(self.intervals, self._first_live(now), strict=True):
            step, resolution = interval.step, interval.resolution
            own, low, high = step.locate(second)
            lows.append(low)
            highs.append(high)
            own_r = None
            if resolution is not None:
                own_r, low, high = resolution.locate(second)
                lows.append(low)
                highs.append(high)
            for i in interval.copies(own, copies) if copies else (own,):
                if first is not None and i < first:
                    dead += 1
                    continue
                r = own_r if i == own or resolution is None else resolution.bucket(step.start(i))
                live.append((interval.name, i, r, interval.deadline(i) if self._native else None))
        slots = _Slots(tuple(live), dead, max(lows), min(highs))
        if not copies:  # copies may be many: not worth keeping
            self._recent = (now, slots)
        return slots


def finished(steps: Generator[None, None, T]) -> T:
    """Take all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


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
