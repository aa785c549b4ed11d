"""The protocol of a write: from a batch to commands, and what their replies mean.

Each function is a generator that yields one :class:`~kairos_redis.links.Request` a round trip and is sent the replies.

On a server a chunk of a batch is one call of a script, which looks at every data key first and touches the index only
for those that are new. On a cluster, where the index lies on other nodes, each data key has a call of the same script,
which changes nothing if its key is new; for those that are, index and data follow in a second round. Where scripts are
refused, plain commands write index and data, each time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import Any

from attrs import define, field
from redis.exceptions import NoScriptError, ResponseError

from kairos.errors import InvalidValue, show
from kairos.storage import Batch, Write

from .calls import Calls
from .chunks import chunks
from .connections import Command
from .keys import IntervalKeys, Place
from .kinds import KindCodec
from .layouts import Differs, Layouts
from .lifetimes import LONGEST, first_kept, seconds_to_live, time_to_live
from .links import Request, Stream
from .scripts import INDEX, refuses_scripts

__all__ = ["Writer"]

FEW = 8
"""Up to how many data keys a cluster is first asked whether they are there."""

Protocol = Generator[Request | Stream, list[Any], Any]


@define
class Unit:
    """One name in one bucket of a batch: one data key."""

    write: Write
    keys: IntervalKeys
    name: bytes
    key: bytes
    payload: Any


@define
class Writer:
    """Plans the writes of one place.

    Parameters
    ----------
    place
        Its keys.
    codec
        Its kind.
    layouts
        Its records.
    spread
        Whether its keys lie on several nodes.
    """

    place: Place
    codec: KindCodec
    layouts: Layouts
    spread: bool
    calls: Calls = field(init=False)
    scripts: bool = True
    """Whether the server takes scripts, as far as is known."""

    def __attrs_post_init__(self) -> None:
        self.calls = Calls(self.place, self.codec)

    def write(self, batch: Batch) -> Protocol:
        """Store a batch; raise SchemaMismatch, before a chunk is written, if the place is another layout's by now."""
        parts = chunks(batch.writes, self.codec)
        first = next(parts)
        yield from self._store_checked(first, batch.now)
        done: list[Any] = []
        if first is not batch.writes and self.scripts and not self.spread:
            done = yield Stream(self.calls.call(chunk, batch.now) for chunk in parts)
            parts = islice(chunks(batch.writes, self.codec), 1, None)
        for at, chunk in enumerate(parts):
            if at >= len(done) or done[at] != 1:
                if at < len(done) and not _not_done(done[at]):
                    self._check(done[at])
                yield from self._store_checked(chunk, batch.now)

    def _store_checked(self, chunk: Sequence[Write], now: float) -> Protocol:
        try:
            yield from self._store(chunk, now)
        except _ScriptsRefused:
            self.scripts = False
            yield from self._store(chunk, now)
        except Differs:
            yield from self.layouts.accept()  # raises, if it is more than another spelling
            yield from self._store(chunk, now)

    def _store(self, chunk: Sequence[Write], now: float) -> Protocol:
        if self.scripts and self.spread:
            yield from self._across(chunk, now)
        elif self.scripts:
            (reply,) = yield Request((self.calls.call(chunk, now),), writes=True, waits=True)
            if reply != 1:
                self._check(reply)
        else:
            yield from self._plainly(chunk, now)

    def _check(self, reply: Any) -> None:
        """Raise for a reply of a write's script that is not 1."""
        if isinstance(reply, list):
            if reply[0] == b"layout":
                raise Differs
            key = bytes(reply[1]).decode("utf-8", "replace")
            raise InvalidValue(
                f"a number of {show(key)} would leave 64 bits (or the range of a float): "
                "nothing of this call's chunk was stored"
            )
        if isinstance(reply, ResponseError):
            if refuses_scripts(reply):
                raise _ScriptsRefused
            raise reply

    def _units(self, chunk: Sequence[Write]) -> list[Unit]:
        units = []
        for write in chunk:
            keys = self.place.intervals[write.interval]
            tail = b"%b%d" % (keys.infix, write.i)
            if write.r is not None:
                tail = b"%b:%d" % (tail, write.r)
            for name, row in write.rows.items():
                encoded = name.encode()
                units.append(Unit(write, keys, encoded, self.place.prefix + encoded + tail, row))
        return units

    def _across(self, chunk: Sequence[Write], now: float) -> Protocol:
        """Write to a cluster: what is there, and then, with their index, the data keys that are new."""
        units = self._units(chunk)
        if len(units) <= FEW:
            replies = yield Request([self._one(unit, b"?", now) for unit in units], writes=True, waits=True)
            new = []
            for unit, reply in zip(units, replies, strict=True):
                if reply == b"new":
                    new.append(unit)
                elif reply != 1:
                    self._check(reply)
            units = new
        if not units:
            return
        yield from self.layouts.compare()
        index = self._index(units, now, scripts=True)
        data = [self._one(unit, b"!", now) for unit in units]
        replies = yield Request([*index, *data], writes=True, waits=True)
        for reply in replies:
            if reply != 1:
                self._check(reply)

    def _one(self, unit: Unit, mode: bytes, now: float) -> Command:
        return self.calls.call_one(unit.key, unit.payload, unit.write.deadline, mode, now)

    def _index(self, units: list[Unit], now: float, *, scripts: bool) -> list[Command]:
        """Return the commands that add units to the index."""
        adds: dict[bytes, IndexKey] = {}

        def add(key: bytes, command: bytes, keys: IntervalKeys, ttl: int | None) -> IndexKey:
            entry = adds.get(key)
            if entry is None:
                entry = adds[key] = IndexKey(command, keys, ttl, {})
            elif entry.ttl is not None:
                entry.ttl = None if ttl is None else max(ttl, entry.ttl)
            return entry

        for unit in units:
            write, keys = unit.write, unit.keys
            ttl = None if write.deadline is None else seconds_to_live(write.deadline, now)
            last = add(keys.names, b"ZADD", keys, ttl).members
            known = last.get(unit.name)
            last[unit.name] = write.i if known is None else max(known, write.i)
            add(keys.buckets + unit.name, b"ZADD", keys, ttl).members[b"%d" % write.i] = write.i
            if write.r is not None:
                resolutions = unit.key[: -1 - len(b"%d" % write.r)]
                add(resolutions, b"SADD", keys, ttl).members[b"%d" % write.r] = 0
        return [command for key, entry in adds.items() for command in entry.commands(key, now, scripts)]

    def _plainly(self, chunk: Sequence[Write], now: float) -> Protocol:
        """Write without scripts."""
        yield from self.layouts.compare()
        commands = self.plain(chunk, now)
        replies = yield Request(commands, writes=True, waits=True)
        again: list[Command] = []
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, ResponseError):
                if command[0] != b"INCRBY" or "not an integer" not in str(reply):
                    raise reply
                again.append((b"INCRBYFLOAT", *command[1:]))
        if again:
            for reply in (yield Request(again, writes=True, waits=True)):
                if isinstance(reply, Exception):
                    raise reply

    def plain(self, chunk: Sequence[Write], now: float) -> list[Command]:
        """Return plain commands that store a chunk: the index first, then the data."""
        units = self._units([self.layouts.kept_longest(write) for write in chunk])
        commands = self._index(units, now, scripts=False)
        for unit in units:
            commands += self.codec.plain(unit.key, unit.payload)
            ttl = time_to_live(unit.write.deadline, now)
            commands.append((b"PERSIST", unit.key) if ttl == b"0" else (b"EXPIRE", unit.key, ttl))
        return commands


