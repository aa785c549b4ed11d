"""The protocol of what the index is for: names, first and last buckets, deleting."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from attrs import define, field
from redis.crc import key_slot

from kairos.storage import Scope

from .connections import Command
from .keys import IntervalKeys, Place
from .links import Request
from .scripts import DELETE, refuses_scripts

__all__ = ["Catalog"]

EXACT = 2**53
"""Scores are doubles: beyond it, the buckets themselves are looked at."""

PAGE = 1_000
NAMES_AT_ONCE = 20_000
NAMES_TO_DELETE = 100
KEYS = 1_000
CALLS = 10

Protocol = Generator[Request, list[Any], Any]
Piece = tuple[bytes, list[bytes]]
"""A name and some of its buckets, the last one first."""
Part = tuple[bytes, dict[bytes, list[bytes]]]
"""The same, each bucket with some of its resolution buckets."""
T = TypeVar("T")


@define
class Catalog:
    """The index of one place.

    Parameters
    ----------
    place
        Its keys.
    spread
        Whether its keys lie on several nodes.
    """

    place: Place
    spread: bool
    scripts: bool = True
    _few: bool = field(init=False, default=False)
    """Whether there were so few names, the last time, that there are hardly too many now."""

    def names(self, scope: Scope) -> Protocol:
        """Return the names with data.

        The interval that keeps longest has nearly all names of the others: of these, only what it lacks is sent.
        """
        ordered = sorted(scope, key=lambda name: self.place.intervals[name].keeps, reverse=True)
        if not ordered:
            return []
        main, others = ordered[0], ordered[1:]
        keys = [self.place.intervals[interval].names for interval in ordered]
        sizes = [(b"ZCARD", key) for key in keys]
        if not self._few:
            counts = yield from self._all(sizes, writes=False)
            if max(counts) > NAMES_AT_ONCE or len({key_slot(key) for key in keys}) > 1:
                return (yield from self._names_by_parts(scope))
        commands = [_from(keys[0], scope[main])]
        live = scope[main]
        if live is not None:
            commands.append((b"ZRANGEBYSCORE", keys[0], b"-inf", b"(%d" % live))
        commands += [(b"ZDIFF", b"2", key, keys[0], b"WITHSCORES") for key in keys[1:]]
        replies = yield from self._all([*commands, *sizes], writes=False)
        replies, counts = replies[: len(commands)], replies[len(commands) :]
        self._few = max(counts) < NAMES_AT_ONCE // 2
        found: list[bytes] = replies[0]
        more: set[bytes] = set()
        for interval, reply in zip(others, replies[len(commands) - len(others) :], strict=True):
            first = scope[interval]
            more.update(name for name, score in _pairs(reply) if first is None or score >= float(first))
        dead = replies[1] if live is not None else []
        if dead and others:  # not there any more, but perhaps in another interval
            scores = yield from self._all([(b"ZMSCORE", key, *dead) for key in keys[1:]], writes=False)
            for interval, own in zip(others, scores, strict=True):
                first = scope[interval]
                for name, score in zip(dead, own, strict=True):
                    if score is not None and (first is None or float(score) >= float(first)):
                        more.add(name)
        names = [name.decode() for name in found]
        return names + [name.decode() for name in more] if more else names

    def _names_by_parts(self, scope: Scope) -> Protocol:
        """Do the same with many names, without one command that would block the server."""
        found: set[bytes] = set()
        for interval, first in scope.items():
            key, cursor = self.place.intervals[interval].names, b"0"
            while True:
                ((cursor, page),) = yield from self._all(
                    [(b"ZSCAN", key, cursor, b"COUNT", b"%d" % PAGE)], writes=False
                )
                found.update(name for name, score in _pairs(page) if first is None or score >= float(first))
                if cursor == b"0":
                    break
        return [name.decode() for name in found]

    def span(self, name: str, interval: str, at_least: int | None) -> Protocol:
        """Return the first and last bucket with data, or None."""
        keys, encoded = self.place.intervals[interval], name.encode()
        first = yield from self._edge(encoded, keys, at_least, last=False)
        if first is None:
            return None
        last = yield from self._edge(encoded, keys, at_least, last=True)
        return None if last is None else (first, last)

    def _edge(
        self, name: bytes, keys: IntervalKeys, at_least: int | None, *, last: bool
    ) -> Generator[Request, list[Any], int | None]:
        """Return the first or last bucket of a name that has data."""
        index, low = keys.buckets + name, b"-inf" if at_least is None else b"%d" % at_least
        ends = (b"ZREVRANGEBYSCORE", index, b"+inf", low) if last else (b"ZRANGEBYSCORE", index, low, b"+inf")
        start = b"%b%b%b" % (self.place.prefix, name, keys.infix)
        offset, size = 0, 1
        while True:
            (reply,) = yield Request([(*ends, b"LIMIT", b"%d" % offset, b"%d" % size)])
            if isinstance(reply, Exception):
                raise reply
            buckets = list(map(int, reply))
            if any(abs(bucket) >= EXACT for bucket in (*buckets, at_least or 0)):
                return (yield from self._exact_edge(index, start, at_least, last))
            if not buckets:
                return None
            flags = yield Request([(b"EXISTS", b"%b%d" % (start, bucket)) for bucket in buckets])
            for bucket, flag in zip(buckets, flags, strict=True):
                if isinstance(flag, Exception):
                    raise flag
                if flag:
                    return bucket
            offset, size = offset + size, PAGE

    def _exact_edge(
        self, index: bytes, start: bytes, at_least: int | None, last: bool
    ) -> Generator[Request, list[Any], int | None]:
        """Do the same where scores are too coarse: by all buckets."""
        (reply,) = yield Request([(b"ZRANGE", index, b"0", b"-1")])
        if isinstance(reply, Exception):
            raise reply
        buckets = sorted(map(int, reply), reverse=last)
        for bucket in buckets:
            if at_least is None or bucket >= at_least:
                (flag,) = yield Request([(b"EXISTS", b"%b%d" % (start, bucket))])
                if flag:
                    return bucket
        return None

    def delete(self, names: Iterable[str], scope: Scope) -> Protocol:
        """Remove names; return how many had data in live buckets."""
        live: set[bytes] = set()
        encoded = iter([name.encode() for name in names])
        while some := list(islice(encoded, NAMES_TO_DELETE)):
            for interval, first in scope.items():
                found = yield from self._delete(some, self.place.intervals[interval], first)
                live |= found
        return len(live)

    def delete_all(self, scope: Scope) -> Protocol:
        """Remove every name of the index; return how many had data in live buckets."""
        live: set[bytes] = set()
        for interval, first in scope.items():
            keys = self.place.intervals[interval]
            before: list[bytes] = []
            while True:
                (names,) = yield Request([(b"ZRANGE", keys.names, b"0", b"%d" % (NAMES_TO_DELETE - 1))])
                if isinstance(names, Exception):
                    raise names
                if not names or names == before:  # the same again: somebody writes faster than we delete
                    break
                before = names
                live |= yield from self._delete(names, keys, first)
        return len(live)

    def _delete(
        self, names: Sequence[bytes], keys: IntervalKeys, first: int | None
    ) -> Generator[Request, list[Any], set[bytes]]:
        """Remove some names from one interval; return those that had data in live buckets."""
        live: set[bytes] = set()
        left = list(names)
        for _ in range(3):  # a writer may add buckets meanwhile; it must not keep us for ever
            if not left:
                break
            indexes = yield Request([(b"ZREVRANGE", keys.buckets + name, b"0", b"-1") for name in left])
            found = []
            for name, index in zip(left, indexes, strict=True):
                if isinstance(index, Exception):
                    raise index
                found.append((name, index))
            left = []
            for some in _slices(self._pieces(found, keys), CALLS):
                resolutions = yield from self._resolutions(some, keys)
                yield from self._remove(list(self._short(some, resolutions, keys)), keys, first, live, left)
        return live

    def _pieces(self, found: Sequence[Piece], keys: IntervalKeys) -> Iterator[Piece]:
        """Cut the buckets of each name into parts; one of a name without any removes it from the index."""
        size = 10 if keys.resolved else KEYS
        for name, buckets in found:
            for at in range(0, len(buckets) or 1, size):
                yield name, buckets[at : at + size]

    def _short(
        self, pieces: Sequence[Piece], resolutions: Mapping[bytes, list[bytes]], keys: IntervalKeys
    ) -> Iterator[Part]:
        """Cut pieces into parts with few enough resolution buckets for one script call."""
        for name, buckets in pieces:
            if not keys.resolved:
                yield name, {i: [] for i in buckets}
                continue
            start = self._start(name, keys)
            part: dict[bytes, list[bytes]] = {}
            size = 0
            for i in buckets:
                cells = resolutions[start + i]
                for at in range(0, len(cells) or 1, KEYS):
                    some = cells[at : at + KEYS]
                    if part and (size + len(some) > KEYS or i in part):
                        yield name, part
                        part, size = {}, 0
                    part[i] = some
                    size += len(some)
            yield name, part

    def _remove(
        self,
        parts: Sequence[Part],
        keys: IntervalKeys,
        first: int | None,
        live: set[bytes],
        left: list[bytes],
    ) -> Protocol:
        """Remove some buckets; note the names that had live data, and those that have buckets still."""
        if self.spread or not self.scripts:
            yield from self._remove_plainly(parts, keys, first, live)
            return
        request = Request(
            [self._call(name, part, keys, first) for name, part in parts], writes=True, waits=True
        )
        replies = yield request
        if refuses_scripts(replies[0]):
            self.scripts = False
            yield from self._remove_plainly(parts, keys, first, live)
            return
        remaining: dict[bytes, int] = {}
        for (name, _), reply in zip(parts, replies, strict=True):
            if isinstance(reply, Exception):
                raise reply
            found, remain = reply
            if found:
                live.add(name)
            remaining[name] = remain
        left += [name for name, remain in remaining.items() if remain]
        if request.missed is not None:
            raise request.missed

    def _resolutions(
        self, pieces: Sequence[Piece], keys: IntervalKeys
    ) -> Generator[Request, list[Any], dict[bytes, list[bytes]]]:
        """Return the resolution buckets by the key of their set."""
        if not keys.resolved:
            return {}
        sets = [
            start + i for name, buckets in pieces for start in (self._start(name, keys),) for i in buckets
        ]
        replies = yield from self._all([(b"SMEMBERS", key) for key in sets], writes=False)
        return {key: list(reply) for key, reply in zip(sets, replies, strict=True)}

    def _start(self, name: bytes, keys: IntervalKeys) -> bytes:
        return b"%b%b%b" % (self.place.prefix, name, keys.infix)

    def _call(
        self, name: bytes, part: Mapping[bytes, list[bytes]], keys: IntervalKeys, first: int | None
    ) -> Command:
        start = self._start(name, keys)
        living = len(part) if first is None else sum(int(i) >= first for i in part)
        touched, cells = [], []
        if keys.resolved:
            for i, own in part.items():
                stem = b"%b%b:" % (start, i)
                touched.append(stem[:-1])
                touched += [stem + r for r in own]
                cells.append(b"%d" % len(own))
                cells += own
        else:
            touched = [start + i for i in part]
        return (
            b"EVALSHA",
            DELETE,
            b"%d" % (2 + len(touched)),
            keys.buckets + name,
            keys.names,
            *touched,
            name,
            b"%d" % len(part),
            b"%d" % living,
            *part,
            *cells,
        )

    def _remove_plainly(
        self, parts: Sequence[Part], keys: IntervalKeys, first: int | None, live: set[bytes]
    ) -> Protocol:
        """Remove data, then what the index says of it, tell so, and put back what others have written meanwhile.

        Who writes a new data key adds it to the index before; if then it hears that something was deleted it does so
        again. So whatever is there in the end is in the index.
        """
        cells = [
            (name, i, key, key + b":" + r if r else key, r)
            for name, part in parts
            for start in (self._start(name, keys),)
            for i, own in part.items()
            for key in (start + i,)
            for r in (own if keys.resolved else [b""])
        ]
        request = Request([(b"UNLINK", data) for _, _, _, data, _ in cells], writes=True, waits=True)
        replies = (yield request) if cells else []
        for (name, i, *_), reply in zip(cells, replies, strict=True):
            if isinstance(reply, Exception):
                raise reply
            if reply and (first is None or int(i) >= first):
                live.add(name)
        yield from self._all(
            [
                (b"SREM", self._start(name, keys) + i, *own)
                for name, part in parts
                for i, own in part.items()
                if own
            ]
        )
        gone = yield from self._gone(parts, keys)
        yield from self._all([(b"ZREM", keys.buckets + name, *some) for name, some in gone.items() if some])
        names = list(gone)
        counts = yield from self._all([(b"ZCARD", keys.buckets + name) for name in names])
        empty = [name for name, count in zip(names, counts, strict=True) if not count]
        mark = [self.place.mark()] if self.spread else []
        yield from self._all([*([(b"ZREM", keys.names, *empty)] if empty else []), *mark])
        flags = yield from self._all([(b"EXISTS", data) for _, _, _, data, _ in cells])
        back: list[Command] = []
        for (name, i, key, _, r), there in zip(cells, flags, strict=True):
            if there:
                back += [(b"SADD", key, r)] if r else []
                back.append((b"ZADD", keys.buckets + name, i, i))
                back.append((b"ZADD", keys.names, b"GT", i, name))
        yield from self._all(back)
        if request.missed is not None:
            raise request.missed

    def _gone(
        self, parts: Sequence[Part], keys: IntervalKeys
    ) -> Generator[Request, list[Any], dict[bytes, list[bytes]]]:
        """Return, for each name, the buckets that have no resolution bucket any more."""
        gone: dict[bytes, list[bytes]] = {name: [] for name, _ in parts}
        wanted = [(name, i) for name, part in parts for i in part]
        if keys.resolved:
            flags = yield from self._all([(b"EXISTS", self._start(name, keys) + i) for name, i in wanted])
            wanted = [pair for pair, there in zip(wanted, flags, strict=True) if not there]
        for name, i in wanted:
            gone[name].append(i)
        return gone

    def _all(self, commands: Sequence[Command], *, writes: bool = True) -> Protocol:
        """Send commands and return their replies, none of them an error."""
        if not commands:
            return []
        replies = yield Request(commands, writes)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies


def _slices(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


def _from(key: bytes, first: int | None) -> Command:
    if first is None:
        return (b"ZRANGE", key, b"0", b"-1")
    return (b"ZRANGEBYSCORE", key, b"%d" % first, b"+inf")


def _pairs(reply: Any) -> list[tuple[bytes, float]]:
    """Return (member, score) pairs, which the two protocols of Redis send in two shapes."""
    if isinstance(reply, Exception):
        raise reply
    if reply and isinstance(reply[0], list):
        return [(member, float(score)) for member, score in reply]
    return list(zip(reply[::2], map(float, reply[1::2]), strict=True))
