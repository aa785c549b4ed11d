"""The five timeseries that hold the year, one of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from kairos import Timeseries

from .source import NEW_YORK

__all__ = ["ALL", "CANCELLED", "DEPARTED", "Store", "airline", "airport", "measure", "open_store"]

ALL, DEPARTED, CANCELLED = "all", "departed", "cancelled"

# Hours of days, days of weeks and months: the resolution tells how finely one bucket can be looked into.
HOURS = {"step": "daily", "resolution": 3600}
WEEK_OF_DAYS = {"step": "weekly", "resolution": "daily"}
MONTH_OF_DAYS = {"step": "monthly", "resolution": "daily"}
WEEK = {"step": "weekly"}
MONTH = {"step": "monthly"}

_PREFIXED = ("redis", "rediss", "redis+cluster", "redis+sentinel", "mongodb", "mongodb+srv")
_TEXT = _PREFIXED[:4]


@cache
def airline(carrier: str) -> str:
    """Return the name that an airline's rows are kept under."""
    return f"airline {carrier}"


@cache
def airport(code: str) -> str:
    """Return the name that an airport's rows are kept under."""
    return f"airport {code}"


@cache
def measure(code: str, field: str) -> str:
    """Return the name that one of an airport's weather fields is kept under."""
    return f"{code} {field}"


@dataclass(frozen=True)
class Store:
    """What is kept, under which names, in which intervals."""

    departures: Timeseries  # count; all, departed, cancelled, airline *, airport *; day, week, month
    delays: Timeseries  # histogram of minutes; all, airline *, airport *; week, month
    destinations: Timeseries  # set; airline *, airport *; month
    weather: Timeseries  # gauge; "JFK temp" …; day, month
    week: Timeseries  # series of the delays of one week, in minutes; airport *; day

    def each(self) -> dict[str, Timeseries]:
        """Return the timeseries by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def is_empty(self) -> bool:
        """Return whether nothing has been loaded."""
        return not any(timeseries.list() for timeseries in self.each().values())

    def clear(self) -> None:
        """Delete what these timeseries hold, and nothing else in the database."""
        for timeseries in self.each().values():
            timeseries.delete_all()


@contextmanager
def open_store(url: str) -> Iterator[Store]:
    """Open the five timeseries in one database: a table each, or a prefix where there are no tables."""
    scheme = url.partition(":")[0]

    def timeseries(
        name: str, kind: str, value_type: str, read: Callable[[Any], Any] | None = None, **intervals: Any
    ) -> Timeseries:
        options: dict[str, Any] = {}
        if scheme in _PREFIXED:
            options["prefix"] = f"flights:{name}" if scheme in _TEXT else f"flights_{name}_"
        elif scheme != "memory":
            options["table_name"] = f"flights_{name}"
            if kind != "count":
                options["value_type"] = value_type
        if scheme in _TEXT:
            options["read_func"] = read
        return stack.enter_context(
            Timeseries(url, type=kind, intervals=intervals, tz=NEW_YORK.key, **options)
        )

    with ExitStack() as stack:
        yield Store(
            departures=timeseries(
                "departures", "count", "int", day=HOURS, week=WEEK_OF_DAYS, month=MONTH_OF_DAYS
            ),
            delays=timeseries("delays", "histogram", "int", int, week=WEEK, month=MONTH),
            destinations=timeseries("destinations", "set", "str", month=MONTH),
            weather=timeseries("weather", "gauge", "float", float, day=HOURS, month=MONTH),
            week=timeseries("week", "series", "int", int, day=HOURS),
        )
