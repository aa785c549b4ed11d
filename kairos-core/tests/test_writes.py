"""What a write does: order, coalescing, copies, counts of what was written, and that inputs stay as they are."""

from __future__ import annotations

import copy
import random
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from kairos import InvalidValue, Timeseries, Written
from kairos.memory import Store

Make = Callable[..., Timeseries]
KINDS = ["series", "histogram", "count", "gauge", "set"]
SAMPLE = {"series": [5, 3, 5], "histogram": {5: 2, 3: 1}, "count": 13, "gauge": 5, "set": {3, 5}}
EMPTY: dict[str, Any] = {"series": [], "histogram": {}, "count": 0, "gauge": None, "set": set()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_given", [list, tuple])
def test_each_kind_keeps_what_it_is_for(make: Make, kind: str, as_given: Callable[[Any], Any]) -> None:
    series = make(kind)
    assert series.insert("a", as_given([5, 3, 5])) == Written(stored=3, dropped=0)
    assert series.get("a", "m") == {600: SAMPLE[kind]}
    assert series.get("b", "m") == {600: EMPTY[kind]}
    assert series.get("a", "m", timestamp=0) == {0: EMPTY[kind]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_given", [set, frozenset])
def test_set_and_frozenset_insert_each_item(make: Make, kind: str, as_given: Callable[[Any], Any]) -> None:
    series = make(kind)
    assert series.insert("a", as_given([5, 3, 5])) == Written(stored=2, dropped=0)
    if kind == "gauge":
        assert series.get("a", "m")[600] in {3, 5}
    else:
        expected = {"series": [3, 5], "histogram": {5: 1, 3: 1}, "count": 8, "set": {3, 5}}[kind]
        found = series.get("a", "m")[600]
        assert (sorted(found) if kind == "series" else found) == expected


def test_count_adds_one_by_default(make: Make) -> None:
    counts = make("count")
    counts.insert("a")
    counts.insert("a", timestamp=601)
    assert counts.get("a", "m") == {600: 2}


def test_timestamp_none_is_now_and_zero_is_1970(make: Make) -> None:
    counts = make("count")
    counts.insert("a", 1)
    counts.insert("a", 1, None)
    counts.insert("a", 10, 0)
    assert counts.get("a", "m", timestamp=0) == {0: 10}
    assert counts.get("a", "m") == counts.get("a", "m", timestamp=None) == {600: 2}


def test_each_interval_gets_the_value(make: Make) -> None:
    counts = make(
        "count", intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}, "d": {"step": "daily"}}
    )
    assert counts.insert("a", [1, 2], 7260) == Written(stored=6, dropped=0)
    assert counts.get("a", "m", timestamp=7260) == {7260: 3}
    assert counts.get("a", "h", timestamp=7260) == {7260: 3}
    assert counts.get("a", "d", timestamp=7260) == {0: 3}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nothing", [[], (), set(), frozenset()])
def test_empty_list_writes_nothing_and_does_no_io(
    make: Make, limited: Callable[..., Any], kind: str, nothing: Any
) -> None:
    place = limited()
    series = make(kind, target=place)
    place.calls.clear()
    assert series.insert("a", nothing) == Written(0, 0)
    assert series.bulk_insert({600: {"a": nothing}, None: {}}) == Written(0, 0)
    assert series.bulk_insert({}) == Written(0, 0)
    assert place.calls == []
    assert series.list() == []
    make(kind, target=place, intervals={"m": {"step": 61}})  # nor is there a record of the steps


def test_increments_of_zero_write_nothing_and_are_not_counted(
    make: Make, limited: Callable[..., Any]
) -> None:
    place = limited()
    counts = make("count", target=place)
    place.calls.clear()
    zeros: list[Any] = [0, 0.0, -0.0, [0, 0.0], set()]
    for zero in zeros:
        assert counts.insert("a", zero) == Written(0, 0)
    assert counts.bulk_insert({600: {"a": [0, -0.0], "b": [0]}}) == Written(0, 0)
    assert place.calls == []
    assert counts.list() == []
    assert counts.insert("a", [0, 5, 0]) == Written(1, 0)
    assert counts.bulk_insert({600: {"a": [0, 1], "b": [0]}}) == Written(1, 0)
    assert counts.list() == ["a"]


