"""A backend that can do as little as a test asks for, and keeps a record of what the core called.

It is the memory backend with other capabilities, found by entry point like any stranger's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import Factory, define

from kairos.hookspecs import hookimpl
from kairos.memory import CAPABILITIES, AsyncMemoryStorage, MemoryStorage, Store
from kairos.storage import AsyncStorage, Batch, Capabilities, Config, Read, Reply, Scope, Storage


@define(eq=False)
class Place:
    """A live client: what it can do, its data, and the calls that reached its storages."""

    capabilities: Capabilities = CAPABILITIES
    store: Store = Factory(Store)
    calls: list[str] = Factory(list)
    batches: list[Batch] = Factory(list)
    reads: list[Read] = Factory(list)
    record_options: list[Mapping[str, Any]] = Factory(list)
    client_config: dict[str, Any] = Factory(dict)
    options: dict[str, Any] = Factory(dict)
    pause: float = 0  # seconds that opening takes with asyncio, before and after it connects


class LimitedStorage(MemoryStorage):
    """The memory storage of a place, with the place's capabilities."""

    def __init__(self, place: Place, kind: str) -> None:
        super().__init__(place.store, kind)
        self.capabilities = place.capabilities
        self.limits = place

    def ready(self) -> None:
        self.limits.calls.append("ready")

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        self.limits.calls.append("record_layouts")
        self.limits.record_options.append(options)
        return super().record_layouts(layouts, options)

    def write(self, batch: Batch) -> None:
        self.limits.calls.append("write")
        self.limits.batches.append(batch)
        if self.capabilities.expiry[self.kind] == "manual":
            assert all(write.deadline is None for write in batch.writes)
        super().write(batch)

    def read(self, request: Read) -> Reply:
        self.limits.calls.append("read")
        self.limits.reads.append(request)
        assert request.fold <= self.capabilities.folds
        assert set(request.transforms) <= self.capabilities.transforms
        return super().read(request)

    def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        self.limits.calls.append("expire")
        for interval, first in scope.items():
            assert first is not None
            rows = self.place.rows.get(interval, {})
            for name in list(rows) if names is None else [name for name in names if name in rows]:
                rows[name] = {i: cells for i, cells in rows[name].items() if i >= first}

    def close(self) -> None:
        self.limits.calls.append("close")


class AsyncLimitedStorage(AsyncMemoryStorage):
    """The same for asyncio."""

    def __init__(self, place: Place, kind: str) -> None:
        self._sync = LimitedStorage(place, kind)
        self.limits = place
        self.capabilities = place.capabilities

    async def ready(self) -> None:
        self._sync.ready()
        await asyncio.sleep(self.limits.pause)

    async def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        self._sync.expire(scope, names)

    async def close(self) -> None:
        self._sync.close()


PLACES: dict[str, Place] = {}


def _place(target: Any, config: Config) -> Place | None:
    place = target if isinstance(target, Place) else None
    if isinstance(target, str):
        place = PLACES.setdefault(target, Place())
    if place is not None:
        place.client_config = config.client_config
        place.options = {"colour": config.option("colour", "none")}
    return place


@hookimpl
def kairos_open(target: Any, config: Config) -> Storage | None:
    place = _place(target, config)
    return None if place is None else LimitedStorage(place, config.kind)


@hookimpl
def kairos_open_async(target: Any, config: Config) -> AsyncStorage | None:
    place = _place(target, config)
    return None if place is None else AsyncLimitedStorage(place, config.kind)


class SyncOnly:
    """A backend that does not do asyncio."""

    @staticmethod
    @hookimpl
    def kairos_open(target: Any, config: Config) -> Storage | None:
        place = _place(target, config)
        return None if place is None else LimitedStorage(place, config.kind)
