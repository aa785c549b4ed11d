"""A third party's backend: rows in a dictionary, for ``mini://place`` and for a live :class:`Client`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import RLock
from typing import Any

from kairos.hookspecs import hookimpl
from kairos.rows import add
from kairos.storage import KINDS, Batch, Capabilities, Config, Read, Reply, Scope, Storage, Values

Key = tuple[str, str, int, int | None]  # name, interval, bucket, resolution bucket


class Client:
    """The place that timeseries share; what a driver's client would be."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.rows: dict[str, dict[Key, Any]] = {}
        self.layouts: dict[str, dict[str, str]] = {}


PLACES: dict[str, Client] = {}


class MiniStorage(Storage):
    """Rows in a dictionary. A custom ``fetch(rows, name, interval, first, last)`` returns ``{i: {r: row}}``."""

    capabilities = Capabilities(
        kinds=KINDS,
        values=Values(
            types=frozenset({int, float, str, bytes, bool}), text=False, int_range=None, max_bytes=None
        ),
        max_name_bytes=1000,
        expiry=dict.fromkeys(KINDS, "native"),
        float_counts=True,
        checked_totals=True,
        atomic_batch=True,
        shared=False,
        custom_fetch=True,
        write_options=frozenset(),
        folds=frozenset(),
        transforms=frozenset(),
    )

    def __init__(self, client: Client, kind: str) -> None:
        self._kind = kind
        self._lock = client.lock
        self._rows = client.rows.setdefault(kind, {})
        self._layouts = client.layouts.setdefault(kind, {})

    def layouts(self) -> Mapping[str, str]:
        return dict(self._layouts)

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        with self._lock:
            return {interval: self._layouts.setdefault(interval, text) for interval, text in layouts.items()}

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        with self._lock:
            for interval in intervals:
                self._layouts.pop(interval, None)

    def write(self, batch: Batch) -> None:
        with self._lock:
            for write in batch.writes:
                for name, payload in write.rows.items():
                    key = (name, write.interval, write.i, write.r)
                    self._rows[key] = add(self._kind, self._rows.get(key), payload)

    def read(self, request: Read) -> Reply:
        with self._lock:
            fetch: Callable[..., Any] = request.fetch or find
            names = dict.fromkeys(request.names)
            return Reply(
                {n: fetch(self._rows, n, request.interval, request.first, request.last) for n in names}
            )

    def names(self, scope: Scope) -> Iterable[str]:
        with self._lock:
            return {key[0] for key in self._rows if live(key, scope)}

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        with self._lock:
            found = [key[2] for key in self._rows if key[0] == name and live(key, {interval: at_least})]
        return (min(found), max(found)) if found else None

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        with self._lock:
            count = len(set(names) & set(self.names(scope)))
            for key in [key for key in self._rows if key[0] in names and key[1] in scope]:
                del self._rows[key]
        return count


def find(
    rows: Mapping[Key, Any], name: str, interval: str, first: int, last: int
) -> dict[int, dict[int | None, Any]]:
    """Return the rows of a range: what ``fetch`` does unless it is replaced."""
    found: dict[int, dict[int | None, Any]] = {}
    for (key_name, key_interval, i, r), row in rows.items():
        if key_name == name and key_interval == interval and first <= i <= last:
            found.setdefault(i, {})[r] = copy.copy(row)
    return found


def live(key: Key, scope: Scope) -> bool:
    """Tell whether a row is live in a scope."""
    _, interval, i, _ = key
    if interval not in scope:
        return False
    at_least = scope[interval]
    return at_least is None or i >= at_least


@hookimpl
def kairos_open(target: Any, config: Config) -> Storage | None:
    """Take mini:// and twice:// URLs, and live clients."""
    if isinstance(target, Client):
        return MiniStorage(target, config.kind)
    if isinstance(target, str) and target.startswith(("mini://", "twice://")):
        return MiniStorage(PLACES.setdefault(target, Client()), config.kind)
    return None
