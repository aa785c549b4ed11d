"""The façade: a pure plan, one call of the storage, a pure finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from .errors import InvalidType, show
from .handle import UNSET, Handle, Settings, closed, insert_value, stage_call
from .plugins import open_checked
from .reads import Pages, Query
from .stages import Call
from .storage import Capabilities, Read, Reply, Storage
from .writes import Written

__all__ = ["Timeseries", "storage_of"]


class Timeseries:
    """What happens over time, counted or kept in the database that you already run.

    Parameters
    ----------
    target
        A URL (``"memory://"``, ``"sqlite:///hits.sqlite"``, ``"redis://"``, …) or a live client of the backend's
        own driver.
    type
        ``"series"`` (values in order of arrival), ``"histogram"`` (how often each value came), ``"count"`` (a
        running total), ``"gauge"`` (the last value) or ``"set"`` (distinct values).
    intervals
        ``{name: {"step": …, "steps": …, "resolution": …}}``. ``step`` and ``resolution`` are whole seconds (an
        int, a string of digits, a timedelta), a short form such as ``"30d"`` or one of ``daily``, ``weekly``,
        ``monthly``, ``yearly``; ``steps`` is how many buckets are kept.
    read_func, write_func
        Applied to each value read, and to each value written.
    tz
        The IANA time zone of Gregorian steps.
    clock
        Returns now, in seconds since the epoch.
    client_config
        Keywords for the driver's constructor, with a URL.
    backend
        The distribution to use where two take the target.
    plugins
        Whether installed stage plugins take part.
    **options
        Options of the backend.

    Raises
    ------
    BackendNotFound
        If no installed backend takes the target.
    SchemaMismatch
        If the place was written with another step, resolution, zone or kind.
    InvalidType, InvalidValue
        For any other argument that is wrong.

    Examples
    --------
    >>> hits = Timeseries("memory://doc", type="count", intervals={"hour": {"step": 3600, "resolution": 60}})
    >>> hits.insert("home", timestamp=60)
    Written(stored=1, dropped=0)
    >>> hits.get("home", "hour", timestamp=0)
    {60: 1}
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
        settings = Settings.check(
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
        opened = open_checked(target, settings.config, backend)
        self._open_storage: Storage | None = opened.storage
        self._clock = settings.clock
        try:
            opened.storage.ready()
            self._handle = Handle.of(settings, opened)
            self._handle.check_layouts(opened.storage.layouts())
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        state = "" if self._open_storage is not None else " (closed)"
        return f"<Timeseries {self._handle}{state}>"

    @property
    def capabilities(self) -> Capabilities:
        """What this timeseries' backend can do."""
        return self._handle.capabilities

    @property
    def _storage(self) -> Storage:
        if self._open_storage is None:
            raise closed()
        return self._open_storage

    def insert(
        self, name: str, value: Any = UNSET, timestamp: Any = None, intervals: int = 0, **write_options: Any
    ) -> Written:
        """Write one value, or each of a list, tuple, set or frozenset.

        Parameters
        ----------
        name
            Where it belongs.
        value
            The value or values; for a count the increment, 1 by default.
        timestamp
            Seconds since the epoch or an aware datetime; None: now.
        intervals
            Copies the value also into so many interval buckets after its own (before it, if negative).
        **write_options
            As the backend documents.

        Returns
        -------
        Written
            How many (value, bucket) pairs were stored, and how many were dropped into dead buckets.
        """
        storage, handle = self._storage, self._handle
        value = insert_value(handle.settings.kind, value)
        batch, written = handle.writer.insert(name, value, timestamp, self._clock(), intervals, write_options)
        if batch.writes:
            if handle.recorded != handle.epoch or write_options:
                self._record(write_options)
            storage.write(batch)
        return written

    def bulk_insert(
        self, inserts: Mapping[Any, Mapping[str, Any]], intervals: int = 0, **write_options: Any
    ) -> Written:
        """Write ``{timestamp: {name: [values]}}``: like the same inserts one by one, in fewer writes.

        Parameters
        ----------
        inserts
            A timestamp of None means now.
        intervals, **write_options
            As for :meth:`insert`.

        Returns
        -------
        Written
            How many (value, bucket) pairs were stored, and how many were dropped into dead buckets.
        """
        storage, handle = self._storage, self._handle
        batch, written = handle.writer.bulk_insert(inserts, self._clock(), intervals, write_options)
        if batch.writes:
            if handle.recorded != handle.epoch or write_options:
                self._record(write_options)
            storage.write(batch)
        return written

    def get(
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
        """Return one interval bucket.

        Parameters
        ----------
        name
            A name, or several (list, tuple, set): their rows are joined.
        interval
            One of the configured intervals.
        timestamp
            Any time in the bucket; None: now.
        transform
            A name (``"mean"``, ``"p95"``, …), a callable, several of them, or a dict of them.
        fetch, process_row, condense, join_rows
            Stages to replace; ``condense=True`` merges the resolution buckets.

        Returns
        -------
        dict
            ``{interval start: row}``; with resolution ``{resolution start: row}``, where there is data.
        """
        storage, handle = self._storage, self._handle
        call = stage_call(transform, fetch, process_row, condense, join_rows, None, condensed)
        query = handle.reader.get(name, interval, timestamp, self._clock(), call)
        return query.answer(_reply(storage, query)).flat()

    def series(
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
        """Return a range of interval buckets, with an entry for each.

        Parameters
        ----------
        name, interval, transform, fetch, process_row, condense, join_rows
            As for :meth:`get`.
        start, end
            Any times in the first and last bucket; with one of them, ``steps`` buckets; with none, up to now.
        steps
            How many buckets; by default the interval's ``steps``, else 1.
        collapse
            True, or a callable, merges the whole range into one entry.

        Returns
        -------
        dict
            ``{interval start: row}``; with resolution ``{interval start: {resolution start: row}}``.
        """
        storage, handle = self._storage, self._handle
        call = stage_call(transform, fetch, process_row, condense, join_rows, collapse, condensed)
        query = handle.reader.series(name, interval, start, end, steps, self._clock(), call)
        return query.answer(_reply(storage, query)).by_interval()

    def iterate(
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
    ) -> Iterator[tuple[int, Any]]:
        """Yield ``(start, row)`` from the first to the last bucket with data, in constant memory.

        Without resolution, or with ``condense``, every interval bucket comes; with resolution those resolution
        buckets that have data. The clock is read at the first item. Parameters are those of :meth:`get`.
        """
        self._storage  # noqa: B018 - Closed comes before every other error
        call = stage_call(transform, fetch, process_row, condense, join_rows, None, condensed)
        return self._iterate(self._handle.reader.iterate(name, interval, call))

    def _iterate(self, begin: Callable[[float], Pages]) -> Iterator[tuple[int, Any]]:
        self._storage  # noqa: B018
        pages = begin(self._clock())
        answer: Any = None
        while True:
            try:
                wanted = pages.send(answer)
            except StopIteration:
                return
            if isinstance(wanted, Read):
                answer = self._storage.read(wanted)
            elif isinstance(wanted, list):
                answer = None
                for item in wanted:
                    self._storage  # noqa: B018 - it may have been closed meanwhile
                    yield item
            else:
                answer = self._storage.span(wanted.name, wanted.interval, wanted.at_least)

    def list(self) -> list[str]:
        """Return the names that have data, sorted."""
        storage = self._storage
        return sorted(storage.names(self._handle.reader.scope(self._clock())))

    def properties(self, name: str) -> dict[str, dict[str, int]]:
        """Return ``{interval: {"first": start, "last": start}}`` for the intervals in which a name has data."""
        storage, handle = self._storage, self._handle
        name, found = handle.reader.name(name), {}
        for interval, live in handle.reader.scope(self._clock()).items():
            span = storage.span(name, interval, live)
            if span is not None:
                found[interval] = handle.starts(interval, span)
        return found

    def delete(self, name: str) -> int:
        """Remove a name; return 1 if it had data, else 0."""
        storage, reader = self._storage, self._handle.reader
        return storage.delete([reader.name(name)], reader.scope(self._clock()))

    def delete_all(self) -> int:
        """Remove all names of this timeseries; return how many had data."""
        storage, handle = self._storage, self._handle
        handle.epoch += 1  # before and after: a write at the same moment may record what is forgotten now
        try:
            return storage.delete_all(handle.reader.scope(self._clock()))
        finally:
            handle.epoch += 1

    def expire(self, name: str | None = None) -> None:
        """Remove the dead buckets of a name, or of all names, where the backend's expiry is manual.

        Raises
        ------
        Unsupported
            Where expiry is native.
        """
        storage, handle = self._storage, self._handle
        handle.check_expire()
        names = None if name is None else [handle.reader.name(name)]
        storage.expire(handle.reader.expired(self._clock()), names)

    def plan(
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
        self._storage  # noqa: B018
        return self._handle.providers(interval, Call(None, fetch, process_row, condense, join_rows, collapse))

    def close(self) -> None:
        """Release what the URL opened; a client that you passed stays yours. Closing twice is fine."""
        storage, self._open_storage = self._open_storage, None
        if storage is not None:
            storage.close()

    def __enter__(self) -> Self:
        self._storage  # noqa: B018
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _record(self, write_options: Mapping[str, Any]) -> None:
        """Record the layouts before this handle's first write, and compare with what is there."""
        storage, handle = self._storage, self._handle
        epoch = handle.epoch
        if handle.recorded != epoch:
            handle.check_layouts(storage.layouts())  # a handle that is refused records nothing
        handle.check_layouts(storage.record_layouts(handle.layouts, write_options))
        if not write_options:  # a deferred write may never be carried out, nor its record
            handle.recorded = epoch


def storage_of(timeseries: Timeseries, *, record: bool = False) -> Storage:
    """Return the storage of an open timeseries, for a tool of its backend (one that imports old data, say).

    The storage is the backend's own object: check its type before using it.

    Parameters
    ----------
    timeseries
        An open timeseries.
    record
        Whether to record the layouts in the place first, as the first write does: for a tool that writes.

    Returns
    -------
    Storage
        What the backend opened.

    Raises
    ------
    Closed
        If the timeseries is closed.
    SchemaMismatch
        If ``record``, and the place was written with another layout since it was opened.

    Examples
    --------
    >>> with Timeseries("memory://tool", type="count", intervals={"hour": {"step": 3600}}) as hits:
    ...     type(storage_of(hits)).__name__
    'MemoryStorage'
    """
    if not isinstance(timeseries, Timeseries):
        raise InvalidType(
            f"storage_of() takes a Timeseries; got {show(timeseries)} ({type(timeseries).__name__})"
        )
    if record:
        timeseries._record({})
    return timeseries._storage


def _reply(storage: Storage, query: Query) -> Reply:
    return Reply({}) if query.request is None else storage.read(query.request)
