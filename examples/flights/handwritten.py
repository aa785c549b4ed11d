"""The same year by hand: the best that the module sqlite3 and plain Python can do for the same answers.

It parses the same file, keeps what :mod:`flights.store` keeps, and is asked by :func:`answers`. It may know what
kairos cannot: that nothing comes late, that the local date of a flight decides all of its buckets, that the
whole year fits into memory. So it counts each distinct combination once, spreads the few combinations over names
and intervals, and writes every row once, in the order of its key.
"""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from .source import MISSING, NEW_YORK, WEATHER_FIELDS, open_flights, open_weather

__all__ = ["answers", "load"]

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE departures (
    name TEXT, interval TEXT, i INTEGER, r INTEGER, n INTEGER, PRIMARY KEY (name, interval, i, r)
) WITHOUT ROWID;
CREATE TABLE delays (
    name TEXT, interval TEXT, i INTEGER, value INTEGER, n INTEGER, PRIMARY KEY (name, interval, i, value)
) WITHOUT ROWID;
CREATE TABLE destinations (
    name TEXT, interval TEXT, i INTEGER, value TEXT, PRIMARY KEY (name, interval, i, value)
) WITHOUT ROWID;
CREATE TABLE weather (
    name TEXT, interval TEXT, i INTEGER, r INTEGER, value REAL, PRIMARY KEY (name, interval, i, r)
) WITHOUT ROWID;
CREATE TABLE week (
    name TEXT, interval TEXT, i INTEGER, r INTEGER, item INTEGER, value INTEGER,
    PRIMARY KEY (name, interval, i, r, item)
) WITHOUT ROWID;
"""
COUNT = """INSERT INTO departures VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET n = n + excluded.n"""
HISTOGRAM = """INSERT INTO delays VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET n = n + excluded.n"""
SET = "INSERT INTO destinations VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
GAUGE = """INSERT INTO weather VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET value = excluded.value"""
SERIES = "INSERT INTO week VALUES (?, ?, ?, ?, ?, ?)"
NO_RESOLUTION = -1


class _Buckets(dict[str, tuple[int, int, int, int]]):
    """``time_hour`` -> starts of its hour, day, week and month."""

    def __missing__(self, time_hour: str) -> tuple[int, int, int, int]:
        moment = datetime.fromisoformat(time_hour).astimezone(NEW_YORK)
        day = datetime(moment.year, moment.month, moment.day, tzinfo=NEW_YORK)
        week = max(day - timedelta(days=day.isoweekday() % 7), datetime(day.year, 1, 1, tzinfo=NEW_YORK))
        self[time_hour] = answer = (_second(moment), _second(day), _second(week), _second(day.replace(day=1)))
        return answer


def _second(moment: datetime) -> int:
    return int(moment.timestamp())


def load(path: str) -> None:
    """Load the year into a new SQLite file."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(SCHEMA)
        connection.execute("BEGIN IMMEDIATE")
        _load_flights(connection)
        _load_weather(connection)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _load_flights(connection: sqlite3.Connection) -> None:
    with open_flights() as text:
        rows = csv.reader(text)
        at = {column: index for index, column in enumerate(next(rows))}
        flights = list(
            map(
                itemgetter(
                    *map(at.__getitem__, ("time_hour", "carrier", "origin", "dest", "dep_delay", "minute"))
                ),
                rows,
            )
        )
    buckets = _Buckets()

    cells: Counter[tuple[str, str]] = Counter()  # (name, time_hour)
    for (time_hour, carrier, origin), n in Counter(map(itemgetter(0, 1, 2), flights)).items():
        cells["all", time_hour] += n
        cells["departed", time_hour] += n
        cells["airline " + carrier, time_hour] += n
        cells["airport " + origin, time_hour] += n
    for time_hour, n in Counter(flight[0] for flight in flights if flight[4] == MISSING).items():
        cells["cancelled", time_hour] = n
        cells["departed", time_hour] -= n
    counts: Counter[tuple[str, str, int, int]] = Counter()
    for (name, time_hour), n in cells.items():
        if n:
            hour, day, week, month = buckets[time_hour]
            counts[name, "day", day, hour] = n
            counts[name, "week", week, day] += n
            counts[name, "month", month, day] += n
    _write(connection, COUNT, ((*key, n) for key, n in counts.items()))

    combinations = Counter((buckets[flight[0]][2:], flight[1], flight[2], flight[4]) for flight in flights)
    histogram: Counter[tuple[str, str, int, int]] = Counter()
    for ((week, month), carrier, origin, delay), n in combinations.items():
        if delay != MISSING:
            minutes = int(delay)
            for name in ("all", "airline " + carrier, "airport " + origin):
                histogram[name, "week", week, minutes] += n
                histogram[name, "month", month, minutes] += n
    _write(connection, HISTOGRAM, ((*key, n) for key, n in histogram.items()))

    dests: set[tuple[str, str, int, str]] = set()
    for month, carrier, origin, dest in {
        (buckets[flight[0]][3], flight[1], flight[2], flight[3]) for flight in flights
    }:
        dests.add(("airline " + carrier, "month", month, dest))
        dests.add(("airport " + origin, "month", month, dest))
    _write(connection, SET, dests)

    sums: Counter[int] = Counter()
    departed: Counter[int] = Counter()
    for (name, interval, i, value), n in histogram.items():
        if name == "all" and interval == "week":
            sums[i] += value * n
            departed[i] += n
    worst = max(departed, key=lambda week: sums[week] / departed[week])
    in_week = [flight for flight in flights if buckets[flight[0]][2] == worst and flight[4] != MISSING]
    in_week.sort(key=lambda flight: (flight[0], int(flight[5])))
    _write(
        connection,
        SERIES,
        (
            (
                "airport " + flight[2],
                "day",
                buckets[flight[0]][1],
                buckets[flight[0]][0],
                item,
                int(flight[4]),
            )
            for item, flight in enumerate(in_week)
        ),
    )


