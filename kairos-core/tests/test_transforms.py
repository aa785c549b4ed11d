"""Named and custom transforms, for each kind, for empty rows, and the durations that they get."""

from __future__ import annotations

import functools
import math
import operator
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kairos import Timeseries

Make = Callable[..., Timeseries]
KINDS = ["series", "histogram", "count", "gauge", "set"]
NAMED = [
    "mean",
    "count",
    "min",
    "max",
    "sum",
    "rate",
    "median",
    "stddev",
    "variance",
    "first",
    "last",
    "range",
]
HOUR = {"h": {"step": 3600, "resolution": 60}, "m": {"step": 60}}


# Named ones ------------------------------------------------------------------------------------------------------

SERIES = {
    "mean": 2,
    "count": 4,
    "min": 1,
    "max": 3,
    "sum": 8,
    "rate": 4 / 60,
    "median": 2,
    "stddev": math.sqrt(0.5),
    "variance": 0.5,
    "first": 3,
    "last": 2,
    "range": 2,
    "p0": 1,
    "p12.5": 1.375,
    "p25": 1.75,
    "p50": 2,
    "p75": 2.25,
    "p100": 3,
    "p100.0": 3,
    "p99.9": 2.997,
}
EXPECTED: dict[str, dict[str, Any]] = {
    "series": SERIES,
    "histogram": {name: value for name, value in SERIES.items() if name not in ("first", "last")}
    | {"rate": {3: 1 / 60, 1: 1 / 60, 2: 2 / 60}},
    "set": {
        "mean": 2,
        "count": 3,
        "min": 1,
        "max": 3,
        "sum": 6,
        "rate": 3 / 60,
        "median": 2,
        "stddev": math.sqrt(2 / 3),
        "variance": 2 / 3,
        "range": 2,
        "p0": 1,
        "p25": 1.5,
        "p75": 2.5,
        "p100": 3,
    },
    "count": dict.fromkeys([*NAMED, "p0", "p99.9"], 8) | {"rate": 8 / 60},
    "gauge": dict.fromkeys([*NAMED, "p0", "p99.9"], 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_named_transforms(reading: Make, kind: str) -> None:
    series = reading(kind, intervals=HOUR)
    series.insert("a", [3, 1, 2, 2])
    for name, value in EXPECTED[kind].items():
        expected = {600: pytest.approx(value)}
        assert series.get("a", "m", transform=name) == expected, name
        assert series.get("a", "h", transform=name) == expected, name
        assert dict(series.iterate("a", "m", transform=name)) == expected, name
    names = list(EXPECTED[kind])
    found = series.get("a", "m", transform=names)[600]
    assert list(found) == names
    assert all(found[name] == pytest.approx(EXPECTED[kind][name]) for name in names)


EMPTY: dict[str, Any] = {
    **dict.fromkeys(["mean", "min", "max", "sum", "count", "range", "rate"], 0),
    **dict.fromkeys(["median", "stddev", "variance", "p0", "p50", "p99.9", "p100"], None),
}
EMPTY_BY_KIND: dict[str, dict[str, Any]] = {
    "series": EMPTY | {"first": None, "last": None},
    "histogram": EMPTY | {"rate": {}},
    "set": EMPTY,
    "count": dict.fromkeys([*NAMED, "p50"], 0),
    "gauge": dict.fromkeys([*NAMED, "p50"], None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_named_transforms_of_empty_rows(reading: Make, kind: str) -> None:
    series = reading(kind, intervals=HOUR)
    series.insert("other", 1)
    for name, expected in EMPTY_BY_KIND[kind].items():
        for found in (
            series.get("a", "m", transform=name),
            series.get("a", "h", transform=name, condense=True),
            series.get(["a", "b"], "m", transform=name),
            series.series("a", "m", steps=2, collapse=True, transform=name),
            series.series("a", "h", end=0, collapse=True, transform=name),
        ):
            (value,) = found.values()
            assert value == expected, name
            assert type(value) is not bool
    assert series.get("a", "m", transform=list(EMPTY_BY_KIND[kind])) == {600: EMPTY_BY_KIND[kind]}
    assert series.get("a", "h", transform="sum") == {}


@pytest.mark.parametrize("kind", ["series", "histogram", "set"])
def test_row_of_a_single_value_is_not_empty_even_if_it_is_zero(reading: Make, kind: str) -> None:
    series = reading(kind)
    series.insert("a", 0)
    names = ["mean", "count", "min", "max", "sum", "median", "stddev", "variance", "range", "p99"]
    assert series.get("a", "m", transform=names) == {
        600: dict.fromkeys(names, 0) | {"count": 1, "median": 0, "p99": 0}
    }


@pytest.mark.parametrize("kind", ["series", "histogram"])
@pytest.mark.parametrize("percent", [0, 1, 10, 25, 33.3, 50, 66.6, 75, 90, 99, 99.99, 100])
def test_percentiles_interpolate_linearly_and_histograms_weight_by_count(
    reading: Make, kind: str, percent: float
) -> None:
    values = [1.5, 1.5, 2, 7, 7, 7, 11, -4, 0, 1e6]
    series = reading(kind)
    series.insert("a", values)
    ordered = sorted(values)
    rank = (len(values) - 1) * percent / 100
    low = math.floor(rank)
    high = min(low + 1, len(values) - 1)
    expected = ordered[low] + (ordered[high] - ordered[low]) * (rank - low)
    assert series.get("a", "m", transform=f"p{percent}") == {600: pytest.approx(expected)}


@pytest.mark.parametrize("kind", ["series", "histogram"])
def test_statistics_are_those_of_a_population_weighted_by_count(reading: Make, kind: str) -> None:
    values = [1, 1, 1, 5, 9, 9, 2.5, -3]
    series = reading(kind)
    series.insert("a", values)
    found = series.get("a", "m", transform=["mean", "median", "stddev", "variance", "sum", "count"])[600]
    assert found == pytest.approx(
        {
            "mean": statistics.fmean(values),
            "median": statistics.median(values),
            "stddev": statistics.pstdev(values),
            "variance": statistics.pvariance(values),
            "sum": sum(values),
            "count": len(values),
        }
    )


def test_big_histogram_is_not_unrolled(reading: Make) -> None:
    histogram = reading("histogram")
    histogram.bulk_insert({600: {"a": [1] * 50_000 + [2] * 50_000}})
    found = histogram.get("a", "m", transform=["count", "mean", "median", "p49", "variance"])[600]
    assert found == {"count": 100_000, "mean": 1.5, "median": 1.5, "p49": 1, "variance": 0.25}


def test_transforms_of_text_need_read_func_but_for_those_that_do_not_look_at_values(
    make: Make, limited: Callable[..., Any]
) -> None:
    place = limited(text=True)
    make("series", target=place).insert("a", [3, 1, 2, 2])
    plain = make("series", target=place)
    assert plain.get("a", "m", transform=["count", "rate", "first", "last"]) == {
        600: {"count": 4, "rate": 4 / 60, "first": "3", "last": "2"}
    }
    numbers = make("series", target=place, read_func=int)
    assert numbers.get("a", "m", transform=list(SERIES)) == {600: pytest.approx(SERIES)}
    histogram = make("histogram", target=place)
    histogram.insert("a", [1, 1, "x"])
    assert histogram.get("a", "m", transform=["count", "rate"]) == {
        600: {"count": 3, "rate": {"1": 2 / 60, "x": 1 / 60}}
    }
    distinct = make("set", target=place)
    distinct.insert("a", [1, 1, "x"])
    assert distinct.get("a", "m", transform=["count", "rate"]) == {600: {"count": 2, "rate": 2 / 60}}
    counts = make("count", target=place)
    counts.insert("a", 5)
    assert counts.get("a", "m", transform=["sum", "mean", "rate"]) == {
        600: {"sum": 5, "mean": 5, "rate": 5 / 60}
    }


@pytest.mark.parametrize("kind", ["series", "histogram", "set"])
def test_custom_transforms_of_text_work_without_read_func(
    make: Make, limited: Callable[..., Any], kind: str
) -> None:
    series = make(kind, target=limited(text=True))
    series.insert("a", [3, 1])
    assert series.get("a", "m", transform=sorted) == {600: ["1", "3"]}


def test_transforms_see_what_read_func_gives(reading: Make) -> None:
    series = reading("series", read_func=lambda value: -value)
    series.insert("a", [3, 1])
    assert series.get("a", "m", transform=["sum", "first", "max"]) == {
        600: {"sum": -4, "first": -3, "max": -1}
    }


def test_transforms_of_custom_rows(reading: Make) -> None:
    series = reading("series", intervals=HOUR)
    series.insert("a", [3, 1])
    series.insert("b", [10])
    assert series.get("a", "m", process_row=lambda row: row * 2, transform="sum") == {600: 8}
    assert series.get(["a", "b"], "m", join_rows=lambda rows: rows[0], transform="sum") == {600: 4}
    assert series.get("a", "h", condense=lambda rows: [7], transform="sum") == {0: 7}
    assert series.series("a", "m", steps=2, collapse=lambda rows: list(rows), transform="count") == {540: 2}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", Decimal(2)),
        ("sum", Decimal(8)),
        ("median", Decimal(2)),
        ("variance", Decimal("0.5")),
        ("stddev", Decimal("0.5").sqrt()),
        ("range", Decimal(2)),
        ("p25", Decimal("1.75")),
        ("p100", Decimal(3)),
        ("min", Decimal(1)),
    ],
)
@pytest.mark.parametrize("kind", ["series", "histogram"])
def test_transforms_of_decimals_are_decimals(make: Make, kind: str, name: str, expected: Decimal) -> None:
    series = make(kind, read_func=Decimal, write_func=str)
    series.insert("a", [3, 1, 2, 2])
    found = series.get("a", "m", transform=name)[600]
    assert found == expected
    assert type(found) is Decimal


def test_ints_stay_exact_and_ints(make: Make) -> None:
    series = make()
    series.insert("a", [2**60 + 1, 2**60 + 1, 2**60 + 1])
    names = ["sum", "min", "max", "median", "p90", "range", "first", "last"]
    found = series.get("a", "m", transform=names)[600]
    assert found == dict.fromkeys(names, 2**60 + 1) | {"sum": 3 * 2**60 + 3, "range": 0}
    assert all(type(value) is int for value in found.values())


# How they are asked for ------------------------------------------------------------------------------------------


def spread(row: Any) -> Any:
    return max(row) - min(row)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("sum", 8),
        (sum, 8),
        (["sum", "max"], {"sum": 8, "max": 3}),
        (("sum", spread), {"sum": 8, spread: 2}),
        ({"sum", "max"}, {"sum": 8, "max": 3}),
        (frozenset({spread}), {spread: 2}),
        (["sum", "sum"], {"sum": 8}),
        (["sum"], {"sum": 8}),
        ({"total": "sum", "spread": spread}, {"total": 8, "spread": 2}),
        ({"sum": max, 5: "sum", None: len}, {"sum": 3, 5: 8, None: 4}),
        ([], {}),
        ((), {}),
        (set(), {}),
        ({}, {}),
    ],
)
def test_transform_is_a_name_a_callable_several_of_them_or_a_dict(
    reading: Make, transform: Any, expected: Any
) -> None:
    series = reading("series", intervals=HOUR)
    series.insert("a", [3, 1, 2, 2])
    assert series.get("a", "m", transform=transform) == {600: expected}
    assert series.get("a", "h", transform=transform) == {600: expected}
    assert list(series.iterate("a", "m", transform=transform)) == [(600, expected)]
    assert series.series("a", "m", start=600, steps=1, transform=transform) == {600: expected}
    assert series.series("a", "h", end=0, collapse=True, transform=transform) == {0: expected}


