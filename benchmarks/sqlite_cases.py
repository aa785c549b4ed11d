"""SQLite: kairos against plain SQLAlchemy code and against the fastest hand-written code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

from attrs import Factory, define, field

import kairos_sides
from harness import AHEAD_OF_PLAIN, Case, Work, bound
from sqlite_best import BestCounts, BestValues
from sqlite_plain import PlainCounts, PlainValues
from workload import (
    END,
    MINUTES,
    START,
    Bulk,
    Counts,
    Values,
    a_day,
    bulk_of_counts,
    fresh,
    ten_thousand_names,
    ten_thousand_values,
)

COUNTS: Mapping[str, Callable[[Path, int], Counts]] = {
    "plain": PlainCounts,
    "best": BestCounts,
    "kairos": kairos_sides.open_counts,
}
VALUES: Mapping[str, Callable[[Path, int], Values]] = {
    "plain": PlainValues,
    "best": BestValues,
    "kairos": kairos_sides.open_values,
}
CLOSE_TO_BEST = (bound(1.5, "best"), AHEAD_OF_PLAIN)
THREADS, EACH = 8, 500
PROCESSES, EACH_PROCESS = 8, 250


@define
class Files:
    """Opens each side's own file for a case, and closes them all."""

    folder: Path
    synchronous: int
    _opened: list[Any] = field(init=False, default=Factory(list))

    def counts(self, case: str) -> dict[str, Counts]:
        """Open an empty file for each side."""
        stores = {side: make(self.path(case, side), self.synchronous) for side, make in COUNTS.items()}
        self._opened += stores.values()
        return stores

    def values(self, case: str) -> dict[str, Values]:
        """Open an empty file for each side."""
        stores = {side: make(self.path(case, side), self.synchronous) for side, make in VALUES.items()}
        self._opened += stores.values()
        return stores

    def path(self, case: str, side: str) -> Path:
        return self.folder / f"{case}-{side}.sqlite"

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


def stored(returned: Any) -> Any:
    """Return how many (item, bucket) pairs a write stored: kairos tells the dropped ones too."""
    return getattr(returned, "stored", returned)


def whole_day(store: Counts, name: str) -> Any:
    """Return all that this workload can have written to a name."""
    return (
        store.series(name, "minute", end=END, steps=MINUTES),
        store.series(name, "hour", end=END, steps=24),
    )


def insert(files: Files) -> Case:
    """Insert one increment: two buckets."""
    times = [START + 7 * k for k in range(300)]

    def prepare(store: Counts, repetition: int) -> Work:
        name = fresh(repetition)

        def run() -> None:
            insert = store.insert
            for timestamp in times:
                insert(name, 1, timestamp)

        return Work(run, lambda _: whole_day(store, name), len(times))

    sides = _sides(files.counts("insert"), prepare)
    return Case("insert", "µs", CLOSE_TO_BEST, sides, 21, pinned=True)


def bulk(files: Files) -> Case:
    """Insert 10,000 increments at once."""

    def prepare(store: Counts, repetition: int) -> Work:
        inserts = bulk_of_counts(repetition)
        name = next(iter(inserts[START + 73]))
        return Work(
            lambda: store.bulk_insert(inserts), lambda written: (stored(written), whole_day(store, name))
        )

    sides = _sides(files.counts("bulk"), prepare)
    return Case("bulk of 10,000 (100 names × 50 times × 2)", "ms", CLOSE_TO_BEST, sides, 15)


def series_minute(files: Files) -> Case:
    """Read a day of minutes."""
    return _series(files, "series, 1,440 buckets", "minute", MINUTES)


def series_hour(files: Files) -> Case:
    """Read a day of hours, each with 60 rows."""
    return _series(files, "series, 24 × 60 rows", "hour", 24)


def _series(files: Files, name: str, interval: str, steps: int) -> Case:
    stores = files.counts(f"series-{interval}")
    for store in stores.values():
        for k in range(10):
            store.bulk_insert(a_day(f"day{k}"))

    def prepare(store: Counts, repetition: int) -> Work:
        return Work(lambda: store.series("day5", interval, end=END, steps=steps))

    return Case(name, "ms", CLOSE_TO_BEST, _sides(stores, prepare), 31)


def get(files: Files) -> Case:
    """Read one bucket."""
    stores = files.counts("get")
    for store in stores.values():
        store.bulk_insert(a_day("day"))
    times = [START + 60 * (k * 7 % MINUTES) + 30 for k in range(500)]

    def prepare(store: Counts, repetition: int) -> Work:
        def run() -> None:
            get = store.get
            for timestamp in times:
                get("day", "minute", timestamp=timestamp)

        def answer(_: Any) -> Any:
            return [store.get("day", "minute", timestamp=timestamp) for timestamp in times[:20]]

        return Work(run, answer, len(times))

    bounds = (bound(25), AHEAD_OF_PLAIN)
    return Case("get of one bucket", "µs", bounds, _sides(stores, prepare), 15, pinned=True)


