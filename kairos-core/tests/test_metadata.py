"""Names, spans and deleting; that each timeseries sees and removes its own data alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kairos import SchemaMismatch, Timeseries
from kairos.memory import Store

Make = Callable[..., Timeseries]
KINDS = ["series", "histogram", "count", "gauge", "set"]
INTERVALS = {"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}}


@pytest.mark.parametrize("kind", KINDS)
def test_list_is_the_sorted_names_with_data(make: Make, kind: str) -> None:
    series = make(kind, intervals=INTERVALS)
    assert series.list() == []
    names = ["b", "a", "B", "é", "a:b", "ab", "10", "9", "\U0001f600", "\uffff", " "]
    for name in names:
        series.insert(name, 1)
    assert series.list() == sorted(names)
    series.delete("a")
    assert series.list() == sorted(set(names) - {"a"})


@pytest.mark.parametrize("kind", KINDS)
def test_properties_are_the_starts_of_the_first_and_last_interval_bucket(make: Make, kind: str) -> None:
    series = make(kind, intervals=INTERVALS | {"mo": {"step": "monthly", "resolution": "daily"}})
    assert series.properties("a") == {}
    for second in (7300, -61, 600):
        series.insert("a", 1, second)
    series.insert("b", 1, 10**9)
    december, january = (round(datetime(y, m, 1, tzinfo=UTC).timestamp()) for y, m in ((1969, 12), (1970, 1)))
    assert series.properties("a") == {
        "m": {"first": -120, "last": 7260},
        "h": {"first": -3600, "last": 7200},
        "mo": {"first": december, "last": january},
    }
    assert all(type(start) is int for span in series.properties("a").values() for start in span.values())
    assert series.properties("unknown") == {}


def test_properties_show_the_intervals_that_have_live_data(make: Make, now: list[float]) -> None:
    counts = make("count", intervals={"m": {"step": 60, "steps": 2}, "h": {"step": 3600}})
    counts.insert("a", 1, 600)
    counts.insert("a", 1, 660)
    now[0] = 720
    assert counts.properties("a") == {"m": {"first": 660, "last": 660}, "h": {"first": 0, "last": 0}}
    now[0] = 780
    assert counts.properties("a") == {"h": {"first": 0, "last": 0}}


@pytest.mark.parametrize("kind", KINDS)
def test_delete_removes_that_name_alone(make: Make, kind: str) -> None:
    series = make(kind, intervals=INTERVALS)
    names = ["a", "a:b", "ab", "A", "a ", " a", "á", "%", "_", "*", "a*", "a?", "[a]"]
    for name in names:
        series.insert(name, 1)
    for position, name in enumerate(["%", "*", "_", "a", "a?", "[a]"]):
        assert series.delete(name) == 1
        assert series.delete(name) == 0
        assert len(series.list()) == len(names) - position - 1
        assert series.properties(name) == {}
        assert series.get(name, "h") == {}
        assert list(series.iterate(name, "m")) == []
    assert series.list() == sorted({"a:b", "ab", "A", "a ", " a", "á", "a*"})
    assert series.get("a:b", "m") == series.get("ab", "m")
    assert series.delete("unknown") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_inserting_after_delete_starts_from_nothing(make: Make, kind: str) -> None:
    series = make(kind, intervals=INTERVALS)
    ways: list[Callable[[], int]] = [lambda: series.delete("a"), series.delete_all]
    for remove in ways:
        series.insert("a", [5, 5])
        series.insert("a", 5, 10**6)
        assert remove() == 1
        series.insert("a", 1, 630)
        one = {"series": [1], "histogram": {1: 1}, "count": 1, "gauge": 1, "set": {1}}[kind]
        assert series.get("a", "m") == {600: one}
        assert series.get("a", "h") == {600: one}
        assert series.properties("a") == {"m": {"first": 600, "last": 600}, "h": {"first": 0, "last": 0}}
        series.delete("a")


def test_delete_counts_names_as_list_would_show_them(make: Make, now: list[float]) -> None:
    counts = make("count", intervals={"m": {"step": 60, "steps": 1}, "n": {"step": 60, "steps": 2}})
    counts.insert("a")
    counts.insert("b", 1, 660)
    now[0] = 660
    assert counts.list() == ["a", "b"]
    assert counts.delete("a") == 1
    counts.insert("c")
    now[0] = 780
    assert counts.list() == []
    assert counts.delete("c") == 0
    assert counts.delete_all() == 0


def test_delete_all_counts_live_names_and_removes_all(make: Make, now: list[float]) -> None:
    counts = make("count", intervals={"m": {"step": 60, "steps": 1}})
    ever = make("count", intervals={"m": {"step": 60}})
    for name in "abc":
        counts.insert(name)
    now[0] = 660
    counts.insert("c")
    counts.insert("d")
    assert counts.delete_all() == 2
    assert ever.list() == []
    assert counts.delete_all() == 0


# Neighbours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_in_one_place_never_share(make: Make, kind: str) -> None:
    every = {each: make(each, intervals=INTERVALS) for each in KINDS}
    for other in KINDS:
        every[other].insert("a", 1)
        every[other].insert(other, 1)
    before = {other: every[other].get("a", "m") for other in KINDS}
    assert every[kind].list() == sorted(["a", kind])
    assert every[kind].delete_all() == 2
    for other in set(KINDS) - {kind}:
        assert every[other].list() == sorted(["a", other])
        assert every[other].get("a", "m") == before[other]


@pytest.mark.parametrize("kind", KINDS)
def test_same_place_kind_and_interval_names_share_data(make: Make, kind: str) -> None:
    one, other = make(kind, intervals=INTERVALS), make(kind, intervals=INTERVALS)
    one.insert("a", 1)
    assert other.list() == ["a"]
    assert other.get("a", "m") == one.get("a", "m")
    assert other.delete("a") == 1
    assert one.list() == []


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_that_are_not_configured_are_not_read_listed_or_deleted(make: Make, kind: str) -> None:
    both = make(kind, intervals={"m": {"step": 60}, "n": {"step": 60}})
    one = make(kind, intervals={"n": {"step": 60}})
    both.insert("a", 1)
    make(kind, intervals={"m": {"step": 60}}).insert("only m", 1)
    assert one.list() == ["a"]
    assert set(one.properties("a")) == {"n"}
    assert one.properties("only m") == {}
    assert one.delete("only m") == 0
    assert one.delete("a") == 1
    assert set(both.properties("a")) == {"m"}
    one.insert("b", 1)
    assert one.delete_all() == 1
    assert both.list() == ["a", "only m"]


def test_places_are_apart(make: Make) -> None:
    targets: list[Any] = [
        "memory://",
        "memory://test-a",
        "memory://test-a/b",
        "memory://TEST-A",
        Store(),
        Store(),
    ]
    every = [make("count", target=target) for target in targets]
    for position, counts in enumerate(every):
        counts.delete_all()
        counts.insert(str(position))
    assert [counts.list() for counts in every] == [[str(position)] for position in range(len(every))]
    for counts in every:
        counts.delete_all()


def test_place_by_name_lasts_as_long_as_the_process(make: Make) -> None:
    with make("count", target="memory://test-lasting") as counts:
        counts.delete_all()
        counts.insert("a", 5)
    with make("count", target="MEMORY://test-lasting") as counts:
        assert counts.get("a", "m") == {600: 5}
        counts.delete_all()


# The record of the format ----------------------------------------------------------------------------------------


def test_record_is_made_by_the_first_write_and_not_by_reads_or_opening(make: Make) -> None:
    first = make("count", intervals={"m": {"step": 60}})
    first.get("a", "m")
    first.insert("a", 0)
    second = make("count", intervals={"m": {"step": 30}})
    second.insert("a")
    with pytest.raises(SchemaMismatch):
        first.insert("a")
    with pytest.raises(SchemaMismatch):
        first.bulk_insert({600: {"a": [1]}})
    assert second.get("a", "m") == {600: 1}


def test_record_is_of_the_interval_and_of_the_kind(make: Make) -> None:
    make("count", intervals={"m": {"step": 60}}).insert("a")
    make("count", intervals={"n": {"step": 30}}).insert("a")
    make("gauge", intervals={"m": {"step": 30}}).insert("a", 1)
    with pytest.raises(SchemaMismatch, match="'m'"):
        make("count", intervals={"n": {"step": 30}, "m": {"step": 30}})


@pytest.mark.parametrize(
    ("one", "other", "tz"),
    [
        ({"step": 60, "steps": 5}, {"step": 60, "steps": 10}, "UTC"),
        ({"step": 60, "steps": 5}, {"step": 60}, "UTC"),
        ({"step": 60}, {"step": "60", "resolution": 60}, "UTC"),
        ({"step": "1h"}, {"step": 3600}, "Asia/Tokyo"),  # a relative step has no zone
        ({"step": 3600, "resolution": 60}, {"step": "1h", "resolution": "60"}, "Asia/Tokyo"),
    ],
)
def test_another_steps_or_spelling_or_a_zone_that_plays_no_part_is_no_mismatch(
    make: Make, one: dict[str, Any], other: dict[str, Any], tz: str
) -> None:
    make("count", intervals={"i": one}).insert("a", 1)
    counts = make("count", intervals={"i": other}, tz=tz)
    counts.insert("a", 1)
    (row,) = counts.series("a", "i", condense=True, start=600, steps=1).values()
    assert row == 2


def test_delete_all_forgets_the_record_of_its_intervals_alone(make: Make) -> None:
    both = make("count", intervals={"m": {"step": 60}, "n": {"step": 60}})
    both.insert("a")
    make("count", intervals={"m": {"step": 60}}).delete_all()
    with pytest.raises(SchemaMismatch, match="'n'"):
        make("count", intervals={"n": {"step": 30}})
    other = make("count", intervals={"m": {"step": 30}})
    other.insert("a")
    with pytest.raises(SchemaMismatch, match="'m'"):
        make("count", intervals={"m": {"step": 60}})


def test_delete_does_not_forget_the_record(make: Make) -> None:
    counts = make("count")
    counts.insert("a")
    counts.delete("a")
    with pytest.raises(SchemaMismatch):
        make("count", intervals={"m": {"step": 30}})


def test_handle_writes_the_record_again_after_its_delete_all(make: Make) -> None:
    counts = make("count")
    counts.insert("a")
    counts.delete_all()
    counts.insert("b")
    with pytest.raises(SchemaMismatch):
        make("count", intervals={"m": {"step": 30}})


def test_record_of_another_format_is_a_mismatch_that_shows_both(
    make: Make, limited: Callable[..., Any]
) -> None:
    place = limited()
    make("count", target=place).insert("a")
    layouts = place.store._places["count"].layouts
    layouts["m"] = json.dumps(json.loads(layouts["m"]) | {"format": 99})
    with pytest.raises(SchemaMismatch, match=r"format 99.*format 1\b"):
        make("count", target=place)