def test_the_callers_transforms_are_not_changed(reading: Make) -> None:
    series = reading("series")
    series.insert("a", 1)
    transforms = {"x": "sum", "y": "count"}
    series.get("a", "m", transform=transforms)
    assert transforms == {"x": "sum", "y": "count"}


# Custom ones -----------------------------------------------------------------------------------------------------


class Rate:
    def __call__(self, row: Any, duration: Any) -> Any:
        return len(row), duration

    def method(self, row: Any, seconds: Any) -> Any:
        return len(row), seconds

    def alone(self, row: Any) -> Any:
        return len(row)

    @staticmethod
    def static(row: Any, seconds: Any) -> Any:
        return len(row), seconds


def by_keyword(row: Any, *, duration: Any) -> Any:
    return len(row), duration


def optional_duration(row: Any, duration: Any = None) -> Any:
    return len(row), duration


def late_duration(row: Any, other: Any = 5, duration: Any = None) -> Any:
    return len(row), other, duration


def keyword_default(row: Any, *, duration: Any = None) -> Any:
    return len(row), duration


def optional_other(row: Any, seconds: Any = None) -> Any:
    return len(row), seconds


def keywords(row: Any, **options: Any) -> Any:
    return len(row), options


def several(row: Any, *more: Any) -> Any:
    return len(row), more


