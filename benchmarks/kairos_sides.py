"""The kairos sides: nothing but the library, as a user opens it."""

from __future__ import annotations

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
