"""How time is cut: hand-worked facts, and the laws that hold for every step in every zone."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest

from kairos import InvalidValue, Timeseries
from kairos.intervals import parse_intervals
from kairos.steps import UNITS, Gregorian, Relative, Step
from kairos.times import to_second

Make = Callable[..., Timeseries]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400


def gregorian(unit: str, zone: str = "UTC") -> Gregorian:
    return Gregorian(UNITS[unit], ZoneInfo(zone))


def second(text: str) -> int:
    """Return the second of an ISO text; in UTC if it has no offset."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - EPOCH) // timedelta(seconds=1)


# Timestamps ------------------------------------------------------------------------------------------------------

LAST_MICROSECOND = timedelta(microseconds=999_999)
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (1.999_999_9, 1),
        (-0.000_000_1, -1),
        (-1, -1),
        (-1.5, -2),
        (2**53 + 1, 2**53 + 1),
        (1.7e9 + 0.999_999, 1_700_000_000),
        (EPOCH, 0),
        (EPOCH + LAST_MICROSECOND, 0),
        (EPOCH - timedelta(microseconds=1), -1),
        (EPOCH - timedelta(seconds=1) + LAST_MICROSECOND, -1),
        (datetime(2262, 4, 11, 23, 47, 16, 999_999, tzinfo=UTC), 9_223_372_036),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799),
        (datetime(1, 1, 1, tzinfo=UTC), -62_135_596_800),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), -62_135_596_800 - 14 * 3600),
        (
            datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12))),
            253_402_300_799 + 12 * 3600,
        ),
        # New York, 3 November 2024: 01:30 comes twice
        (datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK), second("2024-11-03T05:30")),
        (datetime(2024, 11, 3, 1, 30, fold=1, tzinfo=NEW_YORK), second("2024-11-03T06:30")),
        # and 10 March 2024: 02:30 does not come; fold=0 counts with the offset before, fold=1 with that after
        (datetime(2024, 3, 10, 2, 30, tzinfo=NEW_YORK), second("2024-03-10T07:30")),
        (datetime(2024, 3, 10, 2, 30, fold=1, tzinfo=NEW_YORK), second("2024-03-10T06:30")),
        # offsets with seconds and microseconds
        (datetime(1970, 1, 1, tzinfo=timezone(timedelta(seconds=-1))), 1),
        (datetime(1970, 1, 1, tzinfo=timezone(timedelta(microseconds=1))), -1),
    ],
)
def test_timestamp_is_the_second_that_it_lies_in(value: Any, expected: int) -> None:
    assert to_second(value) == expected
    assert type(to_second(value)) is int


@pytest.mark.parametrize("base", [0, 59, -1, 1_700_000_000, 253_402_300_798, -62_135_596_800])
def test_last_microsecond_of_a_second_stays_in_its_bucket(make: Make, base: int) -> None:
    counts = make("count", intervals={"s": {"step": 1}})
    moment = EPOCH + timedelta(seconds=base)
    counts.insert("a", 1, moment)
    counts.insert("a", 1, moment + LAST_MICROSECOND)
    counts.insert("a", 10, moment + timedelta(seconds=1))
    assert counts.get("a", "s", timestamp=base) == {base: 2}
    assert counts.get("a", "s", timestamp=moment + LAST_MICROSECOND) == {base: 2}


def test_subclasses_of_int_float_and_datetime_are_timestamps(make: Make) -> None:
    class Seconds(int):
        pass

    class Fine(float):
        pass

    class Moment(datetime):
        pass

    counts = make("count")
    for value in (Seconds(60), Fine(60.5), Moment(1970, 1, 1, 0, 1, tzinfo=UTC)):
        counts.insert("a", 1, value)
        (start,) = counts.get("a", "m", timestamp=value)
        assert type(start) is int
    assert counts.get("a", "m", timestamp=60) == {60: 3}