def test_write_func_that_makes_an_increment_zero_writes_nothing(make: Make) -> None:
    counts = make("count", write_func=lambda value: value - 1)
    assert counts.insert("a") == Written(0, 0)
    assert counts.list() == []
    assert counts.insert("a", [1, 3]) == Written(1, 0)
    assert counts.get("a", "m") == {600: 2}


@pytest.mark.parametrize(
    "increments", [[5, -5], [-1, 1], [0.5, -0.5], [1, -0.5, -0.5], [2**63 - 1, -(2**63), 1]]
)
def test_increments_that_cancel_in_a_batch_make_the_bucket_with_0(
    make: Make, increments: list[float]
) -> None:
    ways: list[Callable[[Timeseries], Written]] = [
        lambda counts: counts.insert("a", increments),
        lambda counts: counts.bulk_insert({600: {"a": increments}}),
        lambda counts: counts.bulk_insert({600 + n: {"a": [one]} for n, one in enumerate(increments)}),
    ]
    for write in ways:
        counts = make(
            "count", target=Store(), intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}}
        )
        assert write(counts) == Written(2 * len(increments), 0)
        assert counts.list() == ["a"]
        assert counts.properties("a") == {"m": {"first": 600, "last": 600}, "h": {"first": 0, "last": 0}}
        assert counts.get("a", "h") == {600: 0}
        assert type(counts.get("a", "m")[600]) is int
        assert list(counts.iterate("a", "m")) == [(600, 0)]


@pytest.mark.parametrize("kind", KINDS)
def test_written_counts_pairs_of_item_and_bucket_repeated_or_not(make: Make, kind: str) -> None:
    intervals = {"m": {"step": 60, "steps": 2}, "h": {"step": 3600}}
    series = make(kind, intervals=intervals)
    assert series.insert("a", [7, 7, 7]) == Written(6, 0)
    assert series.insert("a", [7, 7, 7], 479) == Written(3, 3)  # its minute is dead, its hour is not
    assert series.insert("a", [7, 7], 600, intervals=3) == Written(16, 0)
    assert series.insert("a", [7, 7], 600, intervals=-3) == Written(2 * (2 + 4), 2 * 2)
    batch = {600: {"a": [7, 7], "b": [7]}, 0: {"a": [7]}, None: {"a": [7, 8]}}
    assert series.bulk_insert(batch) == Written(11, 1)
    assert series.bulk_insert(batch, intervals=1) == Written(22, 2)


def test_written_all_dead_does_no_io(make: Make, limited: Callable[..., Any]) -> None:
    place = limited()
    series = make(target=place, intervals={"m": {"step": 60, "steps": 1}})
    place.calls.clear()
    assert series.insert("a", [1, 2], 599) == Written(0, 2)
    assert series.bulk_insert({599: {"a": [1]}, 0: {"b": [1, 1]}}) == Written(0, 3)
    assert place.calls == []


