"""Wrong asyncio sides of right backends."""

import asyncio
from copy import copy

from kairos_plain import PLACES, Place, Plain

from kairos.storage import AsyncStorage

from .registry import wrong


class Side(AsyncStorage):
    """A right asyncio side."""

    def __init__(self, place, kind, declared):
        self.plain, self.capabilities = Plain(place, kind, declared), declared

    async def write(self, batch):
        self.plain.write(batch)


def _delegated(name):
    async def call(self, *args):
        return getattr(self.plain, name)(*args)

    return call


for _name in ("layouts", "record_layouts", "read", "names", "span", "delete", "forget_layouts", "expire"):
    setattr(Side, _name, _delegated(_name))
Side.__abstractmethods__ = frozenset()


@wrong("test_coroutines")
class AsyncLostUpdates(Side):
    async def write(self, batch):
        cells = self.plain.place.cells
        before = {key: {cell: copy(row) for cell, row in own.items()} for key, own in cells.items()}
        await asyncio.sleep(0)
        cells.clear()
        cells.update(before)
        self.plain.write(batch)


@wrong("test_both_sides")
class AsyncPlaceOfItsOwn(Side):
    def __init__(self, place, kind, declared):
        super().__init__(PLACES.setdefault((id(place), "async"), Place()), kind, declared)


@wrong("test_cancelling")
class AsyncWritesAgainWhenCancelled(Side):
    async def write(self, batch):
        try:
            self.plain.write(batch)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.plain.write(batch)
            raise


@wrong("test_properties")
class AsyncSpanOneTooFar(Side):
    async def span(self, name, interval, at_least):
        found = self.plain.span(name, interval, at_least)
        return found and (found[0], found[1] + 1)


@wrong("test_both_sides")
class AsyncAcknowledgesTooEarly(Side):
    async def write(self, batch):
        self.plain.place.later = asyncio.get_running_loop().call_later(0.01, self.plain.write, batch)
