"""The protocol: kairos' contract as requests to be sent and what their replies mean. No I/O.

Each method is a generator that yields one request a round trip and is sent the replies (:mod:`kairos.sansio`), so that
redis-py's client that waits and the one of asyncio share all of this.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from kairos.sansio import StorageProtocol
from kairos.storage import Batch, Read, Reply, Scope

from .catalog import Catalog
from .deferred import Deferred
from .fetching import Fetch, fetch_rows
from .keys import Place
from .kinds import KINDS
from .layouts import Layouts
from .reading import Reader
from .requests import Request, Stream
from .writing import Writer

__all__ = ["Protocol", "Steps"]

Result = TypeVar("Result")
Steps = Generator[Request | Stream | Fetch, list[Any], Result]


class Protocol(StorageProtocol):
    """The protocol of one timeseries.

    Parameters
    ----------
    place
        Its keys.
    spread
        Whether they lie on several nodes.
    pipelines
        The pipelines of redis-py that the write option takes.
    """

    def __init__(self, place: Place, spread: bool, pipelines: tuple[type, ...]) -> None:
        if spread:
            place.check_together()
        codec = KINDS[place.kind]
        self._layouts = Layouts(place)
        self._reader = Reader(place, codec, spread)
        self._catalog = Catalog(place, spread)
        self._writer = Writer(place, codec, self._layouts, spread)
        self._deferred = Deferred(self._layouts, self._writer, time.monotonic, pipelines)

    def ready(self) -> Steps[None]:
        """Refuse a place where one of our intervals holds another kind."""
        yield from self._layouts.read()

    def layouts(self) -> Steps[Mapping[str, str]]:
        """Return the recorded layouts of our kind."""
        found = self._deferred.known()
        if found is None:
            found = yield from self._layouts.read()
        self._layouts.expect(found)
        return found

    def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Steps[Mapping[str, str]]:
        """Record layouts that are not there yet."""
        if options:
            return self._deferred.record(layouts, options)
        recorded: Mapping[str, str] = yield from self._layouts.record(layouts)
        return recorded

    def forget_layouts(self, intervals: Sequence[str]) -> Steps[None]:
        """Remove recorded layouts."""
        self._deferred.forget()
        yield from self._layouts.forget(intervals)

    def write(self, batch: Batch) -> Steps[None]:
        """Store a batch, or queue it on the caller's pipeline."""
        return self._queue(batch) if batch.options else self._writer.write(batch)

    def _queue(self, batch: Batch) -> Steps[None]:
        self._deferred.write(batch)
        yield from ()

    def read(self, request: Read) -> Steps[Reply]:
        """Return the rows of a range."""
        reader = self._reader
        return Reply(
            (yield from reader.read(request) if request.fetch is None else fetch_rows(reader, request))
        )

    def names(self, scope: Scope) -> Steps[Iterable[str]]:
        """Return the names with data."""
        return self._catalog.names(scope)

    def span(self, name: str, interval: str, at_least: int | None) -> Steps[tuple[int, int] | None]:
        """Return the first and last bucket with data."""
        return self._catalog.span(name, interval, at_least)

    def delete(self, names: Sequence[str], scope: Scope) -> Steps[int]:
        """Remove names."""
        return self._catalog.delete(names, scope)

    def delete_all(self, scope: Scope) -> Steps[int]:
        """Remove all names."""
        yield from self._layouts.read()  # what another kind has taken since is not ours to remove
        count: int = yield from self._catalog.delete_all(scope)
        self._deferred.forget()
        yield from self._layouts.forget(tuple(scope), unless_written=True)
        return count
