"""Reading: ranges, stages, their order and arguments, names, merges. In a place that folds and in one that does not."""

from __future__ import annotations

import functools
import inspect
import operator
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kairos import Timeseries
from kairos.memory import Store

Make = Callable[..., Timeseries]
KINDS = ["series", "histogram", "count", "gauge", "set"]
EMPTY: dict[str, Any] = {"series": [], "histogram": {}, "count": 0, "gauge": None, "set": set()}
ONE: dict[str, Any] = {"series": [1], "histogram": {1: 1}, "count": 1, "gauge": 1, "set": {1}}
INTERVALS = {"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}}


class Recorded:
    """A stage that keeps what it was called with."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.calls: list[Any] = []

    def __call__(self, argument: Any) -> Any:
        self.calls.append(dict(argument) if isinstance(argument, Mapping) else argument)
        return self.function(argument)


# Shapes and ranges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_get_gives_one_entry_without_resolution_data_or_not(reading: Make, kind: str) -> None:
    series = reading(kind, intervals=INTERVALS)
    series.insert("a", 1, 630)
    assert series.get("a", "m", timestamp=659.9) == {600: ONE[kind]}
    assert series.get("a", "m", timestamp=660) == {660: EMPTY[kind]}
    assert series.get("unknown", "m", timestamp=-1) == {-60: EMPTY[kind]}
    assert all(type(start) is int for start in series.get("a", "m", timestamp=659.9))


@pytest.mark.parametrize("kind", KINDS)
def test_get_with_resolution_gives_what_has_data_ascending(reading: Make, kind: str) -> None:
    series = reading(kind, intervals=INTERVALS)
    for second in (3599, 0, 630):
        series.insert("a", 1, second)
    found = series.get("a", "h", timestamp=1800)
    assert list(found.items()) == [(0, ONE[kind]), (600, ONE[kind]), (3540, ONE[kind])]
    assert series.get("a", "h", timestamp=3600) == {}
    assert series.get("unknown", "h") == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("empty", [True, False])
def test_get_condensed_gives_one_entry_for_the_start_of_the_interval(
    reading: Make, kind: str, empty: bool
) -> None:
    series = reading(kind, intervals=INTERVALS)
    if not empty:
        series.insert("a", 1, 630)
    assert series.get("a", "h", condense=True) == {0: EMPTY[kind] if empty else ONE[kind]}
    assert series.get("a", "h", timestamp=7300, condense=True) == {7200: EMPTY[kind]}


RANGES = [
    ({}, [600]),
    ({"start": 540}, [540]),
    ({"end": 540}, [540]),
    ({"start": 540, "end": 700}, [540, 600, 660]),
    ({"start": 599, "end": 600}, [540, 600]),
    ({"start": 540, "steps": 3}, [540, 600, 660]),
    ({"end": 700, "steps": 3}, [540, 600, 660]),
    ({"steps": 3}, [480, 540, 600]),
    ({"steps": 0}, [600]),
    ({"steps": None}, [600]),
    ({"start": 540, "end": 700, "steps": 99}, [540, 600, 660]),
    ({"start": 0, "end": 0}, [0]),
    ({"start": 0, "steps": 2}, [0, 60]),
    ({"end": 0, "steps": 2}, [-60, 0]),
    ({"start": -61, "end": 59}, [-120, -60, 0]),
    ({"start": 700, "end": 540}, [660]),  # end before start: the end's bucket is start's
    ({"start": 700, "end": 540, "steps": 5}, [660]),
    ({"start": 659.9, "end": 660.1}, [600, 660]),
    (
        {"start": datetime(1970, 1, 1, 0, 9, tzinfo=UTC), "end": datetime(1970, 1, 1, 0, 10, tzinfo=UTC)},
        [540, 600],
    ),
]


@pytest.mark.parametrize(("span", "starts"), RANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_series_has_an_entry_for_every_bucket_of_its_range(
    reading: Make, kind: str, span: dict[str, Any], starts: list[int]
) -> None:
    series = reading(kind)
    series.insert("a", 1)
    expected = [(start, ONE[kind] if start == 600 else EMPTY[kind]) for start in starts]
    assert list(series.series("a", "m", **span).items()) == expected
    assert list(series.series("b", "m", **span).items()) == [(start, EMPTY[kind]) for start in starts]


@pytest.mark.parametrize(
    ("span", "starts"),
    [
        ({}, [480, 540, 600]),
        ({"start": 540}, [540, 600, 660]),
        ({"end": 540}, [420, 480, 540]),
        ({"steps": 0}, [480, 540, 600]),
        ({"steps": None, "end": 600}, [480, 540, 600]),
        ({"steps": 1}, [600]),
        ({"steps": 5}, [360, 420, 480, 540, 600]),
        ({"start": 540, "end": 599}, [540]),
    ],
)
def test_series_steps_defaults_to_the_steps_of_the_interval(
    reading: Make, span: dict[str, Any], starts: list[int]
) -> None:
    counts = reading("count", intervals={"m": {"step": 60, "steps": 3}})
    assert list(counts.series("a", "m", **span)) == starts


@pytest.mark.parametrize("kind", KINDS)
def test_series_with_resolution_holds_dicts_of_what_has_data(reading: Make, kind: str) -> None:
    series = reading(kind, intervals=INTERVALS)
    for second in (3599, 0, 7200):
        series.insert("a", 1, second)
    one = ONE[kind]
    found = series.series("a", "h", start=0, end=10_800)
    assert found == {0: {0: one, 3540: one}, 3600: {}, 7200: {7200: one}, 10_800: {}}
    assert list(found[0]) == [0, 3540]
    condensed = series.series("a", "h", start=0, end=10_800, condense=True)
    assert condensed.keys() == found.keys()
    assert condensed[3600] == condensed[10_800] == EMPTY[kind]
    assert condensed[7200] == one


def test_gregorian_series_has_an_entry_for_every_calendar_bucket(reading: Make) -> None:
    counts = reading(
        "count", intervals={"mo": {"step": "monthly", "resolution": "daily"}}, tz="America/New_York"
    )
    counts.insert("a", 1, datetime(2024, 3, 10, 12, tzinfo=UTC))
    counts.insert("a", 2, datetime(2024, 3, 31, 12, tzinfo=UTC))
    feb, mar, apr = (
        round(datetime(2024, n, 1, h, tzinfo=UTC).timestamp()) for n, h in ((2, 5), (3, 5), (4, 4))
    )
    tenth, last = mar + 9 * 86_400, mar + 30 * 86_400 - 3600
    assert counts.series("a", "mo", start=feb, end=apr) == {feb: {}, mar: {tenth: 1, last: 2}, apr: {}}
    assert counts.series("a", "mo", start=feb, end=apr, condense=True) == {feb: 0, mar: 3, apr: 0}


def test_resolution_bucket_that_the_interval_cuts_shows_in_both_parts(reading: Make) -> None:
    counts = reading("count", intervals={"i": {"step": 100, "resolution": 60}})
    for second in (0, 59, 60, 99, 100, 119, 120, 180, 199, 200, 239):
        counts.insert("a", 1, second)
    assert counts.series("a", "i", start=0, end=299) == {
        0: {0: 2, 60: 2},
        100: {100: 2, 120: 1, 180: 2},
        200: {200: 2},
    }
    assert counts.series("a", "i", start=0, end=299, condense=True) == {0: 4, 100: 5, 200: 2}
    assert list(counts.iterate("a", "i")) == [(0, 2), (60, 2), (100, 2), (120, 1), (180, 2), (200, 2)]


def test_gregorian_resolution_of_a_relative_step_is_cut_by_it(reading: Make) -> None:
    counts = reading("count", intervals={"d": {"step": "1d", "resolution": "daily"}}, tz="America/New_York")
    midnight = 5 * 3600  # of 1 January 1970 in New York
    for second in (midnight - 1, midnight, 86_399, 86_400):
        counts.insert("a", 1, second)
    assert counts.series("a", "d", start=0, end=86_400) == {0: {0: 1, midnight: 2}, 86_400: {86_400: 1}}
    assert counts.get("a", "d", timestamp=0, transform="rate") == {
        0: 1 / midnight,
        midnight: 2 / (86_400 - midnight),
    }


# iterate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_iterate_yields_every_bucket_from_the_first_to_the_last_with_data(reading: Make, kind: str) -> None:
    series = reading(kind, intervals=INTERVALS)
    for second in (600, -60, 480):
        series.insert("a", 1, second)
    one, empty = ONE[kind], EMPTY[kind]
    found = list(series.iterate("a", "m"))
    assert [start for start, _ in found] == list(range(-60, 601, 60))
    assert dict(found) == dict.fromkeys(range(-60, 601, 60), empty) | dict.fromkeys([-60, 480, 600], one)
    assert list(series.iterate("a", "h")) == [(-60, one), (480, one), (600, one)]
    assert [start for start, _ in series.iterate("a", "h", condense=True)] == [-3600, 0]
    assert list(series.iterate("unknown", "m")) == list(series.iterate("unknown", "h", condense=True)) == []


@pytest.mark.parametrize("interval", ["m", "h"])
@pytest.mark.parametrize(
    "stages", [{}, {"condense": True}, {"transform": ["sum", "rate"]}, {"process_row": repr}]
)
def test_iterate_gives_what_series_gives_over_many_pages(
    reading: Make, interval: str, stages: dict[str, Any]
) -> None:
    counts = reading("count", intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}})
    for second in [*range(0, 60 * 2_500, 60 * 7), 60 * 40_000, 60 * 40_001, 60 * 60_000]:
        counts.insert("a", 1, second)
    series = counts.series("a", interval, start=0, end=60 * 60_000, **stages)
    if interval == "h" and "condense" not in stages:
        series = {start: row for rows in series.values() for start, row in rows.items()}
    assert list(counts.iterate("a", interval, **stages)) == list(series.items())


def test_iterate_over_a_gap_of_ages_is_quick_with_resolution(reading: Make) -> None:
    counts = reading("count", intervals={"s": {"step": 60, "resolution": 1}})
    ends = [-(2**40), 0, 2**40, 2**41]
    for second in ends:
        counts.insert("a", 1, second)
    assert list(counts.iterate("a", "s")) == [(second, 1) for second in ends]


def test_iterate_of_names_goes_over_all_of_them(reading: Make) -> None:
    counts = reading("count", intervals=INTERVALS)
    counts.bulk_insert({600: {"a": [1]}, 720: {"b": [10]}, 480: {"c": [100]}})
    assert list(counts.iterate(["a", "b"], "m")) == [(600, 1), (660, 0), (720, 10)]
    assert list(counts.iterate(["a", "b", "nobody"], "h")) == [(600, 1), (720, 10)]
    assert list(counts.iterate({"a", "b", "c"}, "h", condense=True)) == [(0, 111)]
    assert list(counts.iterate(["nobody", "none"], "m")) == []


def test_iterate_takes_the_stages_of_get(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.bulk_insert({600: {"a": [1, 2]}, 660: {"a": [3]}, 7200: {"a": [4]}})
    assert list(series.iterate("a", "h", process_row=len)) == [(600, 2), (660, 1), (7200, 1)]
    assert list(series.iterate("a", "h", condense=len)) == [(0, 2), (3600, 0), (7200, 1)]
    assert list(series.iterate("a", "h", transform="sum")) == [(600, 3), (660, 3), (7200, 4)]
    assert list(series.iterate("a", "h", condense=True, transform={"x": "count"})) == [
        (0, {"x": 3}),
        (3600, {"x": 0}),
        (7200, {"x": 1}),
    ]


def test_iterate_is_lazy_and_errors_come_with_the_call(reading: Make) -> None:
    series = reading()
    with pytest.raises(KeyError):
        series.iterate("a", "nothing")
    series.insert("a", 1)
    items = series.iterate("a", "m")
    assert inspect.isgenerator(items)
    items.close()


def test_iterate_takes_constant_memory(make: Make) -> None:
    counts = make("count", intervals={"s": {"step": 1}})
    counts.insert("a", 1, 0)

    def peak(buckets: int) -> int:
        counts.insert("a", 1, buckets)
        tracemalloc.start()
        try:
            assert sum(1 for _ in counts.iterate("a", "s")) == buckets + 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_000)
    small = peak(5_000)
    assert peak(60_000) < 2 * small


# Names -----------------------------------------------------------------------------------------------------------

NAMES = ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("series", [1, 2, 2, 3]),
        ("histogram", {1: 1, 2: 2, 3: 1}),
        ("count", 8),
        ("gauge", 3),
        ("set", {1, 2, 3}),
    ],
)
@pytest.mark.parametrize("as_given", [list, tuple, set, frozenset])
def test_several_names_are_joined(
    reading: Make, kind: str, expected: Any, as_given: Callable[[list[str]], Any]
) -> None:
    series = reading(kind, intervals=INTERVALS)
    series.insert("a", [1, 2])
    series.insert("b", [2, 3])
    names = as_given(NAMES)
    assert series.get(names, "m") == {600: expected}
    assert series.get(names, "h") == {600: expected}
    assert series.get(names, "h", condense=True) == {0: expected}
    assert series.series(names, "m", steps=2) == {540: EMPTY[kind], 600: expected}
    assert series.series(names, "m", steps=2, collapse=True) == {540: expected}
    assert list(series.iterate(names, "m")) == [(600, expected)]


@pytest.mark.parametrize("interval", ["m", "h"])
def test_rows_of_a_window_go_to_join_rows_in_the_order_of_the_names(reading: Make, interval: str) -> None:
    series = reading("series", intervals=INTERVALS)
    for name in "abc":
        series.insert(name, [name])
    for names, rows in (
        (["c", "a", "b"], [["c"], ["a"], ["b"]]),
        (("c", "a", "c"), [["c"], ["a"], ["c"]]),
        ({"c", "a", "b"}, [["a"], ["b"], ["c"]]),
        (frozenset("cab"), [["a"], ["b"], ["c"]]),
        (["a", "nobody", "b"], [["a"], [], ["b"]]),
        (["a"], [["a"]]),
    ):
        join = Recorded(len)
        assert series.get(names, interval, join_rows=join) == {600: len(rows)}
        assert join.calls == [rows]
        assert type(join.calls[0]) is list
        assert series.get(names, interval) == {600: functools.reduce(operator.iadd, rows, [])}


def test_join_rows_is_not_called_for_a_name_given_as_a_str(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.insert("a", 1)
    join = Recorded(len)
    assert series.get("a", "m", join_rows=join) == {600: [1]}
    assert series.series("a", "h", end=600, join_rows=join, collapse=True) == {0: [1]}
    assert join.calls == []


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("series", [1, 1, 1]), ("histogram", {1: 3}), ("count", 3), ("gauge", 1), ("set", {1})],
)
@pytest.mark.parametrize("stages", [{}, {"condense": True}, {"collapse": True}])
def test_repeated_name_counts_each_time(
    reading: Make, kind: str, expected: Any, stages: dict[str, Any]
) -> None:
    series = reading(kind, intervals=INTERVALS)
    series.insert("a", 1)
    for interval in ("m", "h"):
        (row,) = series.series(["a", "a", "a"], interval, end=600, **stages).values()
        assert (row if interval == "m" or stages else row[600]) == expected
    if "collapse" not in stages:
        assert list(series.iterate(["a", "a", "a"], "m", **stages)) == [(600, expected)]


def test_name_without_data_contributes_its_processed_empty_row(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.insert("a", [1, 2])
    for interval in ("m", "h"):
        join = Recorded(tuple)
        series.get(["a", "b"], interval, process_row=lambda row: len(row) + 100, join_rows=join)
        assert join.calls == [[102, 100]]
    join = Recorded(tuple)
    assert series.get(["b", "c"], "h", join_rows=join) == {}  # no data at all: no window
    assert join.calls == []
    assert series.get(["b", "c"], "m", join_rows=join) == {600: ([], [])}


# process_row -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_process_row_gets_every_row_that_is_shown(reading: Make, kind: str) -> None:
    series = reading(kind, intervals=INTERVALS)
    series.insert("a", 1)
    process = Recorded(lambda row: ("processed", row))
    assert series.series("a", "m", steps=2, process_row=process) == {
        540: ("processed", EMPTY[kind]),
        600: ("processed", ONE[kind]),
    }
    assert process.calls == [EMPTY[kind], ONE[kind]]
    process.calls.clear()
    assert series.get("a", "h", process_row=process) == {600: ("processed", ONE[kind])}
    assert process.calls == [ONE[kind]]


def test_custom_process_row_replaces_read_func(reading: Make) -> None:
    series = reading("series", read_func=lambda value: 1 / 0, intervals=INTERVALS)
    series.insert("a", [1, 2])
    assert series.get("a", "m", process_row=sum) == {600: 3}
    assert series.get(["a", "a"], "m", process_row=sum, join_rows=list) == {600: [3, 3]}


@pytest.mark.parametrize("native", [True, False, None])
def test_bool_stages_are_the_native_ones(reading: Make, native: bool | None) -> None:
    series = reading("series", read_func=lambda value: -value, intervals=INTERVALS)
    series.insert("a", [1, 2])
    stages = dict.fromkeys(["process_row", "join_rows", "fetch"], native)
    assert series.get("a", "m", **stages) == {600: [-1, -2]}
    assert series.get(["a", "a"], "m", **stages) == {600: [-1, -2, -1, -2]}
    condensed = {0: [-1, -2]} if native else {600: [-1, -2]}
    assert series.get("a", "h", condense=native, **stages) == condensed
    collapsed = {540: [-1, -2]} if native else {540: [], 600: [-1, -2]}
    assert series.series("a", "m", steps=2, collapse=native, **stages) == collapsed


# condense --------------------------------------------------------------------------------------------------------


def test_custom_condense_is_called_for_every_interval_with_nothing_where_there_is_none(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.bulk_insert({600: {"a": [1, 2]}, 660: {"a": [3]}, 7200: {"a": [4]}})
    condense = Recorded(lambda rows: sum(map(len, rows.values())))
    assert series.series("a", "h", start=0, end=10_799, condense=condense) == {0: 3, 3600: 0, 7200: 1}
    assert condense.calls == [{600: [1, 2], 660: [3]}, {}, {7200: [4]}]
    condense.calls.clear()
    assert series.get("a", "h", timestamp=3600, condense=condense) == {3600: 0}
    assert condense.calls == [{}]
    condense.calls.clear()
    assert list(series.iterate("a", "h", condense=condense)) == [(0, 3), (3600, 0), (7200, 1)]
    assert len(condense.calls) == 3


def test_condense_gets_processed_rows_ascending_and_its_row_is_not_processed_again(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    for second in (660, 0, 600):
        series.insert("a", second, second)
    condense = Recorded(lambda rows: ["condensed"])
    assert series.get("a", "h", process_row=lambda row: [*row, "p"], condense=condense) == {0: ["condensed"]}
    assert list(condense.calls[0].items()) == [(0, [0, "p"]), (600, [600, "p"]), (660, [660, "p"])]
    # nor is the native one's, where there is no data
    assert series.get("b", "h", process_row=lambda row: [*row, "p"], condense=True) == {0: []}
    assert series.get("a", "h", process_row=lambda row: [*row, "p"], condense=True) == {
        0: [0, "p", 600, "p", 660, "p"]
    }


@pytest.mark.parametrize("condense", [True, len])
def test_condense_does_nothing_without_resolution(reading: Make, condense: Any) -> None:
    series = reading("series", intervals=INTERVALS)
    series.insert("a", [1, 2])
    assert series.get("a", "m", condense=condense) == {600: [1, 2]}
    assert series.series("a", "m", steps=2, condense=condense) == {540: [], 600: [1, 2]}
    assert list(series.iterate("a", "m", condense=condense)) == [(600, [1, 2])]


def test_custom_condense_of_names_is_called_for_each_name_before_join_rows(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.bulk_insert({600: {"a": [1]}, 660: {"a": [2], "b": [3]}})
    condense = Recorded(lambda rows: [sum(map(len, rows.values()))])
    assert series.series(["a", "b", "c"], "h", start=0, end=3600, condense=condense) == {
        0: [2, 1, 0],
        3600: [0, 0, 0],
    }
    assert condense.calls == [{600: [1], 660: [2]}, {660: [3]}, {}, {}, {}, {}]
    join = Recorded(tuple)
    assert series.get(["b", "a"], "h", condense=condense, join_rows=join) == {0: ([1], [2])}
    assert join.calls == [[[1], [2]]]


def test_native_condense_with_custom_join_rows_condenses_first(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.bulk_insert({600: {"a": [1], "b": [10]}, 660: {"a": [2], "b": [20]}})
    join = Recorded(tuple)
    assert series.get(["b", "a", "c"], "h", condense=True, join_rows=join) == {0: ([10, 20], [1, 2], [])}
    assert join.calls == [[[10, 20], [1, 2], []]]


# Native merges ---------------------------------------------------------------------------------------------------


def test_native_condense_and_join_are_one_merge_by_time_then_by_name(reading: Make) -> None:
    series, gauge = (reading(kind, intervals=INTERVALS) for kind in ("series", "gauge"))
    for one in (series, gauge):
        one.bulk_insert({600: {"a": ["a10"], "b": ["b10"]}, 660: {"a": ["a11"]}, 720: {"b": ["b12"]}})
    assert series.get(["b", "a"], "h", condense=True) == {0: ["b10", "a10", "a11", "b12"]}
    assert series.get(["a", "b"], "h", condense=True) == {0: ["a10", "b10", "a11", "b12"]}
    assert series.get(["b", "a", "b"], "h", condense=True) == {0: ["b10", "a10", "b10", "a11", "b12", "b12"]}
    assert gauge.get(["b", "a"], "h", condense=True) == {0: "b12"}
    assert gauge.get(["b", "a"], "m") == {600: "a10"}
    assert series.series(["b", "a"], "m", start=600, end=720, collapse=True) == {
        600: ["b10", "a10", "a11", "b12"]
    }
    assert series.series(["b", "a"], "h", end=0, collapse=True) == {0: ["b10", "a10", "a11", "b12"]}
    assert gauge.series(["a", "b"], "h", end=0, collapse=True) == {0: "b12"}


@pytest.mark.parametrize("falsy", [0, 0.0, "", b"", False])
def test_gauge_merges_to_the_latest_bucket_with_a_value_falsy_ones_too(reading: Make, falsy: Any) -> None:
    gauge = reading("gauge", intervals=INTERVALS)
    gauge.bulk_insert({480: {"a": [5], "b": [6]}, 600: {"a": [falsy]}})
    assert gauge.series("a", "m", start=480, end=900, collapse=True) == {480: falsy}
    assert gauge.get("a", "h", condense=True) == {0: falsy}
    assert gauge.series(["a", "b"], "m", start=480, end=900, collapse=True) == {480: falsy}
    assert gauge.get(["a", "b"], "h", condense=True) == {0: falsy}
    assert gauge.get(["a", "b"], "m", timestamp=480) == {480: 6}
    assert gauge.get(["b", "a"], "m", timestamp=480) == {480: 5}
    assert gauge.get(["a", "b"], "m") == {600: falsy}
    assert gauge.get(["a", "b"], "m", timestamp=0) == {0: None}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("series", [3, 1, 2, 2]),
        ("histogram", {3: 1, 1: 1, 2: 2}),
        ("count", 8),
        ("gauge", 2),
        ("set", {1, 2, 3}),
    ],
)
def test_native_collapse_merges_the_range(reading: Make, kind: str, expected: Any) -> None:
    series = reading(kind, intervals=INTERVALS)
    for second, value in ((7200, 2), (60, 3), (3600, 2), (120, 1)):
        series.insert("a", value, second)
    assert series.series("a", "m", start=0, end=10_000, collapse=True) == {0: expected}
    assert series.series("a", "h", start=0, end=10_000, collapse=True) == {0: expected}
    assert series.series("a", "h", start=0, end=10_000, collapse=True, condense=True) == {0: expected}
    assert series.series("a", "h", start=-7200, end=-1, collapse=True) == {-7200: EMPTY[kind]}


# collapse --------------------------------------------------------------------------------------------------------


def test_custom_collapse_gets_every_interval_of_the_range_condensed(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.bulk_insert({600: {"a": [1]}, 660: {"a": [2]}, 7200: {"a": [3]}})
    collapse = Recorded(lambda rows: list(rows))
    assert series.series("a", "h", start=0, end=10_799, collapse=collapse) == {0: [0, 3600, 7200]}
    assert collapse.calls == [{0: [1, 2], 3600: [], 7200: [3]}]
    collapse.calls.clear()
    assert series.series("a", "m", start=540, end=660, collapse=collapse) == {540: [540, 600, 660]}
    assert collapse.calls == [{540: [], 600: [1], 660: [2]}]
    collapse.calls.clear()
    series.series("a", "h", start=0, end=10_799, collapse=collapse, condense=len)
    assert collapse.calls == [{0: 2, 3600: 0, 7200: 1}]


def test_collapse_true_uses_a_custom_condense_with_and_without_resolution(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.bulk_insert({600: {"a": [1]}, 660: {"a": [2]}, 7200: {"a": [3]}})
    condense = Recorded(lambda rows: ["|", *rows.values()])
    assert series.series("a", "m", start=540, end=660, collapse=True, condense=condense) == {
        540: ["|", [], [1], [2]]
    }
    assert condense.calls == [{540: [], 600: [1], 660: [2]}]
    condense.calls.clear()
    assert series.series("a", "h", start=0, end=7200, collapse=True, condense=condense) == {
        0: ["|", ["|", [1], [2]], ["|"], ["|", [3]]]
    }
    assert condense.calls == [
        {600: [1], 660: [2]},
        {},
        {7200: [3]},
        {0: ["|", [1], [2]], 3600: ["|"], 7200: ["|", [3]]},
    ]


def test_collapse_of_processed_rows(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.bulk_insert({600: {"a": [1, 1], "b": [1]}})
    collapse = Recorded(lambda rows: sum(rows.values()))
    assert series.series("a", "m", steps=2, process_row=len, collapse=collapse) == {540: 2}
    assert collapse.calls == [{540: 0, 600: 2}]
    collapse.calls.clear()
    assert series.series(["a", "b"], "m", steps=2, process_row=len, join_rows=sum, collapse=collapse) == {
        540: 3
    }
    assert collapse.calls == [{540: 0, 600: 3}]


@pytest.mark.parametrize("span", [{"start": 700, "end": 540}, {"start": 700}])
def test_collapse_is_under_the_start_of_the_first_interval(reading: Make, span: dict[str, Any]) -> None:
    counts = reading("count")
    counts.insert("a", 5, 661)
    assert counts.series("a", "m", collapse=True, **span) == {660: 5}


# Order of the stages ---------------------------------------------------------------------------------------------


def test_stages_run_in_order(reading: Make) -> None:
    series = reading("series", intervals=INTERVALS)
    series.bulk_insert({600: {"a": [1], "b": [2]}})
    found = series.series(
        ["a", "b"],
        "h",
        end=600,
        process_row=lambda row: f"process({row})",
        condense=lambda rows: f"condense({', '.join(rows.values())})",
        join_rows=lambda rows: f"join({', '.join(rows)})",
        collapse=lambda rows: f"collapse({', '.join(rows.values())})",
        transform=lambda row: f"transform({row})",
    )
    assert found == {0: "transform(collapse(join(condense(process([1])), condense(process([2])))))"}


# condensed= ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "series", "iterate"])
def test_condensed_is_an_alias_that_warns_where_it_is_used(reading: Make, method: str) -> None:
    series = reading("series", intervals=INTERVALS)
    series.insert("a", [1, 2])
    call: Callable[..., Any] = getattr(series, method)
    for value, expected in ((True, [1, 2]), (len, 1)):
        with pytest.warns(DeprecationWarning, match="condensed.*condense") as caught:
            assert dict(call("a", "h", condensed=value)) == {0: expected}
        assert Path(caught[0].filename).name == Path(__file__).name
    for off in (False, None):
        with pytest.warns(DeprecationWarning, match="condense"):
            assert dict(call("a", "h", condensed=off)) != {0: [1, 2]}


@pytest.mark.parametrize("value", [True, False, len])
def test_condensed_beside_condense_is_an_error(reading: Make, value: Any) -> None:
    for condense in (True, False, len):
        with pytest.raises(TypeError, match="condensed"):
            reading().get("a", "m", condense=condense, condensed=value)


# fetch -----------------------------------------------------------------------------------------------------------


def test_custom_fetch_gets_what_the_backend_documents_for_each_name(make: Make) -> None:
    store, calls = Store(), []
    counts = make("count", target=store, intervals=INTERVALS)
    counts.insert("a", 5)

    def fetch(*arguments: Any) -> dict[int, dict[int | None, Any]]:
        calls.append(arguments)
        return {10: {None: 100}}

    assert counts.series(["b", "a", "b"], "m", start=540, end=660, fetch=fetch) == {540: 0, 600: 300, 660: 0}
    assert calls == [(store, "count", name, "m", 9, 11) for name in ("b", "a")]
    assert counts.get("a", "m", fetch=lambda store, kind, *rest: store.buckets(kind, *rest)) == {600: 5}
    assert counts.get("a", "h", fetch=lambda *_: {0: {11: 2, 10: 1}}) == {600: 1, 660: 2}
    assert counts.series(
        "a", "m", steps=2, fetch=lambda *_: {10: {None: 3}}, process_row=str, collapse=dict
    ) == {540: {540: "0", 600: "3"}}


# Dead ranges and unknown names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["unknown", ["unknown", "nobody"], {"unknown"}])
def test_unknown_name_is_no_data(reading: Make, kind: str, name: Any) -> None:
    series = reading(kind, intervals=INTERVALS)
    series.insert("a", 1)
    assert series.get(name, "m") == {600: EMPTY[kind]}
    assert series.get(name, "h") == {}
    assert series.series(name, "m", steps=2) == {540: EMPTY[kind], 600: EMPTY[kind]}
    assert series.series(name, "h", end=0) == {0: {}}
    assert series.series(name, "h", end=0, collapse=True) == {0: EMPTY[kind]}
    assert list(series.iterate(name, "m")) == []


def test_reads_write_nothing(make: Make, limited: Callable[..., Any]) -> None:
    place = limited()
    series = make(target=place, intervals=INTERVALS)
    place.calls.clear()
    series.get("a", "m")
    series.series(["a", "b"], "h", end=600, collapse=True)
    list(series.iterate("a", "m"))
    series.list()
    series.properties("a")
    assert set(place.calls) == {"read"}
    assert series.list() == []


def test_plan_shows_who_provides_each_stage(make: Make) -> None:
    plan = make("count", intervals=INTERVALS).plan("h", condense=len)
    assert plan["fetch"] == "backend kairos-core"
    assert plan["condense"] == "call"
    assert plan["join_rows"] == "kind count"