# Relative steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "at", "bucket", "start"),
    [
        (60, 0, 0, 0),
        (60, 59, 0, 0),
        (60, 60, 1, 60),
        (60, -1, -1, -60),
        (60, -60, -1, -60),
        (60, -61, -2, -120),
        (1, -1, -1, -1),
        (7, -8, -2, -14),
        (DAY, second("1969-12-31T23:59:59"), -1, -DAY),
        (7 * DAY, second("1970-01-08"), 1, 7 * DAY),  # relative weeks start on Thursdays
        (30 * DAY, second("1970-01-31"), 1, 30 * DAY),
        (365 * DAY, second("1970-12-31T23:59:59"), 0, 0),
        (1, 2**63 - 1, 2**63 - 1, 2**63 - 1),
        (1, -(2**63), -(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1, 1, 2**63 - 1),
        (2**63 - 1, 2**63 - 2, 0, 0),
        (2**63 - 1, -1, -1, -(2**63) + 1),
    ],
)
def test_relative_bucket_is_the_floor_of_the_quotient(seconds: int, at: int, bucket: int, start: int) -> None:
    step = Relative(seconds)
    assert step.bucket(at) == bucket
    assert step.start(bucket) == start
    assert step.bucket(start) == bucket
    assert step.end(bucket) - start == seconds == step.duration(bucket)


@pytest.mark.parametrize(
    ("seconds", "at"),
    [
        (1, 2**63),
        (1, -(2**63) - 1),
        (60, -(2**63)),
        (60, 2**63 + 60),
        (2**63 - 1, -(2**63)),
        (2**63 - 1, 2**64),
    ],
)
def test_relative_bucket_that_starts_beyond_64_bits_is_an_error(make: Make, seconds: int, at: int) -> None:
    counts = make("count", intervals={"s": {"step": seconds}})
    with pytest.raises(InvalidValue, match="64 bits"):
        counts.insert("a", 1, at)
    with pytest.raises(InvalidValue, match="64 bits"):
        counts.get("a", "s", timestamp=at)


@pytest.mark.parametrize(("seconds", "at"), [(1, 2**63 - 1), (1, -(2**63)), (60, 2**63), (60, -(2**63) + 60)])
def test_relative_bucket_at_the_edge_of_64_bits_can_be_written_and_read(
    make: Make, seconds: int, at: int
) -> None:
    counts = make("count", intervals={"s": {"step": seconds}})
    start = at // seconds * seconds
    assert counts.insert("a", 5, at).stored == 1
    assert counts.get("a", "s", timestamp=at) == {start: 5}
    assert counts.series("a", "s", start=at, end=at) == {start: 5}
    assert list(counts.iterate("a", "s")) == [(start, 5)]
    assert counts.properties("a") == {"s": {"first": start, "last": start}}


# Gregorian steps: facts ------------------------------------------------------------------------------------------

