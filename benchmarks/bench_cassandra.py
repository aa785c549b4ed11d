"""Measure kairos on Cassandra: `python benchmarks/bench_cassandra.py --help`."""

from __future__ import annotations

from importlib.metadata import version

from cassandra_cases import cassandra_stores
from server_bench import Target, main, server_bounds

CASSANDRA = """\
Cassandra {version}, one node, `counts="counter"`. *Plain* is
[what a competent developer writes](../benchmarks/cassandra_plain.py) with cassandra-driver, *best*
[the fastest code that we could write by hand](../benchmarks/cassandra_best.py): a name is one partition without bounds,
an insert one batch of counters in it."""

TARGETS = (Target("cassandra", "Cassandra", CASSANDRA, cassandra_stores, server_bounds(1.4)),)

if __name__ == "__main__":
    main(__file__, "figures-cassandra.md", TARGETS, f"cassandra-driver {version('cassandra-driver')}")
