"""What each kind is in Redis: how it is written and read. Pure.

=========  ======================  ========================
kind       structure               a payload of a script
=========  ======================  ========================
series     list                    number, values
histogram  hash: value -> times    number, (value, times)s
count      string                  increment
gauge      string                  value
set        set                     number, values
=========  ======================  ========================

Values are text; what is not UTF-8 (kairos 0.10 wrote bytes as they are) comes with surrogates, as file names do in
Python: ``value.encode("utf-8", "surrogateescape")`` gives the bytes back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from kairos.kinds import whole

__all__ = ["KINDS", "KindCodec", "text"]

Command = tuple[bytes, ...]


def text(value: Any) -> Any:
    """Return a value as text."""
    return str(value, "utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _texts(values: Any) -> list[str]:
    if values and type(values[0]) is str:
        return values  # type: ignore[no-any-return]
    return [str(value, "utf-8", "surrogateescape") for value in values]


class KindCodec(ABC):
    """How one kind is written and read."""

    type: str
    """What Redis' ``TYPE`` says of its keys."""

    strings = False
    """Whether its keys are strings, which one ``MGET`` reads."""

    @abstractmethod
    def payload(self, payload: Any) -> Sequence[bytes]:
        """Return a payload as the kind's script takes it."""

    def payloads(self, payloads: Iterable[Any]) -> list[bytes]:
        """Return several payloads, one after the other."""
        return [part for payload in payloads for part in self.payload(payload)]

    def simple(self, payloads: Iterable[Any]) -> bool:
        """Return whether payloads are, as they are sent, what a new key holds."""
        return False

    @abstractmethod
    def plain(self, key: bytes, payload: Any) -> list[Command]:
        """Return plain commands that store a payload, where no script can be used."""

    def unseen(self, key: bytes, payload: Any) -> list[Command]:
        """Return plain commands that store a payload whatever is there, for where nobody sees the replies."""
        return self.plain(key, payload)

    @abstractmethod
    def read(self, key: bytes) -> Command:
        """Return the command that reads a key."""

    @abstractmethod
    def row(self, reply: Any) -> Any:
        """Return the row of a reply of :meth:`read` that is not None."""

    def rows(self, buckets: Iterable[int], replies: Iterable[Any]) -> dict[int, Any]:
        """Return the rows of those buckets that have data."""
        row = self.row
        return {i: row(reply) for i, reply in zip(buckets, replies, strict=True) if reply}

    def size(self, payload: Any) -> int:
        """Return how much a payload is: its arguments, and one more for every 2 KiB."""
        return 1

    def sizes(self, payloads: Collection[Any]) -> int:
        """Return how much several payloads are."""
        return sum(map(self.size, payloads))


class _Collection(KindCodec):
    write: bytes

    def payload(self, payload: Any) -> Sequence[bytes]:
        values = [value.encode() for value in payload]
        return (b"%d" % len(values), *values)

    def plain(self, key: bytes, payload: Any) -> list[Command]:
        return [(self.write, key, *(value.encode() for value in payload))]

    def size(self, payload: Any) -> int:
        return len(payload) + sum(map(len, payload)) // 2048


class _Series(_Collection):
    type = "list"
    write = b"RPUSH"

    def read(self, key: bytes) -> Command:
        return (b"LRANGE", key, b"0", b"-1")

    def row(self, reply: Any) -> list[str]:
        return _texts(reply)


class _Set(_Collection):
    type = "set"
    write = b"SADD"

    def read(self, key: bytes) -> Command:
        return (b"SMEMBERS", key)

    def row(self, reply: Any) -> set[str]:
        return set(_texts(list(reply)))


class _Histogram(KindCodec):
    type = "hash"

    def payload(self, payload: Any) -> Sequence[bytes]:
        parts = [b"%d" % len(payload)]
        for value, times in payload.items():
            parts += (value.encode(), b"%d" % times)
        return parts

    def plain(self, key: bytes, payload: Any) -> list[Command]:
        return [(b"HINCRBY", key, value.encode(), b"%d" % times) for value, times in payload.items()]

    def read(self, key: bytes) -> Command:
        return (b"HGETALL", key)

    def row(self, reply: Any) -> dict[str, int]:
        if isinstance(reply, dict):  # the newer of Redis' protocols
            return {text(value): int(times) for value, times in reply.items()}
        return dict(zip(_texts(reply[::2]), map(int, reply[1::2]), strict=True))

    def size(self, payload: Any) -> int:
        return 2 * len(payload) + sum(map(len, payload)) // 2048


class _String(KindCodec):
    type = "string"
    strings = True

    def read(self, key: bytes) -> Command:
        return (b"GET", key)

    def rows(self, buckets: Iterable[int], replies: Iterable[Any]) -> dict[int, Any]:
        row = self.row
        return {i: row(reply) for i, reply in zip(buckets, replies, strict=True) if reply is not None}


class _Gauge(_String):
    def simple(self, payloads: Iterable[Any]) -> bool:
        return True

    def payload(self, payload: Any) -> Sequence[bytes]:
        return (payload.encode(),)

    def size(self, payload: Any) -> int:
        return 1 + len(payload) // 2048

    def plain(self, key: bytes, payload: Any) -> list[Command]:
        return [(b"SET", key, payload.encode(), b"KEEPTTL")]

    def row(self, reply: Any) -> str:
        return str(reply, "utf-8", "surrogateescape")


class _Count(_String):
    def sizes(self, payloads: Collection[Any]) -> int:
        return len(payloads)

    def payload(self, payload: Any) -> Sequence[bytes]:
        return (_number(payload),)

    def payloads(self, payloads: Iterable[Any]) -> list[bytes]:
        return [b"%d" % payload if type(payload) is int else _number(payload) for payload in payloads]

    def simple(self, payloads: Iterable[Any]) -> bool:
        return set(map(type, payloads)) == {int}

    def plain(self, key: bytes, payload: Any) -> list[Command]:
        return [(b"INCRBY" if type(payload) is int else b"INCRBYFLOAT", key, _number(payload))]

    def unseen(self, key: bytes, payload: Any) -> list[Command]:
        """Add ints as floats, which is exact up to 2**64: INCRBY would refuse a bucket with a fraction."""
        large = type(payload) is int and abs(payload) >= 2**53
        return [(b"INCRBY" if large else b"INCRBYFLOAT", key, _number(payload))]

    def rows(self, buckets: Iterable[int], replies: Iterable[Any]) -> dict[int, Any]:
        buckets, replies = list(buckets), list(replies)
        try:
            return {i: int(reply) for i, reply in zip(buckets, replies, strict=True) if reply is not None}
        except ValueError:  # fractions
            return super().rows(buckets, replies)

    def row(self, reply: Any) -> float:
        try:
            return int(reply)
        except ValueError:
            return whole(float(reply))


def _number(increment: float) -> bytes:
    """Return an increment as text; a float has a point or an exponent, which is how the script knows it."""
    if type(increment) is int:
        return b"%d" % increment
    if increment.is_integer() and abs(increment) < 1e22:  # its repr would be that of the nearest double only
        return b"%d.0" % int(increment)
    return repr(increment).encode()


KINDS: dict[str, KindCodec] = {
    "series": _Series(),
    "histogram": _Histogram(),
    "count": _Count(),
    "gauge": _Gauge(),
    "set": _Set(),
}
"""How each kind is written and read."""
