"""The asyncio façade: the same pure plan and finish as :mod:`kairos.timeseries`, around awaited I/O."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

from .errors import Closed
from .handle import UNSET, Handle, Settings, closed, insert_value, stage_call
from .plugins import open_checked
from .reads import Pages, Query
from .sansio import arun
from .stages import Call
from .storage import AsyncStorage, Capabilities, Read, Reply
from .writes import Written

__all__ = ["AsyncTimeseries"]

MANY = 500
"""With more buckets than that, reading them and making the answer are two turns of the loop."""


class AsyncTimeseries:
    """:class:`~kairos.Timeseries` for asyncio: the same arguments, and methods that are coroutines.

    It opens at the first ``await``, with ``await ts.open()`` or with ``async with``. Errors of the
    configuration come from the constructor, those of the target at opening.

    Examples
    --------
    >>> import asyncio
    >>> async def main():
    ...     async with AsyncTimeseries("memory://adoc", type="count", intervals={"hour": {"step": 3600}}) as hits:
    ...         await hits.insert("home", timestamp=60)
    ...         return await hits.get("home", "hour", timestamp=0)
    >>> asyncio.run(main())
    {0: 1}
    """

    def __init__(
        self,
        target: Any,
        *,
        type: str = "series",
        intervals: Mapping[str, Mapping[str, Any]],
        read_func: Callable[[Any], Any] | None = None,
        write_func: Callable[[Any], Any] | None = None,
        tz: Any = "UTC",
        clock: Callable[[], float] = time.time,
        client_config: Mapping[str, Any] | None = None,
        backend: str | None = None,
        plugins: bool = True,
        **options: Any,
    ) -> None:
        self._settings = Settings.check(
            target,
            type,
            intervals,
            read_func,
            write_func,
            tz,
            clock,
            client_config,
            backend,
            plugins,
            options,
        )
        self._clock = self._settings.clock
        self._opened: tuple[AsyncStorage, Handle] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def open(self) -> Self:
        """Connect and make the storage ready; opening twice is fine."""
        await self._open()
        return self

    async def _open(self) -> tuple[AsyncStorage, Handle]:
        if self._closed:
            raise closed()
        if self._opened is None:
            async with self._opening:
                if self._opened is None and not self._closed:
                    opened = await self._connect()
                    if self._closed:  # while it was opening
                        await opened[0].close()
                    else:
                        self._opened = opened
        if self._opened is None:
            raise closed()
        return self._opened

    async def _connect(self) -> tuple[AsyncStorage, Handle]:
        settings = self._settings
        opened = open_checked(settings.target, settings.config, settings.backend, asynchronous=True)
        storage: AsyncStorage = opened.storage
        try:
            await storage.ready()
            handle = Handle.of(settings, opened)
            handle.check_layouts(await storage.layouts())
        except BaseException:
            await storage.close()
            raise
        return storage, handle

    def __repr__(self) -> str:
        state = " (closed)" if self._closed else "" if self._opened else " (not open yet)"
        return f"<AsyncTimeseries {self._settings}{state}>"

    @property
    def capabilities(self) -> Capabilities:
        """What this timeseries' backend can do; it must be open."""
        if self._opened is None:
            raise (
                closed() if self._closed else Closed("this timeseries is not open yet: await ts.open() first")
            )
        return self._opened[1].capabilities

    async def insert(
        self, name: str, value: Any = UNSET, timestamp: Any = None, intervals: int = 0, **write_options: Any
    ) -> Written:
        """Write one value, or each of a list, tuple, set or frozenset; see :meth:`kairos.Timeseries.insert`."""
        storage, handle = await self._open()
        value = insert_value(handle.settings.kind, value)
        batch, written = handle.writer.insert(name, value, timestamp, self._clock(), intervals, write_options)
        if batch.writes:
            if handle.recorded != handle.epoch or write_options:
                await self._record(storage, handle, write_options)
            await storage.write(batch)
        return written

    async def bulk_insert(
        self, inserts: Mapping[Any, Mapping[str, Any]], intervals: int = 0, **write_options: Any
    ) -> Written:
        """Write ``{timestamp: {name: [values]}}``: like the same inserts one by one, in fewer writes; see
        :meth:`kairos.Timeseries.bulk_insert`.
        """
        storage, handle = await self._open()
        steps = handle.writer.bulk_steps(inserts, self._clock(), intervals, write_options)
        batch, written = await arun(steps, _rest)
        if batch.writes:
            if handle.recorded != handle.epoch or write_options:
                await self._record(storage, handle, write_options)
            await storage.write(batch)
        return written

    async def get(
        self,
        name: Any,
        interval: str,
        *,
        timestamp: Any = None,
        transform: Any = None,
        fetch: Any = None,
        process_row: Any = None,
        condense: Any = None,
        join_rows: Any = None,
        condensed: Any = UNSET,
    ) -> dict[int, Any]:
        """Return one interval bucket; see :meth:`kairos.Timeseries.get`."""
        storage, handle = await self._open()
        call = stage_call(transform, fetch, process_row, condense, join_rows, None, condensed)
        query = handle.reader.get(name, interval, timestamp, self._clock(), call)
        return query.answer(await _reply(storage, query)).flat()

    async def series(
        self,
        name: Any,
        interval: str,
        *,
        start: Any = None,
        end: Any = None,
        steps: int | None = None,
        transform: Any = None,
        fetch: Any = None,
        process_row: Any = None,
        condense: Any = None,
        join_rows: Any = None,
        collapse: Any = None,
        condensed: Any = UNSET,
    ) -> dict[int, Any]:
        """Return a range of interval buckets, with an entry for each; see :meth:`kairos.Timeseries.series`."""
        storage, handle = await self._open()
        call = stage_call(transform, fetch, process_row, condense, join_rows, collapse, condensed)
        query = handle.reader.series(name, interval, start, end, steps, self._clock(), call)
        return query.answer(await _reply(storage, query)).by_interval()

    async def iterate(
        self,
        name: Any,
        interval: str,
        *,
        transform: Any = None,
        fetch: Any = None,
        process_row: Any = None,
        condense: Any = None,
        join_rows: Any = None,
        condensed: Any = UNSET,
    ) -> AsyncIterator[tuple[int, Any]]:
        """Yield ``(start, row)`` from the first to the last bucket with data, in constant memory; see
        :meth:`kairos.Timeseries.iterate`.
        """
        _, handle = await self._open()
        call = stage_call(transform, fetch, process_row, condense, join_rows, None, condensed)
        pages: Pages = handle.reader.iterate(name, interval, call)(self._clock())
        answer: Any = None
        while True:
            try:
                wanted = pages.send(answer)
            except StopIteration:
                return
            storage, _ = await self._open()
            if isinstance(wanted, Read):
                answer = await storage.read(wanted)
            elif isinstance(wanted, list):
                answer = None
                for item in wanted:
                    if self._closed:
                        raise closed()
                    yield item
            else:
                answer = await storage.span(wanted.name, wanted.interval, wanted.at_least)

    async def list(self) -> list[str]:
        """Return the names that have data, sorted."""
        storage, handle = await self._open()
        return sorted(await storage.names(handle.reader.scope(self._clock())))

    async def properties(self, name: str) -> dict[str, dict[str, int]]:
        """Return ``{interval: {"first": start, "last": start}}`` for the intervals in which a name has data."""
        storage, handle = await self._open()
        name, found = handle.reader.name(name), {}
        for interval, live in handle.reader.scope(self._clock()).items():
            span = await storage.span(name, interval, live)
            if span is not None:
                found[interval] = handle.starts(interval, span)
        return found

    async def delete(self, name: str) -> int:
        """Remove a name; return 1 if it had data, else 0."""
        storage, handle = await self._open()
        return await storage.delete([handle.reader.name(name)], handle.reader.scope(self._clock()))

    async def delete_all(self) -> int:
        """Remove all names of this timeseries; return how many had data."""
        storage, handle = await self._open()
        handle.epoch += 1  # before and after: a write at the same moment may record what is forgotten now
        try:
            return await storage.delete_all(handle.reader.scope(self._clock()))
        finally:
            handle.epoch += 1

    async def expire(self, name: str | None = None) -> None:
        """Remove the dead buckets of a name, or of all names, where the backend's expiry is manual; see
        :meth:`kairos.Timeseries.expire`.
        """
        storage, handle = await self._open()
        handle.check_expire()
        names = None if name is None else [handle.reader.name(name)]
        await storage.expire(handle.reader.expired(self._clock()), names)

    async def plan(
        self,
        interval: str,
        *,
        fetch: Any = None,
        process_row: Any = None,
        condense: Any = None,
        join_rows: Any = None,
        collapse: Any = None,
    ) -> dict[str, Any]:
        """Return who provides each stage of a read of ``interval``: the call, a plugin, the kind or the backend."""
        _, handle = await self._open()
        return handle.providers(interval, Call(None, fetch, process_row, condense, join_rows, collapse))

    async def close(self) -> None:
        """Release what the URL opened; a client that you passed stays yours. Closing twice is fine."""
        self._closed = True
        async with self._opening:  # what is opening just now closes itself
            opened, self._opened = self._opened, None
        if opened is not None:
            await opened[0].close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _record(self, storage: AsyncStorage, handle: Handle, write_options: Mapping[str, Any]) -> None:
        """Record the layouts before this handle's first write, and compare with what is there."""
        epoch = handle.epoch
        if handle.recorded != epoch:
            handle.check_layouts(await storage.layouts())  # a handle that is refused records nothing
        handle.check_layouts(await storage.record_layouts(handle.layouts, write_options))
        if not write_options:  # a deferred write may never be carried out, nor its record
            handle.recorded = epoch


async def _reply(storage: AsyncStorage, query: Query) -> Reply:
    if query.request is None:
        return Reply({})
    reply = await storage.read(query.request)
    if any(len(buckets) > MANY for buckets in reply.data.values()):
        await asyncio.sleep(0)  # others run before the answer is made of them
    return reply


async def _rest(_: None) -> None:
    """Let the loop run between two steps."""
    await asyncio.sleep(0)