FACTS = [
    # unit, zone, instant (UTC), bucket, its start (UTC), its end (UTC)
    ("daily", "UTC", "1970-01-01T00:00:00", 19700101, "1970-01-01", "1970-01-02"),
    ("daily", "UTC", "1969-12-31T23:59:59", 19691231, "1969-12-31", "1970-01-01"),
    ("daily", "UTC", "2024-02-29T12:00:00", 20240229, "2024-02-29", "2024-03-01"),
    ("daily", "UTC", "2100-02-28T23:59:59", 21000228, "2100-02-28", "2100-03-01"),
    ("daily", "UTC", "0001-01-01T00:00:00", 10101, "0001-01-01", "0001-01-02"),
    ("monthly", "UTC", "2024-02-29T23:59:59", 202402, "2024-02-01", "2024-03-01"),
    ("monthly", "UTC", "1969-12-31T23:59:59", 196912, "1969-12-01", "1970-01-01"),
    ("monthly", "UTC", "0001-01-31T00:00:00", 101, "0001-01-01", "0001-02-01"),
    ("monthly", "UTC", "9999-11-30T00:00:00", 999911, "9999-11-01", "9999-12-01"),
    ("yearly", "UTC", "2024-12-31T23:59:59", 2024, "2024-01-01", "2025-01-01"),
    ("yearly", "UTC", "0001-12-31T23:59:59", 1, "0001-01-01", "0002-01-01"),
    ("yearly", "UTC", "9998-01-01T00:00:00", 9998, "9998-01-01", "9999-01-01"),
    # weeks of %U: Sunday first, week 0 before the first Sunday, cut at the year's ends
    ("weekly", "UTC", "2024-01-06T23:59:59", 202400, "2024-01-01", "2024-01-07"),
    ("weekly", "UTC", "2024-01-07T00:00:00", 202401, "2024-01-07", "2024-01-14"),
    ("weekly", "UTC", "2024-12-31T00:00:00", 202452, "2024-12-29", "2025-01-01"),
    ("weekly", "UTC", "2025-01-01T00:00:00", 202500, "2025-01-01", "2025-01-05"),
    (
        "weekly",
        "UTC",
        "2017-01-01T00:00:00",
        201701,
        "2017-01-01",
        "2017-01-08",
    ),  # starts on a Sunday: no week 0
    ("weekly", "UTC", "2017-12-31T00:00:00", 201753, "2017-12-31", "2018-01-01"),  # a week of one day
    (
        "weekly",
        "UTC",
        "2000-01-01T12:00:00",
        200000,
        "2000-01-01",
        "2000-01-02",
    ),  # and another: a year of 54 weeks
    ("weekly", "UTC", "2000-12-31T12:00:00", 200053, "2000-12-31", "2001-01-01"),
    ("weekly", "UTC", "2028-12-31T12:00:00", 202853, "2028-12-31", "2029-01-01"),
    ("weekly", "UTC", "1969-12-31T12:00:00", 196952, "1969-12-28", "1970-01-01"),
    ("weekly", "UTC", "0001-01-01T00:00:00", 100, "0001-01-01", "0001-01-07"),
    # offsets
    ("daily", "Asia/Kolkata", "2024-05-31T18:30:00", 20240601, "2024-05-31T18:30", "2024-06-01T18:30"),
    ("monthly", "Asia/Kolkata", "2024-05-31T18:29:59", 202405, "2024-04-30T18:30", "2024-05-31T18:30"),
    ("yearly", "Pacific/Kiritimati", "2023-12-31T10:00:00", 2024, "2023-12-31T10:00", "2024-12-31T10:00"),
    # days of 23 and 25 hours
    ("daily", "America/New_York", "2013-03-10T05:00:00", 20130310, "2013-03-10T05:00", "2013-03-11T04:00"),
    ("daily", "America/New_York", "2013-11-04T04:59:59", 20131103, "2013-11-03T04:00", "2013-11-04T05:00"),
    ("daily", "Australia/Lord_Howe", "2024-04-06T13:00:00", 20240407, "2024-04-06T13:00", "2024-04-07T13:30"),
    # the clock jumps over midnight, 00:00 -> 01:00: the day starts at 01:00
    ("daily", "America/Havana", "2024-03-10T05:00:00", 20240310, "2024-03-10T05:00", "2024-03-11T04:00"),
    ("daily", "America/Havana", "2024-03-10T04:59:59", 20240309, "2024-03-09T05:00", "2024-03-10T05:00"),
    ("daily", "Asia/Beirut", "2024-03-30T22:00:00", 20240331, "2024-03-30T22:00", "2024-03-31T21:00"),
    ("daily", "Africa/Cairo", "2024-04-25T22:00:00", 20240426, "2024-04-25T22:00", "2024-04-26T21:00"),
    ("daily", "Africa/Cairo", "2024-04-25T21:59:59", 20240425, "2024-04-24T22:00", "2024-04-25T22:00"),
    # Havana goes back from 01:00 to 00:00: midnight comes twice, the first counts
    ("daily", "America/Havana", "2024-11-03T05:30:00", 20241103, "2024-11-03T04:00", "2024-11-04T05:00"),
    ("daily", "America/Havana", "2024-11-03T04:30:00", 20241103, "2024-11-03T04:00", "2024-11-04T05:00"),
    # back at midnight to 23:00: that evening has an hour more
    ("daily", "Africa/Cairo", "2024-10-31T21:30:00", 20241031, "2024-10-30T21:00", "2024-10-31T22:00"),
    ("daily", "America/Sao_Paulo", "2018-02-18T02:59:59", 20180217, "2018-02-17T02:00", "2018-02-18T03:00"),
    # back over midnight, from 00:01 to 23:01: the day has started, and it goes on
    ("daily", "America/St_Johns", "2010-11-07T02:30:00", 20101107, "2010-11-07T02:30", "2010-11-08T03:30"),
    ("daily", "America/St_Johns", "2010-11-07T02:31:00", 20101107, "2010-11-07T02:30", "2010-11-08T03:30"),
    ("daily", "America/St_Johns", "2010-11-07T03:29:59", 20101107, "2010-11-07T02:30", "2010-11-08T03:30"),
    ("daily", "America/St_Johns", "2010-11-07T02:29:59", 20101106, "2010-11-06T02:30", "2010-11-07T02:30"),
    ("weekly", "America/St_Johns", "2010-11-07T02:45:00", 201045, "2010-11-07T02:30", "2010-11-14T03:30"),
    # Samoa crossed the date line: no 30 December 2011
    ("daily", "Pacific/Apia", "2011-12-30T09:59:59", 20111229, "2011-12-29T10:00", "2011-12-30T10:00"),
    ("daily", "Pacific/Apia", "2011-12-30T10:00:00", 20111231, "2011-12-30T10:00", "2011-12-31T10:00"),
    ("weekly", "Pacific/Apia", "2011-12-30T10:00:00", 201152, "2011-12-25T10:00", "2011-12-31T10:00"),
    # Kwajalein: no 21 August 1993
    ("daily", "Pacific/Kwajalein", "1993-08-21T12:00:00", 19930822, "1993-08-21T12:00", "1993-08-22T12:00"),
    ("daily", "Pacific/Kwajalein", "1993-08-21T11:59:59", 19930820, "1993-08-20T12:00", "1993-08-21T12:00"),
]


