"""Every number in the store against the source, to the last row.

The other side of each comparison is counted here, straight from the rows of the CSV files, in plain
dictionaries: by another reader, from the columns that say New York time (the loader uses the one that says UTC),
with Python's own calendar. Nothing is sampled and nothing rounded.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from kairos import Timeseries

from .questions import local
from .source import AIRPORTS, MISSING, WEATHER_FIELDS, open_flights, open_weather
from .store import Store

__all__ = ["Check", "Source", "read_source", "reconcile"]

Key = tuple[Hashable, ...]
Week = tuple[int, int]
Hour = tuple[date, int, int]
"""A day, an hour of its clock, and which of two such hours (1 only in the night that summer time ends)."""


@dataclass
class Source:
    """What the files say, counted."""

    rows: int = 0
    cancelled: int = 0
    hours: Counter[tuple[str, Hour]] = field(default_factory=Counter)  # departures
    minutes: Counter[tuple[str, date, int]] = field(default_factory=Counter)  # (name, day, delay)
    dests: set[tuple[str, date, str]] = field(default_factory=set)
    items: defaultdict[tuple[str, Hour], list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )  # (scheduled minute, delay), in the order of the file
    gauges: dict[tuple[str, Hour], float] = field(default_factory=dict)


def read_source(months: Collection[int]) -> Source:
    """Count the rows of some months."""
    wanted = {str(month) for month in months}
    source = Source()
    with open_flights() as text:
        for row in csv.DictReader(text):
            if row["month"] not in wanted:
                continue
            day = date(int(row["year"]), int(row["month"]), int(row["day"]))
            hour = (day, int(row["hour"]), 0)
            by_airline, by_airport = f"airline {row['carrier']}", f"airport {row['origin']}"
            left = row["dep_time"] != MISSING
            source.rows += 1
            source.cancelled += not left
            for name in ("all", "departed" if left else "cancelled", by_airline, by_airport):
                source.hours[name, hour] += 1
            for name in (by_airline, by_airport):
                source.dests.add((name, day, row["dest"]))
            if left:
                delay = int(row["dep_delay"])
                for name in ("all", by_airline, by_airport):
                    source.minutes[name, day, delay] += 1
                source.items[by_airport, hour].append((int(row["minute"]), delay))
    with open_weather() as text:
        seen = set()
        for row in csv.DictReader(text):
            if row["month"] not in wanted:
                continue
            day, clock = date(int(row["year"]), int(row["month"]), int(row["day"])), int(row["hour"])
            again = int((row["origin"], day, clock) in seen)
            seen.add((row["origin"], day, clock))
            for column in WEATHER_FIELDS:
                if row[column] != MISSING:
                    source.gauges[f"{row['origin']} {column}", (day, clock, again)] = float(row[column])
    return source


@dataclass(frozen=True)
class Check:
    """One comparison: what differs, in words, as (which, source, kairos)."""

    what: str
    compared: int
    total: str
    differences: list[tuple[str, str, str]]

    @property
    def ok(self) -> bool:
        """Return whether both sides say the same."""
        return not self.differences


def _check(what: str, expected: Mapping[Any, Any], actual: Mapping[Any, Any], total: object = None) -> Check:
    """Compare two mappings, entry by entry; no value is None."""
    if total is None:
        total = sum(expected.values())
    differences = []
    for key in expected.keys() | actual.keys():
        one, other = expected.get(key), actual.get(key)
        if one != other:
            differences.append((_words(key), _words(one), _words(other)))
    differences.sort()
    return Check(what, len(expected), _words(total), differences)


def _words(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case int():
            return f"{value:,}"
        case date():
            return value.isoformat()
        case (int(year), int(number)):
            return f"{number} of {year}"
        case (date() as day, int(clock), int(again)):
            return f"{day} {clock:02}:00{' (again)' if again else ''}"
        case tuple() | list():
            return ", ".join(map(_words, value))
        case set() | frozenset():
            return ", ".join(sorted(map(_words, value))) or "none"
        case _:
            return str(value)


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


@cache
def _week(day: date) -> Week:
    return day.year, int(day.strftime("%U"))


def _sums(counted: Mapping[Any, int], key: Callable[[Any], Hashable]) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    for old, n in counted.items():
        sums[key(old)] += n
    return sums


def _day(start: int) -> date:
    return local(start).date()


def _hour(start: int) -> Hour:
    moment = local(start)
    return moment.date(), moment.hour, moment.fold


def _rows(timeseries: Timeseries, interval: str, **arguments: Any) -> Iterator[tuple[str, int, Any]]:
    """Yield (name, start, row) of everything an interval holds."""
    for name in timeseries.list():
        for start, row in timeseries.iterate(name, interval, **arguments):
            yield name, start, row


def _whole(timeseries: Timeseries, interval: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, all that an interval holds collapsed to one row)."""
    for name in timeseries.list():
        span = timeseries.properties(name)[interval]
        answer = timeseries.series(
            name, interval, start=span["first"], end=span["last"], collapse=True, **arguments
        )
        yield name, *answer.values()


def reconcile(store: Store, source: Source) -> list[Check]:
    """Compare all that the store holds with the source."""
    return [
        *_departures(store, source),
        *_delays(store, source),
        *_destinations(store, source),
        *_weather(store, source),
        *_one_week(store, source),
    ]


