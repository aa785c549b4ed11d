"""The protocol of what the index is for: names, first and last buckets, deleting."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from attrs import define, field
from redis.crc import key_slot

from kairos.storage import Scope

from .connections import Command
from .indexing import EXACT
from .keys import IntervalKeys, Place
from .requests import Request, answered
from .scripts import DELETE, refuses_scripts

__all__ = ["Catalog"]

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
        intervals = self.place.intervals
        ordered = sorted(scope, key=lambda name: intervals[name].keeps, reverse=True)
        if not ordered:
            return []
        main, *others = ordered
        keys = [key for interval in ordered for key in intervals[interval].by_name]
        sizes: list[Command] = [(b"ZCARD", key) for key in keys]
        if not self._few:
            counts = yield from answered(sizes, writes=False)
            if max(counts) > NAMES_AT_ONCE or len({key_slot(key) for key in keys}) > 1:
                return (yield from self._names_by_parts(scope))
        mains, rest, live = keys[:2], keys[2:], scope[main]
        commands = [_from(key, live) for key in mains]
        if live is not None and rest:
            commands += [(b"ZRANGEBYSCORE", key, b"-inf", b"(%d" % live) for key in mains]
        dead_at = len(commands)
        commands += [(b"ZDIFF", b"3", key, *reversed(mains), b"WITHSCORES") for key in rest]
        twice: Command = (b"ZINTER", b"2", *mains)
        replies = yield from answered([*commands, twice, *sizes], writes=False)
        self._few = max(replies[len(commands) + 1 :]) < NAMES_AT_ONCE // 2
        several, single, *dead = replies[:dead_at]
        more: set[bytes] = set()
        firsts = [scope[interval] for interval in others for _ in range(2)]
        for first, reply in zip(firsts, replies[dead_at : len(commands)], strict=True):
            more.update(name for name, score in _pairs(reply) if first is None or score >= float(first))
        if any(dead):  # not there any more, but perhaps in another interval
            wanted = [name for names in dead for name in names]
            scores = yield from answered([(b"ZMSCORE", key, *wanted) for key in rest], writes=False)
            for first, own in zip(firsts, scores, strict=True):
                for name, score in zip(wanted, own, strict=True):
                    if score is not None and (first is None or float(score) >= float(first)):
                        more.add(name)
        if replies[len(commands)] or any(dead):
            return _texts(more.union(single, several))
        return _texts([*single, *several, *more])  # in an order that is sorted fast

    def _names_by_parts(self, scope: Scope) -> Protocol:
        """Do the same with many names, without one command that would block the server."""
        found: set[bytes] = set()
        for interval, first in scope.items():
            for key in self.place.intervals[interval].by_name:
                cursor = b"0"
                while True:
                    ((cursor, page),) = yield from answered(
                        [(b"ZSCAN", key, cursor, b"COUNT", b"%d" % PAGE)], writes=False
                    )
                    found.update(
                        name for name, score in _pairs(page) if first is None or score >= float(first)
                    )
                    if cursor == b"0":
                        break
        return _texts(found)

    def span(self, name: str, interval: str, at_least: int | None) -> Protocol:
        """Return the first and last bucket with data, or None."""
        keys, encoded = self.place.intervals[interval], name.encode()
        index, start = keys.buckets + encoded, self._start(encoded, keys)
        ends = [_ends(index, at_least, last=last) for last in (False, True)]
        low, high, score = yield from answered(
            [*((*end, b"LIMIT", b"0", b"1") for end in ends), (b"ZSCORE", keys.singles, encoded)],
            writes=False,
        )
        found = {int(bucket) for bucket in (*low, *high)}
        only = None if score is None else int(float(score))
        if only is not None and (at_least is None or only >= at_least):
            found.add(only)
        there = yield from self._there(start, sorted(found))
        edges = set(there)
        if not found or any(abs(bucket) >= EXACT for bucket in (*found, at_least or 0)):
            edges |= yield from self._exact_edges(index, start, at_least)
        elif not {min(found), max(found)} <= edges:
            for end in ends:
                edges |= yield from self._edge(end, start)
        return (min(edges), max(edges)) if edges else None

    def _there(self, start: bytes, buckets: Sequence[int]) -> Generator[Request, list[Any], list[int]]:
        """Return those of some buckets that have data."""
        flags = yield from answered(
            [(b"EXISTS", b"%b%d" % (start, bucket)) for bucket in buckets], writes=False
        )
        return [bucket for bucket, flag in zip(buckets, flags, strict=True) if flag]

    def _edge(self, end: Command, start: bytes) -> Generator[Request, list[Any], set[int]]:
        """Return the first bucket of a range that has data, if there is one."""
        offset = 0
        while True:
            limit = (b"LIMIT", b"%d" % offset, b"%d" % PAGE)
            (reply,) = yield from answered([(*end, *limit)], writes=False)
            there = yield from self._there(start, list(map(int, reply)))
            if there or not reply:
                return set(there[:1])
            offset += PAGE

    def _exact_edges(
        self, index: bytes, start: bytes, at_least: int | None
    ) -> Generator[Request, list[Any], set[int]]:
        """Return the ends where scores are too coarse: by all buckets."""
        (reply,) = yield from answered([(b"ZRANGE", index, b"0", b"-1")], writes=False)
        buckets = sorted(bucket for bucket in map(int, reply) if at_least is None or bucket >= at_least)
        found: set[int] = set()
        for ordered in (buckets, buckets[::-1]):
            for bucket in ordered:
                if (yield from self._there(start, [bucket])):
                    found.add(bucket)
                    break
        return found

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
            for key in keys.by_name:
                before: list[bytes] = []
                while True:
                    (names,) = yield from answered(
                        [(b"ZRANGE", key, b"0", b"%d" % (NAMES_TO_DELETE - 1))], writes=False
                    )
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
            *indexes, singles = yield from answered(
                [
                    *((b"ZREVRANGE", keys.buckets + name, b"0", b"-1") for name in left),
                    (b"ZMSCORE", keys.singles, *left),
                ],
                writes=False,
            )
            found = [
                (name, _with(index, only)) for name, index, only in zip(left, indexes, singles, strict=True)
            ]
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
        replies = yield from answered([(b"SMEMBERS", key) for key in sets], writes=False)
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
            b"%d" % (3 + len(touched)),
            keys.buckets + name,
            *keys.by_name,
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
        yield from answered(
            [
                (b"SREM", self._start(name, keys) + i, *own)
                for name, part in parts
                for i, own in part.items()
                if own
            ]
        )
        gone = yield from self._gone(parts, keys)
        indexes = {name: keys.buckets + name for name in gone}
        yield from answered([(b"ZREM", indexes[name], *some) for name, some in gone.items() if some])
        counts = yield from answered([(b"ZCARD", index) for index in indexes.values()])
        empty = [name for name, count in zip(indexes, counts, strict=True) if not count]
        back = yield from self._forget(gone, empty, keys)
        flags = yield from answered(
            [
                *((b"EXISTS", data) for _, _, _, data, _ in cells),
                *((b"ZRANGE", indexes[n], b"-1", b"-1") for n in empty),
            ],
            writes=False,
        )
        for (name, i, key, _, r), there in zip(cells, flags[: len(cells)], strict=True):
            if there:
                back += [(b"SADD", key, r)] if r else []
                back += self._index(keys, name, i)
        for name, last in zip(empty, flags[len(cells) :], strict=True):
            back += [(b"ZADD", keys.names, b"GT", i, name) for i in last]
        yield from answered(back)
        if request.missed is not None:
            raise request.missed

    def _forget(
        self, gone: Mapping[bytes, list[bytes]], empty: Sequence[bytes], keys: IntervalKeys
    ) -> Generator[Request, list[Any], list[Command]]:
        """Take names out, and tell writers so; return the commands that put back what was another's single.

        A single is looked at in the packet that takes it out: only if it has changed since we read it, it is not what
        we have deleted.
        """
        names = list(gone)
        commands: list[Command] = [(b"ZMSCORE", keys.singles, *names), (b"ZREM", keys.singles, *names)]
        commands += [(b"ZREM", keys.names, *empty)] if empty else []
        commands += [self.place.mark()] if self.spread else []
        scores, *_ = yield from answered(commands)
        back: list[Command] = []
        for name, score in zip(names, scores, strict=True):
            i = b"" if score is None else b"%d" % int(float(score))
            if i and i not in gone[name]:
                back += self._index(keys, name, i)
        return back

    def _gone(
        self, parts: Sequence[Part], keys: IntervalKeys
    ) -> Generator[Request, list[Any], dict[bytes, list[bytes]]]:
        """Return, for each name, the buckets that have no resolution bucket any more."""
        gone: dict[bytes, list[bytes]] = {name: [] for name, _ in parts}
        wanted = [(name, i) for name, part in parts for i in part]
        if keys.resolved:
            flags = yield from answered([(b"EXISTS", self._start(name, keys) + i) for name, i in wanted])
            wanted = [pair for pair, there in zip(wanted, flags, strict=True) if not there]
        for name, i in wanted:
            gone[name].append(i)
        return gone

    def _index(self, keys: IntervalKeys, name: bytes, i: bytes) -> list[Command]:
        """Return plain commands that put a bucket into the index."""
        return [(b"ZADD", keys.buckets + name, i, i), (b"ZADD", keys.names, b"GT", i, name)]


def _slices(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


def _with(index: list[bytes], score: Any) -> list[bytes]:
    """Return the buckets of a name, the last one first, with that of a single among them."""
    only = None if score is None else b"%d" % int(float(score))
    if only is None or only in index:
        return index
    return sorted([*index, only], key=int, reverse=True)


def _ends(index: bytes, at_least: int | None, *, last: bool) -> Command:
    low = b"-inf" if at_least is None else b"%d" % at_least
    return (b"ZREVRANGEBYSCORE", index, b"+inf", low) if last else (b"ZRANGEBYSCORE", index, low, b"+inf")


def _texts(names: Iterable[bytes]) -> list[str]:
    """Return names as text: all at once, since none holds a NUL."""
    joined = b"\0".join(names)
    return joined.decode().split("\0") if joined else []


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