@pytest.mark.parametrize(("unit", "zone", "at", "bucket", "start", "end"), FACTS)
def test_gregorian_facts(unit: str, zone: str, at: str, bucket: int, start: str, end: str) -> None:
    step = gregorian(unit, zone)
    assert step.bucket(second(at)) == bucket
    assert (step.start(bucket), step.end(bucket)) == (second(start), second(end))
    assert step.bucket(second(start)) == bucket
    assert step.bucket(second(end) - 1) == bucket
    assert step.bucket(second(end)) > bucket
    assert second(start) == second("0001-01-01") or step.bucket(second(start) - 1) < bucket


@pytest.mark.parametrize(("unit", "zone", "at", "bucket", "start", "end"), FACTS[::4])
def test_gregorian_facts_as_a_caller_sees_them(
    make: Make, unit: str, zone: str, at: str, bucket: int, start: str, end: str
) -> None:
    counts = make("count", intervals={"g": {"step": unit}}, tz=zone)
    counts.insert("a", 5, second(at))
    assert counts.get("a", "g", timestamp=second(start)) == {second(start): 5}
    assert counts.get("a", "g", timestamp=second(end)) == {second(end): 0}
    assert counts.series("a", "g", start=second(start), steps=2) == {second(start): 5, second(end): 0}


def test_manila_had_no_last_day_of_1844() -> None:
    day = gregorian("daily", "Asia/Manila")
    assert list(day.buckets(18441229, 18450102)) == [18441229, 18441230, 18450101, 18450102]
    assert day.bucket(day.end(18441230)) == 18450101
    week = gregorian("weekly", "Asia/Manila")
    assert week.bucket(day.end(18441230) - 1) == 184452
    month = gregorian("monthly", "Asia/Manila")
    assert month.end(184412) == day.start(18450101) == gregorian("yearly", "Asia/Manila").start(1845)


@pytest.mark.parametrize(
    ("zone", "first", "last", "expected"),
    [
        ("Pacific/Apia", 20111228, 20120101, [20111228, 20111229, 20111231, 20120101]),
        ("Pacific/Fakaofo", 20111229, 20111231, [20111229, 20111231]),
        ("Pacific/Kwajalein", 19930820, 19930822, [19930820, 19930822]),
        ("UTC", 20240228, 20240301, [20240228, 20240229, 20240301]),
        ("UTC", 21000228, 21000301, [21000228, 21000301]),
        ("UTC", 19691231, 19700101, [19691231, 19700101]),
    ],
)
def test_skipped_day_is_no_bucket(zone: str, first: int, last: int, expected: list[int]) -> None:
    day = gregorian("daily", zone)
    assert list(day.buckets(first, last)) == expected
    assert [bucket for bucket, _ in day.starts(first, last)] == expected
    for before, after in pairwise(expected):
        assert day.shift(before, 1) == after
        assert day.shift(after, -1) == before
        assert day.ordinal(after) - day.ordinal(before) == 1
        assert day.at(day.ordinal(after)) == after


