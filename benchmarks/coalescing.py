"""Adding up a bulk, as all best sides do it before anything is sent."""

from __future__ import annotations

from workload import Bulk


def added_up(inserts: Bulk) -> tuple[dict[str, dict[int, int]], int]:
    """Return `{name: {minute: total}}`, and how many (increment, bucket) pairs that is."""
    by_name: dict[str, dict[int, int]] = {}
    stored = 0
    for timestamp, values_by_name in inserts.items():
        minute = timestamp // 60
        for name, values in values_by_name.items():
            minutes = by_name.get(name)
            if minutes is None:
                minutes = by_name[name] = {}
            minutes[minute] = minutes.get(minute, 0) + sum(values)
            stored += 2 * len(values)
    return by_name, stored


def appended(inserts: Bulk) -> tuple[dict[tuple[str, int], list[float]], int]:
    """Return `{(name, minute): values}`, and how many (value, bucket) pairs that is."""
    by_bucket: dict[tuple[str, int], list[float]] = {}
    stored = 0
    for timestamp, by_name in inserts.items():
        for name, values in by_name.items():
            by_bucket.setdefault((name, timestamp // 60), []).extend(values)
            stored += 2 * len(values)
    return by_bucket, stored
