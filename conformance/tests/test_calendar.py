"""The kit's own calendar against facts that were worked out by hand."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kairos_conformance.calendar import GREGORIAN, Gregorian, Relative, days, ruler, second_of
from kairos_conformance.configurations import utc


def in_zone(unit, zone):
    return Gregorian(unit, ZoneInfo(zone))


def test_relative_buckets_are_floors_also_before_1970():
    minute = Relative(60)
    assert [minute.bucket(s) for s in (-61, -60, -1, 0, 59, 60)] == [-2, -1, -1, 0, 0, 1]
    assert (minute.start(-1), minute.end(-1), minute.length(-1)) == (-60, 0, 60)


@pytest.mark.parametrize(
    ("moment", "second"),
    [
        (-0.5, -1),
        (-1e-300, -1),
        (0.999, 0),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), -1),
        (datetime(1970, 1, 1, 5, 30, tzinfo=ZoneInfo("Asia/Kolkata")), 0),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799),
    ],
)
def test_the_second_that_holds_a_moment(moment, second):
    assert second_of(moment) == second


@pytest.mark.parametrize(
    ("step", "same"),
    [
        ("3600", 3600),
        ("1h", 3600),
        ("30d", 30 * 86_400),
        ("2w", 14 * 86_400),
        ("1m", 2_592_000),
        ("1y", 31_536_000),
    ],
)
def test_short_forms_of_steps(step, same):
    assert ruler(step, "UTC") == Relative(same) == ruler(timedelta(seconds=same), "UTC")


@pytest.mark.parametrize(
    ("day", "week"),
    [
        (utc(2012, 1, 1), 201201),  # a Sunday: the year has no week 0
        (utc(2012, 12, 29), 201252),
        (utc(2012, 12, 30), 201253),
        (utc(2012, 12, 31), 201253),
        (utc(2013, 1, 1), 201300),  # a Tuesday: week 0 has five days
        (utc(2013, 1, 5), 201300),
        (utc(2013, 1, 6), 201301),
        (utc(2000, 12, 31), 200053),  # a Sunday, alone in week 53
        (utc(2000, 1, 1), 200000),  # a Saturday, alone in week 0
        (utc(2000, 1, 2), 200001),
    ],
)
def test_weeks_begin_on_sunday_and_are_cut_at_new_year(day, week):
    assert in_zone("weekly", "UTC").bucket(day) == week


def test_the_year_2000_has_54_weeks():
    weeks = in_zone("weekly", "UTC")
    assert weeks.after(200000, 53) == 200053
    assert weeks.after(200000, 54) == 200100
    assert weeks.length(200000) == weeks.length(200053) == 86_400
    assert weeks.length(200001) == 7 * 86_400


def test_apia_had_no_30th_of_december_2011():
    day = in_zone("daily", "Pacific/Apia")
    assert day.after(20111229, 1) == 20111231
    assert day.after(20111231, -1) == 20111229
    # midnight that ended the 29th, at ten hours behind UTC, was midnight that began the 31st, at fourteen before
    assert day.end(20111229) == day.start(20111231) == utc(2011, 12, 30, 10)
    assert day.bucket(utc(2011, 12, 30, 9, 59, 59)) == 20111229
    assert day.bucket(utc(2011, 12, 30, 10)) == 20111231


def test_a_day_in_havana_can_begin_at_one_o_clock():
    day = in_zone("daily", "America/Havana")
    assert day.start(20130310) == utc(2013, 3, 10, 5)  # 00:00 at −5 is 01:00 at −4
    assert day.end(20130310) - day.start(20130310) == 23 * 3600
    assert day.start(20131103) == utc(2013, 11, 3, 4)  # 00:00 at −4; at 01:00 it is 00:00 again
    assert day.end(20131103) - day.start(20131103) == 25 * 3600
    assert day.length(20131103) == 86_400
    assert {day.bucket(utc(2013, 11, 3, h)) for h in (4, 5, 6)} == {20131103}


def test_a_day_that_has_begun_in_st_johns_does_not_end_when_the_clock_goes_back_over_midnight():
    day = in_zone("daily", "America/St_Johns")
    begun = utc(2006, 10, 29, 2, 30)  # midnight at −2:30; one minute later it is 23:01 of the 28th again
    assert day.start(20061029) == begun
    assert day.bucket(begun - 1) == 20061028
    assert {day.bucket(begun + s) for s in (0, 59, 60, 3600, 7200)} == {20061029}


def test_casablanca_goes_back_for_ramadan():
    day = in_zone("daily", "Africa/Casablanca")
    assert day.end(20210411) - day.start(20210411) == 25 * 3600
    assert day.end(20210516) - day.start(20210516) == 23 * 3600


def test_lord_howe_moves_by_half_an_hour():
    day = in_zone("daily", "Australia/Lord_Howe")
    assert day.end(20130407) - day.start(20130407) == 24 * 3600 + 1800
    assert day.end(20131006) - day.start(20131006) == 24 * 3600 - 1800


def test_new_york_s_months_and_years():
    month, year = in_zone("monthly", "America/New_York"), in_zone("yearly", "America/New_York")
    assert month.start(201303) == utc(2013, 3, 1, 5)
    assert month.end(201303) == utc(2013, 4, 1, 4)
    assert month.after(201211, 3) == 201302
    assert month.length(201202) == 29 * 86_400
    assert (year.start(2013), year.length(2012)) == (utc(2013, 1, 1, 5), 366 * 86_400)


@pytest.mark.parametrize("unit", GREGORIAN)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"])
def test_the_first_and_last_buckets_of_all(unit, zone):
    step = in_zone(unit, zone)
    first = {"daily": 10101, "weekly": 100, "monthly": 101, "yearly": 1}[unit]
    last = {"daily": 99991231, "weekly": 999952, "monthly": 999912, "yearly": 9999}[unit]
    for bucket in (first, last):
        assert step.bucket(step.start(bucket)) == bucket
    assert step.bucket(step.end(last) - 1) == last


@pytest.mark.parametrize(
    "zone", ["Pacific/Apia", "America/Havana", "America/St_Johns", "Africa/Casablanca", "UTC"]
)
@pytest.mark.parametrize("unit", GREGORIAN)
def test_bucket_start_bucket_is_the_identity(zone, unit):
    step = in_zone(unit, zone)
    bucket = step.bucket(utc(2010, 6, 1))
    for _ in range(60):
        assert step.bucket(step.start(bucket)) == bucket
        assert step.bucket(step.end(bucket) - 1) == bucket
        assert step.after(step.after(bucket, 1), -1) == bucket
        bucket = step.after(bucket, 1)


def test_weeks_are_those_of_strftime():
    first = datetime(1999, 12, 20).toordinal()
    for ordinal in range(first, first + 2_000):
        day = datetime.fromordinal(ordinal)
        week = int(day.strftime("%Y%U"))
        assert in_zone("weekly", "UTC").bucket(second_of(day.replace(tzinfo=UTC))) == week
        begin, past = days("weekly", week)
        assert begin <= ordinal < past
