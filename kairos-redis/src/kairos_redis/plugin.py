"""The hook implementation: from a target and options to a storage, without I/O."""

from __future__ import annotations

from typing import Any

import redis
from redis.client import Pipeline, PubSub
from redis.cluster import ClusterPipeline, RedisCluster
from redis.sentinel import Sentinel

from kairos.errors import InvalidType, InvalidValue, show
from kairos.hookspecs import hookimpl
from kairos.storage import Config

from .keys import Place, check_interval, check_prefix
from .links import Wait
from .storage import RedisStorage
from .urls import SCHEMES, client_for

__all__ = ["kairos_open"]


@hookimpl
def kairos_open(target: Any, config: Config) -> RedisStorage | None:
    """Open URLs of Redis and Valkey, and redis-py's clients."""
    if isinstance(target, str):
        if target.partition("://")[0].lower() not in SCHEMES:
            return None
        make, owned = client_for(target, config.client_config), True
    else:
        client = _client(target)
        if client is None:
            return None
        make, owned = lambda: client, False
    wait = _wait(config.option("wait"))
    place = Place.of(check_prefix(config.option("prefix", "")), config.kind, config.intervals)
    for interval in config.intervals:
        check_interval(interval)
    return RedisStorage(place, make, owned, wait)


def _client(target: Any) -> redis.Redis | RedisCluster | None:
    """Return a client that can be used; None if it is nothing of redis-py's."""
    if type(target).__module__.partition(".")[0] != "redis" and not isinstance(
        target, redis.Redis | RedisCluster
    ):
        return None
    if isinstance(target, Pipeline | ClusterPipeline | PubSub):
        hint = "pass the client; a pipeline goes to insert(…, pipeline=…)"
    elif isinstance(target, redis.Redis | RedisCluster):
        return target
    elif isinstance(target, Sentinel):
        hint = "pass sentinel.master_for(service), or a redis+sentinel:// URL"
    elif type(target).__module__.startswith("redis.asyncio"):
        hint = "it is for asyncio, which this version of kairos-redis does not do"
    else:
        hint = "pass one of these, or a URL"
    raise InvalidType(
        f"target must be a URL, a redis.Redis or a redis.cluster.RedisCluster; got {type(target).__name__}: {hint}"
    )


def _wait(value: Any) -> Wait | None:
    if value is None:
        return None
    shape = "wait must be (replicas, seconds): an int >= 1 and a time > 0; got "
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InvalidType(f"{shape}{show(value)} ({type(value).__name__})")
    replicas, seconds = value
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise InvalidType(f"{shape}{show(value)}")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidType(f"{shape}{show(value)}")
    if replicas < 1 or not 0.001 <= seconds < 1e6:
        raise InvalidValue(f"{shape}{show(value)}")
    return Wait(replicas, round(seconds * 1000))
