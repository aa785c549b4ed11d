"""The calls of the scripts that write: their keys and arguments, as ``lua/write.lua`` reads them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from kairos.storage import Write

from .connections import Command
from .keys import IntervalKeys, Place
from .kinds import KindCodec
from .layouts import Layouts
from .lifetimes import first_kept, time_to_live
from .scripts import WRITE

__all__ = ["Calls"]


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

    def call(self, place: Place, codec: KindCodec, rows: Mapping[str, Any]) -> Command:
        """Return the call for a name."""
        ((name, row),) = rows.items()
        encoded = name.encode()
        start = place.prefix + encoded
        return (
            b"EVALSHA",
            WRITE[place.kind],
            self.count,
            *[start + end for end in self.data],
            *self.fixed,
            *[start + end for end in self.sets],
            *[buckets + encoded for buckets in self.buckets],
            self.before + encoded + self.after,
            *self.heads,
            *codec.payload(row),
        )


@define
class Calls:
    """Makes the calls of one place.

    Parameters
    ----------
    place
        Its keys.
    codec
        Its kind.
    layouts
        Its records.
    """

    place: Place
    codec: KindCodec
    layouts: Layouts
    _recent: _Shape | None = field(init=False, default=None)
    _sent: tuple[Any, Sequence[bytes]] | None = field(init=False, default=None)

    def call(self, chunk: Sequence[Write], now: float) -> Command:
        """Return the script call that stores a chunk on a server."""
        rows = chunk[0].rows
        if len(rows) == 1 and all(write.rows is rows for write in chunk):
            return self._shape(chunk, now).call(self.place, self.codec, rows)
        place, codec = self.place, self.codec
        used: dict[str, tuple[bytes, IntervalKeys]] = {}
        groups: dict[tuple[str, ...], _Group] = {}
        sets: dict[tuple[str, int, int], bytes] = {}
        touched: dict[bytes, None] = {place.layouts: None}
        data: list[bytes] = []
        heads: list[bytes] = []
        payloads: list[bytes] = []
        encoded: dict[int, tuple[bytes, bytes]] = {}  # rows -> where their payloads begin, and what these are
        plan: list[bytes] = []
        for write in chunk:
            known = used.get(write.interval)
            if known is None:
                keys = place.intervals[write.interval]
                known = used[write.interval] = (b"%d" % (len(used) + 1), keys)
                touched[keys.names] = touched[keys.singles] = None
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
            sent = encoded.get(id(write.rows))
            if sent is None:
                simple = b"1" if codec.simple(write.rows.values()) else b"0"
                sent = encoded[id(write.rows)] = (b"%d" % len(payloads), simple)
                payloads += codec.payloads(write.rows.values())
            heads += (time_to_live(write.deadline, now), b"%d" % len(names), *sent)
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
            b"%b\0%b\0%d\0%d\0%b\0" % (keys.name, keys.record, keys.steps, kept, first_kept(keys, kept, now))
            for keys in used
            for kept in (self.layouts.most_kept(keys.interval.name),)
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
        data: list[bytes] = []
        sets: list[bytes] = []
        heads: list[bytes] = []
        plan: list[bytes] = []
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
            heads += (time_to_live(write.deadline, second), b"1", b"0", b"0")
        return _Shape(
            second=second,
            slots=slots,
            version=place.version,
            count=b"%d" % (len(data) + len(sets) + 3 * len(used) + 1),
            data=data,
            sets=sets,
            buckets=[keys.buckets for keys in used.values()],
            fixed=[place.layouts, *(key for keys in used.values() for key in (keys.names, keys.singles))],
            before=b"%b\0%b1\0001\0" % (place.prefix, self._intervals(list(used.values()), second)),
            after=b"\0" + b"".join(plan),
            heads=[b"%d" % len(chunk), *heads],
        )

    def call_one(self, key: bytes, payload: Any, deadline: int | None, mode: bytes, now: float) -> Command:
        """Return the call that stores a payload under one data key; ``mode`` is for keys that are new."""
        ttl, sent = time_to_live(deadline, now), self._sent
        if sent is None or sent[0] is not payload:  # two intervals mostly get the same
            sent = self._sent = payload, self.codec.payload(payload)
        parts = sent[1]
        return (b"EVALSHA", WRITE[self.place.kind], b"1", key, mode, b"1", ttl, b"1", b"0", b"0", *parts)
