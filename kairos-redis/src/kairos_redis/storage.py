"""The storage: kairos' contract on the keys of one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import redis
from redis.cluster import RedisCluster

from kairos.sansio import run
from kairos.storage import KINDS as ALL_KINDS
from kairos.storage import Batch, Capabilities, Read, Reply, Scope, Storage, Values

from .catalog import Catalog
from .cluster import ClusterLink
from .deferred import Deferred
from .fetching import fetch_rows
from .keys import Place
from .kinds import KINDS
from .layouts import Layouts
from .links import Link, ServerLink, Wait
from .reading import Reader
from .writing import Writer

__all__ = ["RedisStorage"]

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
        self._layouts = Layouts(place)
        self._writer: Writer
        self._reader: Reader
        self._catalog: Catalog
        self._deferred: Deferred

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
            codec, spread = KINDS[self.place.kind], self._link.spread
            self._writer = Writer(self.place, codec, self._layouts, spread)
            self._reader = Reader(self.place, codec, spread)
            self._catalog = Catalog(self.place, spread)
            self._deferred = Deferred(self._layouts, self._writer, time.monotonic)
        run(self._layouts.read(), self.link.send)

    def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts of our kind."""
        found = self._deferred.known()
        if found is None:
            found = run(self._layouts.read(), self.link.send)
        self._layouts.expect(found)
        return found

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        if options:
            return self._deferred.record(layouts, options)
        return run(self._layouts.record(layouts), self.link.send)

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        self._deferred.forget()
        run(self._layouts.forget(intervals), self.link.send)

    def write(self, batch: Batch) -> None:
        """Store a batch, or queue it on the caller's pipeline."""
        if batch.options:
            self._deferred.write(batch)
        else:
            run(self._writer.write(batch), self.link.send)

    def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        if request.fetch is not None:
            return Reply(fetch_rows(self._reader, self.link, request))
        return Reply(run(self._reader.read(request), self.link.send))

    def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return run(self._catalog.names(scope), self.link.send)

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        found: tuple[int, int] | None = run(self._catalog.span(name, interval, at_least), self.link.send)
        return found

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        count: int = run(self._catalog.delete(names, scope), self.link.send)
        return count

    def delete_all(self, scope: Scope) -> int:
        """Remove all names."""
        run(self._layouts.read(), self.link.send)  # what another kind has taken since is not ours to remove
        count: int = run(self._catalog.delete_all(scope), self.link.send)
        self._deferred.forget()
        run(self._layouts.forget(tuple(scope), unless_written=True), self.link.send)
        return count

    def close(self) -> None:
        """Release what a URL has opened."""
        if self._link is not None:
            self._link.close()