def test_skipped_day_is_no_entry_of_a_series_no_copy_and_no_step_of_retention(
    make: Make, now: list[float]
) -> None:
    counts = make("count", intervals={"day": {"step": "daily", "steps": 2}}, tz="Pacific/Apia")
    before, after = second("2011-12-29T10:00"), second("2011-12-30T10:00")
    now[0] = before
    assert counts.insert("a", 1, before, intervals=1).stored == 2
    assert counts.series("a", "day", start=before, steps=2) == {before: 1, after: 1}
    now[0] = after
    assert counts.get("a", "day", timestamp=before) == {before: 1}  # 29th and 31st: two days
    now[0] = after + DAY
    assert counts.get("a", "day", timestamp=before) == {before: 0}
    assert counts.get("a", "day", timestamp=after) == {after: 1}


@pytest.mark.parametrize(
    "year", [1, 4, 1582, 1900, 1969, 1972, 2000, 2006, 2012, 2017, 2024, 2028, 9998, 9999]
)
def test_weeks_are_those_of_strftime(year: int) -> None:
    week = gregorian("weekly")
    day, seen = date(year, 1, 1), []
    while day.year == year:
        start = (day - date(1970, 1, 1)).days * DAY
        number = year * 100 + int(day.strftime("%U"))
        assert week.bucket(start) == week.bucket(start + DAY - 1) == number
        seen.append(number)
        if day == date.max:
            break
        day += timedelta(days=1)
    weeks = sorted(set(seen))
    assert list(week.buckets(seen[0], seen[-1])) == weeks
    assert len(weeks) == (54 if year in (1972, 2000, 2028) else 53)
    assert [week.duration(number) // DAY for number in weeks] == [seen.count(number) for number in weeks]


@pytest.mark.parametrize(
    ("unit", "first", "last", "starts", "ends"),
    [
        ("daily", 10101, 99991231, -62_135_596_800, 253_402_300_800),
        ("weekly", 100, 999952, -62_135_596_800, 253_402_300_800),
        ("monthly", 101, 999912, -62_135_596_800, 253_402_300_800),
        ("yearly", 1, 9999, -62_135_596_800, 253_402_300_800),
    ],
)
def test_years_1_and_9999_are_the_edges(
    make: Make, unit: str, first: int, last: int, starts: int, ends: int
) -> None:
    step = gregorian(unit)
    assert step.bucket(starts) == first
    assert step.start(first) == starts
    assert step.bucket(ends - 1) == last
    assert step.end(last) == ends
    assert step.shift(first, -1) is None
    assert step.shift(last, 1) is None
    for outside in (starts - 1, ends):
        with pytest.raises(InvalidValue, match="1 to 9999"):
            step.bucket(outside)
    counts = make("count", intervals={"g": {"step": unit, "steps": 5}}, clock=lambda: ends - 1)
    for at in (starts, ends - 1):
        counts.insert("a", 1, at)
    assert counts.get("a", "g", timestamp=ends - 1) == {
        step.start(last): 1
    }  # its deadline is past 9999: never
    for at, copies in ((starts, -1), (ends - 1, 1), (ends - 1, 100_000)):
        with pytest.raises(InvalidValue, match="1 to 9999"):
            counts.insert("a", 1, at, intervals=copies)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Asia/Manila", "America/New_York"])
@pytest.mark.parametrize("unit", sorted(UNITS))
def test_local_years_are_the_edges_in_every_zone(unit: str, zone: str) -> None:
    step, there = gregorian(unit, zone), ZoneInfo(zone)
    early = datetime(1, 1, 5, tzinfo=UTC).astimezone(there).utcoffset()
    late = datetime(9999, 12, 20, tzinfo=UTC).astimezone(there).utcoffset()
    assert early is not None
    assert late is not None
    first = -62_135_596_800 - round(early.total_seconds())
    last = 253_402_300_800 - round(late.total_seconds()) - 1
    assert step.start(step.bucket(first)) == first
    assert step.end(step.bucket(last)) == last + 1
    for outside in (first - 1, last + 1):
        with pytest.raises(InvalidValue, match="1 to 9999"):
            step.bucket(outside)


# Deadlines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "at", "deadline"),
    [
        ({"step": 60, "steps": 1}, 0, 60),
        ({"step": 60, "steps": 5}, -1, 240),
        ({"step": 60}, 0, None),
        ({"step": 60, "steps": None}, 0, None),
        ({"step": 1, "steps": 2**62}, 0, 2**62),
        ({"step": 1, "steps": 2**63 - 1}, 0, 2**63 - 1),
        ({"step": 1, "steps": 2**63}, 0, None),
        ({"step": 1, "steps": 10**30}, 0, None),
        ({"step": 2**62, "steps": 2}, 0, None),
        ({"step": "daily", "steps": 1}, second("2011-12-30T05:00"), second("2011-12-30T10:00")),
        ({"step": "daily", "steps": 2}, second("2011-12-30T05:00"), second("2011-12-31T10:00")),
        ({"step": "monthly", "steps": 1}, second("2024-02-10"), second("2024-02-29T11:00")),
        ({"step": "yearly", "steps": 9998 - 2024}, second("2024-05-01"), second("9997-12-31T11:00")),
        ({"step": "yearly", "steps": 9999 - 2023}, second("2024-05-01"), None),
        ({"step": "daily", "steps": 10**9}, second("2024-05-01"), None),
    ],
)
def test_deadline_is_the_start_of_the_bucket_steps_later_and_never_beyond_the_edge(
    config: dict[str, Any], at: int, deadline: int | None
) -> None:
    interval = parse_intervals({"i": config}, ZoneInfo("Pacific/Apia"))["i"]
    assert interval.deadline(interval.step.bucket(at)) == deadline


