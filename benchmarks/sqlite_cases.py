"""SQLite: kairos against plain SQLAlchemy code and against the fastest hand-written code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cases
import kairos_sides
from cases import CLOSE_TO_BEST, Bounds, Make, Stores, exact
from harness import AHEAD_OF_PLAIN, Case, Work, bound
from sqlite_best import BestCounts, BestValues
from sqlite_plain import open_counts, open_values
from workload import START, Counts, Values, fresh

COUNTS: Mapping[str, Callable[[Path, int], Counts]] = {
    "plain": open_counts,
    "best": BestCounts,
    "kairos": kairos_sides.open_counts,
}
VALUES: Mapping[str, Callable[[Path, int], Values]] = {
    "plain": open_values,
    "best": BestValues,
    "kairos": kairos_sides.open_values,
}
PROCESSES, EACH_PROCESS = 8, 250
BOUNDS: Mapping[str, Bounds] = {
    "get": (bound(25), AHEAD_OF_PLAIN),
    "threads": (AHEAD_OF_PLAIN,),
    "processes": (AHEAD_OF_PLAIN,),
}


def place(folder: Path, name: str) -> Path:
    """Return the file of a place."""
    return folder / f"{name}.sqlite"


def all_stores(folder: Path, synchronous: int) -> Stores:
    """Return what opens a file for each case and side."""

    def of(make: Callable[[Path, int], Any]) -> Callable[[str], Any]:
        return lambda name: make(place(folder, name), synchronous)

    counts = {side: of(make) for side, make in COUNTS.items()}
    return Stores(counts, {side: of(make) for side, make in VALUES.items()})


def all_cases(folder: Path, synchronous: int) -> dict[str, Callable[[Stores], Case]]:
    """Return the cases that all engines have, and the processes that share a file."""
    makes: dict[str, Make] = {**cases.CASES, "processes": partial(processes, folder, synchronous)}
    return {name: _bounded(make, BOUNDS.get(name, CLOSE_TO_BEST)) for name, make in makes.items()}


def _bounded(make: Make, bounds: Bounds) -> Callable[[Stores], Case]:
    return lambda stores: make(stores, bounds)


def processes(folder: Path, synchronous: int, stores: Stores, bounds: Bounds) -> Case:
    """Insert from eight processes, all into one name of one file."""
    opened = stores.counts("processes")

    def prepare(side: str, repetition: int) -> Work:
        name = fresh(repetition)
        path = place(folder, f"processes_{side}")
        command = [sys.executable, str(Path(__file__).with_name("process_writer.py"))]
        arguments = [side, str(path), str(synchronous), name, str(START), str(EACH_PROCESS)]
        writers = [
            subprocess.Popen([*command, *arguments], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(PROCESSES)
        ]
        _hear("ready", writers)

        def run() -> None:
            for writer in writers:
                assert writer.stdin is not None
                writer.stdin.write("go\n")
                writer.stdin.flush()
            _hear("done", writers)

        def answer(_: Any) -> Any:
            for writer in writers:
                writer.communicate()
            return exact(opened[side], name, PROCESSES * EACH_PROCESS)

        return Work(run, answer)

    def of(side: str) -> Callable[[int], Work]:
        return lambda repetition: prepare(side, repetition)

    sides = {side: of(side) for side in opened}
    name = f"{PROCESSES} processes × {EACH_PROCESS} inserts, one file"
    return Case(name, "ms", bounds, sides, 5)


def _hear(word: str, writers: list[subprocess.Popen[str]]) -> None:
    for writer in writers:
        assert writer.stdout is not None
        said = writer.stdout.readline().strip()
        if said != word:
            raise RuntimeError(f"a writing process said {said!r}, not {word!r}")
