"""Retention: what is live, when it dies, and what a write to a dead bucket does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kairos import Timeseries, Written

Make = Callable[..., Timeseries]
KINDS = ["series", "histogram", "count", "gauge", "set"]
EMPTY: dict[str, Any] = {"series": [], "histogram": {}, "count": 0, "gauge": None, "set": set()}
ONE: dict[str, Any] = {"series": [1], "histogram": {1: 1}, "count": 1, "gauge": 1, "set": {1}}


@pytest.fixture
def manual(make: Make, limited: Callable[..., Any]) -> Make:
    """``make``, on a backend with manual expiry."""
    place = limited(expiry=dict.fromkeys(KINDS, "manual"))

    def manual(kind: str = "series", **options: Any) -> Timeseries:
        return make(kind, **({"target": place} | options))

    return manual


def start(year: int, month: int, day: int, hour: int = 0) -> int:
    return round(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("base", [600, 0, -600])
def test_bucket_is_live_until_the_second_before_its_deadline(
    make: Make, now: list[float], kind: str, steps: int, base: int
) -> None:
    series = make(kind, intervals={"m": {"step": 60, "steps": steps}, "ever": {"step": 60}})
    now[0] = base
    series.insert("a", 1)
    deadline = base + steps * 60
    for alive in (base, base + 59, deadline - 1, deadline - 0.001):
        now[0] = alive
        assert series.get("a", "m", timestamp=base) == {base: ONE[kind]}
        assert series.series("a", "m", start=base, steps=1) == {base: ONE[kind]}
        assert list(series.iterate("a", "m")) == [(base, ONE[kind])]
        assert series.properties("a")["m"] == {"first": base, "last": base}
    for dead in (deadline, deadline + 0.5, deadline + 10**6):
        now[0] = dead
        assert series.get("a", "m", timestamp=base) == {base: EMPTY[kind]}
        assert series.series("a", "m", start=base, steps=1) == {base: EMPTY[kind]}
        assert series.series("a", "m", start=base, steps=2, collapse=True) == {base: EMPTY[kind]}
        assert list(series.iterate("a", "m")) == []
        assert series.properties("a") == {"ever": {"first": base, "last": base}}
        assert series.list() == ["a"]
        assert series.get("a", "ever", timestamp=base) == {base: ONE[kind]}


@pytest.mark.parametrize(
    ("step", "written", "last_alive", "first_dead"),
    [
        ("daily", start(2024, 2, 28, 12), start(2024, 3, 1) - 1, start(2024, 3, 1)),
        (
            "weekly",
            start(2023, 12, 30),
            start(2024, 1, 1) - 1,
            start(2024, 1, 1),
        ),  # 31 December: a week of one day
        ("weekly", start(2023, 12, 31), start(2024, 1, 7) - 1, start(2024, 1, 7)),
        ("monthly", start(2024, 1, 31), start(2024, 3, 1) - 1, start(2024, 3, 1)),
        ("yearly", start(2023, 1, 1), start(2025, 1, 1) - 1, start(2025, 1, 1)),
    ],
)
def test_gregorian_retention_counts_calendar_buckets(
    make: Make, now: list[float], step: str, written: int, last_alive: int, first_dead: int
) -> None:
    counts = make("count", intervals={"g": {"step": step, "steps": 2}})
    now[0] = written
    counts.insert("a")
    now[0] = last_alive
    assert list(counts.get("a", "g", timestamp=written).values()) == [1]
    assert counts.list() == ["a"]
    now[0] = first_dead
    assert list(counts.get("a", "g", timestamp=written).values()) == [0]
    assert counts.list() == []


def test_retention_follows_the_zone(make: Make, now: list[float]) -> None:
    counts = make("count", intervals={"day": {"step": "daily", "steps": 1}}, tz="America/New_York")
    now[0] = start(2024, 3, 10, 5)  # midnight, of a day of 23 hours
    counts.insert("a")
    now[0] = start(2024, 3, 11, 4) - 1
    assert counts.list() == ["a"]
    now[0] = start(2024, 3, 11, 4)
    assert counts.list() == []


@pytest.mark.parametrize("kind", KINDS)
def test_future_buckets_are_live(make: Make, now: list[float], kind: str) -> None:
    series = make(kind, intervals={"m": {"step": 60, "steps": 1}})
    assert series.insert("a", 1, 10**9) == Written(1, 0)
    assert series.get("a", "m", timestamp=10**9) == {999_999_960: ONE[kind]}
    assert series.list() == ["a"]
    now[0] = 999_999_960 + 59
    assert series.get("a", "m") == {999_999_960: ONE[kind]}
    now[0] += 1
    assert series.list() == []


@pytest.mark.parametrize("kind", KINDS)
def test_write_to_a_dead_bucket_is_dropped_for_that_interval_only(
    make: Make, now: list[float], kind: str
) -> None:
    intervals = {
        "m": {"step": 60, "steps": 2},
        "h": {"step": 3600, "steps": 1, "resolution": 60},
        "d": {"step": "daily"},
    }
    series = make(kind, intervals=intervals)
    assert series.insert("a", 1, 540) == Written(3, 0)
    assert series.insert("b", 1, 539) == Written(2, 1)
    assert series.insert("c", 1, -1) == Written(1, 2)
    assert series.get("b", "m", timestamp=539) == {480: EMPTY[kind]}
    assert series.get("b", "h", timestamp=539) == {480: ONE[kind]}
    assert set(series.properties("b")) == {"h", "d"}
    assert set(series.properties("c")) == {"d"}
    now[0] = 0  # a clock that goes back would show what had been stored all the same
    assert series.get("b", "m", timestamp=539) == {480: EMPTY[kind]}


def test_copies_into_dead_buckets_are_dropped_one_by_one(make: Make) -> None:
    counts = make("count", intervals={"m": {"step": 60, "steps": 3}})
    assert counts.insert("a", [1, 1], 600, intervals=-5) == Written(2 * 3, 2 * 3)
    assert dict(counts.iterate("a", "m")) == {480: 2, 540: 2, 600: 2}
    assert counts.insert("b", 1, 300, intervals=5) == Written(3, 3)
    assert dict(counts.iterate("b", "m")) == {480: 1, 540: 1, 600: 1}
    assert counts.bulk_insert({300: {"c": [1]}}, intervals=2) == Written(0, 3)
    assert counts.list() == ["a", "b"]


def test_deadline_that_the_storage_gets_is_the_start_of_the_bucket_steps_later(
    make: Make, limited: Callable[..., Any], now: list[float]
) -> None:
    place = limited()
    intervals = {"m": {"step": 60, "steps": 2}, "mo": {"step": "monthly", "steps": 1}, "ever": {"step": 60}}
    counts = make("count", target=place, intervals=intervals)
    now[0] = 610.5
    counts.insert("a", 1, 630)
    (batch,) = place.batches
    assert {write.interval: write.deadline for write in batch.writes} == {
        "m": 720,
        "mo": 31 * 86_400,
        "ever": None,
    }
    assert batch.now == 610.5


def test_dead_buckets_of_a_range_are_there_and_empty(reading: Make, now: list[float]) -> None:
    intervals = {"m": {"step": 60, "steps": 2}, "r": {"step": 60, "steps": 2, "resolution": 20}}
    series = reading("series", intervals=intervals)
    for second in range(600, 840, 20):
        now[0] = second
        series.insert("a", second)
    assert series.series("a", "m", start=600, end=900) == {
        600: [],
        660: [],
        720: [720, 740, 760],
        780: [780, 800, 820],
        840: [],
        900: [],
    }
    assert series.series("a", "r", start=660, end=780, condense=True) == {
        660: [],
        720: [720, 740, 760],
        780: [780, 800, 820],
    }
    assert series.series("a", "r", start=660, end=720) == {660: {}, 720: {720: [720], 740: [740], 760: [760]}}
    assert series.series("a", "m", start=600, end=720, transform="count") == {600: 0, 660: 0, 720: 3}
    assert series.series("a", "m", start=600, end=660, collapse=True, transform="sum") == {600: 0}
    assert series.series("a", "m", start=600, end=780, collapse=len) == {600: 4}
    assert series.get("a", "r", timestamp=600) == {}
    assert series.get("a", "r", timestamp=600, condense=True) == {600: []}


def test_dead_buckets_are_given_to_no_stage_but_as_empty_rows(make: Make, now: list[float]) -> None:
    series = make("series", intervals={"m": {"step": 60, "steps": 1}})
    series.insert("a", 5)
    now[0] = 660
    seen: list[Any] = []
    series.series("a", "m", start=600, steps=2, process_row=seen.append)
    assert seen == [[], []]


def test_steps_of_the_handle_decide_where_two_share_a_place(make: Make, now: list[float]) -> None:
    short = make("count", intervals={"m": {"step": 60, "steps": 1}})
    long = make("count", intervals={"m": {"step": 60, "steps": 10}})
    ever = make("count", intervals={"m": {"step": 60}})
    long.insert("a")
    now[0] = 660
    assert short.get("a", "m", timestamp=600) == {600: 0}
    assert short.insert("a", 1, 600) == Written(0, 1)
    assert long.get("a", "m", timestamp=600) == {600: 1}
    assert ever.get("a", "m", timestamp=600) == {600: 1}
    assert short.list() == []
    assert short.delete("b") == 0


@pytest.mark.parametrize("kind", ["count", "series"])
@pytest.mark.parametrize("order", ["before", "after", "another name"])
def test_what_a_handle_without_steps_wrote_stays_for_ever_beside_one_with_retention(
    make: Make, now: list[float], kind: str, order: str
) -> None:
    ever = make(kind, intervals={"m": {"step": 60}})
    short = make(kind, intervals={"m": {"step": 60, "steps": 1}})
    handles = [ever, short] if order == "before" else [short, ever]
    for handle in handles:
        handle.insert("b" if order == "another name" and handle is short else "a", 1)
    now[0] = 10**7
    short.bulk_insert(
        {now[0] + 60 * n: {"c": [1]} for n in range(3_000)}
    )  # so that dead buckets may be removed
    assert "a" in ever.list()
    assert ever.get("a", "m", timestamp=600)[600] != EMPTY[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_dead_data_stays_dead_when_much_is_written(make: Make, now: list[float], kind: str) -> None:
    series = make(kind, intervals={"m": {"step": 60, "steps": 10}, "ever": {"step": 60}})
    for n in range(60):
        now[0] = 60.0 * n * 50
        series.bulk_insert({now[0] - 60 * k: {f"{n % 7}": [1]} for k in range(20)})
    live = now[0] - 9 * 60
    for name in series.list():
        starts = [found for found, row in series.iterate(name, "m")]
        assert all(found >= live for found in starts)
        assert series.properties(name)["ever"]["first"] < live


# The clock -------------------------------------------------------------------------------------------------------


def test_iterate_reads_the_clock_at_its_first_item(make: Make, now: list[float]) -> None:
    counts = make("count", intervals={"m": {"step": 60, "steps": 2}})
    counts.insert("a", 1, 600)
    counts.insert("a", 2, 660)
    items = counts.iterate("a", "m")
    now[0] = 720
    assert list(items) == [(660, 2)]
    items = counts.iterate("a", "m")
    assert next(items) == (660, 2)
    items = counts.iterate("a", "m")
    counts.insert("a", 3, 720)
    assert list(items) == [(660, 2), (720, 3)]


def test_default_timestamp_and_retention_use_the_injected_clock(make: Make, now: list[float]) -> None:
    counts = make("count", intervals={"m": {"step": 60, "steps": 1}})
    now[0] = -61.5
    counts.insert("a")
    assert counts.get("a", "m") == {-120: 1}
    assert counts.series("a", "m") == {-120: 1}
    now[0] = -60
    assert counts.list() == []


# Manual expiry ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_manual_expiry_shows_data_in_every_call_until_expire(
    manual: Make, now: list[float], kind: str
) -> None:
    series = manual(kind, intervals={"m": {"step": 60, "steps": 1}, "ever": {"step": 60}})
    series.insert("a", 1)
    series.insert("b", 1)
    now[0] = 720
    assert series.insert("c", 1, 600) == Written(2, 0)  # a write to a dead bucket is stored like any other
    for name in "abc":
        assert series.get(name, "m", timestamp=600) == {600: ONE[kind]}
        assert series.series(name, "m", start=600, end=720) == {
            600: ONE[kind],
            660: EMPTY[kind],
            720: EMPTY[kind],
        }
        assert list(series.iterate(name, "m")) == [(600, ONE[kind])]
        assert series.properties(name) == {key: {"first": 600, "last": 600} for key in ["m", "ever"]}
    assert series.list() == ["a", "b", "c"]
    series.expire("a")
    assert series.get("a", "m", timestamp=600) == {600: EMPTY[kind]}
    assert series.get("b", "m", timestamp=600) == {600: ONE[kind]}
    series.expire()
    assert series.get("b", "m", timestamp=600) == {600: EMPTY[kind]}
    assert series.get("c", "m", timestamp=600) == {600: EMPTY[kind]}
    assert series.list() == ["a", "b", "c"]  # in the interval without steps
    assert series.properties("a") == {"ever": {"first": 600, "last": 600}}


@pytest.mark.parametrize(
    ("at", "left"), [(719, {600: 1, 660: 1}), (720, {660: 1}), (779, {660: 1}), (780, {})]
)
def test_expire_removes_the_buckets_that_are_dead_and_no_other(
    manual: Make, now: list[float], at: float, left: dict[int, int]
) -> None:
    counts = manual("count", intervals={"m": {"step": 60, "steps": 2}})
    for second in (600, 660):
        counts.insert("a", 1, second)
    now[0] = at
    counts.expire()
    assert dict(counts.iterate("a", "m")) == left


def test_expire_touches_no_interval_that_is_not_configured(manual: Make, now: list[float]) -> None:
    manual("count", intervals={"other": {"step": 60}}).insert("a")
    counts = manual("count", intervals={"m": {"step": 60, "steps": 1}})
    counts.insert("a")
    now[0] = 10**6
    counts.expire()
    assert counts.list() == []
    assert manual("count", intervals={"other": {"step": 60}}).list() == ["a"]


def test_manual_delete_counts_and_removes_old_data(manual: Make, now: list[float]) -> None:
    counts = manual("count", intervals={"m": {"step": 60, "steps": 1}})
    counts.insert("a")
    counts.insert("b")
    now[0] = 10**6
    assert counts.delete("a") == 1
    assert counts.delete_all() == 1
    assert counts.list() == []
