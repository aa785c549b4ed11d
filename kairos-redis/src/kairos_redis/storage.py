"""The storage: kairos' contract on the keys of one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import redis
from redis.client import Pipeline
from redis.cluster import ClusterPipeline, RedisCluster

from kairos.sansio import run
from kairos.storage import KINDS as ALL_KINDS
from kairos.storage import Batch, Capabilities, Read, Reply, Scope, Storage, Values

from .cluster import ClusterLink
from .fetching import Fetch, fetched
from .keys import Place
from .links import Link, ServerLink
from .protocol import Protocol, Steps
from .requests import Request, Stream, Wait

__all__ = ["CAPABILITIES", "RedisStorage"]

Result = TypeVar("Result")

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


class RedisStorage(Storage):
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
        self._send: Callable[[Request | Stream], list[Any]]
        self._protocol: Protocol

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
            self._send = self._link.send
            self._protocol = Protocol(self.place, self._link.spread, (Pipeline, ClusterPipeline))
        self._run(self._protocol.ready())

    def _run(self, protocol: Steps[Result]) -> Result:
        return run(protocol, self._send)  # type: ignore[arg-type]  # a Fetch comes of `read` alone

    def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts of our kind."""
        return self._run(self._protocol.layouts())

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return self._run(self._protocol.record_layouts(layouts, options))

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        self._run(self._protocol.forget_layouts(intervals))

    def write(self, batch: Batch) -> None:
        """Store a batch, or queue it on the caller's pipeline."""
        if batch.options:
            self._protocol.queue(batch)
        else:
            self._run(self._protocol.write(batch))

    def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        send = self._send if request.fetch is None else self._send_or_fetch
        return Reply(run(self._protocol.read(request), send))  # type: ignore[arg-type]

    def _send_or_fetch(self, step: Request | Fetch) -> list[Any]:
        return fetched(self.link.pipeline(), step) if isinstance(step, Fetch) else self._send(step)

    def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return self._run(self._protocol.names(scope))

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return self._run(self._protocol.span(name, interval, at_least))

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        return self._run(self._protocol.delete(names, scope))

    def delete_all(self, scope: Scope) -> int:
        """Remove all names."""
        return self._run(self._protocol.delete_all(scope))

    def close(self) -> None:
        """Release what a URL has opened."""
        if self._link is not None:
            self._link.close()
