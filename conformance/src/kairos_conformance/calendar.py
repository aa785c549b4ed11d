"""The kit's own date arithmetic, written from SEMANTICS §2 alone.

It shares no line with the core, on purpose: the core's arithmetic is one of the things under test. It is made
to be obviously right, not fast: the start of a day is found by looking at every change of a zone's offset
around it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from attrs import field, frozen

__all__ = ["GREGORIAN", "Gregorian", "Relative", "Ruler", "day_start", "ruler", "second_of"]

GREGORIAN = {"daily": 1, "weekly": 7, "monthly": 30, "yearly": 365}
"""Gregorian steps and their nominal days."""

DAY = 86_400
HOUR = 3_600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_LAST_DAY = date.max.toordinal()
_CYCLE = 146_097 * DAY  # 400 years: the same weekdays and dates again
_LETTERS = {"h": HOUR, "d": DAY, "w": 7 * DAY, "m": 30 * DAY, "y": 365 * DAY}


class Ruler(Protocol):
    """Cuts the line of seconds into numbered buckets."""

    def bucket(self, second: int) -> int:
        """Return the bucket that holds the whole second ``second``."""

    def start(self, bucket: int) -> int:
        """Return the bucket's first second."""

    def end(self, bucket: int) -> int:
        """Return the first second after the bucket."""

    def after(self, bucket: int, n: int) -> int:
        """Return the n-th bucket after (n < 0: before) ``bucket``."""

    def length(self, bucket: int) -> int:
        """Return the whole bucket's duration in seconds (Gregorian: calendar days of 86 400)."""


@frozen
class Relative:
    """Buckets of ``step`` seconds, counted from the epoch."""

    step: int

    def bucket(self, second: int) -> int:
        """Return floor(second / step)."""
        return second // self.step

    def start(self, bucket: int) -> int:
        """Return bucket · step."""
        return bucket * self.step

    def end(self, bucket: int) -> int:
        """Return the start of the next bucket."""
        return (bucket + 1) * self.step

    def after(self, bucket: int, n: int) -> int:
        """Return bucket + n."""
        return bucket + n

    def length(self, bucket: int) -> int:
        """Return the step."""
        return self.step


@frozen
class Gregorian:
    """Days, weeks, months or years of local time in ``zone``."""

    unit: str
    zone: ZoneInfo = field(eq=lambda zone: zone.key)

    def bucket(self, second: int) -> int:
        """Return the last bucket that has started at ``second``."""
        day = local_day(self.zone, second)
        while day < _LAST_DAY and day_start(self.zone, day + 1) <= second:
            day += 1  # the zone went back over midnight: the later day has started already
        return number(self.unit, day)

    def start(self, bucket: int) -> int:
        """Return the first second whose local date is on or after the bucket's first day."""
        return day_start(self.zone, days(self.unit, bucket)[0])

    def end(self, bucket: int) -> int:
        """Return the first second whose local date is past the bucket's last day."""
        return day_start(self.zone, days(self.unit, bucket)[1])

    def after(self, bucket: int, n: int) -> int:
        """Walk n buckets forward or back; days that the zone skipped are not met."""
        for _ in range(n):
            bucket = self.bucket(self.end(bucket))
        for _ in range(-n):
            bucket = self.bucket(self.start(bucket) - 1)
        return bucket

    def length(self, bucket: int) -> int:
        """Return the bucket's calendar days × 86 400."""
        first, past = days(self.unit, bucket)
        return (past - first) * DAY


def ruler(step: int | str | timedelta, zone: str) -> Ruler:
    """Return the ruler of a step or resolution as it stands in ``intervals``."""
    if isinstance(step, timedelta):
        return Relative(int(step.total_seconds()))
    if isinstance(step, str) and step in GREGORIAN:
        return Gregorian(step, ZoneInfo(zone))
    if isinstance(step, str) and step[-1] in _LETTERS:
        return Relative(int(step[:-1]) * _LETTERS[step[-1]])
    return Relative(int(step))


def second_of(moment: float | datetime) -> int:
    """Return the whole second that holds a timestamp, exactly."""
    if isinstance(moment, datetime):
        return (moment - _EPOCH) // timedelta(seconds=1)
    return int(moment // 1)


def number(unit: str, day: int) -> int:
    """Return the number of the bucket that holds a day (a proleptic ordinal, 1 = 0001-01-01)."""
    it = date.fromordinal(day)
    if unit == "daily":
        return it.year * 10_000 + it.month * 100 + it.day
    if unit == "monthly":
        return it.year * 100 + it.month
    if unit == "yearly":
        return it.year
    new_year = date(it.year, 1, 1).toordinal()
    sunday = day - day % 7  # ordinals divisible by 7 are Sundays
    return it.year * 100 + (sunday - _sunday_before(new_year)) // 7


def days(unit: str, bucket: int) -> tuple[int, int]:
    """Return the bucket's first day and the day after its last one, as ordinals."""
    if unit == "daily":
        first = date(bucket // 10_000, bucket // 100 % 100, bucket % 100).toordinal()
        return first, first + 1
    if unit == "monthly":
        year, month = divmod(bucket, 100)
        first = date(year, month, 1).toordinal()
        return first, date(year, month + 1, 1).toordinal() if month < 12 else _new_year(year + 1)
    if unit == "yearly":
        return _new_year(bucket), _new_year(bucket + 1)
    year, week = divmod(bucket, 100)
    sunday = _sunday_before(_new_year(year)) + 7 * week
    return max(sunday, _new_year(year)), min(sunday + 7, _new_year(year + 1))


def local_day(zone: ZoneInfo, second: int) -> int:
    """Return the local date at an instant, as an ordinal."""
    return (second + offset(zone, second)) // DAY + _EPOCH_DAY


@lru_cache(maxsize=200_000)
def offset(zone: ZoneInfo, second: int) -> int:
    """Return the zone's offset from UTC in seconds at an instant of the years 1–9999 and a little beyond."""
    edge = (_LAST_DAY - _EPOCH_DAY - 2) * DAY
    if second > edge:
        second -= _CYCLE
    elif second < (3 - _EPOCH_DAY) * DAY:
        second += _CYCLE
    delta = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    assert delta is not None
    return int(delta.total_seconds())


@lru_cache(maxsize=20_000)
def _day_start(key: str, day: int) -> int:
    zone = ZoneInfo(key)
    midnight = (day - _EPOCH_DAY) * DAY
    probes = range(midnight - 30 * HOUR, midnight + 31 * HOUR, HOUR)
    changes = [_change(zone, a, b) for a, b in pairwise(probes) if offset(zone, a) != offset(zone, b)]
    for begin, end in pairwise([probes[0], *changes, probes[-1]]):
        reached = max(begin, midnight - offset(zone, begin))
        if reached < end:
            return reached
    raise AssertionError(f"no start of day {day} in {key}")


def day_start(zone: ZoneInfo, day: int) -> int:
    """Return the first second whose local date is on or after ``day``."""
    return _day_start(zone.key, day)


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """Return the first second that has the offset of ``after``, there being one change in between."""
    old = offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _new_year(year: int) -> int:
    return date(year, 1, 1).toordinal() if year <= 9999 else _LAST_DAY + 1


def _sunday_before(new_year: int) -> int:
    """Return the day from which the year's weeks are counted: the last day of week 0's seven is a Saturday.

    Week 1 starts at the year's first Sunday, so week 0 starts (or would start) seven days before it.
    """
    return new_year + -new_year % 7 - 7
