"""What a person wants to know of the year, asked of the store alone: no row of the source is read here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from statistics import fmean
from typing import Any

from .source import AIRPORTS, NEW_YORK
from .store import ALL, CANCELLED, DEPARTED, Store, airline, airport, measure

__all__ = [
    "Airline",
    "Airport",
    "BadDay",
    "BusiestDay",
    "Month",
    "Temperatures",
    "Totals",
    "Week",
    "airlines",
    "airports",
    "bad_days",
    "busiest_day",
    "days",
    "delays_of_all",
    "local",
    "months",
    "temperatures",
    "totals",
    "weeks",
    "worst_week",
]

AIRPORT_NAMES = [airport(code) for code in AIRPORTS]


def local(second: int) -> datetime:
    """Return a bucket's start on New York's clocks."""
    return datetime.fromtimestamp(second, NEW_YORK)


def _range(store: Store) -> dict[str, int]:
    """Return the first and the last day with data, as arguments for ``series``."""
    day = store.departures.properties(ALL)["day"]
    return {"start": day["first"], "end": day["last"]}


def _only(answer: Mapping[int, Any]) -> Any:
    """Return the row of an answer that was collapsed to one."""
    (row,) = answer.values()
    return row


@dataclass(frozen=True)
class Totals:
    """All that was loaded."""

    first: date
    last: date
    scheduled: int
    departed: int
    cancelled: int


def totals(store: Store) -> Totals:
    """Return how many flights were scheduled, left, and were cancelled."""
    span = _range(store)
    counts = [
        _only(store.departures.series(name, "month", **span, collapse=True))
        for name in (ALL, DEPARTED, CANCELLED)
    ]
    return Totals(local(span["start"]).date(), local(span["end"]).date(), *counts)


@dataclass(frozen=True)
class Month:
    """One month; delays in minutes."""

    start: int
    scheduled: int
    cancelled: int
    mean: float
    median: float
    p90: float
    days: list[int]


def months(store: Store) -> list[Month]:
    """Return the months that have departures."""
    span = _range(store)
    by_day = store.departures.series(ALL, "month", **span)
    cancelled = store.departures.series(CANCELLED, "month", **span, condense=True)
    delay = store.delays.series(ALL, "month", **span, transform=["mean", "median", "p90"])
    return [
        Month(
            start,
            sum(of_days.values()),
            cancelled[start],
            delay[start]["mean"],
            delay[start]["median"],
            delay[start]["p90"],
            list(of_days.values()),
        )
        for start, of_days in by_day.items()
        if of_days
    ]


def days(store: Store) -> dict[date, int]:
    """Return the departures of every day that has some."""
    return {local(start).date(): n for start, n in store.departures.iterate(ALL, "day", condense=True) if n}


@dataclass(frozen=True)
class Week:
    """One week; weeks begin on Sunday and are cut at the year's ends. Delay in minutes."""

    start: int
    departed: int
    mean: float


def weeks(store: Store) -> list[Week]:
    """Return the weeks from the first to the last with a flight."""
    answer = store.delays.series(ALL, "week", **_range(store), transform=["count", "mean"])
    return [Week(start, row["count"], row["mean"]) for start, row in answer.items()]


def worst_week(store: Store) -> Week:
    """Return the week with the longest mean delay."""
    return max((week for week in weeks(store) if week.departed), key=lambda week: week.mean)


@dataclass(frozen=True)
class BadDay:
    """One day of the worst week: the delays in minutes, item by item from the series; rain in inches."""

    start: int
    departed: int
    cancelled: int
    median: float
    mean: float
    p90: float
    worst: int
    rain: float


def bad_days(store: Store) -> list[BadDay]:
    """Return the days of the worst week."""
    span = store.week.properties(AIRPORT_NAMES[0])["day"]
    start, end = span["first"], span["last"]
    delay = store.week.series(
        AIRPORT_NAMES,
        "day",
        start=start,
        end=end,
        condense=True,
        transform=["count", "median", "mean", "p90", "max"],
    )
    cancelled = store.departures.series(CANCELLED, "day", start=start, end=end, condense=True)
    rain = {
        code: store.weather.series(measure(code, "precip"), "day", start=start, end=end, condense=_sum)
        for code in AIRPORTS
    }
    return [
        BadDay(
            day,
            row["count"],
            cancelled[day],
            row["median"],
            row["mean"],
            row["p90"],
            row["max"],
            max(of_airport[day] for of_airport in rain.values()),
        )
        for day, row in delay.items()
        if row["count"]
    ]


