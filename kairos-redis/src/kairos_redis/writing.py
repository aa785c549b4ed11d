"""The protocol of a write: from a batch to commands, and what their replies mean.

Each function is a generator that yields one :class:`~kairos_redis.links.Request` a round trip and is sent the replies.

On a server a chunk of a batch is one call of a script, which looks at every data key first and touches the index only
for those that are new. On a cluster, where the index lies on other nodes, each data key has a call of the same script,
which changes nothing if its key is new; for those that are, index and data follow in a second round. Where scripts are
refused, plain commands write index and data, each time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import Any

from attrs import define, evolve, field
from redis.exceptions import NoScriptError, ResponseError

from kairos.errors import InvalidValue, show
from kairos.storage import Batch, Write

from .calls import Calls
from .chunks import chunks
from .connections import Command
from .errors import NotAcknowledged
from .indexing import Addition, Indexer, Names, Unit
from .keys import Place
from .kinds import KindCodec
from .layouts import Differs, Layouts
from .lifetimes import outlive, time_to_live
from .requests import Request, Stream
from .scripts import refuses_scripts

__all__ = ["Writer"]

FEW = 8
"""Up to how many data keys a cluster is first asked whether they are there."""

SHORT = 200
"""Up to how many values that are asked with what they get, since it is sent again to those that are not."""

MET = 10_000
"""How many data keys a handle remembers on a cluster."""

Protocol = Generator[Request | Stream, list[Any], Any]


@define
class Tally:
    """What became of the units of a chunk on a cluster, over several requests.

    Parameters
    ----------
    check
        Raises for a script's reply that is an error.
    """

    check: Callable[[Any], None]
    refused: list[Unit] = field(init=False, factory=list)
    failure: Exception | None = field(init=False, default=None)
    missed: NotAcknowledged | None = field(init=False, default=None)

    def take(self, units: Sequence[Unit], replies: Sequence[Any], request: Request) -> list[Unit]:
        """Note the replies to a request; return the units that are still to be written."""
        self.missed = request.missed or self.missed
        left = []
        for unit, reply in zip(units, replies, strict=True):
            if reply == 1 or reply == b"OK":
                continue
            if reply is None or reply == b"new":
                left.append(unit)
            elif refuses_scripts(reply):
                self.refused.append(unit)
            else:
                try:
                    self.check(reply)
                except Exception as error:
                    self.failure = self.failure or error
        return left


@define
class _Look:
    """What a cluster said of records and of names."""

    names: Sequence[Names]
    _replies: Sequence[Any]

    @property
    def records(self) -> Sequence[Any]:
        """The replies about records."""
        return self._replies[:2]

    @property
    def replies(self) -> Sequence[Any]:
        """The replies about names."""
        return self._replies[2:]


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
    indexer: Indexer = field(init=False)
    scripts: bool = True
    """Whether the server takes scripts, as far as is known."""
    _met: set[bytes] = field(init=False, factory=set)
    """On a cluster: some of the data keys that were written to."""

    def __attrs_post_init__(self) -> None:
        self.layouts.spread = self.spread
        self.calls = Calls(self.place, self.codec, self.layouts)
        self.indexer = Indexer(self.place, self.layouts)

    def write(self, batch: Batch) -> Protocol:
        """Store a batch; raise SchemaMismatch, before a chunk is written, if the place is another layout's by now."""
        missed: NotAcknowledged | None = None
        parts = chunks(batch.writes, self.codec)
        first = next(parts)
        missed = yield from self._store_checked(first, batch.now)
        if first is not batch.writes and self.scripts and not self.spread:
            missed = (yield from self._stream(parts, batch)) or missed
        else:
            for chunk in parts:
                missed = (yield from self._store_checked(chunk, batch.now)) or missed
        if missed is not None:
            raise missed

    def _stream(
        self, parts: Iterator[Sequence[Write]], batch: Batch
    ) -> Generator[Request | Stream, list[Any], NotAcknowledged | None]:
        """Store the chunks after the first; those that a server did not take are looked at one by one."""
        sent = 0

        def calls() -> Iterator[Command]:
            nonlocal sent
            for chunk in parts:
                sent += 1
                yield self.calls.call(chunk, batch.now)

        stream = Stream(calls())
        replies = yield stream
        missed = stream.missed
        if all(reply in (1, 2) for reply in replies):
            return missed
        for at, chunk in enumerate(islice(chunks(batch.writes, self.codec), 1, None)):
            reply = replies[at] if at < len(replies) else None
            if reply in (1, 2):
                continue
            if reply is not None and not _not_done(reply):
                self._check(reply)
            missed = (yield from self._store_checked(chunk, batch.now)) or missed
        return missed

    def _store_checked(
        self, chunk: Sequence[Write], now: float
    ) -> Generator[Request | Stream, list[Any], NotAcknowledged | None]:
        """Store a chunk; return the error of a write that too few replicas have confirmed."""
        if self.spread and self.scripts:
            return (yield from self._across(chunk, now))
        while True:
            try:
                if not self.scripts:
                    return (yield from self._plainly(self._units(chunk), now))
                request = Request((self.calls.call(chunk, now),), writes=True, waits=True)
                (reply,) = yield request
                if reply == 2:
                    yield from self.layouts.read()  # another handle keeps more steps than we knew
                elif reply != 1:
                    self._check(reply)
            except _ScriptsRefused:
                self.scripts = False
            except Differs:
                yield from self.layouts.accept()  # raises, if it is more than another spelling
            else:
                return request.missed

    def _check(self, reply: Any) -> None:
        """Raise for a reply of a write's script that is neither 1 nor 2."""
        if isinstance(reply, list):
            if reply[0] == b"layout":
                raise Differs
            key = bytes(reply[1]).decode("utf-8", "replace")
            what = (
                "other names of this call may have been"
                if self.spread
                else "nothing of this call's chunk was"
            )
            raise InvalidValue(
                f"a number of {show(key)} would leave 64 bits (or the range of a float): {what} stored"
            )
        if refuses_scripts(reply):
            raise _ScriptsRefused
        if isinstance(reply, Exception):
            raise reply
        raise AssertionError(f"unexpected reply {reply!r}")

    def _units(self, chunk: Sequence[Write]) -> list[Unit]:
        units, prefix = list[Unit](), self.place.prefix
        for write in chunk:
            keys = self.place.intervals[write.interval]
            tail = b"%b%d" % (keys.infix, write.i)
            if write.r is not None:
                tail = b"%b:%d" % (tail, write.r)
            for name, row in write.rows.items():
                encoded = name.encode()
                units.append(Unit(write, encoded, prefix + encoded + tail, row))
        return units

    def _across(
        self, chunk: Sequence[Write], now: float
    ) -> Generator[Request | Stream, list[Any], NotAcknowledged | None]:
        """Write to a cluster: to the data keys that are there; for those that are new the index, then the data.

        Without an index before it a killed writer could leave data that no list shows. Somebody who deletes the name at
        the same moment could take the index away again: then it is written once more, for what is there. What one node
        refuses does not keep the others from getting theirs.
        """
        units, tally = self._units(chunk), Tally(self._check)
        look: _Look | None = None
        if len(units) <= FEW:
            few, met = units, any(unit.key in self._met for unit in units)
            if met or self.codec.sizes([unit.payload for unit in units]) <= SHORT:
                units, look = yield from self._to_what_is_there(few, now, tally, look=not met)
            if not met:
                self._meet(few)
        if units:
            addition = self.indexer.of(units, now)
            if look is None:
                look = yield from self._look(addition)
            deleted = yield from self._compared(look.records)
            firsts = self.indexer.firsts(now)
            addition.shorten(look.names, look.replies, firsts)
            yield from self.indexer.add(addition, firsts)
            yield from self._to_what_is_new(units, now, tally)
            dropping = addition.dropping(self.place.deleted, deleted)
            seen = yield Request([*self.layouts.deletes(), *dropping], writes=bool(dropping))
            if self.layouts.deleted(seen[0]) != deleted:
                yield from self._compared()
                flags = yield Request([(b"EXISTS", unit.key) for unit in units])
                left = [unit for unit, flag in zip(units, flags, strict=True) if flag]
                yield from self.indexer.add(self.indexer.of(left, now), firsts)
        if tally.refused:  # users have their rights on each node
            tally.missed = (yield from self._plainly(tally.refused, now)) or tally.missed
        if tally.failure is not None:
            raise tally.failure
        return tally.missed

    def _to_what_is_there(
        self, units: list[Unit], now: float, tally: Tally, *, look: bool
    ) -> Generator[Request | Stream, list[Any], tuple[list[Unit], _Look | None]]:
        """Write to the data keys that are there; return the units whose keys are new, and a look at records and index.

        Where this handle has not met the keys yet they are likely to be new, and the look costs no round trip.
        """
        commands = [self._one(unit, b"?", now) for unit in units]
        names = self.indexer.of(units, now).looked_up() if look else []
        request = Request(commands + (self._looks(names) if look else []), writes=True, waits=True)
        replies = yield request
        left = tally.take(units, replies[: len(units)], request)
        return left, _Look(names, replies[len(units) :]) if look else None

    def _meet(self, units: Sequence[Unit]) -> None:
        if len(self._met) > MET:
            self._met.clear()
        self._met.update([unit.key for unit in units])

    def _looks(self, names: Sequence[Names]) -> list[Command]:
        return [*self.layouts.look(), *(command for some in names for command in some.commands)]

    def _look(self, addition: Addition) -> Generator[Request, list[Any], _Look]:
        """Look at the records, and at what the index says of names."""
        names = addition.looked_up()
        return _Look(names, (yield Request(self._looks(names))))

    def _to_what_is_new(
        self, units: list[Unit], now: float, tally: Tally
    ) -> Generator[Request | Stream, list[Any], None]:
        """Write to data keys that are new, most of them; the index has them."""
        if len(units) > FEW and self.codec.simple([unit.payload for unit in units]):
            ttls: dict[int | None, list[bytes]] = {}
            commands: list[Command] = []
            for unit in units:
                deadline = unit.write.deadline
                life = ttls.get(deadline)
                if life is None:
                    ttl = time_to_live(deadline, now)
                    life = ttls[deadline] = [b"NX"] if ttl == b"0" else [b"NX", b"EX", ttl]
                commands.append((b"SET", unit.key, *self.codec.payload(unit.payload), *life))
            request = Request(commands, writes=True, waits=True)
            replies = yield request
            units = tally.take(units, replies, request)
        if units:
            request = Request([self._one(unit, b"!", now) for unit in units], writes=True, waits=True)
            replies = yield request
            tally.take(units, replies, request)

    def _compared(self, seen: Sequence[Any] | None = None) -> Protocol:
        """Compare the records with ours; raise SchemaMismatch if they mean something else."""
        while True:
            try:
                return (yield from self.layouts.compare(seen))
            except Differs:
                yield from self.layouts.accept()
                seen = None

    def _one(self, unit: Unit, mode: bytes, now: float) -> Command:
        return self.calls.call_one(unit.key, unit.payload, unit.write.deadline, mode, now)

    def _plainly(
        self, units: list[Unit], now: float
    ) -> Generator[Request | Stream, list[Any], NotAcknowledged | None]:
        """Write without scripts."""
        yield from self._compared()
        commands = self._plain(units, now, seen=True)
        request = Request(commands, writes=True, waits=True)
        replies = yield request
        missed, again = request.missed, list[Command]()
        failure: Exception | None = None
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, ResponseError):
                if command[0] == b"INCRBY" and "not an integer" in str(reply):
                    again.append((b"INCRBYFLOAT", *command[1:]))
                else:
                    failure = failure or reply
        if again:
            request = Request(again, writes=True, waits=True)
            for reply in (yield request):
                failure = failure or (reply if isinstance(reply, Exception) else None)
            missed = request.missed or missed
        if failure is not None:
            raise failure
        return missed

    def plain(self, chunk: Sequence[Write], now: float, *, seen: bool) -> list[Command]:
        """Return plain commands that store a chunk; ``seen``: whether somebody looks at their replies."""
        return self._plain(self._units(chunk), now, seen=seen)

    def _plain(self, units: list[Unit], now: float, *, seen: bool) -> list[Command]:
        """Return plain commands that store units: the index first, then the data."""
        units = [evolve(unit, write=self.layouts.kept_longest(unit.write)) for unit in units]
        commands = self.indexer.plain(self.indexer.of(units, now), now)
        store, modern = self.codec.plain if seen else self.codec.unseen, bool(self.layouts.modern)
        for unit in units:
            commands += store(unit.key, unit.payload)
            ttl = time_to_live(unit.write.deadline, now)
            commands += outlive(unit.key, ttl, modern)
        return commands


class _ScriptsRefused(Exception):
    """The user may not run scripts; nothing was written."""


def _not_done(reply: Any) -> bool:
    """Return whether a script call had no effect, for a reason that making it again settles."""
    return isinstance(reply, NoScriptError) or (isinstance(reply, list) and reply[0] == b"layout")
