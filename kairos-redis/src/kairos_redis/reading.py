"""The protocol of a read: from a request to commands, and from replies to rows."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from attrs import define

from kairos.storage import Buckets, Read

from .keys import Place
from .kinds import KindCodec
from .requests import Request

__all__ = ["Reader"]

COMPUTED = 2_000
"""Up to how many resolution buckets a read computes their keys; beyond, it asks which of them there are."""

MANY = 2_000
"""How many keys one command reads."""

AT_ONCE = 5_000
"""How many keys one round trip reads."""

Cell = tuple[str, int, int | None]
Window = tuple[str, int, Sequence[int]]
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
        keys = self.place.intervals[request.interval]
        if request.first == request.last and request.resolutions is None and len(request.names) == 1:
            (name,) = request.names  # one bucket: a `get`
            key = b"%b%b%b%d" % (self.place.prefix, name.encode(), keys.infix, request.first)
            (reply,) = yield Request((self.codec.read(key),), text=not self.codec.strings)
            if isinstance(reply, Exception):
                raise reply
            if not reply and reply != b"":
                return {}
            return {name: {request.first: {None: self.codec.row(reply)}}}
        starts = {name: self.place.start(name, keys) for name in request.names}
        if request.resolutions is None:
            return (yield from self._flat(request, starts))
        found: dict[str, Buckets] = {}
        for some in _windows((yield from self.windows(request))):
            replies = yield from self._rows(
                [
                    key
                    for name, i, own in some
                    for start in (b"%b%d:" % (starts[name], i),)
                    for key in [b"%b%d" % (start, r) for r in own]
                ]
            )
            at = 0
            for name, i, own in some:
                rows = self.codec.rows(own, replies[at : at + len(own)])
                at += len(own)
                if rows:
                    found.setdefault(name, {}).setdefault(i, {}).update(rows.items())
        return found

    def _flat(self, request: Read, starts: Mapping[str, bytes]) -> Protocol:
        found: dict[str, Buckets] = {}
        for name, start in starts.items():
            own: dict[int, dict[int | None, Any]] = {}
            found[name] = own
            for some in _slices(request.buckets(), AT_ONCE):
                replies = yield from self._rows([b"%b%d" % (start, i) for i in some])
                own.update({i: {None: row} for i, row in self.codec.rows(some, replies).items()})
        return found

    def windows(self, request: Read) -> Generator[Request, list[Any], list[Window]]:
        """Return the resolution buckets that there may be in each bucket of a range."""
        buckets, resolutions = request.buckets(), request.resolutions
        assert resolutions is not None
        if len(buckets) * len(request.names) <= COMPUTED:
            computed = [(i, resolutions(i)) for i in buckets]
            if sum(len(own) for _, own in computed) * len(request.names) <= COMPUTED:
                return [(name, i, own) for name in request.names for i, own in computed]
        found: list[Window] = []
        keys = self.place.intervals[request.interval]
        wanted = [(name, i) for name in request.names for i in buckets]
        for some in _slices(wanted, AT_ONCE):
            replies = yield Request(
                [(b"SMEMBERS", b"%b%d" % (self.place.start(name, keys), i)) for name, i in some]
            )
            for (name, i), reply in zip(some, replies, strict=True):
                if isinstance(reply, Exception):
                    raise reply
                if reply:
                    found.append((name, i, sorted(map(int, reply))))
        return found

    def cells(self, request: Read) -> Generator[Request, list[Any], Iterable[Cell]]:
        """Return the rows that there may be in a range, for a fetch of the caller's."""
        if request.resolutions is None:
            buckets = request.buckets()
            return ((name, i, None) for name in request.names for i in buckets)
        windows = yield from self.windows(request)
        return ((name, i, r) for name, i, own in windows for r in own)

    def key(self, interval: str, cell: Cell) -> bytes:
        """Return the data key of a row; with resolution and no resolution bucket, of the set of these."""
        name, i, r = cell
        start = self.place.start(name, self.place.intervals[interval])
        return b"%b%d" % (start, i) if r is None else b"%b%d:%d" % (start, i, r)

    def _rows(self, keys: Sequence[bytes]) -> Generator[Request, list[Any], list[Any]]:
        """Return what is there under each key; None or an empty collection where there is nothing."""
        if self.codec.strings and not self.spread:
            if len(keys) == 1:
                (reply,) = yield Request([(b"GET", keys[0])])
                if isinstance(reply, Exception):
                    raise reply
                return [reply]
            commands = [(b"MGET", *keys[at : at + MANY]) for at in range(0, len(keys), MANY)]
            replies = yield Request(commands)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies[0] if len(replies) == 1 else [value for part in replies for value in part]
        read = self.codec.read
        replies = yield Request([read(key) for key in keys], text=not self.codec.strings)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies


def _windows(windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
    """Cut windows into parts that are read in one round trip; one that is long is cut itself."""
    if sum(len(own) for _, _, own in windows) <= AT_ONCE:
        yield windows
        return
    some: list[Window] = []
    size = 0
    for name, i, own in windows:
        for at in range(0, len(own), AT_ONCE):
            part = own[at : at + AT_ONCE]
            if some and size + len(part) > AT_ONCE:
                yield some
                some, size = [], 0
            some.append((name, i, part))
            size += len(part)
    if some:
        yield some


def _slices(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    if isinstance(items, Sequence) and len(items) <= size:
        if items:
            yield items
        return
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