def threads(files: Files) -> Case:
    """Insert from eight threads, all into one name."""

    def prepare(store: Counts, repetition: int) -> Work:
        name = fresh(repetition)
        barrier = Barrier(THREADS)

        def work() -> None:
            barrier.wait()
            for k in range(EACH):
                store.insert(name, 1, START + k)

        workers = [Thread(target=work) for _ in range(THREADS)]

        def run() -> None:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

        return Work(run, lambda _: exact(store, name, THREADS * EACH))

    sides = _sides(files.counts("threads"), prepare)
    return Case(f"{THREADS} threads × {EACH} inserts, one name", "ms", (AHEAD_OF_PLAIN,), sides, 7)


def processes(files: Files) -> Case:
    """Insert from eight processes, all into one name of one file."""
    stores = files.counts("processes")

    def prepare(side: str, repetition: int) -> Work:
        name = fresh(repetition)
        path = files.path("processes", side)
        command = [sys.executable, str(Path(__file__).with_name("process_writer.py"))]
        arguments = [side, str(path), str(files.synchronous), name, str(START), str(EACH_PROCESS)]
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
            return exact(stores[side], name, PROCESSES * EACH_PROCESS)

        return Work(run, answer)

    def of(side: str) -> Callable[[int], Work]:
        return lambda repetition: prepare(side, repetition)

    sides = {side: of(side) for side in stores}
    name = f"{PROCESSES} processes × {EACH_PROCESS} inserts, one file"
    return Case(name, "ms", (AHEAD_OF_PLAIN,), sides, 5)


def _hear(word: str, writers: list[subprocess.Popen[str]]) -> None:
    for writer in writers:
        assert writer.stdout is not None
        said = writer.stdout.readline().strip()
        if said != word:
            raise RuntimeError(f"a writing process said {said!r}, not {word!r}")


def exact(store: Counts, name: str, inserts: int) -> Any:
    """Return what the sides must agree on, and raise if one increment is missing."""
    found = whole_day(store, name)
    assert sum(found[0].values()) == inserts, f"{store}: {inserts} inserts, {sum(found[0].values())} found"
    return found


def list_names(files: Files) -> Case:
    """List 10,000 names."""
    stores = files.counts("list")
    for store in stores.values():
        store.bulk_insert(ten_thousand_names())
    sides = _sides(stores, lambda store, repetition: Work(store.list))
    return Case("list of 10,000 names", "ms", CLOSE_TO_BEST, sides, 15)


def delete(files: Files) -> Case:
    """Delete a name with a day of data in both intervals."""

    def prepare(store: Counts, repetition: int) -> Work:
        name = fresh(repetition)
        store.bulk_insert(a_day(name))
        return Work(lambda: store.delete(name), lambda count: (count, whole_day(store, name)))

    sides = _sides(files.counts("delete"), prepare)
    return Case("delete, 1,440 buckets", "ms", CLOSE_TO_BEST, sides, 21)


def bulk_values(files: Files) -> Case:
    """Append 10,000 values to one bucket."""

    def prepare(store: Values, repetition: int) -> Work:
        name = fresh(repetition)
        inserts: Bulk = ten_thousand_values(name)

        def answer(written: Any) -> Any:
            hour = store.get(name, "hour", timestamp=START)
            return stored(written), store.get(name, "minute", timestamp=START), hour

        return Work(lambda: store.bulk_insert(inserts), answer)

    sides = _sides(files.values("bulk-values"), prepare)
    return Case("bulk of 10,000 series values", "ms", CLOSE_TO_BEST, sides, 11)


def read_values(files: Files) -> Case:
    """Read a bucket of 10,000 values."""
    stores = files.values("read-values")
    for store in stores.values():
        store.bulk_insert(ten_thousand_values("values"))
    sides = _sides(
        stores, lambda store, repetition: Work(lambda: store.get("values", "minute", timestamp=START))
    )
    return Case("read that bucket back", "ms", CLOSE_TO_BEST, sides, 21)


def _sides(
    stores: Mapping[str, Any], prepare: Callable[[Any, int], Work]
) -> dict[str, Callable[[int], Work]]:
    """Bind each side's store."""

    def bind(store: Any) -> Callable[[int], Work]:
        return lambda repetition: prepare(store, repetition)

    return {side: bind(store) for side, store in stores.items()}


CASES: Mapping[str, Callable[[Files], Case]] = {
    "insert": insert,
    "bulk": bulk,
    "series-minute": series_minute,
    "series-hour": series_hour,
    "get": get,
    "threads": threads,
    "processes": processes,
    "list": list_names,
    "delete": delete,
    "bulk-values": bulk_values,
    "read-values": read_values,
}
