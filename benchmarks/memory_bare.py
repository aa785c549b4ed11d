"""Counts in bare dictionaries, unchecked: name -> minute -> count, and name -> hour -> minute -> count."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from workload import Bulk

NOTHING: dict[int, int] = {}
NO_ROWS: dict[int, dict[int, int]] = {}


def _hours() -> defaultdict[int, defaultdict[int, int]]:
    return defaultdict(_counter)


def _counter() -> defaultdict[int, int]:
    return defaultdict(int)


class BareCounts:
    """What a developer writes who needs nothing but this workload."""

    def __init__(self) -> None:
        self.minutes: defaultdict[str, defaultdict[int, int]] = defaultdict(_counter)
        self.hours: defaultdict[str, defaultdict[int, defaultdict[int, int]]] = defaultdict(_hours)

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute = timestamp // 60
        self.minutes[name][minute] += value
        self.hours[name][timestamp // 3600][minute] += value
        return 2

    def bulk_insert(self, inserts: Bulk) -> int:
        minutes, hours, stored = self.minutes, self.hours, 0
        for timestamp, by_name in inserts.items():
            minute, hour = timestamp // 60, timestamp // 3600
            for name, values in by_name.items():
                total = sum(values)
                minutes[name][minute] += total
                hours[name][hour][minute] += total
                stored += 2 * len(values)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            return {minute * 60: self.minutes.get(name, NOTHING).get(minute, 0)}
        rows = self.hours.get(name, NO_ROWS).get(timestamp // 3600, NOTHING)
        return {minute * 60: rows[minute] for minute in sorted(rows)}

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        if interval == "minute":
            find, last = self.minutes.get(name, NOTHING).get, end // 60
            return {minute * 60: find(minute, 0) for minute in range(last - steps + 1, last + 1)}
        hours, last = self.hours.get(name, NO_ROWS), end // 3600
        answer: dict[int, Any] = {}
        for hour in range(last - steps + 1, last + 1):
            rows = hours.get(hour, NOTHING)
            answer[hour * 3600] = {minute * 60: rows[minute] for minute in sorted(rows)}
        return answer

    def list(self) -> list[str]:
        return sorted(self.minutes)

    def delete(self, name: str) -> int:
        self.hours.pop(name, None)
        return int(self.minutes.pop(name, None) is not None)

    def close(self) -> None:
        return None
