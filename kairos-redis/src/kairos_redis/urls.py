"""From a URL to redis-py's client, which sends nothing twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import redis
from attrs import frozen
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from kairos.errors import InvalidValue

__all__ = ["SCHEMES", "SYNC", "Family", "client_for"]

SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")

PORT = 6379
SENTINEL_PORT = 26379


@frozen
class Family:
    """The classes of redis-py's that a URL is opened with: those that wait, or those of asyncio."""

    redis: Any
    cluster: Any
    node: Any
    sentinel: Any
    retry: Any


SYNC = Family(redis.Redis, RedisCluster, ClusterNode, Sentinel, Retry)


@frozen
class _Parts:
    """A URL with several hosts."""

    secure: bool
    hosts: tuple[tuple[str, int], ...]
    path: tuple[str, ...]
    options: Mapping[str, Any]


def client_for(url: str, config: Mapping[str, Any], family: Family = SYNC) -> Callable[[], Any]:
    """Return what makes the client; only a cluster's is made with I/O."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    plain = f"{scheme}://{rest}"
    if scheme.endswith("+cluster"):
        return _cluster(_parse(scheme, rest, PORT, "cluster"), config, family)
    if scheme.endswith("+sentinel"):
        return _sentinel(_parse(scheme, rest, SENTINEL_PORT, "sentinel"), config, family)
    _check_plain(scheme, rest, plain)
    settings = {**_defaults(), "retry": family.retry(NoBackoff(), 0), **config}
    return lambda: family.redis.from_url(plain, **settings)


def _defaults() -> dict[str, Any]:
    """Return settings that a caller may change: a custom ``fetch`` meets them."""
    return {
        "decode_responses": True,
        "encoding_errors": "surrogateescape",
        "protocol": 2,
        "socket_timeout": 5.0,
    }


def _check_plain(scheme: str, rest: str, url: str) -> None:
    path = re.split(r"[?#]", rest.partition("/")[2], maxsplit=1)[0]
    if scheme != "unix" and path and not path.isdecimal():
        raise InvalidValue(
            f"the path of a {scheme}:// URL is the number of a database; got {_shown(path)}{_QUOTE}"
        )
    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        raise InvalidValue(
            f"the {scheme}:// URL can't be parsed: {scheme}://user:password@host:port/0{_QUOTE}"
        ) from None


_QUOTE = " (in a password, write / as %2F, ? as %3F, # as %23, @ as %40)"


def _shown(part: str) -> str:
    """Return a part of a URL as it may be shown: what lies before an ``@`` may be the end of a password."""
    return "what may be a part of a password" if "@" in part else repr(part)


def _parse(scheme: str, rest: str, port: int, what: str) -> _Parts:
    location, _, query = rest.partition("?")
    authority, _, path = location.partition("/")
    user, at, hosts = authority.rpartition("@")
    pairs = []
    for host in hosts.split(",") if hosts else ["localhost"]:
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]+))?", host)
        if not match:
            raise InvalidValue(
                f"the hosts of a redis+{what}:// URL are host:port,host:port,…; got "
                f"{_shown('@') if '@' in path else repr(host)}{_QUOTE}"
            )
        pairs.append((match[1].strip("[]"), int(match[2] or port)))
    own_url = f"redis://{user}{at}localhost" + (f"?{query}" if query else "")
    options: dict[str, Any] = parse_url(own_url)  # type: ignore[no-untyped-call]
    for own in ("host", "port"):
        options.pop(own, None)
    return _Parts(scheme.startswith("rediss"), tuple(pairs), tuple(filter(None, path.split("/"))), options)


def _cluster(parts: _Parts, config: Mapping[str, Any], family: Family) -> Callable[[], Any]:
    if parts.path not in ((), ("0",)):
        raise InvalidValue(f"a cluster has database 0 alone; got the path {_shown('/'.join(parts.path))}")
    settings = {**_defaults(), **({"ssl": True} if parts.secure else {}), **config, **parts.options}
    settings.pop("db", None)

    def make() -> Any:
        return family.cluster(startup_nodes=[family.node(*host) for host in parts.hosts], **settings)

    return make


def _sentinel(parts: _Parts, config: Mapping[str, Any], family: Family) -> Callable[[], Any]:
    if len(parts.path) not in (1, 2) or not all(map(str.isdecimal, parts.path[1:])):
        raise InvalidValue(
            "a redis+sentinel:// URL ends with the service's name and, if it is not 0, the database: "
            f"redis+sentinel://host:port,host:port/mymaster/0; got the path {_shown('/'.join(parts.path))}"
        )
    own = dict(config)
    tls = {key: value for key, value in {**own, **parts.options}.items() if key.startswith("ssl")}
    secure = {"ssl": True, **tls} if parts.secure else {}
    sentinel_settings = {"socket_timeout": 1.0, **secure, **own.pop("sentinel_kwargs", {})}
    settings = {**_defaults(), **({"ssl": True} if parts.secure else {}), **own, **parts.options}
    settings.setdefault("retry", family.retry(NoBackoff(), 0))
    if len(parts.path) == 2:
        settings["db"] = int(parts.path[1])

    def make() -> Any:
        sentinel = family.sentinel(list(parts.hosts), sentinel_kwargs=sentinel_settings)
        return sentinel.master_for(parts.path[0], **settings)

    return make
