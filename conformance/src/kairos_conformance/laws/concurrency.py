"""§3: several writers at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import cycle
from typing import Any

import pytest

import kairos

from ..law import law
from ..model import stored_as_text
from ..moments import Clock
from ..place import Place
from ..workers import write, write_bulk
from .base import BOTH, NOW, Laws, opening

__all__ = ["ConcurrencyLaws", "batches_of", "check_batches"]


class ConcurrencyLaws(Laws):
    """Several writers at once."""

    @law("Threads that write to one name through one handle lose nothing", "§1, §3", "Threads and processes")
    def test_threads(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Let n threads write m values each, one by one and in bulk, while one reads."""
        writers, writes = place.profile.writers, place.profile.writes
        place.log.own = _script(place, kind, tag, own=False)
        with place.open(kind, BOTH.specs, clock=clock) as handle:

            def work(values: list[Any]) -> None:
                for number, value in enumerate(values):
                    if number % 2:
                        handle.insert(tag, value, NOW)
                    else:
                        handle.bulk_insert({NOW: {tag: [value], tag + "b": [value]}})
                    handle.get(tag, "kit_hour")

            batches = batches_of(place, kind, writers, writes)
            with ThreadPoolExecutor(writers) as pool:
                list(pool.map(work, batches))
            for interval in BOTH.specs:
                check_batches(place, kind, handle.get(tag, interval, timestamp=NOW)[NOW], batches)
            handle.delete(tag)
            handle.delete(tag + "b")

    @law("Threads with a handle each lose nothing, also when a name is new", "§3", "Several writers")
    def test_handles(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Let n threads, each with its own handle, write to names that nobody wrote to."""
        writers, rounds = place.profile.writers, 5
        place.log.own = _script(place, kind, tag, own=True)
        batches = batches_of(place, kind, writers, 1)
        handles = [place.opened(kind, BOTH.specs, clock=clock) for _ in range(writers)]
        try:
            with ThreadPoolExecutor(writers) as pool:
                for turn in range(rounds):
                    name = f"{tag}{turn}"
                    list(
                        pool.map(
                            lambda pair, name=name: pair[0].insert(name, pair[1][0], NOW),
                            zip(handles, batches, strict=True),
                        )
                    )
            for turn in range(rounds):
                for interval in BOTH.specs:
                    check_batches(
                        place, kind, handles[0].get(f"{tag}{turn}", interval, timestamp=NOW)[NOW], batches
                    )
                assert handles[-1].delete(f"{tag}{turn}") == 1
        finally:
            for handle in handles:
                handle.close()

    @law(
        "Processes that write to one name lose nothing, where shared is declared",
        "§3",
        "Several writers",
        once=True,
    )
    @pytest.mark.parametrize("work", [write, write_bulk])
    def test_processes(
        self,
        place: Place,
        kind: str,
        tag: str,
        processes: Executor,
        shared: str,
        work: Callable[..., int],
    ) -> None:
        """Let n processes write m values each; each opens the place itself, every second one for asyncio."""
        workers = min(4, place.profile.writers)
        batches = batches_of(place, kind, workers, place.profile.writes)
        arguments = {"type": kind, "intervals": dict(BOTH.specs), **place.options_for(kind)}
        other = place.async_target if isinstance(place.async_target, str) else shared
        opened = {"sync": (shared, False), "asyncio": (other, True)}
        sides = [opened[side] for side in place.sides()]
        jobs = [
            processes.submit(work, url, arguments, tag, batch, NOW, asynchronous)
            for batch, (url, asynchronous) in zip(batches, cycle(sides), strict=False)
        ]
        assert sum(job.result() for job in jobs) == workers * place.profile.writes
        with kairos.Timeseries(shared, **arguments) as handle:
            twice = [[value for value in batch for _ in range(2)] for batch in batches]
            for interval in BOTH.specs:
                row = handle.get(tag, interval, timestamp=NOW)[NOW]
                check_batches(place, kind, row, batches if work is write else twice)
                if work is write_bulk:
                    check_batches(place, kind, handle.get(tag + "b", interval, timestamp=NOW)[NOW], batches)
            handle.delete(tag)
            handle.delete(tag + "b")


def _script(place: Place, kind: str, tag: str, *, own: bool) -> list[str]:
    """Return the script of threads that write to one name, through a handle each or one for all."""
    opened = opening(place, kind, "{'minute': {'step': 60}}")
    expected = {"count": "800", "series": "800", "histogram": "800", "set": "800", "gauge": "1"}[kind]
    size = {"count": "row", "histogram": "sum(row.values())", "gauge": "1"}.get(kind, "len(row)")
    number = isinstance(place.samples(kind, 1)[0], int)
    value = "1" if kind == "count" else "100 * n + i" if number else "f'v{100 * n + i}'"
    return [
        "from concurrent.futures import ThreadPoolExecutor; from kairos import Timeseries",
        f"ts = {opened}",
        "def work(n):",
        f"    mine = {opened if own else 'ts'}",
        f"    for i in range(100): mine.insert({tag!r}, {value}, 0)",
        "with ThreadPoolExecutor(8) as pool: list(pool.map(work, range(8)))",
        f"row = ts.get({tag!r}, 'minute', timestamp=0)[0]",
        f"assert {size} == {expected}, row",
    ]


def batches_of(place: Place, kind: str, writers: int, writes: int) -> list[list[Any]]:
    """Return what each writer writes: a value of its own, and then another (series) or a common one (others)."""
    if kind == "count":
        return [[1] * writes for _ in range(writers)]
    values = place.samples(kind, 2 * writers)
    early = writes // 2
    return [
        [values[writer]] * early + [values[writers + writer if kind == "series" else -1]] * (writes - early)
        for writer in range(writers)
    ]


def check_batches(place: Place, kind: str, row: Any, batches: list[list[Any]]) -> None:
    """Assert that a row holds what all writers wrote, whatever their order among each other was."""
    if kind == "count":
        assert row == sum(map(len, batches))
        return
    if place.capabilities(kind).values.text:
        batches = [[stored_as_text(value) for value in batch] for batch in batches]
    every = [value for batch in batches for value in batch]
    if kind == "series":
        assert len(row) == len(every), f"{len(row)} values instead of {len(every)}"
        for batch in batches:
            assert [value for value in row if value in batch] == batch, "a writer's values are out of order"
    elif kind == "histogram":
        assert row == {value: every.count(value) for value in every}
    elif kind == "set":
        assert row == set(every)
    else:
        assert row in [batch[-1] for batch in batches], f"{row!r} is nobody's last value"
