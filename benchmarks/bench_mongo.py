"""Measure kairos on MongoDB: `python benchmarks/bench_mongo.py --help`."""

from __future__ import annotations

from importlib.metadata import version

from mongo_cases import mongo_stores
from server_bench import Target, main, server_bounds

MONGO = """\
MongoDB {version}, a standalone server with its journal, on all sides with `w=1`: with kairos' default, `majority`, each
write waits for the disk, and the sides hardly differ. *Plain* is
[what a competent developer writes](../benchmarks/mongo_plain.py) with pymongo, *best*
[the fastest code that we could write by hand](../benchmarks/mongo_best.py): one raw command a collection, and no index
but that of `_id`."""

TARGETS = (Target("mongo", "MongoDB", MONGO, mongo_stores, server_bounds(1.4)),)

if __name__ == "__main__":
    main(__file__, "figures-mongo.md", TARGETS, f"pymongo {version('pymongo')}")
