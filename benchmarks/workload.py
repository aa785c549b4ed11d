"""What every side is asked to do: two intervals, so that one insert touches two buckets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

INTERVALS: dict[str, dict[str, int]] = {
    "minute": {"step": 60, "steps": 1500},
    "hour": {"step": 3600, "resolution": 60},
}
MINUTES = 1440
"""Buckets of a read: a day of minutes, or 24 hours of 60 rows each."""

END = int(time.time()) // 3600 * 3600 + 3599
"""The last second of the current hour. A day up to it lies within the 1,500 minutes that are kept."""

START = END + 1 - 60 * MINUTES

Bulk = Mapping[int, Mapping[str, Sequence[Any]]]


class Counts(Protocol):
    """A store of counts. Every side has these methods of `kairos.Timeseries`, called in the same way."""

    def insert(self, name: str, value: int, timestamp: int) -> Any:
        """Add to the two buckets of a timestamp."""

    def bulk_insert(self, inserts: Bulk) -> Any:
        """Do the same for `{timestamp: {name: [values]}}`."""

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        """Return `{bucket's start: count}`, or for the hour `{minute's start: count}` where there is data."""

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        """Return every bucket up to `end`: `{start: count}`, or for the hour `{start: {start: count}}`."""

    def list(self) -> list[str]:
        """Return the names that have data, sorted."""

    def delete(self, name: str) -> int:
        """Remove a name; return how many names had data."""

    def close(self) -> None:
        """Release the file."""


class Values(Protocol):
    """A store of values in arrival order: type series, value_type float."""

    def bulk_insert(self, inserts: Bulk) -> Any:
        """Append to the two buckets of each timestamp."""

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        """Return `{start: [values]}`."""

    def close(self) -> None:
        """Release the file."""


def fresh(repetition: int, name: str = "name") -> str:
    """Return a name that no earlier repetition used; it sorts after theirs."""
    return f"{repetition:06}.{name}"


def bulk_of_counts(repetition: int) -> Bulk:
    """Return 10,000 increments: 100 names, 50 minutes, 2 values each."""
    names = [fresh(repetition, f"name{k:02}") for k in range(100)]
    return {START + 60 * k + 13: {name: [1, k] for name in names} for k in range(1, 51)}


def a_day(name: str) -> Bulk:
    """Return one increment for each minute of the day: 1,440 buckets of `minute`, 24 × 60 rows of `hour`."""
    return {START + 60 * k + 7: {name: [k + 1]} for k in range(MINUTES)}


def ten_thousand_names() -> Bulk:
    """Return one increment for each of 10,000 names."""
    return {START: {f"host{k % 100:02}/disk{k // 100:02}": [1] for k in range(10_000)}}


def ten_thousand_values(name: str) -> Bulk:
    """Return 10,000 values for one bucket."""
    return {START + 1: {name: [k / 7 for k in range(10_000)]}}
