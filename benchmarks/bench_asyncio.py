"""Measure AsyncTimeseries beside hand-written code on the same drivers: `python benchmarks/bench_asyncio.py --help`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

import report
from asyncio_best import HANDS, Hand
from harness import UNITS, Case, Result, Work, bound, measure
from kairos import AsyncTimeseries
from kairos_engines import start
from workload import END, INTERVALS, MINUTES, START, a_day, bulk_of_counts, fresh

DOCS = Path(__file__).parents[1] / "docs"
COROUTINES, EACH = 100, 20
TITLES = {
    "redis": ("Redis", "`redis.asyncio`", "prefix"),
    "mongo": ("MongoDB", "PyMongo's `AsyncMongoClient`", "prefix"),
    "sqlite": ("SQLite", "aiosqlite", "table_name"),
    "postgresql": ("PostgreSQL", "psycopg's `AsyncConnection`", "table_name"),
    "mariadb": ("MariaDB", "asyncmy", "table_name"),
}
SIDES = ("best", "kairos")
_places = count()


@frozen
class Bench:
    """One engine's sides, on one event loop."""

    engine: str
    url: str
    loop: asyncio.AbstractEventLoop
    quick: bool
    cpu: bool
    processes: list[int]

    def cases(self) -> dict[str, Callable[[dict[str, Hand]], Result]]:
        return {
            "one": self.one,
            "hundred": self.hundred,
            "heartbeat-bulk": self.bulk,
            "heartbeat-series": self.series,
        }

    def run(self, name: str) -> Result:
        """Open a place for each side, measure, and close them."""
        sides = {side: self.loop.run_until_complete(self._open(side)) for side in SIDES}
        try:
            return report.shown(self.cases()[name](sides))
        finally:
            for side in sides.values():
                self.loop.run_until_complete(side.close())

    async def _open(self, side: str) -> Hand:
        place = f"{side}_{next(_places)}"
        if side == "best":
            return await HANDS[self.engine]().open(self.url, place)
        option = TITLES[self.engine][2]
        scheme, _, rest = self.url.partition("://")
        url = f"{scheme.partition('+')[0]}://{rest}"  # the scheme alone takes the driver for asyncio
        options: dict[str, Any] = {option: place}
        return await AsyncTimeseries(url, type="count", intervals=INTERVALS, **options).open()

    def _measure(self, case: Case) -> Result:
        case = evolve(case, repetitions=5) if self.quick else case
        return measure(evolve(case, computing=self.cpu), self.processes)

    def one(self, sides: dict[str, Hand]) -> Result:
        """Await one insert after another."""

        async def inserts(side: Hand, name: str) -> None:
            for k in range(200):
                await side.insert(name, 1, START + 7 * k)

        made = {side: self._inserting(own, inserts, 200) for side, own in sides.items()}
        return self._measure(Case("one awaited insert", "µs", (bound(1.2, "best"),), made, 15, pinned=True))

    def hundred(self, sides: dict[str, Hand]) -> Result:
        """Insert from a hundred coroutines, into one name each."""

        async def work(side: Hand, name: str) -> None:
            for k in range(EACH):
                await side.insert(name, 1, START + 7 * k)

        async def inserts(side: Hand, name: str) -> None:
            await asyncio.gather(*(work(side, f"{name}{n}") for n in range(COROUTINES)))

        made = {side: self._inserting(own, inserts, COROUTINES * EACH) for side, own in sides.items()}
        name = f"{COROUTINES} coroutines × {EACH} inserts, each"
        return self._measure(Case(name, "µs", (bound(round(1 / 0.9, 2), "best"),), made, 9))

    def _inserting(
        self, side: Hand, inserts: Callable[[Hand, str], Coroutine[Any, Any, None]], calls: int
    ) -> Callable[[int], Work]:
        def prepare(repetition: int) -> Work:
            name = fresh(repetition)

            def run() -> None:
                self.loop.run_until_complete(inserts(side, name))

            def answer(_: Any) -> Any:
                wanted = name if calls == 200 else f"{name}5"
                return self.loop.run_until_complete(side.series(wanted, "minute", end=START + 3599, steps=60))

            return Work(run, answer, calls)

        return prepare

    def bulk(self, sides: dict[str, Hand]) -> Result:
        """Look how long the loop is held while 10,000 increments are written."""
        bulks = [bulk_of_counts(k) for k in range(16)]

        def writing(own: Hand, number: int) -> Callable[[], Coroutine[Any, Any, Any]]:
            return lambda: own.bulk_insert(bulks[number])

        return self._held(
            "longest hold of the loop, bulk of 10,000",
            {side: [writing(own, k) for k in range(len(bulks))] for side, own in sides.items()},
        )

    def series(self, sides: dict[str, Hand]) -> Result:
        """Look how long the loop is held while a day of minutes is read."""
        for own in sides.values():
            self.loop.run_until_complete(own.bulk_insert(a_day("day")))

        def reading(own: Hand) -> Callable[[], Coroutine[Any, Any, Any]]:
            return lambda: own.series("day", "minute", end=END, steps=MINUTES)

        return self._held(
            "longest hold of the loop, series of 1,440",
            {side: [reading(own)] * 16 for side, own in sides.items()},
        )

    def _held(self, name: str, calls: dict[str, list[Callable[[], Coroutine[Any, Any, Any]]]]) -> Result:
        """Return the longest time between two turns of another task, in each repetition."""
        clock = time.thread_time_ns if self.cpu else time.perf_counter_ns
        times: dict[str, list[float]] = {side: [] for side in calls}
        repetitions = 6 if self.quick else 16
        for repetition in range(repetitions):
            for side in list(calls)[:: 1 if repetition % 2 else -1]:
                gc.collect()
                gc.disable()
                longest = self.loop.run_until_complete(_longest(calls[side][repetition](), clock))
                gc.enable()
                if repetition:
                    times[side].append(longest / UNITS["ms"])
        made: Any = dict.fromkeys(calls)
        return Result(Case(name, "ms", (bound(2, "best"),), made, repetitions - 1), times)