# intervals=n -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("copies", "minutes"), [(0, [600]), (2, [600, 660, 720]), (-2, [480, 540, 600])])
@pytest.mark.parametrize("kind", KINDS)
def test_copies_go_to_the_buckets_after_or_before_in_each_interval(
    make: Make, kind: str, copies: int, minutes: list[int]
) -> None:
    series = make(kind, intervals={"m": {"step": 60}, "d": {"step": "daily"}})
    series.insert("a", [5, 3, 5], 630, intervals=copies)
    shown = series.series("a", "m", start=360, end=900)
    assert {start: row for start, row in shown.items() if row != EMPTY[kind]} == dict.fromkeys(
        minutes, SAMPLE[kind]
    )
    days = series.series("a", "d", start=-4 * 86_400, end=4 * 86_400)
    wanted = [(minute - 600) // 60 * 86_400 for minute in minutes]
    assert {start: row for start, row in days.items() if row != EMPTY[kind]} == dict.fromkeys(
        wanted, SAMPLE[kind]
    )


def test_copies_lie_at_the_start_of_their_bucket_and_the_value_at_its_own_time(make: Make) -> None:
    counts = make("count", intervals={"h": {"step": 3600, "resolution": 60}})
    counts.insert("a", 1, 3600 + 1800, intervals=2)
    assert dict(counts.iterate("a", "h")) == {5400: 1, 7200: 1, 10800: 1}
    counts.insert("b", 1, 3600 + 1800, intervals=-2)
    assert dict(counts.iterate("b", "h")) == {-3600: 1, 0: 1, 5400: 1}


def test_copy_to_a_bucket_that_cuts_its_resolution_lies_in_the_part_that_is_in_the_bucket(make: Make) -> None:
    counts = make("count", intervals={"i": {"step": 100, "resolution": 60}})
    counts.insert("a", 1, 0, intervals=2)
    assert counts.series("a", "i", start=0, end=299) == {0: {0: 1}, 100: {100: 1}, 200: {200: 1}}


def test_copies_skip_no_calendar_bucket(make: Make) -> None:
    counts = make(
        "count", intervals={"w": {"step": "weekly"}, "mo": {"step": "monthly"}, "y": {"step": "yearly"}}
    )
    counts.insert("a", 1, 1_703_980_800, intervals=2)  # Sunday 31 December 2023: a week of one day
    assert dict(counts.iterate("a", "w")) == {1_703_980_800: 1, 1_704_067_200: 1, 1_704_585_600: 1}
    assert dict(counts.iterate("a", "mo")) == {1_701_388_800: 1, 1_704_067_200: 1, 1_706_745_600: 1}
    assert list(counts.series("a", "y", start=1_703_980_800, steps=3).values()) == [1, 1, 1]


def test_copies_of_a_batch_are_like_those_of_single_inserts(make: Make) -> None:
    one, many = (
        make("series", target=Store(), intervals={"m": {"step": 60}, "h": {"step": 3600}}) for _ in "ab"
    )
    batch = {600: {"a": [1, 2]}, 660: {"a": [3], "b": [4]}, 540: {"a": [5]}}
    for timestamp, names in batch.items():
        for name, values in names.items():
            one.insert(name, values, timestamp, intervals=-1)
    many.bulk_insert(batch, intervals=-1)
    for name in "ab":
        assert dict(one.iterate(name, "m")) == dict(many.iterate(name, "m"))
        assert dict(one.iterate(name, "h")) == dict(many.iterate(name, "h"))


def test_copies_of_a_series_are_lists_of_their_own(make: Make) -> None:
    series = make()
    series.insert("a", [1], intervals=1)
    series.insert("a", [2])
    assert series.series("a", "m", start=600, steps=2) == {600: [1, 2], 660: [1]}


@pytest.mark.parametrize("copies", [100_000, -100_000])
def test_a_hundred_thousand_copies_are_allowed(make: Make, copies: int) -> None:
    counts = make("count")
    assert counts.insert("a", 1, intervals=copies) == Written(100_001, 0)
    span = counts.properties("a")["m"]
    assert span["last"] - span["first"] == 100_000 * 60


# bulk_insert -----------------------------------------------------------------------------------------------------


def test_bulk_insert_keeps_the_order_of_the_mapping_and_of_values(make: Make) -> None:
    series, gauge = make(), make("gauge")
    batch: dict[Any, Any] = {659: {"a": [1, 2]}, 600: {"a": (3,)}, None: {"a": [4]}, 601: {"a": [5, 5]}}
    series.bulk_insert(batch)
    gauge.bulk_insert(batch | {602: {"b": [9, 8]}})
    assert series.get("a", "m") == {600: [1, 2, 3, 4, 5, 5]}
    assert gauge.get("a", "m") == {600: 5}
    assert gauge.get("b", "m") == {600: 8}


def test_bulk_insert_takes_every_kind_of_timestamp(make: Make) -> None:
    counts = make("count")
    moment = datetime(1970, 1, 1, 0, 10, 59, 999_999, tzinfo=UTC)
    counts.bulk_insert(
        {600: {"a": [1]}, 601.5: {"a": [2]}, moment: {"a": [4]}, None: {"a": [8]}, -0.5: {"a": [16]}}
    )
    assert counts.get("a", "m") == {600: 15}
    assert counts.get("a", "m", timestamp=-60) == {-60: 16}


def test_bulk_insert_key_none_is_read_once(make: Make, now: list[float]) -> None:
    reads: list[float] = []

    def clock() -> float:
        reads.append(now[0])
        now[0] += 60
        return reads[-1]

    series = make(clock=clock)
    series.bulk_insert({0: {"a": [1]}, None: {"a": [2], "b": [3]}})
    assert reads == [600]
    assert series.get("a", "m", timestamp=600) == {600: [2]}


def test_bulk_insert_takes_any_mapping_and_changes_no_input(make: Make) -> None:
    series = make(write_func=lambda value: value * 2)
    values = [1, 2]
    batch: dict[Any, Any] = {600: {"a": values, "b": (3,)}, None: {"c": {4}, "d": frozenset({5})}}
    before = copy.deepcopy(batch)
    frozen: Mapping[Any, Any] = MappingProxyType(
        {key: MappingProxyType(names) for key, names in batch.items()}
    )
    series.bulk_insert(frozen)
    series.bulk_insert(batch)
    assert batch == before
    assert series.get(["a", "b", "c", "d"], "m") == {600: [2, 4, 2, 4, 6, 6, 8, 8, 10, 10]}
    values.append(99)
    series.get("a", "m")[600].append(98)
    assert series.get("a", "m") == {600: [2, 4, 2, 4]}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_an_answer_are_the_callers_to_change(make: Make, kind: str) -> None:
    series = make(kind, intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}})
    series.insert("a", [5, 3, 5])
    for interval in ("m", "h"):
        row = series.get("a", interval)[600]
        if kind in ("series", "histogram", "set"):
            row.clear()
        assert series.get("a", interval) == {600: SAMPLE[kind]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copies", [0, 2, -1])
def test_bulk_insert_reads_back_like_the_same_inserts_one_by_one(make: Make, kind: str, copies: int) -> None:
    chosen = random.Random(f"{kind} {copies}")
    intervals = {
        "m": {"step": 60, "steps": 4},
        "h": {"step": 600, "resolution": 45},
        "d": {"step": "daily", "resolution": 3600},
    }
    batch: dict[Any, dict[str, Any]] = {}
    for _ in range(40):
        name, timestamp = chosen.choice("abc"), chosen.randrange(0, 1500)
        batch.setdefault(timestamp, {}).setdefault(name, []).extend(chosen.choices([1, 2, 2.5, -3], k=3))
    one, many = (
        make(kind, target=Store(), intervals=intervals),
        make(kind, target=Store(), intervals=intervals),
    )
    written = [
        one.insert(name, values, timestamp, copies)
        for timestamp, names in batch.items()
        for name, values in names.items()
    ]
    assert many.bulk_insert(batch, copies) == Written(
        sum(each.stored for each in written), sum(each.dropped for each in written)
    )
    assert many.list() == one.list() == ["a", "b", "c"]
    for name in "abc":
        assert many.properties(name) == one.properties(name)
        for interval in intervals:
            assert list(many.iterate(name, interval)) == list(one.iterate(name, interval))


def test_bulk_insert_is_coalesced_to_one_change_for_each_touched_bucket_and_name(
    make: Make, limited: Callable[..., Any]
) -> None:
    place = limited()
    counts = make("count", target=place, intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}})
    counts.bulk_insert({second: {"a": [1, 1], "b": [1]} for second in range(600, 720)})
    (batch,) = place.batches
    touched = [(write.interval, write.i, write.r, dict(write.rows)) for write in batch.writes]
    assert touched == [
        ("m", 10, None, {"a": 120, "b": 60}),
        ("h", 0, 10, {"a": 120, "b": 60}),
        ("m", 11, None, {"a": 120, "b": 60}),
        ("h", 0, 11, {"a": 120, "b": 60}),
    ]
    assert place.calls.count("write") == 1