def positional_only(row: Any, seconds: Any, /) -> Any:
    return len(row), seconds


def duration_first(duration: Any, row: Any) -> Any:
    return len(duration), row


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # two required positional parameters: as the second
        (lambda row, seconds: (len(row), seconds), (4, 60)),
        (Rate(), (4, 60)),
        (Rate().method, (4, 60)),
        (Rate.static, (4, 60)),
        (positional_only, (4, 60)),
        (duration_first, (4, 60)),
        (functools.partial(lambda extra, row, seconds: (extra, len(row), seconds), "x"), ("x", 4, 60)),
        # a parameter named duration: by keyword
        (by_keyword, (4, 60)),
        (optional_duration, (4, 60)),
        (late_duration, (4, 5, 60)),
        (keyword_default, (4, 60)),
        # else the row alone
        (lambda row: len(row), 4),
        (Rate().alone, 4),
        (optional_other, (4, None)),
        (keywords, (4, {})),
        (several, (4, ())),
        (lambda *rows: len(rows), 1),
        (sum, 8),
        (max, 3),
        (min, 1),
        (len, 4),
        (sorted, [1, 2, 2, 3]),
        (list, [3, 1, 2, 2]),
        (set, {1, 2, 3}),
        (tuple, (3, 1, 2, 2)),
        (str, "[3, 1, 2, 2]"),
        (repr, "[3, 1, 2, 2]"),
        (enumerate, None),
        (math.fsum, 8.0),
        (math.prod, 12),
        (statistics.stdev, statistics.stdev([3, 1, 2, 2])),
        (statistics.pvariance, 0.5),
        (statistics.fmean, 2.0),
        (statistics.median, 2),
        (operator.itemgetter(-1), 2),
        (operator.methodcaller("index", 2), 2),
        (functools.partial(sum, start=100), 108),
        (functools.partial(optional_other, seconds=5), (4, 5)),
        (list.__len__, 4),
    ],
)
def test_custom_transform_gets_the_duration_only_if_it_asks_for_it(
    reading: Make, function: Callable[..., Any], expected: Any
) -> None:
    series = reading("series")
    series.insert("a", [3, 1, 2, 2])
    found = series.get("a", "m", transform=function)[600]
    if expected is None:
        assert list(found) == [(0, 3), (1, 1), (2, 2), (3, 2)]
    else:
        assert found == expected
        assert series.get("a", "m", transform={"x": function}) == {600: {"x": expected}}


