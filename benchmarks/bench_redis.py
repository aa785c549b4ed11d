"""Measure kairos on Redis, one server and Cluster: `python benchmarks/bench_redis.py --help`."""

from __future__ import annotations

from importlib.metadata import version

import redis_cases
from server_bench import Target, main, server_bounds

SERVER = """\
Redis {version}. *Plain* is [one pipeline a call](../benchmarks/redis_plain.py); *best*
[the fastest code that we could write by hand](../benchmarks/redis_best.py) with redis-py's client: a write is one
script call that touches the index only for new keys; *wire* is the same beneath the client, bytes written by hand on a
connection that is never given back. All keep the same keys, and the index that `list` and `delete` need."""
CLUSTER = """\
Redis {version}, 3 masters with a replica each on two cores. *Plain* is the code of the server's plain side with
`RedisCluster`; *best* [packs commands by node](../benchmarks/redis_cluster_best.py), one send a node, all sent before
the first answer is read."""

TARGETS = (
    Target(
        "redis",
        "One server",
        SERVER,
        redis_cases.server_stores,
        server_bounds(1.4),
        {"list-foreign": redis_cases.list_among_foreign},
    ),
    Target("redis-cluster", "Cluster", CLUSTER, redis_cases.cluster_stores, server_bounds(1.4)),
)

if __name__ == "__main__":
    versions = ", ".join(f"{name} {version(name)}" for name in ("redis", "hiredis"))
    main(__file__, "figures-redis.md", TARGETS, versions)
