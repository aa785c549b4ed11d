"""The reference backend: a store in this process's memory.

``memory://`` and ``memory://NAME`` are places that last as long as the process; a :class:`Store` is one of its
own, passed as the target. Nothing is shared between processes. Dead buckets are removed in the course of writes.

A custom ``fetch`` is called ``fetch(store, kind, name, interval, i_start, i_end)`` and returns
``{i: {r or None: row}}``; :meth:`Store.buckets` gives the native answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import RLock
from typing import Any

from attrs import Factory, define, field

from .errors import InvalidValue
from .hookspecs import hookimpl
from .kinds import KIND_BY_NAME, whole
from .storage import (
    KINDS,
    AsyncStorage,
    Batch,
    Buckets,
    Capabilities,
    Config,
    Read,
    Reply,
    Scope,
    Storage,
    Values,
    Write,
)
from .transforms import named

__all__ = ["AsyncMemoryStorage", "MemoryStorage", "Store"]

_TRANSFORMS = frozenset({"sum", "count", "min", "max", "mean"})
_SWEEP = 1_024

CAPABILITIES = Capabilities(
    kinds=KINDS,
    values=Values(
        types=frozenset({int, float, str, bytes, bool}), text=False, int_range=None, max_bytes=None
    ),
    max_name_bytes=1 << 20,
    expiry=dict.fromkeys(sorted(KINDS), "native"),
    float_counts=True,
    checked_totals=True,
    atomic_batch=True,
    shared=False,
    custom_fetch=True,
    write_options=frozenset(),
    folds=frozenset({"resolution", "name", "interval"}),
    transforms=_TRANSFORMS,
)


@define(eq=False)
class _Place:
    """The rows of one kind: interval -> name -> i -> r -> row."""

    rows: dict[str, dict[str, Buckets]] = Factory(dict)
    deadlines: dict[str, dict[str, dict[int, float]]] = Factory(dict)  # interval -> name -> i; none: for ever
    layouts: dict[str, str] = Factory(dict)
    fractions: bool = False  # whether totals may be floats
    created: int = 0  # since the last sweep
    kept: int = 0  # after the last sweep


@define(eq=False)
class Store:
    """A place in memory, to be passed as the target of any number of timeseries.

    Examples
    --------
    >>> from kairos import Timeseries
    >>> store = Store()
    >>> hits = Timeseries(store, type="count", intervals={"minute": {"step": 60}})
    >>> hits.insert("home", timestamp=0)
    Written(stored=1, dropped=0)
    """

    _places: dict[str, _Place] = field(init=False, default=Factory(dict))
    _lock: RLock = field(init=False, default=Factory(RLock))

    def buckets(self, kind: str, name: str, interval: str, i_start: int, i_end: int) -> Buckets:
        """Return copies of the rows of a range, both ends included."""
        with self._lock:
            place = self._places.get(kind) or _Place()
            own = place.rows.get(interval, {}).get(name, {})
            span = range(i_start, i_end + 1)
            wanted = span if len(own) > i_end - i_start else filter(span.__contains__, own)
            find = own.get
            if kind == "gauge" or (kind == "count" and not place.fractions):
                if None in next(
                    iter(own.values()), ()
                ):  # never changed, but replaced: see MemoryStorage.write
                    return {i: cells for i in wanted if (cells := find(i)) is not None}
                return {i: cells.copy() for i in wanted if (cells := find(i)) is not None}
            copy = whole if kind == "count" else type(KIND_BY_NAME[kind].empty()).copy
            return {
                i: {r: copy(row) for r, row in cells.items()}
                for i in wanted
                if (cells := find(i)) is not None
            }


class MemoryStorage(Storage):
    """:class:`~kairos.storage.Storage` over a :class:`Store`; each method holds its lock."""

    capabilities = CAPABILITIES

    def __init__(self, store: Store, kind: str) -> None:
        self.store, self.kind = store, kind
        with store._lock:
            self.place = store._places.setdefault(kind, _Place())

    def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        with self.store._lock:
            return dict(self.place.layouts)

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        with self.store._lock:
            return {
                interval: self.place.layouts.setdefault(interval, text) for interval, text in layouts.items()
            }

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        with self.store._lock:
            for interval in intervals:
                self.place.layouts.pop(interval, None)

    def write(self, batch: Batch) -> None:
        """Store a batch, whole or not at all."""
        place, rules = self.place, KIND_BY_NAME[self.kind]
        add, counts = rules.add, self.kind == "count"
        with self.store._lock:
            changes: list[tuple[Buckets, int, int | None, Any]] = []
            created: list[tuple[Buckets, Write, str]] = []
            try:
                for write in batch.writes:
                    names, i, r = place.rows.setdefault(write.interval, {}), write.i, write.r
                    deadlines = place.deadlines.get(write.interval)
                    for name, payload in write.rows.items():
                        own = names.get(name)
                        if own is None:
                            own = names[name] = {}
                        cells = own.get(i)
                        if cells is None:
                            cells = own[i] = {}
                            created.append((own, write, name))
                        elif deadlines is not None:
                            _extend_deadline(deadlines.get(name), i, write.deadline)
                        row = cells.get(r)
                        total = add(row, payload)
                        if rules.collects:
                            cells[r] = total
                        else:  # counts can be refused: none is changed before all are known
                            if counts:
                                rules.check(row, payload, total)
                            changes.append((own, i, r, total))
            except InvalidValue:
                for own, write, _ in created:
                    del own[write.i]
                raise
            for own, i, r, total in changes:
                if r is None:
                    own[i] = {None: total}  # replaced, so that readers may keep what they have got
                else:
                    own[i][r] = total
                place.fractions |= counts and type(total) is float
            for _, write, name in created:
                if write.deadline is not None:
                    place.deadlines.setdefault(write.interval, {}).setdefault(name, {})[write.i] = (
                        write.deadline
                    )
            place.created += len(created)
            if place.created > place.kept + _SWEEP:
                self._sweep(batch.now)

    def _sweep(self, now: float) -> None:
        """Remove dead buckets. Each sweep costs what there is, and as much has been written since the last."""
        place = self.place
        for interval, names in place.deadlines.items():
            for name, deadlines in names.items():
                own = place.rows[interval].get(name, {})
                for i in [i for i, deadline in deadlines.items() if deadline <= now]:
                    own.pop(i, None)
                    del deadlines[i]
            place.deadlines[interval] = {name: deadlines for name, deadlines in names.items() if deadlines}
        for interval, by_name in place.rows.items():
            place.rows[interval] = {name: own for name, own in by_name.items() if own}
        place.created = 0
        place.kept = sum(len(own) for by_name in place.rows.values() for own in by_name.values())

    def read(self, request: Read) -> Reply:
        """Return copies of the rows of a range, or fold them."""
        kind, interval, first, last = self.kind, request.interval, request.first, request.last
        if request.fetch is not None:
            fetch = request.fetch
            return Reply({n: fetch(self.store, kind, n, interval, first, last) for n in request.names})
        with self.store._lock:  # one moment for all names
            data = {name: self.store.buckets(kind, name, interval, first, last) for name in request.names}
        if request.fold:
            data = _fold(kind, request, data)
        if request.transforms:
            data = {name: _transform(kind, request.transforms, buckets) for name, buckets in data.items()}
        return Reply(data, folded=bool(request.fold), transformed=bool(request.transforms))

    def names(self, scope: Scope) -> list[str]:
        """Return the names with data."""
        with self.store._lock:
            intervals = {interval: self.place.rows.get(interval, {}) for interval in scope}
            found = [
                n
                for interval, names in intervals.items()
                for n, own in names.items()
                if _has(own, scope[interval])
            ]
            return list(dict.fromkeys(found))

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        with self.store._lock:
            own = self.place.rows.get(interval, {}).get(name, {})
            last = max(own, default=None)
            if last is None or (at_least is not None and last < at_least):
                return None
            return min(own) if at_least is None else min(i for i in own if i >= at_least), last

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        with self.store._lock:
            live = 0
            for name in names:
                found = [(self.place.rows.get(i, {}).pop(name, {}), first) for i, first in scope.items()]
                for interval in scope:
                    self.place.deadlines.get(interval, {}).pop(name, None)
                live += any(_has(own, first) for own, first in found)
            return live

    def delete_all(self, scope: Scope) -> int:
        """Remove all names at once."""
        with self.store._lock:
            count = self.delete(self.names(dict.fromkeys(scope)), scope)
            self.forget_layouts(tuple(scope))
            return count


class AsyncMemoryStorage(AsyncStorage):
    """:class:`~kairos.storage.AsyncStorage` over a :class:`Store`; nothing in it waits."""

    capabilities = CAPABILITIES

    def __init__(self, store: Store, kind: str) -> None:
        self._sync = MemoryStorage(store, kind)

    async def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        return self._sync.layouts()

    async def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return self._sync.record_layouts(layouts, options)

    async def write(self, batch: Batch) -> None:
        """Store a batch."""
        self._sync.write(batch)

    async def read(self, request: Read) -> Reply:
        """Return copies of the rows of a range."""
        return self._sync.read(request)

    async def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return self._sync.names(scope)

    async def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return self._sync.span(name, interval, at_least)

    async def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        return self._sync.delete(names, scope)

    async def delete_all(self, scope: Scope) -> int:
        """Remove all names at once."""
        return self._sync.delete_all(scope)

    async def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        self._sync.forget_layouts(intervals)


def _extend_deadline(deadlines: dict[int, float] | None, i: int, deadline: int | None) -> None:
    """Let a bucket live on: a place may be written with several ``steps``, and the longest counts."""
    if deadlines is not None and i in deadlines:
        if deadline is None:
            del deadlines[i]
        elif deadline > deadlines[i]:
            deadlines[i] = deadline


def _has(own: Buckets, first: int | None) -> bool:
    """Return whether there is data at or after a bucket."""
    return bool(own) if first is None else any(i >= first for i in own)


def _fold(kind: str, request: Read, data: Mapping[str, Buckets]) -> dict[str, Buckets]:
    """Merge rows over the axes wanted: by time, then by name."""
    merged: dict[str, dict[int, dict[int | None, list[Any]]]] = {}
    over = request.fold
    cells = [(i, r, name) for name, buckets in data.items() for i, own in buckets.items() for r in own]
    order = {name: position for position, name in enumerate(request.names)}
    for i, r, name in sorted(cells, key=lambda cell: (cell[0], cell[1] or 0, order[cell[2]])):
        target = merged.setdefault("" if "name" in over else name, {})
        target_i = target.setdefault(request.first if "interval" in over else i, {})
        target_i.setdefault(None if "resolution" in over else r, []).append(data[name][i][r])
    merge = KIND_BY_NAME[kind].merge
    return {
        name: {i: {r: merge(found) for r, found in own.items()} for i, own in buckets.items()}
        for name, buckets in merged.items()
    }


def _transform(kind: str, transforms: Sequence[str], buckets: Buckets) -> Buckets:
    found = [transform for name in transforms if (transform := named(kind, name)) is not None]
    return {
        i: {r: {transform.name: transform.call(row) for transform in found} for r, row in cells.items()}
        for i, cells in buckets.items()
    }


_stores: dict[str, Store] = {}


def _store(target: Any, config: Config) -> Store | None:
    if config.client_config:
        raise InvalidValue("memory:// has no driver that client_config could go to; leave it out")
    if isinstance(target, Store):
        return target
    if isinstance(target, str) and target.lower().startswith("memory://"):
        return _stores.setdefault(target[len("memory://") :], Store())
    return None


@hookimpl
def kairos_open(target: Any, config: Config) -> Storage | None:
    """Open a place in memory."""
    store = _store(target, config)
    return None if store is None else MemoryStorage(store, config.kind)


@hookimpl
def kairos_open_async(target: Any, config: Config) -> AsyncStorage | None:
    """Open a place in memory for asyncio."""
    store = _store(target, config)
    return None if store is None else AsyncMemoryStorage(store, config.kind)