def test_custom_transform_is_called_once_for_each_row_empty_ones_too(reading: Make) -> None:
    series = reading("series", intervals=HOUR)
    series.insert("a", [3, 1])
    calls: list[Any] = []
    series.series("a", "m", steps=3, transform=calls.append)
    assert calls == [[], [], [3, 1]]
    calls.clear()
    series.get("a", "h", transform=[calls.append, "sum"])
    assert calls == [[3, 1]]


def test_error_of_a_custom_transform_passes_through(reading: Make) -> None:
    with pytest.raises(ZeroDivisionError):
        reading("count").get("a", "m", transform=lambda row: 1 // row)


# Durations -------------------------------------------------------------------------------------------------------


def seconds(row: Any, duration: int) -> int:
    return duration


def durations(series: Timeseries, method: str, interval: str, **arguments: Any) -> list[int]:
    found = getattr(series, method)("a", interval, transform=seconds, **arguments)
    rows = dict(found).values()
    return [value for row in rows for value in (row.values() if isinstance(row, dict) else [row])]


@pytest.mark.parametrize(
    ("config", "at", "whole", "rows"),
    [
        ({"step": 60}, 0, [60], [60]),
        ({"step": 3600, "resolution": 60}, 0, [3600], [60] * 60),
        ({"step": 100, "resolution": 60}, 0, [100], [60, 40]),
        ({"step": 100, "resolution": 60}, 100, [100], [20, 60, 20]),
        ({"step": 100, "resolution": 60}, 200, [100], [40, 60]),
        ({"step": 100, "resolution": 60}, -100, [100], [40, 60]),
        ({"step": "daily"}, datetime(2013, 3, 10, 12, tzinfo=UTC), [86_400], [86_400]),  # a day of 23 hours
        ({"step": "daily", "resolution": "1h"}, datetime(2013, 3, 10, 12, tzinfo=UTC), [86_400], [3600] * 23),
        ({"step": "daily", "resolution": "1h"}, datetime(2013, 11, 3, 12, tzinfo=UTC), [86_400], [3600] * 25),
        ({"step": "weekly"}, datetime(2013, 3, 12, tzinfo=UTC), [7 * 86_400], [7 * 86_400]),
        (
            {"step": "weekly"},
            datetime(2013, 12, 31, 12, tzinfo=UTC),
            [3 * 86_400],
            [3 * 86_400],
        ),  # cut by the year
        ({"step": "monthly"}, datetime(2013, 3, 12, tzinfo=UTC), [31 * 86_400], [31 * 86_400]),
        ({"step": "monthly"}, datetime(2024, 2, 12, tzinfo=UTC), [29 * 86_400], [29 * 86_400]),
        ({"step": "yearly"}, datetime(2024, 2, 12, tzinfo=UTC), [366 * 86_400], [366 * 86_400]),
        (
            {"step": "monthly", "resolution": "daily"},
            datetime(2013, 3, 12, tzinfo=UTC),
            [31 * 86_400],
            [86_400] * 31,
        ),
        # weeks that a month cuts: 1 and 2 March; 31 March, which is a day of 24 hours
        (
            {"step": "monthly", "resolution": "weekly"},
            datetime(2013, 3, 12, tzinfo=UTC),
            [31 * 86_400],
            [2 * 86_400, *[7 * 86_400] * 4, 86_400],
        ),
        # 10 November 2013, a Sunday, cut by relative days: 19 and 5 hours of New York's days
        (
            {"step": "1d", "resolution": "daily"},
            datetime(2013, 11, 10, tzinfo=UTC),
            [86_400],
            [5 * 3600, 19 * 3600],
        ),
        # the day of 25 hours lies in two relative days
        (
            {"step": "1d", "resolution": "daily"},
            datetime(2013, 11, 3, tzinfo=UTC),
            [86_400],
            [4 * 3600, 20 * 3600],
        ),
    ],
)
@pytest.mark.parametrize("kind", ["series", "count"])
def test_duration_of_a_row_is_nominal_when_whole_and_real_when_cut(
    reading: Make, kind: str, config: dict[str, Any], at: Any, whole: list[int], rows: list[int]
) -> None:
    series = reading(kind, intervals={"i": config}, tz="America/New_York")
    (start,) = series.series("x", "i", start=at, steps=1)
    step = series.series("x", "i", start=at, steps=2)
    end = list(step)[1]
    batch = {second: {"a": [1]} for second in range(start, end, 20 if end - start < 7200 else 3600)}
    series.bulk_insert(batch)
    assert durations(series, "get", "i", timestamp=at) == rows
    assert durations(series, "series", "i", start=at, steps=1) == rows
    assert durations(series, "iterate", "i") == rows
    assert durations(series, "get", "i", timestamp=at, condense=True) == whole
    assert durations(series, "series", "i", start=at, steps=1, collapse=True) == whole


def test_duration_of_a_collapsed_row_is_the_sum_of_its_intervals(reading: Make) -> None:
    counts = reading(
        "count", intervals={"m": {"step": 60, "steps": 2}, "mo": {"step": "monthly", "resolution": "daily"}}
    )
    counts.insert("a", 6)
    assert durations(counts, "series", "m", start=0, end=659, collapse=True) == [660]  # dead ones too
    assert durations(counts, "series", "m", steps=10, collapse=max) == [600]
    assert counts.series("a", "m", steps=10, collapse=True, transform="rate") == {60: 6 / 600}
    span = {"start": datetime(2023, 12, 15, tzinfo=UTC), "end": datetime(2024, 2, 1, tzinfo=UTC)}
    assert durations(counts, "series", "mo", collapse=True, **span) == [(31 + 31 + 29) * 86_400]


def test_rate_of_each_row_is_per_second_of_its_duration(reading: Make) -> None:
    counts = reading("count", intervals={"i": {"step": 100, "resolution": 60}})
    counts.bulk_insert({0: {"a": [60]}, 60: {"a": [40]}, 100: {"a": [20]}})
    assert counts.series("a", "i", start=0, end=199, transform="rate") == {0: {0: 1, 60: 1}, 100: {100: 1}}
    assert counts.series("a", "i", start=0, end=199, condense=True, transform="rate") == {0: 1, 100: 0.2}
    assert counts.series("a", "i", start=0, end=199, collapse=True, transform="rate") == {0: 0.6}