async def _longest(call: Coroutine[Any, Any, Any], clock: Callable[[], int]) -> int:
    """Return the longest time that another task waited for its turn during a call."""
    ended = False
    longest = 0

    async def heartbeat() -> None:
        nonlocal longest
        last = clock()
        while not ended:
            await asyncio.sleep(0)
            now = clock()
            longest = max(longest, now - last)
            last = now

    heart = asyncio.create_task(heartbeat())
    await asyncio.sleep(0)
    await call
    ended = True
    await heart
    return longest


@contextmanager
def engine_at(name: str) -> Iterator[tuple[str, str, list[int]]]:
    """Start an engine; yield its URL, its version and its processes."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/bench.sqlite", version("aiosqlite"), []
        return
    with start(name) as engine:
        yield engine.url, engine.version, [node.pid for node in engine.nodes]


def section(name: str, arguments: argparse.Namespace) -> report.Section:
    """Measure one engine."""
    title, driver, _ = TITLES[name]
    loop = asyncio.new_event_loop()
    try:
        with engine_at(name) as (url, shown, processes):
            bench = Bench(name, url, loop, arguments.quick, arguments.cpu, processes)
            wanted = [case for case in bench.cases() if arguments.only is None or arguments.only in case]
            results = [bench.run(case) for case in wanted]
    finally:
        loop.close()
    return report.Section(title, f"{title} {shown} and {driver}.", results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=list(TITLES), help="only this engine")
    parser.add_argument("--only", metavar="NAME", help="only the cases whose name contains this")
    parser.add_argument("--quick", action="store_true", help="5 repetitions of each case")
    parser.add_argument(
        "--cpu", action="store_true", help="processor time, the engine's too: on a busy machine"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/asyncio.md")
    arguments = parser.parse_args()
    if arguments.write and (arguments.engine or arguments.only or arguments.quick or arguments.cpu):
        parser.error("--write is for a whole run, without --engine, --only, --quick and --cpu")
    sections = [section(name, arguments) for name in TITLES if arguments.engine in (None, name)]
    command = shlex.join(["python", "benchmarks/bench_asyncio.py", *sys.argv[1:]])
    packages = ("redis", "pymongo", "aiosqlite", "psycopg", "asyncmy", "sqlalchemy")
    text = report.markdown(sections, command, ", ".join(f"{name} {version(name)}" for name in packages))
    text = text.replace("\n## ", "\n### ")
    print(text)
    if arguments.write:
        report.write(DOCS / "asyncio.md", text)


if __name__ == "__main__":
    main()