# write_func ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_write_func_is_applied_once_to_each_item_in_order(make: Make, kind: str) -> None:
    seen: list[Any] = []

    def write_func(value: Any) -> Any:
        seen.append(value)
        return int(value)

    series = make(
        kind, write_func=write_func, intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}}
    )
    series.insert("a", ["5", "3", "5"], intervals=2)
    assert seen == ["5", "3", "5"]
    assert series.get("a", "m") == {600: SAMPLE[kind]}
    series.insert("b", "7")
    series.bulk_insert({600: {"c": ["8", "9"]}}, intervals=1)
    assert seen == ["5", "3", "5", "7", "8", "9"]


def test_write_func_sees_the_default_increment(make: Make) -> None:
    counts = make("count", write_func=lambda value: value * 10)
    counts.insert("a")
    assert counts.get("a", "m") == {600: 10}


def test_write_func_may_take_what_can_not_be_stored(make: Make) -> None:
    series = make(write_func=str)
    series.insert("a", [None, {"a": 1}, (1, 2), float("nan")])
    assert series.get("a", "m") == {600: ["None", "{'a': 1}", "(1, 2)", "nan"]}


def test_error_of_write_func_passes_through_before_anything_is_written(make: Make) -> None:
    series = make(write_func=lambda value: 1 // value)
    with pytest.raises(ZeroDivisionError):
        series.insert("a", [1, 0])
    with pytest.raises(ZeroDivisionError):
        series.bulk_insert({600: {"a": [1]}, 601: {"b": [0]}})
    assert series.list() == []


# Counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("increments", "total"),
    [
        ([2**53 + 1], 2**53 + 1),
        ([2**53, 1], 2**53 + 1),
        ([2**53 + 1, 2**53 + 1, 1], 2**54 + 3),
        ([2**63 - 1], 2**63 - 1),
        ([-(2**63)], -(2**63)),
        ([2**62, 2**62 - 1], 2**63 - 1),
        ([-(2**62), -(2**62)], -(2**63)),
        ([2**53 + 1, 1.0], 2**53 + 2),
        ([2**53 + 1, -1.0, 2.0], 2**53 + 2),
        ([2.0**53, 1], 2**53 + 1),
        ([-(2.0**53), -1], -(2**53) - 1),
        ([1.0, 2.0], 3),
        ([0.5, 0.5], 1),
        ([0.1] * 10, 1),
    ],
)
def test_whole_total_is_an_int_and_ints_are_exact(make: Make, increments: list[float], total: int) -> None:
    for write in (
        lambda counts: counts.insert("a", increments),
        lambda counts: [counts.insert("a", one) for one in increments],
        lambda counts: counts.bulk_insert({600 + n: {"a": [one]} for n, one in enumerate(increments)}),
    ):
        counts = make(
            "count", target=Store(), intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}}
        )
        write(counts)
        for found in (counts.get("a", "m"), counts.get("a", "h"), dict(counts.iterate("a", "m"))):
            if 0.1 in increments:
                assert found[600] == pytest.approx(total, rel=1e-9)
            else:
                assert found == {600: total}
                assert type(found[600]) is int