@define
class IndexKey:
    """What is added to one key of the index."""

    command: bytes
    keys: IntervalKeys
    ttl: int | None
    members: dict[bytes, int]

    def commands(self, key: bytes, now: float, scripts: bool) -> Iterator[Command]:
        """Yield the commands that add it, and see that the key lives as long as what it points to."""
        scored = self.command == b"ZADD"
        members: list[bytes] = []
        for member, score in self.members.items():
            members += (b"%d" % score, member) if scored else (member,)
        options = (b"GT",) if key == self.keys.names else ()
        ttl = b"0" if self.ttl is None or self.ttl > LONGEST else b"%d" % self.ttl
        if scripts:
            first = first_kept(self.keys, now) if scored else b""
            yield (b"EVALSHA", INDEX, b"1", key, ttl, first, self.command, *options, *members)
            return
        yield (self.command, key, *options, *members)
        if scored or ttl == b"0":  # EXPIRE could shorten it, and only newer servers can be told not to
            yield (b"PERSIST", key)
        else:
            yield (b"EXPIRE", key, ttl)


class _ScriptsRefused(Exception):
    """The user may not run scripts; nothing was written."""


def _not_done(reply: Any) -> bool:
    """Return whether a script call had no effect, for a reason that making it again settles."""
    return isinstance(reply, NoScriptError) or (isinstance(reply, list) and reply[0] == b"layout")
