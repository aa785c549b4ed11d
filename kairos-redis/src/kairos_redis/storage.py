"""The storage: kairos' contract on the keys of one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from redis.client import Pipeline
from redis.cluster import ClusterPipeline, RedisCluster

from kairos.sansio import ProtocolStorage
from kairos.storage import KINDS as ALL_KINDS
from kairos.storage import Capabilities, Values

from .cluster import ClusterLink
from .fetching import Fetch, fetched
from .keys import Place
from .links import Link, ServerLink
from .protocol import Protocol
from .requests import Request, Stream, Wait

__all__ = ["CAPABILITIES", "RedisStorage"]

CAPABILITIES = Capabilities(
    kinds=ALL_KINDS,
    values=Values(types=frozenset({int, float, str}), text=True, int_range=None, max_bytes=1 << 23),
    max_name_bytes=1 << 16,
    expiry=dict.fromkeys(sorted(ALL_KINDS), "native"),
    float_counts=True,
    checked_totals=True,
    atomic_batch=False,  # one call of a script is atomic, but a large batch takes several
    shared=True,
    custom_fetch=True,
    write_options=frozenset({"pipeline"}),
    folds=frozenset(),
    transforms=frozenset(),
)


class RedisStorage(ProtocolStorage):
    """One timeseries in Redis.

    Parameters
    ----------
    place
        Its keys.
    make
        What makes the client, or gives the caller's.
    owned
        Whether the client is ours to close.
    wait
        What every write waits for.
    """

    capabilities = CAPABILITIES

    def __init__(
        self, place: Place, make: Callable[[], redis.Redis | RedisCluster], owned: bool, wait: Wait | None
    ) -> None:
        self.place = place
        self._make, self._owned, self._wait = make, owned, wait
        self._link: Link | None = None

    @property
    def link(self) -> Link:
        """What carries commands; only after :meth:`ready`."""
        assert self._link is not None
        return self._link

    def ready(self) -> None:
        """Connect, and refuse a place where one of our intervals holds another kind."""
        if self._link is None:
            client = self._make()
            kind = ClusterLink if isinstance(client, RedisCluster) else ServerLink
            self._link = kind(client, self._owned, self._wait)  # type: ignore[arg-type]
            self.protocol = Protocol(self.place, self._link.spread, (Pipeline, ClusterPipeline))
        super().ready()

    def send(self, request: Request | Stream | Fetch) -> list[Any]:
        """Send a request, or let the caller's fetch queue what it wants."""
        if isinstance(request, Fetch):
            return fetched(self.link.pipeline(), request)
        return self.link.send(request)

    def close(self) -> None:
        """Release what a URL has opened."""
        if self._link is not None:
            self._link.close()