# Laws in every zone ----------------------------------------------------------------------------------------------

MOMENTS = [
    second("0001-01-02T12:00"),
    second("1844-12-31T12:00"),
    second("1883-11-18T17:00"),
    second("1945-08-15T03:00"),
    second("1969-12-31T23:59:59"),
    second("1970-01-01"),
    second("1999-12-31T23:00"),
    second("2000-02-29T12:00"),
    second("2011-12-30T12:00"),
    second("2024-03-10T06:59:59"),
    second("2024-10-27T01:00"),
    second("2037-12-31T23:59:59"),
    second("9999-12-29T12:00"),
]


@cache
def zones() -> list[tuple[ZoneInfo, list[int]]]:
    """Give every zone with moments of its own: around changes of its offset, found by halving months."""
    chosen, found = random.Random(42), []
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        moments = list(MOMENTS)
        for _ in range(2):
            low = chosen.randrange(second("1900-01-01"), second("2038-01-01"))
            high = low + 250 * DAY
            if offset(zone, low) != offset(zone, high):
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
                moments += [low, high, high + 3_599]
        found.append((zone, moments))
    return found


def offset(zone: ZoneInfo, at: int) -> timedelta | None:
    return (EPOCH + timedelta(seconds=at)).astimezone(zone).utcoffset()


def local_day(zone: ZoneInfo, at: int) -> date:
    return (EPOCH + timedelta(seconds=at)).astimezone(zone).date()


