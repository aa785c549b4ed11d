"""What kairos' two ways to count in Cassandra cost, and how large partitions get: the tables of docs/cassandra.md.

    python benchmarks/cassandra_costs.py counts [--increments 10 1000 100000]
    python benchmarks/cassandra_costs.py partitions [--points 1000000]

Starts a node of its own (tools/engines). A write is one increment of one bucket; a read is of that bucket.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from kairos import Timeseries
from kairos.storage import Batch, Write
from kairos_cassandra.rounds import together
from kairos_engines import Engine, start

ONE = {"day": {"step": "daily"}}
AT_ONCE = 500
PATIENT = "?timeout=120"
"""On a busy machine a million rows that are read at once take longer than the driver waits."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("counts", "partitions"))
    parser.add_argument("--increments", type=int, nargs="+", default=[10, 1_000, 100_000])
    parser.add_argument("--points", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with start("cassandra", durable=True) as engine:
        if arguments.what == "counts":
            counts(engine.url + PATIENT, arguments.increments)
        else:
            partitions(engine, arguments.points)


def median(work: Callable[[], Any], times: int) -> float:
    """Return the median of so many calls, in seconds."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def counts(url: str, increments: list[int]) -> None:
    """Print a table: increments of a bucket × way to count → cost of a write and of a read."""
    print("| increments of a bucket | `counter`: write, µs | read, ms | `log`: write, µs | read, ms |")
    print("|--:|--:|--:|--:|--:|")
    for n in increments:
        cells = []
        for way in ("counter", "log"):
            with Timeseries(url, type="count", table_name=f"by_{way}", counts=way, intervals=ONE) as hits:
                name = f"n{n}"
                hits.insert(name, timestamp=0)
                write = median(lambda hits=hits, name=name: hits.insert(name, timestamp=0), min(n - 1, 500))  # type: ignore[misc]
                fill(hits, name, n - 1 - min(n - 1, 500), way)
                read = median(lambda hits=hits, name=name: hits.get(name, "day", timestamp=0), 15)  # type: ignore[misc]
                assert hits.get(name, "day", timestamp=0) == {0: n}
                cells += [f"{write * 1e6:.0f}", f"{read * 1e3:.1f}"]
        print(f"| {n:,} | {' | '.join(cells)} |", flush=True)


def fill(hits: Timeseries, name: str, increments: int, way: str) -> None:
    """Write the increments that are not timed: a log's each as a row of its own, many at once."""
    storage: Any = hits._storage
    if way == "counter":  # one cell, however often
        hits.insert(name, increments, timestamp=0)
        return
    one = Batch([Write("day", 19700101, None, None, {name: 1})], 0.0, {})
    for first in range(0, increments, AT_ONCE):
        many = min(AT_ONCE, increments - first)
        storage._sender.run(together(storage._writer.write(one) for _ in range(many)))


def partitions(engine: Engine, points: int) -> None:
    """Write points of one name to one bucket of a series, and to one name of a count; show the largest partitions."""
    chunk = 10_000
    with Timeseries(engine.url + PATIENT, type="series", intervals=ONE) as series:
        begun = time.perf_counter()
        for first in range(0, points, chunk):
            series.insert("a", [float(value) for value in range(first, first + chunk)], timestamp=0)
        print(f"series: {points:,} values in one bucket, written in {time.perf_counter() - begun:.0f} s")
        begun = time.perf_counter()
        assert series.get("a", "day", timestamp=0) == {0: [float(value) for value in range(points)]}
        print(f"read back in order in {time.perf_counter() - begun:.1f} s")
        session: Any = series._storage._shared.session  # type: ignore[attr-defined]
        rows = session.execute(
            "SELECT shard, count(*) FROM kairos.series GROUP BY name, interval, generation, part, shard"
        )
        shards = [row[1] for row in rows]
        print(f"{len(shards)} partitions, the largest of {max(shards):,} rows")
    with Timeseries(engine.url + PATIENT, type="count", intervals={"second": {"step": 1}}) as hits:
        for first in range(0, points, chunk):
            hits.bulk_insert({second: {"a": [1]} for second in range(first, first + chunk)})
        print(f"count: {points:,} buckets of one second each")
    engine.nodes[0].stop()  # writes everything to disk
    engine.nodes[0].restart()
    for table in ("series", "count"):
        files = list(engine.nodes[0].directory.glob(f"data/kairos/{table}-*/*-Data.db"))
        print(f"{table}: {sum(file.stat().st_size for file in files) / 1e6:.1f} MB on disk, compressed")
    with Timeseries(engine.url + PATIENT, type="series", intervals=ONE) as series:
        session = series._storage._shared.session  # type: ignore[attr-defined]
        sizes = session.execute("SELECT * FROM system_views.max_partition_size")
        for row in filter(lambda row: row.keyspace_name == "kairos", sizes):
            print(row)


if __name__ == "__main__":
    main()
