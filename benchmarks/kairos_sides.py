"""The kairos sides: nothing but the library, as a user opens it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from kairos import Timeseries
from workload import INTERVALS

_places = count()


def open_counts(path: Path, _synchronous: int) -> Any:
    """Open counts in a SQLite file."""
    return Timeseries(f"sqlite:///{path}", type="count", intervals=INTERVALS)


def open_values(path: Path, _synchronous: int) -> Any:
    """Open a series of floats in a SQLite file."""
    return Timeseries(f"sqlite:///{path}", type="series", intervals=INTERVALS)


def memory_counts() -> Any:
    """Open counts in a new place in memory."""
    return Timeseries(f"memory://benchmark-{next(_places)}", type="count", intervals=INTERVALS)


def synchronous(path: Path) -> int:
    """Return the `PRAGMA synchronous` that kairos' connections have, so that the other sides do the same."""
    found: list[int] = []

    def fetch(connection: Any, *_: Any) -> dict[int, Any]:
        found.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
        return {}

    with Timeseries(f"sqlite:///{path}", type="count", intervals=INTERVALS) as store:
        store.get("name", "minute", fetch=fetch)
    return found[0]


def server_counts(url: str, option: str) -> Callable[[str], Any]:
    """Return what opens counts in a place of a server; `option` is what the backend calls the place."""
    return lambda place: _open(url, "count", {option: place})


def server_values(url: str, option: str, **more: Any) -> Callable[[str], Any]:
    """Return what opens a series of floats in a place of a server."""
    return lambda place: _open(url, "series", {option: place, **more})


def _open(url: str, kind: str, options: dict[str, Any]) -> Any:
    return Timeseries(url, type=kind, intervals=INTERVALS, **options)
