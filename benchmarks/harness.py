"""Timing: sides take turns in one run, and their answers are compared before the first is timed."""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import field, frozen

__all__ = ["Bound", "Case", "Result", "Work", "bound", "measure"]


@frozen
class Work:
    """One side's part of one repetition, prepared.

    Attributes
    ----------
    run
        What is timed.
    answer
        Turns what `run` returned into what the sides must agree on; not timed.
    calls
        How many calls `run` makes: the figure is the time of one.
    """

    run: Callable[[], Any]
    answer: Callable[[Any], Any] = lambda returned: returned
    calls: int = 1


@frozen
class Bound:
    """What kairos is held to: at most `limit` times the side `of`, or `limit` of the case's unit if it is None.

    An `exclusive` bound asks for less, not for at most as much.
    """

    limit: float
    of: str | None
    exclusive: bool = False

    def text(self, unit: str) -> str:
        if self.of is None:
            return f"≤ {self.limit:g} {unit}"
        return f"< {self.of}" if self.exclusive else f"≤ {self.limit:g} × {self.of}"

    def held(self, medians: Mapping[str, float]) -> bool:
        limit = self.limit if self.of is None else self.limit * medians[self.of]
        return medians["kairos"] < limit if self.exclusive else medians["kairos"] <= limit


def bound(limit: float, of: str | None = None) -> Bound:
    """Return "at most `limit` times the side `of`"; with None, at most `limit` of the case's unit."""
    return Bound(limit, of)


AHEAD_OF_PLAIN = Bound(1, "plain", exclusive=True)

UNITS = {"ns": 1, "µs": 1_000, "ms": 1_000_000}


@frozen
class Case:
    """One row of the table.

    Attributes
    ----------
    name
        What is done.
    unit
        "µs" or "ms".
    bounds
        What kairos is held to; all of them.
    sides
        side -> the function that prepares its work for a repetition, numbered from 0 (the warm-up).
    repetitions
        How many are timed.
    pinned
        Whether the process, and the engine's, stay on one core.
    computing
        Whether nothing waits: processor time then leaves out what a busy machine gives to others.
    """

    name: str
    unit: str
    bounds: tuple[Bound, ...]
    sides: Mapping[str, Callable[[int], Work]]
    repetitions: int
    pinned: bool = False
    computing: bool = False


@frozen
class Result:
    """One row's figures.

    Attributes
    ----------
    case
        What was measured.
    times
        side -> the time of one call in each repetition, in the case's unit.
    medians
        side -> the median of those.
    """

    case: Case
    times: Mapping[str, list[float]]
    medians: Mapping[str, float] = field(init=False)

    @medians.default
    def _medians(self) -> dict[str, float]:
        return {side: statistics.median(times) for side, times in self.times.items()}

    @property
    def held(self) -> bool:
        return not self.missed

    @property
    def missed(self) -> list[str]:
        """The bounds that are not held, as text."""
        bounds = (bound for bound in self.case.bounds if not bound.held(self.medians))
        return [bound.text(self.case.unit) for bound in bounds]

    def ratio(self, of: str) -> float | None:
        """Return the ratio of the medians, if both sides ran."""
        both = "kairos" in self.medians and of in self.medians
        return self.medians["kairos"] / self.medians[of] if both else None

    def paired_ratio(self, of: str) -> float | None:
        """Return the median of the ratios within each repetition, which a slow spell hardly moves."""
        if "kairos" not in self.times or of not in self.times:
            return None
        pairs = zip(self.times["kairos"], self.times[of], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


def measure(case: Case, engine: Iterable[int] = ()) -> Result:
    """Run a case: a warm-up whose answers are compared, then the timed repetitions, compared as well.

    Parameters
    ----------
    case
        What to measure.
    engine
        The engine's processes, to be pinned with this one.
    """
    clock = time.process_time_ns if case.computing else time.perf_counter_ns
    times: dict[str, list[float]] = {side: [] for side in case.sides}
    sides = list(case.sides)
    with _pinned([os.getpid(), *engine] if case.pinned else []):
        for repetition in range(case.repetitions + 1):
            answers = {}
            turn = repetition % len(sides)
            for side in sides[turn:] + sides[:turn]:
                work = case.sides[side](repetition)
                elapsed, returned = _time(work.run, clock)
                answers[side] = work.answer(returned)
                del returned
                if repetition:
                    times[side].append(elapsed / work.calls / UNITS[case.unit])
            _compare(case.name, answers)
    return Result(case, times)


def _time(run: Callable[[], Any], clock: Callable[[], int]) -> tuple[int, Any]:
    """Return nanoseconds and what `run` returned; like timeit, without a garbage collection in between."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        returned = run()
        return clock() - start, returned
    finally:
        if enabled:
            gc.enable()


def _compare(case: str, answers: Mapping[str, Any]) -> None:
    sides = list(answers)
    for side in sides[1:]:
        if answers[side] != answers[sides[0]]:
            shown = "\n".join(f"{s}: {_short(answers[s])}" for s in (sides[0], side))
            raise AssertionError(f"{case}: the sides do not agree\n{shown}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 500 else f"{text[:250]} … {text[-250:]}"


@contextmanager
def _pinned(processes: list[int]) -> Iterator[None]:
    """Keep processes on one core, the same for all: between two, a call's time has two modes."""
    if not processes or sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)
    _stay(processes, {max(cores)})
    try:
        yield
    finally:
        _stay(processes, cores)


def _stay(processes: Iterable[int], cores: set[int]) -> None:
    """Move all threads of processes and of their children; those that they start later follow."""
    moved = set(processes)
    parents = _parents()
    while found := {process for process, parent in parents.items() if parent in moved} - moved:
        moved |= found
    for process in moved:
        for task in Path(f"/proc/{process}/task").glob("*"):
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(int(task.name), cores)


def _parents() -> dict[int, int]:
    """Return every process, and its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found[int(path.parent.name)] = int(
                path.read_text("utf-8", "replace").rpartition(")")[2].split()[1]
            )
    return found
