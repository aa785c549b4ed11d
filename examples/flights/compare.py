"""What kairos costs: ``python -m examples.flights.compare``, in the root of the repository.

Loads the year by kairos and by hand, in turn, each time into a new SQLite file; compares the answers of the first
pair, then prints the medians and their ratio. The bound is 2.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from . import handwritten
from .load import load
from .store import open_store

BOUND = 2.0
EVERY_MONTH = range(1, 13)


def by_kairos(path: str) -> None:
    """Load the year as the command does, without a terminal."""
    with open_store(f"sqlite:///{path}") as store:
        load(store, EVERY_MONTH, Console(quiet=True))


def answers(path: str) -> dict[tuple[str, str, str], dict[int, Any]]:
    """Return all that kairos holds: (timeseries, name, interval) -> {start: row}, rows with data only."""
    answer: dict[tuple[str, str, str], dict[int, Any]] = {}
    with open_store(f"sqlite:///{path}") as store:
        for table, timeseries in store.each().items():
            for name in timeseries.list():
                for interval in timeseries.properties(name):
                    rows = timeseries.iterate(name, interval)
                    answer[table, name, interval] = {
                        start: row for start, row in rows if row is not None and row != {} and row != set()
                    }
    return answer


def _timed(load_into: Callable[[str], None], path: str) -> float:
    gc.collect()
    started = time.perf_counter()
    load_into(path)
    return time.perf_counter() - started


def main() -> int:
    """Run the comparison; return 1 if the answers differ or the bound is missed."""
    parser = argparse.ArgumentParser(prog="compare", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each side (%(default)s)")
    runs = parser.parse_args().runs
    kairos, hand = [], []
    with tempfile.TemporaryDirectory() as directory:
        for run in range(runs + 1):  # the first pair warms up, and is compared
            first, second = (
                str(Path(directory, f"{run}-kairos.sqlite")),
                str(Path(directory, f"{run}-hand.sqlite")),
            )
            times = _timed(by_kairos, first), _timed(handwritten.load, second)
            if run:
                kairos.append(times[0])
                hand.append(times[1])
                print(f"run {run}: kairos {times[0]:.2f} s, by hand {times[1]:.2f} s", flush=True)
            else:
                if answers(first) != handwritten.answers(second):
                    print("The two sides give different answers; nothing was timed.")
                    return 1
                size = [Path(path).stat().st_size / 1e6 for path in (first, second)]
                print(f"Equal answers. Files: kairos {size[0]:.1f} MB, by hand {size[1]:.1f} MB.", flush=True)
            for path in Path(directory).iterdir():
                path.unlink()
    ratio = median(kairos) / median(hand)
    verdict = "within" if ratio <= BOUND else "MISSES"
    print(
        f"Medians of {runs}: kairos {median(kairos):.2f} s, by hand {median(hand):.2f} s; "
        f"ratio {ratio:.2f}, {verdict} the bound of {BOUND:.0f}. "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}."
    )
    return int(ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main())
