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
from .indexing import Addition, Indexer
from .keys import IntervalKeys, Place
from .kinds import KINDS
from .layouts import Layouts
from .links import Link
from .requests import Request, answered
from .storage import RedisStorage

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
    indexer = Indexer(place, layouts)
    count = 0
    for keys in link.scan(_escape(place.prefix) + b"*"):
        found = [bucket for key in keys if (bucket := _bucket(key, place)) is not None]
        count += _index(link, indexer, _of_type(link, place, found))
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


def _index(link: Link, indexer: Indexer, found: Sequence[_Bucket]) -> int:
    """Add buckets to the index; return how many it did not have."""
    if not found:
        return 0
    scores: list[Any] = _all(link, [(b"ZSCORE", b.keys.buckets + b.name, b"%d" % b.i) for b in found])
    lives: list[int] = _all(link, [(b"TTL", bucket.key) for bucket in found])
    addition = Addition()
    for bucket, left in zip(found, lives, strict=True):
        if left != -2:  # not gone meanwhile
            addition.bucket(bucket.keys, bucket.name, bucket.i, None if left == -1 else max(1, left))
    names = addition.looked_up()
    deleted, *replies = _all(
        link, [(b"GET", indexer.place.deleted), *(command for some in names for command in some.commands)]
    )
    singles = {
        (some.keys.name, name): only
        for at, some in enumerate(names)
        for name, only in zip(some.names, replies[3 * at], strict=True)
        if only is not None
    }
    firsts = dict.fromkeys(indexer.place.intervals, b"")  # what has been there for long stays
    addition.shorten(names, replies, firsts)
    run(indexer.add(addition, firsts), link.send)
    dropping = addition.dropping(indexer.place.deleted, deleted)
    if dropping:
        link.send(Request(dropping, writes=True))
    new = 0
    for bucket, score, left in zip(found, scores, lives, strict=True):
        only = singles.get((bucket.keys.name, bucket.name))
        new += left != -2 and score is None and (only is None or int(float(only)) != bucket.i)
    return new


def _all(link: Link, commands: list[Command]) -> list[Any]:
    return run(answered(commands, writes=False), link.send)