def first_day(unit: str, bucket: int) -> date:
    """Return a bucket's first day, by counting."""
    if unit == "daily":
        return date(bucket // 10_000, bucket // 100 % 100, bucket % 100)
    if unit == "monthly":
        return date(bucket // 100, bucket % 100, 1)
    if unit == "yearly":
        return date(bucket, 1, 1)
    year, week = divmod(bucket, 100)
    day = date(year, 1, 1)
    around = range(max(0, week * 7 - 8), min(366, week * 7 + 8))
    return next(found for n in around if (found := day + timedelta(days=n)).strftime("%U") == f"{week:02}")


def test_bucket_to_start_to_bucket_is_the_identity_in_every_zone() -> None:
    for zone, moments in zones():
        for unit in UNITS:
            step = Gregorian(UNITS[unit], zone)
            for at in moments:
                bucket = step.bucket(at)
                start, end = step.start(bucket), step.end(bucket)
                assert start <= at < end, (zone, unit, at)
                assert step.bucket(start) == bucket, (zone, unit, at)
                assert step.bucket(end - 1) == bucket, (zone, unit, at)
                assert step.at(step.ordinal(bucket)) == bucket, (zone, unit, at)


def test_bucket_starts_at_the_first_instant_whose_local_date_is_on_or_after_its_first_day() -> None:
    for zone, moments in zones():
        for unit in UNITS:
            step = Gregorian(UNITS[unit], zone)
            for at in moments[1:-1:2]:  # away from the years 1 and 9999
                bucket = step.bucket(at)
                start, day = step.start(bucket), first_day(unit, bucket)
                assert local_day(zone, start) >= day, (zone, unit, at)
                for before in (1, 1_800, 3_600, 86_399):
                    assert local_day(zone, start - before) < day, (zone, unit, at, before)


def test_consecutive_buckets_tile_time_in_every_zone() -> None:
    for zone, moments in zones():
        for unit in ("daily", "weekly"):
            step = Gregorian(UNITS[unit], zone)
            for at in moments[1:-1:3]:
                tile(step, at)


@pytest.mark.parametrize("step", [Relative(1), Relative(7), Relative(3600), Relative(30 * DAY)])
@pytest.mark.parametrize("at", [0, -1, 10**9, -(10**9)])
def test_consecutive_relative_buckets_tile_time(step: Step, at: int) -> None:
    tile(step, at)


def tile(step: Step, at: int) -> None:
    bucket = step.bucket(at)
    first, last = step.shift(bucket, -3), step.shift(bucket, 3)
    assert first is not None
    assert last is not None
    starts = list(step.starts(first, last))
    assert [found for found, _ in starts] == list(step.buckets(first, last))
    assert len(starts) == 7
    assert [found for found, _ in starts] == sorted(found for found, _ in starts)
    for (earlier, start), (later, following) in pairwise(starts):
        assert start < following == step.end(earlier) == step.start(later)
        assert step.bucket(following - 1) == earlier
        assert step.bucket(following) == later


# What a caller configures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (1, 1),
        ("1", 1),
        ("3600", 3600),
        ("0060", 60),
        (timedelta(hours=1), 3600),
        (timedelta(days=1, seconds=1), DAY + 1),
        (timedelta(milliseconds=2000), 2),
        ("1h", 3600),
        ("30d", 30 * DAY),
        ("2w", 14 * DAY),
        ("1m", 30 * DAY),
        ("1y", 365 * DAY),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_step_is_seconds_digits_a_timedelta_or_a_short_form(make: Make, given: Any, seconds: int) -> None:
    counts = make("count", intervals={"i": {"step": given}})
    counts.insert("a", 5, 0)
    assert counts.get("a", "i", timestamp=seconds - 1) == {0: 5}
    if seconds < 2**62:
        assert counts.get("a", "i", timestamp=seconds) == {seconds: 0}
    make("count", intervals={"i": {"step": seconds}})  # the same layout


@pytest.mark.parametrize(
    "config",
    [
        {"step": 3600, "resolution": "1h"},
        {"step": "1d", "resolution": timedelta(days=1)},
        {"step": "daily", "resolution": "daily"},
        {"step": "1w", "resolution": "7d"},
        {"step": 60, "resolution": None},
        {"step": 60, "resolution": None, "steps": None},
    ],
)
def test_resolution_that_equals_the_step_is_none(make: Make, config: dict[str, Any]) -> None:
    counts = make("count", intervals={"i": config})
    counts.insert("a", 5, 0)
    assert counts.series("a", "i", end=0) == {counts.properties("a")["i"]["first"]: 5}
    make("count", intervals={"i": {"step": config["step"]}}).insert("a", 1, 0)


@pytest.mark.parametrize(
    "config",
    [
        {"step": "daily", "resolution": "1d"},
        {"step": "1d", "resolution": "daily"},
        {"step": "weekly", "resolution": "1w"},
        {"step": "1y", "resolution": "yearly"},
        {"step": "monthly", "resolution": "30d"},
    ],
)
def test_gregorian_step_never_equals_a_relative_one(make: Make, config: dict[str, Any]) -> None:
    counts = make("count", intervals={"i": config})
    counts.insert("a", 5, 0)
    (row,) = counts.series("a", "i", end=0).values()
    assert row == {0: 5}
