"""The protocol of a write: from a batch to commands, and what their replies mean.

Each function is a generator that yields one :class:`~kairos_redis.links.Request` a round trip and is sent the replies.

On a server a chunk of a batch is one call of a script, which looks at every data key first and touches the index only
for those that are new. On a cluster, where the index lies on other nodes, each data key has a call of the same script,
which changes nothing if its key is new; for those that are, index and data follow in a second round. Where scripts are
refused, plain commands write index and data, each time.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from attrs import define, field, frozen
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from kairos.errors import InvalidValue, show
from kairos.storage import Batch, Write

from .connections import Command
from .keys import IntervalKeys, Place
from .kinds import KindCodec
from .layouts import Differs, Layouts
from .links import Request, Stream
from .scripts import INDEX, WRITE

__all__ = ["SLACK", "Writer", "chunks"]

SLACK = 300
"""Seconds that data lives on after its deadline: clocks differ, and the core hides it anyway."""

LONGEST = 3_000_000_000
"""The longest time to live in seconds, about a century; what should live longer lives for ever."""

KEYS = 1_000
"""How many data keys one script call writes: a longer one would block the server for others."""

ITEMS = 5_000
"""How many values one script call writes, about."""

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


@frozen
class _Group:
    """Names that several writes of a chunk have in common."""

    number: int
    names: list[bytes]
    starts: list[bytes]
    intervals: set[str]

    @classmethod
    def of(cls, number: int, names: Sequence[str], prefix: bytes) -> _Group:
        encoded = [name.encode() for name in names]
        return cls(number, encoded, [prefix + name for name in encoded], set())


@frozen(kw_only=True)
class _Shape:
    """All of a script call for one name but the name and its payload."""

    second: int
    slots: list[Any]
    version: int
    count: bytes
    data: list[bytes]
    sets: list[bytes]
    buckets: list[bytes]
    fixed: list[bytes]
    before: bytes
    after: bytes
    heads: list[bytes]

    def call(self, writer: Writer, rows: Mapping[str, Any], times: int) -> Command:
        """Return the call for a name."""
        for name, row in rows.items():
            encoded = name.encode()
            payload = writer.codec.payload(row)
        start = writer.place.prefix + encoded
        return (
            b"EVALSHA",
            WRITE[writer.place.kind],
            self.count,
            *[start + end for end in self.data],
            *self.fixed,
            *[start + end for end in self.sets],
            *[buckets + encoded for buckets in self.buckets],
            self.before + encoded + self.after,
            *self.heads,
            *(payload * times),
        )


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
    scripts: bool = True
    """Whether the server takes scripts, as far as is known."""
    _recent: _Shape | None = field(init=False, default=None)

    def write(self, batch: Batch) -> Protocol:
        """Store a batch.

        Raises SchemaMismatch, before a chunk is written, if the place has been taken by another layout.
        """
        parts = chunks(batch.writes, self.codec)
        first = next(parts)
        yield from self._store_checked(first, batch.now)
        done: list[Any] = []
        if first is not batch.writes and self.scripts and not self.spread:
            done = yield Stream(self.call(chunk, batch.now) for chunk in parts)
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
            (reply,) = yield Request((self.call(chunk, now),), writes=True)
            if reply != 1:
                self._check(reply)
        else:
            yield from self._plainly(chunk, now)

    def call(self, chunk: Sequence[Write], now: float) -> Command:
        """Return the script call that stores a chunk on a server."""
        rows = chunk[0].rows
        if len(rows) == 1 and all(write.rows is rows for write in chunk):
            return self._shape(chunk, now).call(self, rows, len(chunk))
        place, codec = self.place, self.codec
        used: dict[str, tuple[bytes, IntervalKeys]] = {}
        groups: dict[tuple[str, ...], _Group] = {}
        sets: dict[tuple[str, int, int], bytes] = {}
        touched: dict[bytes, None] = {place.layouts: None}
        data: list[bytes] = []
        heads: list[bytes] = []
        payloads: list[bytes] = []
        plan: list[bytes] = []
        for write in chunk:
            known = used.get(write.interval)
            if known is None:
                keys = place.intervals[write.interval]
                known = used[write.interval] = (b"%d" % (len(used) + 1), keys)
                touched[keys.names] = None
            interval, keys = known
            names = tuple(write.rows)
            group = groups.get(names)
            if group is None:
                group = groups[names] = _Group.of(len(groups) + 1, names, place.prefix)
            if write.interval not in group.intervals:
                group.intervals.add(write.interval)
                touched.update(dict.fromkeys([keys.buckets + name for name in group.names]))
            end = b"%b%d" % (keys.infix, write.i)
            if write.r is None:
                plan.append(b"%b\0%d\0%d\0\0000\0" % (interval, group.number, write.i))
            else:
                place_of = (write.interval, write.i, group.number)
                number = sets.get(place_of)
                if number is None:
                    number = sets[place_of] = b"%d" % (len(sets) + 1)
                    touched.update(dict.fromkeys([start + end for start in group.starts]))
                plan.append(b"%b\0%d\0%d\0%d\0%b\0" % (interval, group.number, write.i, write.r, number))
                end = b"%b:%d" % (end, write.r)
            data += [start + end for start in group.starts]
            heads += (time_to_live(write.deadline, now), b"%d" % len(names))
            payloads += codec.payloads(write.rows.values())
        index = b"%b\0%b%d\0%b%b" % (
            place.prefix,
            self._intervals([keys for _, keys in used.values()], now),
            len(groups),
            b"".join([b"%d\0%b\0" % (len(g.names), b"\0".join(g.names)) for g in groups.values()]),
            b"".join(plan),
        )
        return (
            b"EVALSHA",
            WRITE[place.kind],
            b"%d" % (len(data) + len(touched)),
            *data,
            *touched,
            index,
            b"%d" % len(chunk),
            *heads,
            *payloads,
        )

    def _intervals(self, used: Sequence[IntervalKeys], now: float) -> bytes:
        """Return what the script is told of intervals."""
        fields = [
            b"%b\0%b\0%d\0%b\0" % (keys.name, keys.record, keys.steps, first_kept(keys, now)) for keys in used
        ]
        return b"%d\0%b" % (len(fields), b"".join(fields))

    def _shape(self, chunk: Sequence[Write], now: float) -> _Shape:
        """Return what calls for one name have in common while they go to the same buckets in the same second."""
        second = math.floor(now)
        slots = [(write.interval, write.i, write.r) for write in chunk]
        shape = self._recent
        if (
            shape is None
            or shape.second != second
            or shape.slots != slots
            or shape.version != self.place.version
        ):
            shape = self._recent = self._new_shape(chunk, slots, second)
        return shape

    def _new_shape(self, chunk: Sequence[Write], slots: list[Any], second: int) -> _Shape:
        place = self.place
        used = {write.interval: place.intervals[write.interval] for write in chunk}
        number = {interval: b"%d" % at for at, interval in enumerate(used, 1)}
        data, sets, heads, plan = [], [], [], []
        for write in chunk:
            end = b"%b%d" % (used[write.interval].infix, write.i)
            if write.r is None:
                plan.append(b"%b\0001\0%d\0\0000\0" % (number[write.interval], write.i))
            else:
                if end not in sets:
                    sets.append(end)
                at = sets.index(end) + 1
                plan.append(b"%b\0001\0%d\0%d\0%d\0" % (number[write.interval], write.i, write.r, at))
                end = b"%b:%d" % (end, write.r)
            data.append(end)
            heads += (time_to_live(write.deadline, second), b"1")
        return _Shape(
            second=second,
            slots=slots,
            version=place.version,
            count=b"%d" % (len(data) + len(sets) + 2 * len(used) + 1),
            data=data,
            sets=sets,
            buckets=[keys.buckets for keys in used.values()],
            fixed=[place.layouts, *(keys.names for keys in used.values())],
            before=b"%b\0%b1\0001\0" % (place.prefix, self._intervals(list(used.values()), second)),
            after=b"\0" + b"".join(plan),
            heads=[b"%d" % len(chunk), *heads],
        )

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
            if _refuses_scripts(reply):
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
            replies = yield Request([self._call_one(unit, b"?", now) for unit in units], writes=True)
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
        data = [self._call_one(unit, b"!", now) for unit in units]
        replies = yield Request([*index, *data], writes=True)
        for reply in replies:
            if reply != 1:
                self._check(reply)

    def _call_one(self, unit: Unit, mode: bytes, now: float) -> Command:
        return (
            b"EVALSHA",
            WRITE[self.place.kind],
            b"1",
            unit.key,
            mode,
            b"1",
            time_to_live(unit.write.deadline, now),
            b"1",
            *self.codec.payload(unit.payload),
        )

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
        replies = yield Request(commands, writes=True)
        again: list[Command] = []
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, ResponseError):
                if command[0] != b"INCRBY" or "not an integer" not in str(reply):
                    raise reply
                again.append((b"INCRBYFLOAT", *command[1:]))
        if again:
            for reply in (yield Request(again, writes=True)):
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
    """Return whether a script call had no effect for a reason that is gone when it is made again, or is looked at then."""
    return isinstance(reply, NoScriptError) or (isinstance(reply, list) and reply[0] == b"layout")


def _refuses_scripts(error: ResponseError) -> bool:
    message = str(error).lower()
    command = "evalsha" in message or "script|load" in message or "'script'" in message
    return command and (isinstance(error, NoPermissionError) or "unknown command" in message)


def seconds_to_live(deadline: int, now: float) -> int:
    """Return the time to live of a bucket, in whole seconds."""
    return max(1, deadline - math.floor(now) + SLACK)


def time_to_live(deadline: int | None, now: float) -> bytes:
    """Return the time to live of a bucket as text; 0 is for ever."""
    if deadline is None:
        return b"0"
    seconds = seconds_to_live(deadline, now)
    return b"0" if seconds > LONGEST else b"%d" % seconds


def first_kept(keys: IntervalKeys, now: float) -> bytes:
    """Return the first bucket that the index keeps (empty: all): of those before it, the engine has removed the data."""
    if keys.interval.steps is None:
        return b""
    try:
        first = keys.interval.first_live(math.floor(now) - 2 * SLACK)
    except InvalidValue:  # at the beginning of time
        return b""
    return b"" if first is None else b"%d" % first


def chunks(writes: Sequence[Write], codec: KindCodec) -> Iterator[Sequence[Write]]:
    """Cut a batch into parts that are short enough for one script call, each with few names and all their buckets."""
    keys, size = 0, 0
    for write in writes:
        keys += len(write.rows)
        size += codec.sizes(write.rows.values())
    if keys <= KEYS and size <= ITEMS:
        yield writes
        return
    names = list(dict.fromkeys(name for write in writes for name in write.rows))
    parts = max(keys / KEYS, size / ITEMS)
    length = max(1, int(len(names) / parts))
    for at in range(0, len(names), length):
        some = names[at : at + length]
        chunk = [part for write in writes if (part := _only(write, some)) is not None]
        if sum(len(write.rows) for write in chunk) <= 2 * KEYS and (
            sum(codec.sizes(write.rows.values()) for write in chunk) <= 2 * ITEMS
        ):
            yield chunk
        else:
            yield from _cut(chunk, codec)


def _only(write: Write, names: Sequence[str]) -> Write | None:
    rows = write.rows
    own = {name: rows[name] for name in names if name in rows}
    return _with_rows(write, own) if own else None


def _cut(writes: Sequence[Write], codec: KindCodec) -> Iterator[list[Write]]:
    """Cut writes of a few names wherever a part is full."""
    chunk: list[Write] = []
    keys = items = 0
    for write in writes:
        rows: dict[str, Any] = {}
        for name, row in write.rows.items():
            for part in _parts(row, codec):
                size = codec.size(part)
                if keys and (keys >= KEYS or items + size > ITEMS or name in rows):
                    if rows:
                        chunk.append(_with_rows(write, rows))
                    yield chunk
                    chunk, rows, keys, items = [], {}, 0, 0
                rows[name] = part
                keys += 1
                items += size
        if rows:
            chunk.append(_with_rows(write, rows))
    if chunk:
        yield chunk


def _with_rows(write: Write, rows: Mapping[str, Any]) -> Write:
    return Write(write.interval, write.i, write.r, write.deadline, rows)


def _parts(row: Any, codec: KindCodec) -> Iterator[Any]:
    """Cut a payload that is long into some that are not."""
    if codec.size(row) <= ITEMS:
        yield row
        return
    if isinstance(row, dict):
        pairs = list(row.items())
        for at in range(0, len(pairs), ITEMS // 2):
            yield dict(pairs[at : at + ITEMS // 2])
        return
    values = list(row)
    for at in range(0, len(values), ITEMS):
        yield values[at : at + ITEMS]