@pytest.mark.parametrize(
    ("increments", "total"),
    [
        ([0.5], 0.5),
        ([1, 0.25], 1.25),
        ([-0.5, -0.25], -0.75),
        ([1e300], int(1e300)),
        ([1e300, 1], int(1e300)),
        ([1e300, 1e300], int(2e300)),
        ([2.0**63], 2**63),
        ([1e18, 0.5, -1e18], 0.5),
        ([2**63 - 1, 0.5], 2.0**63),
        ([5e-324], 5e-324),
    ],
)
def test_total_with_floats_is_within_a_billionth_of_the_sum_of_sizes(
    make: Make, increments: list[float], total: float
) -> None:
    sizes = sum(map(abs, increments))
    for write in (
        lambda counts: counts.insert("a", increments),
        lambda counts: [counts.insert("a", one) for one in increments],
    ):
        counts = make("count", target=Store())
        write(counts)
        found = counts.get("a", "m")[600]
        assert abs(found - total) <= sizes * 1e-9
        assert type(found) is (int if float(found).is_integer() else float)


def test_many_fractions_add_up(make: Make) -> None:
    counts = make("count")
    for _ in range(1000):
        counts.insert("a", 0.1)
    counts.insert("b", [0.1] * 1000)
    assert counts.get("a", "m")[600] == pytest.approx(100, rel=1e-9)
    assert counts.get("b", "m")[600] == pytest.approx(100, rel=1e-9)


def test_total_that_floats_make_whole_and_ints_leave_is_an_int(make: Make) -> None:
    counts = make("count")
    counts.insert("a", 0.5)
    assert counts.get("a", "m") == {600: 0.5}
    counts.insert("a", 0.5)
    assert type(counts.get("a", "m")[600]) is int
    counts.insert("b", 3)
    assert type(counts.get("b", "m")[600]) is int


