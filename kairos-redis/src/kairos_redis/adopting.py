"""Building the index of data that kairos 0.10 wrote, which had none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define

from kairos import Timeseries
from kairos.errors import InvalidType

from .connections import Command
from .keys import IntervalKeys, Place
from .kinds import KINDS
from .links import Link, Request
from .storage import RedisStorage

__all__ = ["adopt"]


def adopt(timeseries: Timeseries) -> int:
    """Let ``list``, ``properties`` and ``delete`` see data that kairos 0.10 wrote.

    One SCAN goes over the keys of the prefix, some thousand at a time; others are served meanwhile. Each key of a
    configured interval whose type fits the kind is put into the index, and its layout recorded. Run it once, when
    nobody writes with 0.10 any more; running it again does no harm.

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
    storage: Any = timeseries._storage
    if not isinstance(storage, RedisStorage):
        raise InvalidType(f"adopt() takes a timeseries in Redis; got {timeseries!r}")
    timeseries._record({})
    link, place = storage.link, storage.place
    count = 0
    for keys in link.scan(_escape(place.prefix) + b"*"):
        found = [bucket for key in keys if (bucket := _bucket(key, place)) is not None]
        count += _index(link, _of_type(link, place, found))
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
    types = link.send(Request([(b"TYPE", bucket.key) for bucket in found]))
    fitting = []
    for bucket, kind in zip(found, types, strict=True):
        if isinstance(kind, Exception):
            raise kind
        wanted = "set" if bucket.keys.resolved else KINDS[place.kind].type
        if kind.decode() == wanted:
            fitting.append(bucket)
    return fitting


def _index(link: Link, found: Sequence[_Bucket]) -> int:
    """Add buckets to the index; return how many it did not have."""
    buckets: dict[bytes, list[bytes]] = {}
    names: dict[bytes, list[bytes]] = {}
    for bucket in found:
        number = b"%d" % bucket.i
        buckets.setdefault(bucket.keys.buckets + bucket.name, []).extend((number, number))
        names.setdefault(bucket.keys.names, []).extend((number, bucket.name))
    commands: list[Command] = [(b"ZADD", key, *pairs) for key, pairs in buckets.items()]
    commands += [(b"ZADD", key, b"GT", *pairs) for key, pairs in names.items()]
    commands += [(b"PERSIST", key) for key in (*buckets, *names)]  # how long the data lives is not known here
    replies = link.send(Request(commands, writes=True)) if commands else []
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return sum(replies[: len(buckets)])
