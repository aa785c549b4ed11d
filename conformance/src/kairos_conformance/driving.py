"""The asyncio side, driven by sync laws: no law is written twice.

Each call of a law becomes a coroutine on one event loop. Where a law calls from several threads, their coroutines
overlap on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from threading import Lock, Thread, get_ident
from typing import Any

import kairos
from kairos.intervals import parse_intervals, parse_zone
from kairos.plugins import make_config, open_checked

__all__ = ["Driven", "DrivenStorage", "Loop"]

LONGEST = 600
"""Seconds after which a call counts as hanging."""


class Loop:
    """An event loop. It runs in the thread that calls, or, once another thread calls, in one of its own.

    The second is what it is for: there the coroutines of several threads overlap. The first saves two thread
    switches a call.
    """

    def __init__(self) -> None:
        self._owner = get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._lock = Lock()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop, and return what it gives."""
        with self._lock:
            loop = self._loop = self._loop or asyncio.new_event_loop()
            if self._thread is None and get_ident() != self._owner:
                self._thread = Thread(target=loop.run_forever, name="kairos-conformance", daemon=True)
                self._thread.start()
        if self._thread is None:
            return loop.run_until_complete(coroutine)
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(LONGEST)

    def rest(self) -> None:
        """Leave the thread, when all calls are done."""
        loop, thread, self._thread = self._loop, self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(LONGEST)

    def close(self) -> None:
        """Close the loop."""
        self.rest()
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()


class _Methods:
    """The methods of an asynchronous object as ordinary calls."""

    _loop: Loop
    _own: Any

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        if not callable(found):
            return found
        return lambda *args, **keywords: self._loop.run(found(*args, **keywords))


class Driven(_Methods):
    """An :class:`kairos.AsyncTimeseries` with the calls of a :class:`kairos.Timeseries`."""

    def __init__(self, loop: Loop, target: Any, **keywords: Any) -> None:
        self._loop = loop
        self._own = kairos.AsyncTimeseries(target, **keywords)
        loop.run(self._own.open())

    def iterate(self, *args: Any, **keywords: Any) -> Iterator[tuple[int, Any]]:
        """Walk over an async generator, many items at a time."""
        return self._walk(self._own.iterate(*args, **keywords))

    def _walk(self, items: Any) -> Iterator[tuple[int, Any]]:
        wanted, more = 64, True
        try:
            while more:
                found, error = self._loop.run(_take(items, wanted))
                more = len(found) == wanted
                wanted = 1_024
                yield from found
                if error is not None:
                    raise error
        finally:
            if more:
                self._loop.run(items.aclose())


async def _take(items: Any, wanted: int) -> tuple[list[Any], Exception | None]:
    """Return up to so many items, and the error that came after them."""
    found: list[Any] = []
    try:
        while len(found) < wanted:
            found.append(await anext(items))
    except StopAsyncIteration:
        pass
    except Exception as error:
        return found, error
    return found, None


class DrivenStorage(_Methods):
    """A ready :class:`kairos.storage.AsyncStorage` with the calls of a :class:`kairos.storage.Storage`."""

    def __init__(
        self,
        loop: Loop,
        target: Any,
        *,
        kind: str,
        intervals: Any,
        options: dict[str, Any],
        client_config: Any = None,
        backend: str | None = None,
    ) -> None:
        config = make_config(
            target, kind, parse_intervals(intervals, parse_zone("UTC")), client_config, backend, options
        )
        self._loop = loop
        self._own = loop.run(_opened(lambda: open_checked(target, config, backend, asynchronous=True)))


async def _opened(opening: Callable[[], Any]) -> Any:
    """Open a storage on the loop: drivers look for the running one."""
    storage = opening().storage
    await storage.ready()
    return storage
