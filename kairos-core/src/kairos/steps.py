"""Steps: how time is cut into buckets. Pure arithmetic.

Two kinds of step share one protocol, :class:`Step`: :class:`Relative` ones of so many seconds, counted from the
epoch, and :class:`Gregorian` ones (days, weeks, months, years of a zone's local time). Each bucket has a *number*
(what storages keep: ``7``, ``20240131``) and an *ordinal*: consecutive buckets have consecutive ordinals.

Weeks are those of ``strftime("%U")`` (ISO C, C99 7.23.3.5): Sunday first, week 0 before the first Sunday, cut
at the year's ends. Zones are those of the IANA time zone database, read with :mod:`zoneinfo`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from attrs import define, field, frozen

from .errors import InvalidValue, show
from .times import INT64

__all__ = ["UNITS", "Gregorian", "Relative", "Step"]

DAY = 86_400
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal()
_FIRST_SAFE = (3 - _EPOCH_DAY) * DAY  # datetimes this far from year 1 and 9999 can be moved between zones
_LAST_SAFE = (_LAST_DAY - 2 - _EPOCH_DAY) * DAY
_EPOCH = datetime(1970, 1, 1)


class Step(Protocol):
    """How one interval or resolution cuts time."""

    @property
    def text(self) -> str:
        """The canonical text of the step, as layouts record it."""

    @property
    def nominal(self) -> int:
        """The nominal length in seconds, to compare steps."""

    def bucket(self, second: int) -> int:
        """Return the number of the bucket that ``second`` lies in; InvalidValue if out of range."""

    def locate(self, second: int) -> tuple[int, int, int]:
        """Return :meth:`bucket` with its start and end."""

    def start(self, bucket: int) -> int:
        """Return the first second of a bucket."""

    def end(self, bucket: int) -> int:
        """Return the first second after a bucket."""

    def duration(self, bucket: int) -> int:
        """Return the length of a whole bucket: its seconds, or 86,400 for each of its calendar days."""

    def ordinal(self, bucket: int) -> int:
        """Return the position of a bucket among all buckets."""

    def at(self, ordinal: int) -> int:
        """Return the number of the bucket at a position; InvalidValue if out of range."""

    def shift(self, bucket: int, count: int) -> int | None:
        """Return the bucket ``count`` positions later; None if that is out of range."""

    def nearest(self, second: int) -> int:
        """Return the bucket of ``second``, or the first or last one there is."""

    def total(self, first: int, last: int) -> int:
        """Return the length of a range of whole buckets, both ends included."""

    def buckets(self, first: int, last: int) -> Sequence[int]:
        """List the buckets of a range, both ends included."""

    def starts(self, first: int, last: int) -> Iterable[tuple[int, int]]:
        """List ``(bucket, start)`` of a range, both ends included."""

    def starts_of(self, buckets: Sequence[int]) -> list[int]:
        """List the starts of some buckets."""


@frozen
class Relative:
    """Buckets of ``seconds`` each; bucket 0 starts at the epoch.

    Examples
    --------
    >>> Relative(60).bucket(-1), Relative(60).start(-1)
    (-1, -60)
    """

    seconds: int

    @property
    def text(self) -> str:
        """The number of seconds."""
        return str(self.seconds)

    @property
    def nominal(self) -> int:
        """The number of seconds."""
        return self.seconds

    def bucket(self, second: int) -> int:
        """Return ``floor(second / seconds)``."""
        bucket = second // self.seconds
        if -INT64 <= bucket * self.seconds < INT64:
            return bucket
        raise InvalidValue(
            f"timestamp {show(second)} is out of range: buckets start within 64 bits of seconds"
        )

    def locate(self, second: int) -> tuple[int, int, int]:
        """Return :meth:`bucket` with its start and end."""
        bucket = self.bucket(second)
        start = bucket * self.seconds
        return bucket, start, start + self.seconds

    def start(self, bucket: int) -> int:
        """Return ``bucket * seconds``."""
        return bucket * self.seconds

    def end(self, bucket: int) -> int:
        """Return the start of the next bucket."""
        return (bucket + 1) * self.seconds

    def duration(self, bucket: int) -> int:
        """Return the number of seconds."""
        return self.seconds

    def ordinal(self, bucket: int) -> int:
        """Return the bucket's number itself."""
        return bucket

    def at(self, ordinal: int) -> int:
        """Return ``ordinal`` itself, if it is in range."""
        if -INT64 <= ordinal * self.seconds < INT64:
            return ordinal
        raise InvalidValue(
            f"bucket {ordinal} of step {self.seconds} s is out of range: it starts beyond 64 bits"
        )

    def shift(self, bucket: int, count: int) -> int | None:
        """Return ``bucket + count``, if it is in range."""
        bucket += count
        return bucket if -INT64 <= bucket * self.seconds < INT64 else None

    def nearest(self, second: int) -> int:
        """Return the bucket of ``second``, or the first or last that starts within 64 bits."""
        return max(-(INT64 // self.seconds), min(second // self.seconds, (INT64 - 1) // self.seconds))

    def total(self, first: int, last: int) -> int:
        """Return ``seconds`` for each bucket."""
        return (last - first + 1) * self.seconds

    def buckets(self, first: int, last: int) -> Sequence[int]:
        """Return a range."""
        return range(first, last + 1)

    def starts(self, first: int, last: int) -> Iterable[tuple[int, int]]:
        """Pair two ranges."""
        return zip(
            range(first, last + 1),
            range(first * self.seconds, last * self.seconds + 1, self.seconds),
            strict=True,
        )

    def starts_of(self, buckets: Sequence[int]) -> list[int]:
        """Return ``bucket * seconds`` of each."""
        seconds = self.seconds
        return [bucket * seconds for bucket in buckets]


@frozen
class _Unit:
    """A calendar unit: buckets as positions, first days (proleptic Gregorian ordinals) and numbers."""

    name: str
    nominal: int  # seconds
    position: Callable[[int], int]  # day -> position
    first_day: Callable[[int], int]  # position -> its first day
    number: Callable[[int], int]  # position -> YYYYMMDD, YYYYWW, YYYYMM or YYYY
    parse: Callable[[int], int]  # and back


def _day_number(day: int) -> int:
    d = date.fromordinal(day)
    return d.year * 10_000 + d.month * 100 + d.day


def _parse_day(number: int) -> int:
    return date(number // 10_000, number // 100 % 100, number % 100).toordinal()


def _month_position(day: int) -> int:
    d = date.fromordinal(day)
    return d.year * 12 + d.month - 1


def _month_first(position: int) -> int:
    year, month = divmod(position, 12)
    return date(year, month + 1, 1).toordinal() if year < 10_000 else _LAST_DAY + 1


def _year_first(year: int) -> int:
    return date(year, 1, 1).toordinal() if year < 10_000 else _LAST_DAY + 1


@cache
def _weeks_before() -> list[int]:
    """How many weeks start before each year: index year - 1, for the years 1 to 10,000."""
    counts = [0]
    for first, following in pairwise(_year_first(year) for year in range(1, 10_001)):
        # day % 7 is 0 on Sundays; a week starts on each Sunday and on each January 1st
        sundays = (following - 1) // 7 - (first - 1) // 7
        counts.append(counts[-1] + sundays + (first % 7 != 0))
    return counts


def _week_position(day: int) -> int:
    year = date.fromordinal(day).year
    first = _year_first(year)
    return _weeks_before()[year - 1] + (day // 7 - first // 7)


def _week_first(position: int) -> int:
    year = bisect_right(_weeks_before(), position)
    first = _year_first(year)
    week = position - _weeks_before()[year - 1]
    return (first // 7 + week) * 7 if week else first


def _week_number(position: int) -> int:
    year = bisect_right(_weeks_before(), position)
    starts_on_sunday = _year_first(year) % 7 == 0
    return year * 100 + position - _weeks_before()[year - 1] + starts_on_sunday


def _parse_week(number: int) -> int:
    year, week = divmod(number, 100)
    return _weeks_before()[year - 1] + week - (_year_first(year) % 7 == 0)


def _same(value: int) -> int:
    return value


UNITS = {
    unit.name: unit
    for unit in (
        _Unit("daily", DAY, _same, _same, _day_number, _parse_day),
        _Unit("weekly", 7 * DAY, _week_position, _week_first, _week_number, _parse_week),
        _Unit(
            "monthly",
            30 * DAY,
            _month_position,
            _month_first,
            lambda position: position // 12 * 100 + position % 12 + 1,
            lambda number: number // 100 * 12 + number % 100 - 1,
        ),
        _Unit("yearly", 365 * DAY, lambda day: date.fromordinal(day).year, _year_first, _same, _same),
    )
}
"""The Gregorian steps by name."""


def _seconds(offset: timedelta | None) -> int:
    return 0 if offset is None else offset.days * DAY + offset.seconds


def _offset_at(zone: ZoneInfo, second: int) -> int:
    """Return the zone's offset from UTC at an instant, in seconds."""
    moment = _EPOCH + timedelta(seconds=max(_FIRST_SAFE, min(second, _LAST_SAFE)))
    return _seconds(zone.fromutc(moment.replace(tzinfo=zone)).utcoffset())


@lru_cache(maxsize=65_536)
def _start_of_day(zone: ZoneInfo, day: int) -> int:
    """Return the first instant whose local date is on or after ``day``."""
    local = (day - _EPOCH_DAY) * DAY
    midnight = datetime.fromordinal(max(3, min(day, _LAST_DAY - 2)))
    before = _seconds(zone.utcoffset(midnight))
    after = _seconds(zone.utcoffset(midnight.replace(fold=1)))
    if before >= after:  # no change, or midnight comes twice: the first counts
        return local - before
    # The clock jumps over midnight, at an instant in (low, high]: the first that is past midnight is sought.
    low, high = local - after - 1, local - before
    while high - low > 1:
        middle = (low + high) // 2
        if middle + _offset_at(zone, middle) >= local:
            high = middle
        else:
            low = middle
    return high


@cache
def _skipped_days(zone: ZoneInfo) -> tuple[int, ...]:
    """Return the days that a zone never had, because its clock moved from before them to after them.

    A zone skips a day only when it crosses the date line, so that its offset grows by about a day for good:
    a look at each year's offset finds such a change.
    """
    offsets = [
        (day, _offset_at(zone, (day - _EPOCH_DAY) * DAY)) for day in map(_year_first, range(1800, 2101))
    ]
    found = []
    for (first, earlier), (following, later) in pairwise(offsets):
        if later - earlier > DAY // 2:
            days = range(first - 1, following + 1)
            found += [day for day in days if _start_of_day(zone, day) == _start_of_day(zone, day + 1)]
    return tuple(found)


@define
class Gregorian:
    """Days, weeks, months or years of local time in a zone.

    A bucket starts at the first instant whose local date is on or after its first day; an instant belongs to
    the last bucket that has started, also where a clock is set back over midnight. A day that the zone
    skipped is not a bucket.

    Examples
    --------
    >>> day = Gregorian(UNITS["daily"], ZoneInfo("Pacific/Apia"))
    >>> list(day.buckets(20111229, 20111231))  # crossing the date line, Samoa had no 30 December 2011
    [20111229, 20111231]
    """

    unit: _Unit
    zone: ZoneInfo
    _last: tuple[int, int, int] = field(init=False, default=(0, 0, 0), eq=False)  # bucket, start, end
    _skipped: tuple[int, ...] = field(init=False, eq=False)
    _first: int = field(init=False, eq=False)  # the first and last position
    _end: int = field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._skipped = _skipped_days(self.zone) if self.unit.name == "daily" else ()
        self._first, self._end = self._ordinal_of_day(1), self._ordinal_of_day(_LAST_DAY)

    @property
    def text(self) -> str:
        """The unit's name."""
        return self.unit.name

    @property
    def nominal(self) -> int:
        """1, 7, 30 or 365 days in seconds."""
        return self.unit.nominal

    def bucket(self, second: int) -> int:
        """Return ``YYYYMMDD``, ``YYYYWW``, ``YYYYMM`` or ``YYYY`` of the bucket that ``second`` lies in."""
        return self.locate(second)[0]

    def locate(self, second: int) -> tuple[int, int, int]:
        """Return :meth:`bucket` with its start and end."""
        last = self._last
        if last[1] <= second < last[2]:
            return last
        day = (second + _offset_at(self.zone, second)) // DAY + _EPOCH_DAY
        if not 1 <= day <= _LAST_DAY:
            raise InvalidValue(
                f"timestamp {show(second)} is out of range: a {self.text} step takes the local years 1 to 9999, in "
                "seconds (not milliseconds)"
            )
        ordinal = self._ordinal_of_day(day)
        while (end := self._start(ordinal + 1)) <= second:  # the clock was set back into the previous bucket
            ordinal += 1
        self._last = found = (self.at(ordinal), self._start(ordinal), end)
        return found

    def start(self, bucket: int) -> int:
        """Return the first instant whose local date is on or after the bucket's first day."""
        return self._start(self.ordinal(bucket))

    def end(self, bucket: int) -> int:
        """Return the start of the next bucket."""
        return self._start(self.ordinal(bucket) + 1)

    def duration(self, bucket: int) -> int:
        """Return 86,400 seconds for each calendar day of the bucket."""
        return self.total(bucket, bucket)

    def ordinal(self, bucket: int) -> int:
        """Return the bucket's position in the calendar, skipped days left out."""
        position = self.unit.parse(bucket)
        return position - bisect_left(self._skipped, position) if self._skipped else position

    def at(self, ordinal: int) -> int:
        """Return the bucket at a position; local years 1 to 9999."""
        if not self._first <= ordinal <= self._end:
            raise InvalidValue(f"a {self.text} step takes the local years 1 to 9999; this is beyond")
        return self.unit.number(self._position(ordinal))

    def shift(self, bucket: int, count: int) -> int | None:
        """Return the bucket ``count`` positions later, within the years 1 to 9999."""
        ordinal = self.ordinal(bucket) + count
        return self.unit.number(self._position(ordinal)) if self._first <= ordinal <= self._end else None

    def nearest(self, second: int) -> int:
        """Return the bucket of ``second``, or the first or last of the years 1 to 9999."""
        try:
            return self.bucket(second)
        except InvalidValue:
            return self.at(self._first if second < 0 else self._end)

    def total(self, first: int, last: int) -> int:
        """Return 86,400 seconds for each calendar day."""
        start, end = self.ordinal(first), self.ordinal(last) + 1
        if self.unit.name == "daily":  # without the days that the zone skipped
            return (end - start) * DAY
        return (self.unit.first_day(end) - self.unit.first_day(start)) * DAY

    def buckets(self, first: int, last: int) -> Sequence[int]:
        """List the numbers of a range."""
        return [self.at(ordinal) for ordinal in range(self.ordinal(first), self.ordinal(last) + 1)]

    def starts(self, first: int, last: int) -> Iterable[tuple[int, int]]:
        """List the numbers of a range with their starts."""
        ordinals = range(self.ordinal(first), self.ordinal(last) + 1)
        return [(self.at(ordinal), self._start(ordinal)) for ordinal in ordinals]

    def starts_of(self, buckets: Sequence[int]) -> list[int]:
        """List the starts of some buckets."""
        return [self.start(bucket) for bucket in buckets]

    def _ordinal_of_day(self, day: int) -> int:
        position = self.unit.position(day)
        return position - bisect_left(self._skipped, position) if self._skipped else position

    def _position(self, ordinal: int) -> int:
        for skipped in self._skipped:
            ordinal += skipped <= ordinal
        return ordinal

    def _start(self, ordinal: int) -> int:
        return _start_of_day(self.zone, self.unit.first_day(self._position(ordinal)))
