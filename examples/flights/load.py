"""From the source into the store.

Everything goes through ``bulk_insert``, which takes ``{timestamp: {name: [values]}}`` and writes each touched
bucket once. Nothing finer than an hour is kept, so the rows are handed over by the hour: 6,936 timestamps, not
one for each of the 127,328 minutes in which something was scheduled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from kairos import Timeseries

from . import source
from .questions import worst_week
from .source import NEW_YORK, Flight, Observation
from .store import ALL, CANCELLED, DEPARTED, Store, airline, airport, measure

__all__ = ["BATCH", "load"]

BATCH = 1_000
"""Hours that go into one ``bulk_insert``, some 50,000 flights: it lives in memory, and is one transaction."""

T = TypeVar("T", Flight, Observation)


def departures(flights: Iterable[Flight]) -> dict[str, list[int]]:
    """Return an increment for each flight, under each name that counts it."""
    values = defaultdict[str, list[int]](list)
    for flight in flights:
        values[ALL].append(1)
        values[CANCELLED if flight.delay is None else DEPARTED].append(1)
        values[airline(flight.carrier)].append(1)
        values[airport(flight.origin)].append(1)
    return values


def delays(flights: Iterable[Flight]) -> dict[str, list[int]]:
    """Return the minutes of delay of the flights that left."""
    values = defaultdict[str, list[int]](list)
    for flight in flights:
        if flight.delay is not None:
            values[ALL].append(flight.delay)
            values[airline(flight.carrier)].append(flight.delay)
            values[airport(flight.origin)].append(flight.delay)
    return values


def destinations(flights: Iterable[Flight]) -> dict[str, list[str]]:
    """Return where the flights were to go."""
    values = defaultdict[str, list[str]](list)
    for flight in flights:
        values[airline(flight.carrier)].append(flight.dest)
        values[airport(flight.origin)].append(flight.dest)
    return values


def week(flights: Iterable[Flight]) -> dict[str, list[int]]:
    """Return the delays of each airport in the order of the schedule, one item for each flight that left."""
    values = defaultdict[str, list[int]](list)
    for flight in sorted(flights, key=lambda flight: flight.scheduled):
        if flight.delay is not None:
            values[airport(flight.origin)].append(flight.delay)
    return values


def weather(observations: Iterable[Observation]) -> dict[str, list[float]]:
    """Return what was measured, each field under a name of its own."""
    return {
        measure(observation.origin, field): [value]
        for observation in observations
        for field, value in observation.values.items()
    }


def load(store: Store, months: Collection[int], console: Console) -> None:
    """Load some months of the year into an empty store, and show how far it is."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )

    def read(rows: Iterable[T], hour: Callable[[T], int]) -> dict[int, list[T]]:
        """Return the rows by the hour, in order of time: a gauge keeps what was written last."""
        hours: defaultdict[int, list[T]] = defaultdict(list)
        for row in rows:
            hours[hour(row)].append(row)
        progress.advance(reading, sum(map(len, hours.values())))
        return dict(sorted(hours.items()))

    def insert(
        timeseries: Timeseries,
        hours: Mapping[int, list[T]],
        values: Callable[[list[T]], Mapping[str, Collection[object]]],
    ) -> None:
        task = progress.add_task(values.__name__, total=sum(map(len, hours.values())))
        remaining = iter(hours.items())
        while batch := dict(islice(remaining, BATCH)):
            timeseries.bulk_insert({hour: values(rows) for hour, rows in batch.items()})
            progress.advance(task, sum(map(len, batch.values())))

    with progress:
        reading = progress.add_task("reading", total=None)
        flights = read(source.flights(months), lambda flight: flight.scheduled - flight.scheduled % 3600)
        observations = read(source.weather(months), lambda observation: observation.hour)
        progress.update(reading, total=progress.tasks[reading].completed)

        insert(store.departures, flights, departures)
        insert(store.delays, flights, delays)
        insert(store.destinations, flights, destinations)
        insert(store.weather, observations, weather)
        start, end = _ends(worst_week(store).start)
        insert(store.week, {hour: rows for hour, rows in flights.items() if start <= hour < end}, week)


def _ends(start: int) -> tuple[int, float]:
    """Return where the week that begins at ``start`` begins and ends: before the next Sunday, or with the year."""
    first = datetime.fromtimestamp(start, NEW_YORK)
    sunday = first + timedelta(days=7 - first.isoweekday() % 7)
    return start, min(sunday, datetime(first.year + 1, 1, 1, tzinfo=NEW_YORK)).timestamp()
