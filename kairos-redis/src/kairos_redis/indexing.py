"""What a write adds to the index, where no script of one server does it. No I/O.

In an interval a name with one bucket is in the set of singles, scored by it, and nowhere else: a key of its own would
cost as much as the data. A second bucket makes it a set of its buckets, which gets both, and puts it into the set of
names. A single is never changed, only added where there is none, and taken away by who has put its bucket into the
other form, or has deleted it. So a bucket that was added is in one of them, or in both, whoever comes between.

Plain commands cannot look before they write: they use the other form alone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import Factory, define, field, frozen

from kairos.storage import Write

from .connections import Command
from .keys import IntervalKeys, Place
from .layouts import Layouts
from .lifetimes import LONGEST, first_kept, outlive, seconds_to_live
from .requests import Request, answered
from .scripts import INDEX, SEVERAL, SINGLE, refuses_scripts

__all__ = ["EXACT", "Addition", "Indexer", "Unit"]

EXACT = 2**53
"""Scores are doubles: beyond it a name is no single, and ends are looked for among the buckets themselves."""

Protocol = Generator[Request, list[Any], Any]


@define
class Unit:
    """One name in one bucket of a batch: one data key."""

    write: Write
    name: bytes
    key: bytes
    payload: Any


@define
class Sorted:
    """What is added to one key of the index."""

    command: bytes
    keys: IntervalKeys
    ttl: int | None
    members: dict[bytes, int]

    def lives(self, ttl: int | None) -> None:
        """Let the key live for so many seconds at least (None: for ever)."""
        if self.ttl is not None and self.ttl != ttl:
            self.ttl = None if ttl is None else max(ttl, self.ttl)

    def commands(self, key: bytes, first: bytes, scripts: bool, modern: bool) -> Iterator[Command]:
        """Yield the commands that add it, forget what lies before ``first``, and let the key live long enough."""
        scored = self.command == b"ZADD"
        members: list[bytes] = []
        for member, score in self.members.items():
            members += (b"%d" % score, member) if scored else (member,)
        options = (b"GT",) if key == self.keys.names else ()
        ttl, first = _ttl(self.ttl), first if scored else b""
        for at in range(0, len(members), 4_000):  # a script's `unpack` takes some thousands
            some = members[at : at + 4_000]
            if scripts:
                yield (b"EVALSHA", INDEX, b"1", key, ttl, first, self.command, *options, *some)
            else:
                yield (self.command, key, *options, *some)
        if scripts:
            return
        if first:
            yield (b"ZREMRANGEBYSCORE", key, b"-inf", b"(" + first)
        if scored and not modern:  # EXPIRE could shorten it
            yield (b"PERSIST", key)
        else:
            yield from outlive(key, ttl, modern)


@frozen
class Names:
    """Names of one interval that are looked up in the index."""

    keys: IntervalKeys
    names: Sequence[bytes]

    @property
    def commands(self) -> list[Command]:
        """Return the commands that tell of what is there."""
        singles = self.keys.singles
        return [
            (b"ZMSCORE", singles, *self.names),
            (b"TTL", singles),
            (b"ZMSCORE", self.keys.names, *self.names),
        ]


@define
class Addition:
    """What is added to the index for some buckets of some names.

    Attributes
    ----------
    several
        Key -> what it gets, in the form for names with several buckets.
    single
        Key of singles -> name -> its only bucket, and how long these live.
    promoted
        Key of singles -> name -> the bucket that is added to the other form as well.
    """

    several: dict[bytes, Sorted] = field(default=Factory(dict))
    single: dict[bytes, Sorted] = field(default=Factory(dict))
    promoted: dict[bytes, Sorted] = field(default=Factory(dict))

    def add(self, key: bytes, command: bytes, keys: IntervalKeys, ttl: int | None) -> dict[bytes, int]:
        """Return the members that a key gets, after whatever it gets already."""
        return _entry(self.several, key, command, keys, ttl).members

    def bucket(self, keys: IntervalKeys, name: bytes, i: int, ttl: int | None) -> None:
        """Add a bucket of a name."""
        last = self.add(keys.names, b"ZADD", keys, ttl)
        known = last.get(name)
        if known is None or known < i:
            last[name] = i
        self.add(keys.buckets + name, b"ZADD", keys, ttl)[b"%d" % i] = i

    def looked_up(self) -> list[Names]:
        """Return the names whose entries have to be known for :meth:`shorten`."""
        return [
            Names(entry.keys, list(entry.members))
            for key, entry in self.several.items()
            if key == entry.keys.names
        ]

    def shorten(self, asked: Sequence[Names], replies: Sequence[Any], firsts: Mapping[str, bytes]) -> None:
        """Make singles of the names that have no more than one bucket, and take along that of those that had one."""
        for at, names in enumerate(asked):
            keys = names.keys
            if keys.names not in self.several:  # they were all there
                continue
            for reply in replies[3 * at : 3 * at + 3]:
                if isinstance(reply, Exception):
                    raise reply
            singles, left, several = replies[3 * at : 3 * at + 3]
            first = int(firsts[keys.interval.name] or -EXACT)
            wanted = self.several[keys.names].members
            for name, only, known in zip(names.names, singles, several, strict=True):
                if name in wanted and known is None:
                    i = None if only is None else int(float(only))
                    self._shorten(keys, name, None if i is None or i < first else i, left)
            if wanted:
                lives = {self.several[keys.buckets + name].ttl for name in wanted}
                self.several[keys.names].ttl = None if None in lives else max(filter(None, lives))
            else:
                del self.several[keys.names]

    def _shorten(self, keys: IntervalKeys, name: bytes, only: int | None, left: int) -> None:
        key = keys.buckets + name
        entry, last = self.several[key], self.several[keys.names]
        if len(entry.members) == 1:
            (i,) = entry.members.values()
            if only in (None, i) and abs(i) < EXACT:
                _entry(self.single, keys.singles, b"ZADD", keys, entry.ttl).members[name] = i
                del self.several[key], last.members[name]
                return
        if only is not None:
            self.promote(keys, name, only, None if left < 0 else left)

    def promote(self, keys: IntervalKeys, name: bytes, only: int, ttl: int | None) -> None:
        """Take the bucket of a single along."""
        self.bucket(keys, name, only, ttl)
        self.several[keys.buckets + name].lives(ttl)
        self.several[keys.names].lives(ttl)
        _entry(self.promoted, keys.singles, b"ZREM", keys, None).members[name] = only

    def dropping(self, mark: bytes, deleted: bytes | None) -> list[Command]:
        """Return the commands that take away the singles that have the other form by now, if nobody has deleted since.

        ``deleted`` is what the key ``mark`` held before.
        """
        return [
            (b"EVALSHA", SEVERAL, b"2", key, mark, deleted or b"", *pairs)
            for key, entry in self.promoted.items()
            for pairs in _pairs(entry)
        ]


@define
class Indexer:
    """Adds to the index of a place.

    Parameters
    ----------
    place
        Its keys.
    layouts
        Its records.
    """

    place: Place
    layouts: Layouts

    def of(self, units: Sequence[Unit], now: float) -> Addition:
        """Return what units add, in the form for names with several buckets."""
        addition = Addition()
        add = addition.add
        for _, group in groupby(units, key=_by_write):
            own = list(group)
            write = own[0].write
            keys = self.place.intervals[write.interval]
            ttl = None if write.deadline is None else seconds_to_live(write.deadline, now)
            last, i = add(keys.names, b"ZADD", keys, ttl), write.i
            bucket = b"%d" % i
            r = None if write.r is None else b"%d" % write.r
            for unit in own:
                name = unit.name
                known = last.get(name)
                if known is None or known < i:
                    last[name] = i
                add(keys.buckets + name, b"ZADD", keys, ttl)[bucket] = i
                if r is not None:
                    add(unit.key[: -1 - len(r)], b"SADD", keys, ttl)[r] = 0
        return addition

    def firsts(self, now: float) -> dict[str, bytes]:
        """Return, for each interval, the first bucket that the index keeps."""
        most = self.layouts.most_kept
        return {name: first_kept(keys, most(name), now) for name, keys in self.place.intervals.items()}

    def plain(self, addition: Addition, now: float) -> list[Command]:
        """Return plain commands that add."""
        return self._commands(addition, self.firsts(now), scripts=False)

    def _commands(self, addition: Addition, firsts: Mapping[str, bytes], *, scripts: bool) -> list[Command]:
        modern = bool(self.layouts.modern)
        return [
            command
            for key, entry in addition.several.items()
            for command in entry.commands(key, firsts[entry.keys.interval.name], scripts, modern)
        ]

    def add(self, addition: Addition, firsts: Mapping[str, bytes]) -> Protocol:
        """Add; in the other form where a single has another bucket by now, or no script is taken."""
        singles = [
            (entry.keys, (b"EVALSHA", SINGLE, b"1", key, _ttl(entry.ttl), first, *pairs))
            for key, entry in addition.single.items()
            for first in (firsts[entry.keys.interval.name],)
            for pairs in _pairs(entry)
        ]
        commands = self._commands(addition, firsts, scripts=True)
        replies = yield Request([*commands, *(command for _, command in singles)], writes=True)
        plain: list[Command] = []
        for command, reply in zip(commands, replies[: len(commands)], strict=True):
            if refuses_scripts(reply):
                key, ttl, _, *add = command[3:]
                plain.append((add[0], key, *add[1:]))
                plain += outlive(key, ttl, True) if self.layouts.modern else [(b"PERSIST", key)]
            elif isinstance(reply, Exception):
                raise reply
        if plain:
            yield from answered(plain)
        more = Addition(promoted=addition.promoted)
        for (keys, command), reply in zip(singles, replies[len(commands) :], strict=True):
            life, pairs = addition.single[keys.singles].ttl, command[6:]
            if refuses_scripts(reply):
                for i, name in zip(pairs[::2], pairs[1::2], strict=True):
                    more.bucket(keys, name, int(i), life)
            elif isinstance(reply, Exception):
                raise reply
            else:
                left, others = reply
                for at, only in zip(others[::2], others[1::2], strict=True):
                    i, name = pairs[2 * at : 2 * at + 2]
                    more.bucket(keys, name, int(i), life)
                    more.promote(keys, name, int(only), None if left < 0 else left)
        if more.several:
            yield from self.add(more, firsts)


def _entry(
    entries: dict[bytes, Sorted], key: bytes, command: bytes, keys: IntervalKeys, ttl: int | None
) -> Sorted:
    entry = entries.get(key)
    if entry is None:
        entry = entries[key] = Sorted(command, keys, ttl, {})
    else:
        entry.lives(ttl)
    return entry


def _pairs(entry: Sorted) -> Iterator[list[bytes]]:
    """Yield buckets and names, some thousand at a time."""
    members = list(entry.members.items())
    for at in range(0, len(members), 2_000):
        yield [part for name, i in members[at : at + 2_000] for part in (b"%d" % i, name)]


def _ttl(ttl: int | None) -> bytes:
    return b"0" if ttl is None or ttl > LONGEST else b"%d" % ttl


def _by_write(unit: Unit) -> int:
    return id(unit.write)
