"""Building the index of data that kairos 0.10 wrote, which had none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define

from kairos import Timeseries
from kairos.errors import InvalidType
from kairos.sansio import run
from kairos.timeseries import storage_of

from .connections import Command
from .keys import IntervalKeys, Place
from .kinds import KINDS
from .layouts import Layouts
from .links import Link, Request
from .storage import RedisStorage
from .writing import IndexKey, Writer

__all__ = ["adopt"]


def adopt(timeseries: Timeseries) -> int:
    """Let ``list``, ``properties`` and ``delete`` see data that kairos 0.10 wrote.

    One SCAN goes over the keys of the prefix, some thousand at a time; others are served meanwhile. Each key of a
    configured interval whose type fits the kind is put into the index, for as long as its data lives, and the
    layout is recorded. Run it once, when nobody writes with 0.10 any more; running it again does no harm.

    Parameters
    ----------
    timeseries
        An open timeseries with the prefix, type and intervals that the data was written with.

    Returns
    -------
    int
        How many buckets (of one name in one interval) were found that the index did not have.

    Raises
    ------
    SchemaMismatch
        If the place has been written with another layout since.
    """
    storage = storage_of(timeseries)
    if not isinstance(storage, RedisStorage):
        raise InvalidType(f"adopt() takes a timeseries in Redis; got {timeseries!r}")
    storage_of(timeseries, record=True)
    link, place = storage.link, storage.place
    layouts = Layouts(place)
    run(layouts.read(), link.send)
    writer = Writer(place, KINDS[place.kind], layouts, link.spread)
    count = 0
    for keys in link.scan(_escape(place.prefix) + b"*"):
        found = [bucket for key in keys if (bucket := _bucket(key, place)) is not None]
        count += _index(link, writer, _of_type(link, place, found))
    return count


@define
class _Bucket:
    name: bytes
    keys: IntervalKeys
    i: int
    key: bytes


def _escape(prefix: bytes) -> bytes:
    """Return a prefix as a pattern that only it matches."""
    return b"".join(b"\\" + bytes([c]) if c in b"*?[]^\\-" else bytes([c]) for c in prefix)


def _bucket(key: bytes, place: Place) -> _Bucket | None:
    """Return what a key is the bucket of, or None."""
    if b"\0" in key or not key.startswith(place.prefix):
        return None
    head, _, bucket = key[len(place.prefix) :].rpartition(b":")
    name, _, interval = head.rpartition(b":")
    try:
        keys = place.intervals.get(interval.decode())
        if keys is None or not name or b"%d" % int(bucket) != bucket or not name.decode():
            return None
    except (UnicodeDecodeError, ValueError):
        return None
    return _Bucket(name, keys, int(bucket), key)


def _of_type(link: Link, place: Place, found: Sequence[_Bucket]) -> list[_Bucket]:
    if not found:
        return []
    types: list[bytes] = _all(link, [(b"TYPE", bucket.key) for bucket in found])
    fitting = []
    for bucket, kind in zip(found, types, strict=True):
        wanted = "set" if bucket.keys.resolved else KINDS[place.kind].type
        if kind.decode() == wanted:
            fitting.append(bucket)
    return fitting


def _index(link: Link, writer: Writer, found: Sequence[_Bucket]) -> int:
    """Add buckets to the index; return how many it did not have."""
    if not found:
        return 0
    scores: list[Any] = _all(link, [(b"ZSCORE", b.keys.buckets + b.name, b"%d" % b.i) for b in found])
    lives: list[int] = _all(link, [(b"TTL", bucket.key) for bucket in found])
    adds: dict[bytes, IndexKey] = {}
    for bucket, left in zip(found, lives, strict=True):
        if left == -2:  # gone meanwhile
            continue
        for key, member in (
            (bucket.keys.buckets + bucket.name, b"%d" % bucket.i),
            (bucket.keys.names, bucket.name),
        ):
            entry = adds.get(key)
            if entry is None:
                entry = adds[key] = IndexKey(b"ZADD", bucket.keys, max(1, left), {})
            entry.ttl = None if entry.ttl is None or left == -1 else max(left, entry.ttl)
            entry.members[member] = max(bucket.i, entry.members.get(member, bucket.i))
    commands = [c for key, entry in adds.items() for c in entry.commands(key, b"", True, modern=False)]
    run(writer.added(commands), link.send)
    return sum(score is None and left != -2 for score, left in zip(scores, lives, strict=True))


def _all(link: Link, commands: list[Command]) -> list[Any]:
    replies = link.send(Request(commands))
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