def _sum(hours: Mapping[int, float]) -> float:
    return sum(hours.values())


@dataclass(frozen=True)
class BusiestDay:
    """The day with the most departures: airport -> hour of the day -> departures."""

    start: int
    scheduled: int
    busiest_hour: int
    in_busiest_hour: int
    hours: dict[str, dict[int, int]]


def busiest_day(store: Store) -> BusiestDay:
    """Return the day with the most departures, and its hours."""
    of_days = store.departures.series(ALL, "day", **_range(store), condense=True)
    day = max(of_days, key=lambda start: of_days[start])
    hours = store.departures.get(ALL, "day", timestamp=day)
    busiest = max(hours, key=lambda start: hours[start])
    by_airport = {
        code: {
            local(start).hour: n
            for start, n in store.departures.get(airport(code), "day", timestamp=day).items()
        }
        for code in AIRPORTS
    }
    return BusiestDay(day, of_days[day], local(busiest).hour, hours[busiest], by_airport)


@dataclass(frozen=True)
class Airport:
    """One airport; its week by day, Sunday first: a usual one, and the worst of the year."""

    code: str
    scheduled: int
    departed: int
    mean: float
    destinations: int
    usual: list[float]
    worst: list[int]


def airports(store: Store) -> list[Airport]:
    """Return the airports with their weeks."""
    span = _range(store)
    worst = worst_week(store).start
    answer = []
    for code in AIRPORTS:
        name = airport(code)
        usual = _only(
            store.departures.series(name, "week", **span, condense=_by_weekday, collapse=_mean_by_weekday)
        )
        in_worst = store.departures.series(name, "week", start=worst, steps=1, condense=_by_weekday)[worst]
        delay = _only(store.delays.series(name, "month", **span, collapse=True, transform=["count", "mean"]))
        answer.append(
            Airport(
                code,
                _only(store.departures.series(name, "month", **span, collapse=True)),
                delay["count"],
                delay["mean"],
                len(_only(store.destinations.series(name, "month", **span, collapse=True))),
                usual,
                [in_worst[weekday] for weekday in range(7)],
            )
        )
    return answer


def _by_weekday(of_days: Mapping[int, int]) -> Counter[int]:
    """Condense a week of days: Sunday is 0."""
    return Counter({local(start).isoweekday() % 7: n for start, n in of_days.items()})


def _mean_by_weekday(of_weeks: Mapping[int, Counter[int]]) -> list[float]:
    """Collapse weeks to the mean of their Sundays, their Mondays …; a week that was cut has not all of them."""
    columns = [[week[day] for week in of_weeks.values() if day in week] for day in range(7)]
    return [fmean(column) if column else 0.0 for column in columns]


@dataclass(frozen=True)
class Airline:
    """One airline; delay in minutes."""

    carrier: str
    scheduled: int
    departed: int
    mean: float
    destinations: int


def airlines(store: Store) -> list[Airline]:
    """Return the airlines, the largest first."""
    span = _range(store)
    carriers = [
        name.removeprefix("airline ") for name in store.departures.list() if name.startswith("airline ")
    ]
    answer = []
    for carrier in carriers:
        name = airline(carrier)
        delay = _only(store.delays.series(name, "month", **span, collapse=True, transform=["count", "mean"]))
        answer.append(
            Airline(
                carrier,
                _only(store.departures.series(name, "month", **span, collapse=True)),
                delay["count"],
                delay["mean"],
                len(_only(store.destinations.series(name, "month", **span, collapse=True))),
            )
        )
    return sorted(answer, key=lambda one: -one.scheduled)


def delays_of_all(store: Store) -> dict[int, int]:
    """Return the histogram of all delays: minutes -> flights."""
    answer: dict[int, int] = _only(store.delays.series(ALL, "month", **_range(store), collapse=True))
    return answer


@dataclass(frozen=True)
class Temperatures:
    """One airport's days with a measurement, in °F: day -> lowest, mean, highest."""

    code: str
    days: dict[date, tuple[float, float, float]]


def temperatures(store: Store) -> list[Temperatures]:
    """Return the temperatures of each airport."""
    return [
        Temperatures(
            code,
            {
                local(start).date(): row
                for start, row in store.weather.iterate(measure(code, "temp"), "day", condense=_low_mean_high)
                if row is not None
            },
        )
        for code in AIRPORTS
    ]


def _low_mean_high(hours: Mapping[int, float]) -> tuple[float, float, float] | None:
    """Condense a day of hours; a day on which nothing was measured has no row."""
    values = hours.values()
    return (min(values), fmean(values), max(values)) if values else None
