"""memory:// against bare dictionaries that do the same unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import kairos_sides
from harness import Case, Work, bound
from memory_bare import BareCounts
from workload import END, MINUTES, START, Counts, a_day, bulk_of_counts, fresh

SIDES: Mapping[str, Callable[[], Counts]] = {"bare": BareCounts, "kairos": kairos_sides.memory_counts}


def _sides(prepare: Callable[[Counts, int], Work], fill: Any = None) -> dict[str, Callable[[int], Work]]:
    """Bind a new store for each side, filled."""

    def bind(store: Counts) -> Callable[[int], Work]:
        if fill is not None:
            store.bulk_insert(fill)
        return lambda repetition: prepare(store, repetition)

    return {side: bind(make()) for side, make in SIDES.items()}


def _day(store: Counts, name: str) -> Any:
    return (
        store.series(name, "minute", end=END, steps=MINUTES),
        store.series(name, "hour", end=END, steps=24),
    )


def insert() -> Case:
    """Insert one increment: two buckets."""
    times = [START + 7 * k for k in range(2000)]

    def prepare(store: Counts, repetition: int) -> Work:
        name = fresh(repetition)

        def run() -> None:
            insert = store.insert
            for timestamp in times:
                insert(name, 1, timestamp)

        return Work(run, lambda _: _day(store, name), len(times))

    return Case("insert", "µs", (bound(20, "bare"),), _sides(prepare), 15, pinned=True, computing=True)


def bulk() -> Case:
    """Insert 10,000 increments at once."""

    def prepare(store: Counts, repetition: int) -> Work:
        inserts = bulk_of_counts(repetition)
        name = next(iter(inserts[START + 73]))

        def answer(written: Any) -> Any:
            return getattr(written, "stored", written), _day(store, name)

        return Work(lambda: store.bulk_insert(inserts), answer)

    return Case(
        "bulk of 10,000 (100 names × 50 times × 2)",
        "ms",
        (bound(4, "bare"),),
        _sides(prepare),
        15,
        computing=True,
    )


def series_minute() -> Case:
    """Read a day of minutes."""
    sides = _sides(
        lambda store, repetition: Work(lambda: store.series("day", "minute", end=END, steps=MINUTES)),
        a_day("day"),
    )
    return Case("series, 1,440 buckets", "µs", (bound(3, "bare"),), sides, 31, computing=True)


def series_hour() -> Case:
    """Read a day of hours, each with 60 rows."""
    sides = _sides(
        lambda store, repetition: Work(lambda: store.series("day", "hour", end=END, steps=24)), a_day("day")
    )
    return Case("series, 24 × 60 rows", "µs", (bound(3, "bare"),), sides, 31, computing=True)


CASES: Mapping[str, Callable[[], Case]] = {
    "memory-insert": insert,
    "memory-bulk": bulk,
    "memory-series-minute": series_minute,
    "memory-series-hour": series_hour,
}
