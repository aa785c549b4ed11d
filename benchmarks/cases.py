"""The rows of a table, for any engine: the same work is asked of every side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Barrier, Thread
from typing import Any

from attrs import Factory, define, field

from harness import AHEAD_OF_PLAIN, Bound, Case, Work, bound
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

Bounds = tuple[Bound, ...]
CLOSE_TO_BEST: Bounds = (bound(1.5, "best"), AHEAD_OF_PLAIN)
THREADS, EACH = 8, 500


@define
class Stores:
    """Opens a place of its own for each case and side, and closes them all.

    Attributes
    ----------
    count_sides, value_sides
        side -> what opens it, given the place's name: letters, digits and underscores.
    more_count_sides
        case -> sides that only it has.
    """

    count_sides: Mapping[str, Callable[[str], Counts]]
    value_sides: Mapping[str, Callable[[str], Values]]
    more_count_sides: Mapping[str, Mapping[str, Callable[[str], Counts]]] = field(factory=dict)
    _opened: list[Any] = field(init=False, default=Factory(list))

    def counts(self, case: str) -> dict[str, Counts]:
        """Open an empty place for each side."""
        return self._open({**self.count_sides, **self.more_count_sides.get(case, {})}, case)

    def values(self, case: str) -> dict[str, Values]:
        """Open an empty place for each side."""
        return self._open(self.value_sides, case)

    def _open(self, sides: Mapping[str, Callable[[str], Any]], case: str) -> dict[str, Any]:
        opened = {}
        for side, make in sides.items():
            opened[side] = make(f"{case}_{side}")
            self._opened.append(opened[side])
        return opened

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


def insert(stores: Stores, bounds: Bounds) -> Case:
    """Insert one increment: two buckets."""
    times = [START + 7 * k for k in range(300)]

    def prepare(store: Counts, repetition: int) -> Work:
        name = fresh(repetition)

        def run() -> None:
            insert = store.insert
            for timestamp in times:
                insert(name, 1, timestamp)

        return Work(run, lambda _: whole_day(store, name), len(times))

    sides = bind(stores.counts("insert"), prepare)
    return Case("insert", "µs", bounds, sides, 21, pinned=True)


def bulk(stores: Stores, bounds: Bounds) -> Case:
    """Insert 10,000 increments at once."""

    def prepare(store: Counts, repetition: int) -> Work:
        inserts = bulk_of_counts(repetition)
        name = next(iter(inserts[START + 73]))
        return Work(
            lambda: store.bulk_insert(inserts), lambda written: (stored(written), whole_day(store, name))
        )

    sides = bind(stores.counts("bulk"), prepare)
    return Case("bulk of 10,000 (100 names × 50 times × 2)", "ms", bounds, sides, 15)


def series_minute(stores: Stores, bounds: Bounds) -> Case:
    """Read a day of minutes."""
    return _series(stores, bounds, "series, 1,440 buckets", "minute", MINUTES)


def series_hour(stores: Stores, bounds: Bounds) -> Case:
    """Read a day of hours, each with 60 rows."""
    return _series(stores, bounds, "series, 24 × 60 rows", "hour", 24)


def _series(stores: Stores, bounds: Bounds, name: str, interval: str, steps: int) -> Case:
    opened = stores.counts(f"series_{interval}")
    for store in opened.values():
        for k in range(10):
            store.bulk_insert(a_day(f"day{k}"))

    def prepare(store: Counts, repetition: int) -> Work:
        return Work(lambda: store.series("day5", interval, end=END, steps=steps))

    return Case(name, "ms", bounds, bind(opened, prepare), 31)


def get(stores: Stores, bounds: Bounds) -> Case:
    """Read one bucket."""
    opened = stores.counts("get")
    for store in opened.values():
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

    return Case("get of one bucket", "µs", bounds, bind(opened, prepare), 15, pinned=True)


def threads(stores: Stores, bounds: Bounds) -> Case:
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

    sides = bind(stores.counts("threads"), prepare)
    return Case(f"{THREADS} threads × {EACH} inserts, one name", "ms", bounds, sides, 7)


def exact(store: Counts, name: str, inserts: int) -> Any:
    """Return what the sides must agree on, and raise if one increment is missing."""
    found = whole_day(store, name)
    assert sum(found[0].values()) == inserts, f"{store}: {inserts} inserts, {sum(found[0].values())} found"
    return found


def list_names(stores: Stores, bounds: Bounds) -> Case:
    """List 10,000 names."""
    opened = stores.counts("list")
    for store in opened.values():
        store.bulk_insert(ten_thousand_names())
    sides = bind(opened, lambda store, repetition: Work(store.list))
    return Case("list of 10,000 names", "ms", bounds, sides, 15)


def delete(stores: Stores, bounds: Bounds) -> Case:
    """Delete a name with a day of data in both intervals."""

    def prepare(store: Counts, repetition: int) -> Work:
        name = fresh(repetition)
        store.bulk_insert(a_day(name))
        return Work(lambda: store.delete(name), lambda count: (count, whole_day(store, name)))

    sides = bind(stores.counts("delete"), prepare)
    return Case("delete, 1,440 buckets", "ms", bounds, sides, 21)


def bulk_values(stores: Stores, bounds: Bounds) -> Case:
    """Append 10,000 values to one bucket."""

    def prepare(store: Values, repetition: int) -> Work:
        name = fresh(repetition)
        inserts: Bulk = ten_thousand_values(name)

        def answer(written: Any) -> Any:
            hour = store.get(name, "hour", timestamp=START)
            return stored(written), store.get(name, "minute", timestamp=START), hour

        return Work(lambda: store.bulk_insert(inserts), answer)

    sides = bind(stores.values("bulk_values"), prepare)
    return Case("bulk of 10,000 series values", "ms", bounds, sides, 11)


def read_values(stores: Stores, bounds: Bounds) -> Case:
    """Read a bucket of 10,000 values."""
    opened = stores.values("read_values")
    for store in opened.values():
        store.bulk_insert(ten_thousand_values("values"))
    sides = bind(
        opened, lambda store, repetition: Work(lambda: store.get("values", "minute", timestamp=START))
    )
    return Case("read that bucket back", "ms", bounds, sides, 21)


def bind(opened: Mapping[str, Any], prepare: Callable[[Any, int], Work]) -> dict[str, Callable[[int], Work]]:
    """Bind each side's store."""

    def of(store: Any) -> Callable[[int], Work]:
        return lambda repetition: prepare(store, repetition)

    return {side: of(store) for side, store in opened.items()}


Make = Callable[[Stores, Bounds], Case]

CASES: Mapping[str, Make] = {
    "insert": insert,
    "bulk": bulk,
    "series-minute": series_minute,
    "series-hour": series_hour,
    "get": get,
    "threads": threads,
    "list": list_names,
    "delete": delete,
    "bulk-values": bulk_values,
    "read-values": read_values,
}