def test_total_at_the_edge_of_64_bits_is_never_wrapped_or_rounded(make: Make) -> None:
    counts = make("count")
    counts.insert("a", 2**63 - 1)
    counts.insert("b", -(2**63))
    for name, increment in (("a", 1), ("a", 2**63 - 1), ("b", -1), ("b", -(2**63))):
        with pytest.raises(InvalidValue, match="64 bits"):
            counts.insert(name, increment)
    assert counts.get("a", "m") == {600: 2**63 - 1}
    assert counts.get("b", "m") == {600: -(2**63)}
    counts.insert("a", -1)
    assert counts.get("a", "m") == {600: 2**63 - 2}


def test_total_past_the_range_of_a_float_is_an_error(make: Make) -> None:
    counts = make("count")
    counts.insert("a", 1.5e308)
    with pytest.raises(InvalidValue, match="finite"):
        counts.insert("a", 1.5e308)
    with pytest.raises(InvalidValue, match="finite"):
        counts.bulk_insert({600: {"new": [1], "a": [1.5e308]}})
    assert counts.get("a", "m") == {600: int(1.5e308)}
    assert counts.list() == ["a"]


def test_totals_that_a_merge_takes_beyond_64_bits_are_ints(reading: Make) -> None:
    counts = reading("count", intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}})
    counts.bulk_insert({600: {"a": [2**63 - 1], "b": [2**63 - 1]}, 660: {"a": [2**63 - 1]}})
    assert counts.get(["a", "b"], "m") == {600: 2**64 - 2}
    assert counts.series("a", "m", start=600, steps=2, collapse=True) == {600: 2**64 - 2}
    assert counts.get("a", "h", condense=True) == {0: 2**64 - 2}
    assert counts.series(["a", "b", "a"], "h", end=0, collapse=True) == {0: 5 * (2**63 - 1)}


def test_whole_float_where_counts_are_whole_is_an_int(make: Make, limited: Callable[..., Any]) -> None:
    place = limited(float_counts=False)
    counts = make("count", target=place)
    counts.insert("a", [1.0, 2.0**53, -3.0])
    assert counts.get("a", "m") == {600: 2**53 - 2}
    (batch,) = place.batches
    assert type(batch.writes[0].rows["a"]) is int


# Names -----------------------------------------------------------------------------------------------------------


def test_subclass_of_str_as_a_name_is_the_str(make: Make) -> None:
    class Name(str):
        def __str__(self) -> str:
            return "another"

        def __hash__(self) -> int:
            return 5

        def __eq__(self, other: object) -> bool:
            return self is other

    counts = make("count")
    counts.insert(Name("a"))
    counts.bulk_insert({600: {Name("a"): [1], Name("b"): [1]}})
    assert counts.list() == ["a", "b"]
    assert [type(name) for name in counts.list()] == [str, str]
    assert counts.get("a", "m") == counts.get(Name("a"), "m") == {600: 2}
    assert counts.delete(Name("a")) == 1
    assert counts.list() == ["b"]


# Options ---------------------------------------------------------------------------------------------------------


def test_declared_write_option_reaches_the_backend(make: Make, limited: Callable[..., Any]) -> None:
    place = limited(write_options=frozenset({"pipeline"}))
    counts = make("count", target=place)
    counts.insert("a", pipeline=5)
    counts.bulk_insert({600: {"a": [1]}}, pipeline=6)
    counts.insert("a")
    assert [dict(batch.options) for batch in place.batches] == [{"pipeline": 5}, {"pipeline": 6}, {}]


# Threads ---------------------------------------------------------------------------------------------------------


def test_threads_that_share_a_timeseries_lose_nothing(make: Make) -> None:
    counts = make("count", intervals={"m": {"step": 60}, "h": {"step": "daily", "resolution": 3600}})
    series = make("series")
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for n in range(250):
            counts.insert("a", 1, 600 + n % 3 * 60)
            counts.bulk_insert({600: {"a": [1], f"own {number}": [1]}})
            series.insert("a", f"{number} {n:03}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.series("a", "m", start=600, steps=3, collapse=True) == {600: 2000}
    assert counts.series("a", "h", end=600, collapse=True) == {0: 2000}
    assert [counts.get(f"own {number}", "m")[600] for number in range(4)] == [250] * 4
    arrived = series.get("a", "m")[600]
    for number in range(4):  # in order within one writer
        own = [value for value in arrived if value.startswith(f"{number} ")]
        assert own == sorted(own)
        assert len(own) == 250
