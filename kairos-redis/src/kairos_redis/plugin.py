"""The hook implementation: from a target and options to a storage, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from redis.client import Pipeline, PubSub
from redis.cluster import ClusterPipeline

from kairos.errors import InvalidType, InvalidValue, show
from kairos.hookspecs import hookimpl
from kairos.storage import Config

from .keys import Place, check_interval, check_prefix
from .requests import Wait
from .storage import RedisStorage
from .urls import SCHEMES, SYNC, Family, client_for

if TYPE_CHECKING:
    from .asynchronous import AsyncRedisStorage

__all__ = ["kairos_open", "kairos_open_async"]

S = TypeVar("S", RedisStorage, "AsyncRedisStorage")


_NO_CLIENTS = (Pipeline, ClusterPipeline, PubSub)


@hookimpl
def kairos_open(target: Any, config: Config) -> RedisStorage | None:
    """Open URLs of Redis and Valkey, and redis-py's clients."""
    return _open(target, config, RedisStorage, SYNC, _NO_CLIENTS)


@hookimpl
def kairos_open_async(target: Any, config: Config) -> AsyncRedisStorage | None:
    """Open the same for asyncio: URLs, and the clients of redis.asyncio."""
    from .asynchronous import FAMILY, NO_CLIENTS, AsyncRedisStorage

    return _open(target, config, AsyncRedisStorage, FAMILY, NO_CLIENTS)


def _open(
    target: Any, config: Config, storage: type[S], family: Family, no_clients: tuple[type, ...]
) -> S | None:
    if isinstance(target, str):
        if target.partition("://")[0].lower() not in SCHEMES:
            return None
        make, owned = client_for(target, config.client_config, family), True
    else:
        client = _client(target, family, no_clients)
        if client is None:
            return None
        make, owned = lambda: client, False
    wait = _wait(config.option("wait"))
    place = Place.of(check_prefix(config.option("prefix", "")), config.kind, config.intervals)
    for interval in config.intervals:
        check_interval(interval)
    return storage(place, make, owned, wait)


def _client(target: Any, family: Family, no_clients: tuple[type, ...]) -> Any:
    """Return a client that can be used; None if it is nothing of redis-py's."""
    usable = isinstance(target, (family.redis, family.cluster)) and not isinstance(target, no_clients)
    if usable:
        return target
    if not any(cls.__module__.partition(".")[0] == "redis" for cls in type(target).__mro__):
        return None
    waits = family is SYNC
    module, facade = ("redis", "Timeseries") if waits else ("redis.asyncio", "AsyncTimeseries")
    other = any(cls.__module__.startswith("redis.asyncio") for cls in type(target).__mro__) == waits
    if other:
        hint = f"it is for {'AsyncTimeseries' if waits else 'Timeseries'}"
    elif isinstance(target, no_clients):
        hint = "pass the client; a pipeline goes to insert(…, pipeline=…)"
    elif isinstance(target, family.sentinel):
        hint = "pass sentinel.master_for(service), or a redis+sentinel:// URL"
    else:
        hint = "pass one of these, or a URL"
    raise InvalidType(
        f"{facade} takes a URL, a {module}.Redis or a {module}.cluster.RedisCluster; "
        f"got {type(target).__module__}.{type(target).__name__}: {hint}"
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
