"""The protocol of a read: from a request to commands, and from replies to rows."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from attrs import define

from kairos.storage import Buckets, Read

from .connections import Command
from .keys import Place
from .kinds import KindCodec
from .links import Request

__all__ = ["Reader"]

COMPUTED = 2_000
"""Up to how many resolution buckets a read computes their keys; beyond, it asks which of them there are."""

MANY = 1_000
"""How many keys one command reads."""

AT_ONCE = 5_000
"""How many keys one round trip reads."""

Cell = tuple[str, int, int | None]
Protocol = Generator[Request, list[Any], Any]
T = TypeVar("T")


@define
class Reader:
    """Plans the reads of one place.

    Parameters
    ----------
    place
        Its keys.
    codec
        Its kind.
    spread
        Whether its keys lie on several nodes.
    """

    place: Place
    codec: KindCodec
    spread: bool

    def read(self, request: Read) -> Protocol:
        """Return the rows of a range: name -> buckets."""
        if request.resolutions is None:
            return (yield from self._flat(request))
        found: dict[str, Buckets] = {name: {} for name in request.names}
        row = self.codec.row
        cells = yield from self.cells(request)
        for some in _slices(cells, AT_ONCE):
            replies = yield from self._rows([self.key(request.interval, cell) for cell in some])
            for (name, i, r), reply in zip(some, replies, strict=True):
                if reply or reply == b"":
                    found[name].setdefault(i, {})[r] = row(reply)
        return found

    def _flat(self, request: Read) -> Protocol:
        keys, row = self.place.intervals[request.interval], self.codec.row
        found: dict[str, Buckets] = {}
        for name in request.names:
            start, own = self.place.start(name, keys), found.setdefault(name, {})
            for some in _slices(request.buckets(), AT_ONCE):
                replies = yield from self._rows([b"%b%d" % (start, i) for i in some])
                for i, reply in zip(some, replies, strict=True):
                    if reply or reply == b"":
                        own[i] = {None: row(reply)}
        return found

    def cells(self, request: Read) -> Generator[Request, list[Any], Iterable[Cell]]:
        """Return the rows that there may be in a range."""
        buckets, resolutions = request.buckets(), request.resolutions
        if resolutions is None:
            return [(name, i, None) for name in request.names for i in buckets]
        if len(buckets) * len(request.names) <= COMPUTED:
            per_bucket = [(i, resolutions(i)) for i in buckets]
            if sum(len(own) for _, own in per_bucket) * len(request.names) <= COMPUTED:
                return [(name, i, r) for name in request.names for i, own in per_bucket for r in own]
        found: list[Cell] = []
        wanted = [(name, i) for name in request.names for i in buckets]
        for some in _slices(wanted, AT_ONCE):
            keys = [self.key(request.interval, (name, i, None)) for name, i in some]
            replies = yield Request([(b"SMEMBERS", key) for key in keys])
            for (name, i), reply in zip(some, replies, strict=True):
                if isinstance(reply, Exception):
                    raise reply
                found += [(name, i, r) for r in sorted(map(int, reply))]
        return found

    def key(self, interval: str, cell: Cell) -> bytes:
        """Return the data key of a row; with resolution and no resolution bucket, of the set of these."""
        name, i, r = cell
        start = self.place.start(name, self.place.intervals[interval])
        return b"%b%d" % (start, i) if r is None else b"%b%d:%d" % (start, i, r)

    def _rows(self, keys: Sequence[bytes]) -> Generator[Request, list[Any], list[Any]]:
        """Return what is there under each key; None or an empty collection where there is nothing."""
        commands: list[Command]
        if self.codec.strings and not self.spread:
            if len(keys) == 1:
                commands = [(b"GET", keys[0])]
            else:
                commands = [(b"MGET", *keys[at : at + MANY]) for at in range(0, len(keys), MANY)]
            replies = yield Request(commands)
            if len(keys) > 1:
                for reply in replies:
                    if isinstance(reply, Exception):
                        raise reply
                replies = replies[0] if len(replies) == 1 else [value for part in replies for value in part]
        else:
            replies = yield Request([self.codec.read(key) for key in keys])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies


def _slices(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    if isinstance(items, Sequence) and len(items) <= size:
        if items:
            yield items
        return
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
