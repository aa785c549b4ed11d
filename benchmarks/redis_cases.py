"""Redis, one server and Cluster: the sides, and `list` beside a million keys of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.cluster import RedisCluster

import kairos_sides
import redis_best
import redis_cluster_best
import redis_plain
from cases import Stores, bind
from harness import Case, Work, bound
from workload import ten_thousand_names

FOREIGN = 1_000_000


def server(url: str) -> redis.Redis:
    """Connect to one server."""
    return redis.Redis.from_url(url)


def cluster(url: str) -> RedisCluster:
    """Connect to a Cluster by one of its nodes."""
    parts = urlsplit(url)
    return RedisCluster(host=parts.hostname or "127.0.0.1", port=parts.port or 6379)


def server_stores(url: str) -> Stores:
    """Return the sides on one server."""
    counts = {"plain": redis_plain.PlainCounts, "best": redis_best.BestCounts}
    values = {"plain": redis_plain.PlainValues, "best": redis_best.BestValues}
    wire = {"wire": _opener(redis_best.WireCounts, server, url)}
    return _stores(url, server, counts, values, {"insert": wire, "get": wire})


def cluster_stores(url: str) -> Stores:
    """Return the sides on a Cluster."""
    counts = {"plain": redis_plain.PlainCounts, "best": redis_cluster_best.BestCounts}
    values = {"plain": redis_plain.PlainValues, "best": redis_cluster_best.BestValues}
    wire = {"wire": _opener(redis_cluster_best.WireCounts, cluster, url)}
    return _stores(url, cluster, counts, values, {"get": wire})


def _opener(make: Callable[[Any, str], Any], connect: Callable[[str], Any], url: str) -> Callable[[str], Any]:
    return lambda place: make(connect(url), place)


def _stores(url: str, connect: Callable[[str], Any], counts: Any, values: Any, more: Any) -> Stores:
    return Stores(
        {
            **{side: _opener(make, connect, url) for side, make in counts.items()},
            "kairos": kairos_sides.server_counts(url, "prefix"),
        },
        {
            **{side: _opener(make, connect, url) for side, make in values.items()},
            "kairos": kairos_sides.server_values(url, "prefix", read_func=float),
        },
        more,
    )


def list_among_foreign(url: str) -> Case:
    """List 10,000 names in a database with a million keys of others, and in one without."""
    opened = {}
    for side, database in (("alone", 1), ("kairos", 0)):
        at = urlsplit(url)._replace(path=f"/{database}").geturl()
        opened[side] = kairos_sides.server_counts(at, "prefix")("among")
        opened[side].bulk_insert(ten_thousand_names())
    with server(url) as client:
        for first in range(0, FOREIGN, 10_000):
            client.mset({f"foreign:{k}:minute:{k}": k for k in range(first, first + 10_000)})
    sides = bind(opened, lambda store, repetition: Work(store.list))
    return Case("list of 10,000 names among 1,000,000 foreign keys", "ms", (bound(1.2, "alone"),), sides, 15)