def _load_weather(connection: sqlite3.Connection) -> None:
    buckets = _Buckets()
    gauges: dict[tuple[str, str, int, int], float] = {}
    with open_weather() as text:
        rows = csv.reader(text)
        at = {column: index for index, column in enumerate(next(rows))}
        origin, time_hour = at["origin"], at["time_hour"]
        fields = [(" " + field, at[field]) for field in WEATHER_FIELDS]
        for row in rows:  # of each airport in order of time
            hour, day, _, month = buckets[row[time_hour]]
            for suffix, column in fields:
                if row[column] != MISSING:
                    name = row[origin] + suffix
                    gauges[name, "day", day, hour] = gauges[name, "month", month, NO_RESOLUTION] = float(
                        row[column]
                    )
    _write(connection, GAUGE, ((*key, value) for key, value in gauges.items()))


def _write(connection: sqlite3.Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    connection.executemany(statement, sorted(rows))


def answers(path: str) -> dict[tuple[str, str, str], dict[int, Any]]:
    """Return all that the file holds: (table, name, interval) -> {start: row}."""
    answer: dict[tuple[str, str, str], dict[int, Any]] = {}
    connection = sqlite3.connect(path)
    try:
        for table in ("departures", "weather"):
            for name, interval, i, r, value in connection.execute(f"SELECT * FROM {table}"):
                answer.setdefault((table, name, interval), {})[i if r == NO_RESOLUTION else r] = value
        for name, interval, i, value, n in connection.execute("SELECT * FROM delays"):
            answer.setdefault(("delays", name, interval), {}).setdefault(i, {})[value] = n
        for name, interval, i, value in connection.execute("SELECT * FROM destinations"):
            answer.setdefault(("destinations", name, interval), {}).setdefault(i, set()).add(value)
        for name, interval, _, r, _, value in connection.execute("SELECT * FROM week ORDER BY item"):
            answer.setdefault(("week", name, interval), {}).setdefault(r, []).append(value)
    finally:
        connection.close()
    return answer
