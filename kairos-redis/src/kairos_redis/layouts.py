"""What a place records: for each interval its kind and layout, and how many buckets are kept at most."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from attrs import Factory, define, evolve, field

from kairos.errors import SchemaMismatch, show
from kairos.intervals import check_layout
from kairos.storage import Write

from .connections import Command
from .keys import Place
from .requests import Request

__all__ = ["Differs", "Layouts"]

Protocol = Generator[Request, list[Any], Any]


class Differs(Exception):
    """The place has another record of an interval than we expect; nothing was written."""


@define
class Layouts:
    """The hash of layouts of a place.

    Field ``interval`` holds the kind, a space and the layout; field ``interval NUL steps`` how many buckets the handle
    that keeps most keeps (0: all). Where no script could raise that, a field ``interval NUL steps NUL number`` stands
    beside it: the most of them counts, so that none is ever lowered by a command that comes late.

    Parameters
    ----------
    place
        Its keys; :attr:`~kairos_redis.keys.IntervalKeys.record` is what writes expect to find.
    """

    place: Place
    spread: bool = field(init=False, default=False)
    """Whether its keys lie on several nodes."""
    modern: bool | None = field(init=False, default=None)
    """Whether ``EXPIRE`` knows ``NX`` and ``GT``, as Redis does from 7.0 on; None: not asked yet."""
    known: dict[str, str] = field(init=False, default=Factory(dict))
    """The layouts of our kind, as they were last read."""
    kept: dict[str, int] = field(init=False, default=Factory(dict))
    """How many buckets of an interval are kept at most, as it was last read."""
    _fields: dict[str, list[bytes]] = field(init=False, default=Factory(dict))
    """The fields of each interval, as they were last read."""

    def read(self) -> Protocol:
        """Return interval -> layout, of all intervals of our kind; raise SchemaMismatch if ours are another kind's."""
        commands: list[Command] = [(b"HGETALL", self.place.layouts)]
        if self.modern is None:  # a key that is not there: this changes nothing
            commands.append((b"EXPIRE", self.place.nothing, b"1", b"NX"))
        reply, *asked = yield Request(commands)
        if asked:
            self.modern = not isinstance(asked[0], Exception)
        records = self._take(reply)
        found = {}
        for name, record in records.items():
            kind, layout = _parse(record)
            if kind == self.place.kind:
                found[name] = layout
            elif name in self.place.intervals:
                self._refuse(name, kind)
        self.known = found
        return dict(found)

    def _take(self, reply: Any) -> dict[str, bytes]:
        """Return the records of a reply to ``HGETALL``, and keep what it says of steps."""
        if isinstance(reply, Exception):
            raise reply
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        records: dict[str, bytes] = {}
        kept: dict[str, int] = {}
        fields: dict[str, list[bytes]] = {}
        for key, value in pairs:
            name, *what = key.decode().split("\0")
            fields.setdefault(name, []).append(key)
            if not what:
                records[name] = value
            else:
                steps = int(what[1] if len(what) > 1 else value)
                kept[name] = _most(steps, kept.get(name, steps))
        self.kept, self._fields = kept, fields
        return records

    def _refuse(self, name: str, kind: str) -> None:
        raise SchemaMismatch(
            f"interval {show(name)}: under the prefix {show(self.place.prefix.decode())} it holds a {kind}; this "
            f"timeseries is a {self.place.kind}: give each kind a prefix= or interval names of its own"
        )

    def record(self, layouts: Mapping[str, str]) -> Protocol:
        """Record layouts that are not there yet; return what is there, which writes will expect."""
        yield Request(self.commands(layouts), writes=True)
        recorded = yield from self.read()
        found = {name: recorded[name] for name in layouts if name in recorded}
        self.expect(found)
        return found

    def commands(self, layouts: Mapping[str, str]) -> list[Command]:
        """Return commands that record layouts that are not there yet."""
        kind = self.place.kind.encode()
        return [
            (b"HSETNX", self.place.layouts, name.encode(), b"%b %b" % (kind, text.encode()))
            for name, text in layouts.items()
        ]

    def steps_commands(self) -> list[Command]:
        """Return commands that record our ``steps``, where they are more than is known; they never lower a record."""
        commands: list[Command] = []
        for name, keys in self.place.intervals.items():
            stem = b"%b\0steps" % keys.name
            if name not in self.kept:
                commands.append((b"HSETNX", self.place.layouts, stem, b"%d" % keys.steps))
            if name not in self.kept or _more(keys.steps, self.kept[name]):
                commands.append((b"HSETNX", self.place.layouts, b"%b\0%d" % (stem, keys.steps), b""))
        return commands

    def kept_longest(self, write: Write) -> Write:
        """Return a write with the deadline of the handle that keeps most, where that is known and another."""
        interval = self.place.intervals[write.interval].interval
        kept = self.most_kept(write.interval)
        if kept == (interval.steps or 0):
            return write
        deadline = evolve(interval, steps=kept).deadline(write.i) if kept else None
        return Write(write.interval, write.i, write.r, deadline, write.rows)

    def expect(self, layouts: Mapping[str, str]) -> None:
        """Let writes expect these layouts, which the core has accepted, or will refuse."""
        intervals, kind = self.place.intervals, self.place.kind.encode()
        for name, text in layouts.items():
            record = b"%b %b" % (kind, text.encode())
            if name in intervals and intervals[name].record != record:
                intervals[name] = evolve(intervals[name], record=record)
                self.place.version += 1

    def accept(self) -> Protocol:
        """Accept the records as they are, if they mean the same as ours; else raise SchemaMismatch."""
        recorded = yield from self.read()
        for name, keys in self.place.intervals.items():
            if name in recorded:
                check_layout(name, recorded[name], keys.interval.layout)
        self.expect(recorded)

    def look(self) -> list[Command]:
        """Return the commands whose replies :meth:`compare` takes."""
        return [(b"HGETALL", self.place.layouts), *self.deletes()]

    def compare(self, seen: Sequence[Any] | None = None) -> Protocol:
        """Raise :class:`Differs` if a record is not what we expect; record what is missing.

        Returns what :meth:`deleted` has to return in the end, if nothing was deleted meanwhile.
        """
        reply, last = seen or (yield Request(self.look()))
        deleted = self.deleted(last)
        records = self._take(reply)
        missing = []
        for name, keys in self.place.intervals.items():
            if name not in records:
                missing.append((b"HSETNX", self.place.layouts, keys.name, keys.record))
            elif records[name] != keys.record:
                raise Differs
        commands = missing + self.steps_commands()
        if commands:
            replies = yield Request(commands, writes=True)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            if not all(replies[: len(missing)]):  # somebody was faster with a record
                yield from self.compare_again()
        return deleted

    def deletes(self) -> list[Command]:
        """Return the command whose reply :meth:`deleted` takes."""
        return [(b"GET", self.place.deleted)]

    def deleted(self, reply: Any) -> Any:
        """Return what is another after each delete."""
        if isinstance(reply, Exception):
            raise reply
        return reply

    def compare_again(self) -> Protocol:
        """Compare without recording."""
        recorded = yield from self.read()
        for name, keys in self.place.intervals.items():
            if name in recorded and keys.record != b"%b %b" % (
                self.place.kind.encode(),
                recorded[name].encode(),
            ):
                raise Differs

    def most_kept(self, interval: str) -> int:
        """Return how many steps of an interval are kept at most, as far as is known; 0: all."""
        own = self.place.intervals[interval].steps
        return _most(own, self.kept.get(interval, own))

    def forget(self, intervals: Sequence[str], *, unless_written: bool = False) -> Protocol:
        """Remove the records of these intervals of our kind.

        With ``unless_written`` they are put back where there are names: a writer had come after the data was removed,
        met its record still, and will not look again.
        """
        recorded = yield from self.read()
        ours = {name: self._fields.get(name, []) for name in intervals if name in recorded}
        fields = [field for own in ours.values() for field in own]
        if not fields:
            return
        commands: list[Command] = [(b"HDEL", self.place.layouts, *fields)]
        if self.spread:
            commands.append(self.place.mark())
        if unless_written:
            stems = [self.place.intervals[name] for name in ours]
            commands += [(b"EXISTS", key) for keys in stems for key in (keys.names, keys.singles)]
        replies = yield Request(commands, writes=True)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        for name in ours:
            self.kept.pop(name, None)
        if not unless_written:
            return
        there = replies[-2 * len(ours) :]
        again = {name: recorded[name] for at, name in enumerate(ours) if any(there[2 * at : 2 * at + 2])}
        if again:
            yield Request(self.commands(again) + self.steps_commands(), writes=True)


def _parse(record: bytes) -> tuple[str, str]:
    kind, _, layout = record.partition(b" ")
    return kind.decode(), layout.decode()


def _most(steps: int, kept: int) -> int:
    """Return the larger of two numbers of steps, of which 0 means all."""
    return 0 if steps == 0 or kept == 0 else max(steps, kept)


def _more(steps: int, kept: int) -> bool:
    """Return whether so many steps (0: all) are more than those kept."""
    return kept != 0 and (steps == 0 or steps > kept)