def _departures(store: Store, source: Source) -> Iterator[Check]:
    by_name = _sums(source.hours, lambda key: key[0])
    yield _check(
        "scheduled = departed + cancelled",
        {"all": source.rows, "departed": source.rows - source.cancelled, "cancelled": source.cancelled},
        {name: n for name, n in _whole(store.departures, "month") if " " not in name},
        source.rows,
    )
    for word, interval in (("airline", "month"), ("airport", "week")):
        yield _check(
            f"departures of each {word}",
            {name: n for name, n in by_name.items() if name.startswith(f"{word} ")},
            {name: n for name, n in _whole(store.departures, interval) if name.startswith(f"{word} ")},
        )
    of_all = {key[1]: n for key, n in source.hours.items() if key[0] == "all"}
    days = _sums(of_all, lambda hour: hour[0])
    actual = dict(store.departures.iterate("all", "day", condense=True))
    yield _check("departures of each day", days, {_day(start): n for start, n in actual.items() if n})
    yield _check(
        "departures of each hour",
        of_all,
        {_hour(start): n for start, n in store.departures.iterate("all", "day")},
    )
    yield _check(
        "… by name and hour",
        source.hours,
        {(name, _hour(start)): n for name, start, n in _rows(store.departures, "day")},
    )
    by_day = _sums(source.hours, lambda key: (key[0], key[1][0]))
    for interval in ("week", "month"):
        yield _check(
            f"… by name and day of the {interval}",
            by_day,
            {(name, _day(start)): n for name, start, n in _rows(store.departures, interval)},
        )


def _delays(store: Store, source: Source) -> Iterator[Check]:
    yield _check(
        "flights of each delay",
        _sums({key: n for key, n in source.minutes.items() if key[0] == "all"}, lambda key: key[2]),
        dict(_whole(store.delays, "month"))["all"],
    )
    for interval, number in (("week", _week), ("month", _month)):
        yield _check(
            f"… by name, {interval} and minute",
            _sums(source.minutes, lambda key, number=number: (key[0], number(key[1]), key[2])),  # type: ignore[misc]
            {
                (name, number(_day(start)), delay): n
                for name, start, histogram in _rows(store.delays, interval)
                for delay, n in histogram.items()
            },
        )
    sums: Counter[str] = Counter()
    flights: Counter[str] = Counter()
    for (name, _, delay), n in source.minutes.items():
        sums[name] += delay * n
        flights[name] += n
    yield _check(
        "sum and number of delays by name",
        {name: (sums[name], flights[name]) for name in flights},
        {
            name: (row["sum"], row["count"])
            for name, row in _whole(store.delays, "week", transform=["sum", "count"])
        },
        f"{sums['all']:,} min",
    )


def _destinations(store: Store, source: Source) -> Iterator[Check]:
    whole: defaultdict[str, set[str]] = defaultdict(set)
    monthly: defaultdict[tuple[str, tuple[int, int]], set[str]] = defaultdict(set)
    for name, day, dest in source.dests:
        whole[name].add(dest)
        monthly[name, _month(day)].add(dest)
    union = {dest for dests in whole.values() for dest in dests}
    actual = dict(_whole(store.destinations, "month"))
    yield _check("destinations of each name", whole, actual, len(union))
    yield _check(
        "… by name and month",
        monthly,
        {(name, _month(_day(start))): row for name, start, row in _rows(store.destinations, "month") if row},
        sum(map(len, monthly.values())),
    )


def _weather(store: Store, source: Source) -> Iterator[Check]:
    yield _check(
        "weather of each hour",
        source.gauges,
        {(name, _hour(start)): value for name, start, value in _rows(store.weather, "day")},
        f"{len(source.gauges):,}",
    )
    last_of_month = {(name, _month(hour[0])): value for (name, hour), value in source.gauges.items()}
    yield _check(
        "last weather of each month",
        last_of_month,
        {
            (name, _month(_day(start))): value
            for name, start, value in _rows(store.weather, "month")
            if value is not None
        },
        f"{len(last_of_month):,}",
    )
    last = {name: value for (name, _), value in source.gauges.items()}
    yield _check("last weather of all", last, dict(_whole(store.weather, "month")), f"{len(last):,}")


def _one_week(store: Store, source: Source) -> Iterator[Check]:
    totals: Counter[Week] = Counter()
    flights: Counter[Week] = Counter()
    for (name, day, delay), n in source.minutes.items():
        if name == "all":
            totals[_week(day)] += delay * n
            flights[_week(day)] += n
    worst = max(flights, key=lambda week: totals[week] / flights[week])
    items = {
        key: [delay for _, delay in sorted(values, key=lambda item: item[0])]
        for key, values in source.items.items()
        if _week(key[1][0]) == worst
    }
    actual = {(name, _hour(start)): row for name, start, row in _rows(store.week, "day")}
    yield _check("worst week: delays in order", items, actual, sum(map(len, items.values())))
    names = [f"airport {code}" for code in AIRPORTS]
    yield _check(
        "worst week: sum of delays",
        {name: sum(sum(row) for key, row in items.items() if key[0] == name) for name in names},
        dict(_whole(store.week, "day", transform="sum")),
    )
