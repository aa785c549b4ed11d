"""A Redis Cluster as fast as we can write it by hand with redis-py, for this workload and nothing else.

Commands are written as bytes and grouped by node; every node gets one send, and all sends leave before the first
answer is read. A script may touch one slot only, so none is used; a slot that moves meanwhile is an error here.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import local
from typing import Any

from redis.crc import key_slot
from redis.exceptions import ResponseError

from coalescing import added_up, appended
from redis_plain import KEPT, NAMES
from workload import Bulk

Command = tuple[bytes, bytes, int]
"""A key, a command on it as bytes, and how many more commands follow in them, whose answers nobody needs."""


def packed(*parts: bytes) -> bytes:
    """Return a command in Redis's protocol."""
    return b"*%d\r\n%b" % (len(parts), b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]))


def on(key: bytes, verb: bytes, *arguments: bytes) -> Command:
    """Return a command on a key."""
    return key, packed(verb, key, *arguments), 0


class Best:
    """What counts and values have in common: sending to all nodes at once."""

    def __init__(self, client: Any, prefix: str) -> None:
        self.client = client
        self.text_prefix = f"{prefix}:"
        self.prefix = self.text_prefix.encode()
        self.names = self.prefix + NAMES.encode()
        self.zrange_names = [on(self.names, b"ZRANGE", b"0", b"-1")]
        self._nodes = {slot: nodes[0] for slot, nodes in client.nodes_manager.slots_cache.items()}
        self._local = local()

    def _connection(self, node: Any) -> Any:
        kept: dict[Any, Any] = self._local.__dict__.setdefault("connections", {})
        if node not in kept:
            kept[node] = node.redis_connection.connection_pool.get_connection()
        return kept[node]

    def ask(self, commands: Iterable[Command]) -> list[Any]:
        """Send commands, grouped by node, and return their answers in order."""
        sends: dict[Any, tuple[list[bytes], list[int]]] = {}
        nodes = self._nodes
        position = -1
        for position, (key, command, more) in enumerate(commands):
            node = nodes[key_slot(key)]
            if node not in sends:
                sends[node] = ([], [])
            parts, positions = sends[node]
            parts.append(command)
            positions.append(position)
            for _ in range(more):
                positions.append(-1)
        connections = [self._connection(node) for node in sends]
        for connection, (parts, _) in zip(connections, sends.values(), strict=True):
            connection.send_packed_command((b"".join(parts),))
        answers: list[Any] = [None] * (position + 2)  # the last is nobody's
        failed = None
        for connection, (_, positions) in zip(connections, sends.values(), strict=True):
            read = connection.read_response
            for position in positions:
                try:
                    answers[position] = read()
                except ResponseError as error:  # read the rest, or the connection is out of step
                    failed = failed or error
        if failed is not None:
            raise failed
        del answers[-1]
        return answers

    def marks(self, name: bytes, minutes: Iterable[int]) -> list[Command]:
        """Return what keeps sets of resolutions, index and time to live, for some minutes of one name."""
        members: dict[int, list[bytes]] = {}
        pairs: list[bytes] = []
        for minute in minutes:
            text = b"%d" % minute
            pairs += (text, text)
            members.setdefault(minute // 60, []).append(text)
        commands = []
        minute_index = b"%b\0minute\0%b" % (self.prefix, name)
        hour_index = b"%b\0hour\0%b" % (self.prefix, name)
        hours: list[bytes] = []
        for hour, texts in members.items():
            key = b"%b%b:hour:%d" % (self.prefix, name, hour)
            commands.append(on(key, b"SADD", *texts))
            hours += (b"%d" % hour, b"%d" % hour)
        commands.append(on(minute_index, b"ZADD", *pairs))
        commands.append(on(minute_index, b"EXPIRE", b"%d" % KEPT))
        commands.append(on(hour_index, b"ZADD", *hours))
        commands.append(on(self.names, b"ZADD", b"+inf", name))
        return commands

    def close(self) -> None:
        self.client.close()


class BestCounts(Best):
    """Counts, a string for each bucket."""

    def insert(self, name: str, value: int, timestamp: int) -> int:
        encoded, minute = name.encode(), timestamp // 60
        commands = self.marks(encoded, (minute,))  # the index before the data
        commands += self._adds(encoded, minute, value)
        self.ask(commands)
        return 2

    def _adds(self, name: bytes, minute: int, total: int) -> tuple[Command, ...]:
        minute_key = b"%b%b:minute:%d" % (self.prefix, name, minute)
        row_key = b"%b%b:hour:%d:%d" % (self.prefix, name, minute // 60, minute)
        amount = b"%d" % total
        size, width = len(minute_key), len(amount)
        return (
            (
                minute_key,
                b"*3\r\n$6\r\nINCRBY\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n*3\r\n$6\r\nEXPIRE\r\n$%d\r\n%b\r\n$%d\r\n%d\r\n"
                % (size, minute_key, width, amount, size, minute_key, len(str(KEPT)), KEPT),
                1,
            ),
            (
                row_key,
                b"*3\r\n$6\r\nINCRBY\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(row_key), row_key, width, amount),
                0,
            ),
        )

    def bulk_insert(self, inserts: Bulk) -> int:
        by_name, stored = added_up(inserts)
        commands: list[Command] = []
        for name, totals in by_name.items():
            encoded = name.encode()
            commands += self.marks(encoded, totals)
            for minute, total in totals.items():
                commands += self._adds(encoded, minute, total)
        self.ask(commands)
        return stored

    def _gets(self, keys: Iterable[bytes]) -> list[bytes | None]:
        return self.ask([(key, b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key), 0) for key in keys])

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            found = self.client.execute_command("GET", f"{self.text_prefix}{name}:minute:{minute}")
            return {minute * 60: int(found or 0)}
        hour = timestamp // 3600
        return self.series(name, interval, end=timestamp, steps=1)[hour * 3600]  # type: ignore[no-any-return]

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        encoded = name.encode()
        if interval == "minute":
            last = end // 60
            minutes = range(last - steps + 1, last + 1)
            stem = b"%b%b:minute:" % (self.prefix, encoded)
            found = self._gets([b"%b%d" % (stem, minute) for minute in minutes])
            return {minute * 60: int(count or 0) for minute, count in zip(minutes, found, strict=True)}
        last = end // 3600
        hours = range(last - steps + 1, last + 1)
        stem = b"%b%b:hour:" % (self.prefix, encoded)
        found = self._gets(
            [
                b"%b%d:%d" % (stem, hour, minute)
                for hour in hours
                for minute in range(60 * hour, 60 * hour + 60)
            ]
        )
        answer = {}
        for position, hour in enumerate(hours):
            start = hour * 3600
            counts = found[60 * position : 60 * position + 60]
            answer[start] = {
                start + 60 * k: int(count) for k, count in enumerate(counts) if count is not None
            }
        return answer

    def list(self) -> list[str]:
        return sorted([name.decode() for name in self.ask(self.zrange_names)[0]])

    def delete(self, name: str) -> int:
        encoded, prefix = name.encode(), self.prefix
        indexes = [b"%b\0%b\0%b" % (prefix, interval, encoded) for interval in (b"minute", b"hour")]
        minutes, hours = self.ask([on(key, b"ZRANGE", b"0", b"-1") for key in indexes])
        sets = [b"%b%b:hour:%b" % (prefix, encoded, hour) for hour in hours]
        resolutions = self.ask([on(key, b"SMEMBERS") for key in sets])
        keys = [b"%b%b:minute:%b" % (prefix, encoded, minute) for minute in minutes]
        for key, members in zip(sets, resolutions, strict=True):
            keys.append(key)
            keys += [b"%b:%b" % (key, member) for member in members]
        keys += indexes
        commands = [(key, b"*2\r\n$6\r\nUNLINK\r\n$%d\r\n%b\r\n" % (len(key), key), 0) for key in keys]
        return int(self.ask([*commands, on(self.names, b"ZREM", encoded)])[-1])


class WireCounts(BestCounts):
    """The same beneath the client, as the writes are."""

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval != "minute":
            return super().get(name, interval, timestamp=timestamp)
        minute = timestamp // 60
        (found,) = self._gets((b"%b%b:minute:%d" % (self.prefix, name.encode(), minute),))
        return {minute * 60: int(found or 0)}


class BestValues(Best):
    """Values in arrival order, a list for each bucket."""

    def bulk_insert(self, inserts: Bulk) -> int:
        by_bucket, stored = appended(inserts)
        commands: list[Command] = []
        for (name, minute), values in by_bucket.items():
            encoded = name.encode()
            commands += self.marks(encoded, (minute,))
            texts = [repr(value).encode() for value in values]
            minute_key = b"%b%b:minute:%d" % (self.prefix, encoded, minute)
            row_key = b"%b%b:hour:%d:%d" % (self.prefix, encoded, minute // 60, minute)
            tail = b"".join([b"$%d\r\n%b\r\n" % (len(text), text) for text in texts])
            for key in (minute_key, row_key):
                head = b"*%d\r\n$5\r\nRPUSH\r\n$%d\r\n%b\r\n" % (len(texts) + 2, len(key), key)
                commands.append((key, head + tail, 0))
            commands.append(on(minute_key, b"EXPIRE", b"%d" % KEPT))
        self.ask(commands)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        encoded, minute, hour = name.encode(), timestamp // 60, timestamp // 3600
        if interval == "minute":
            return {minute * 60: self._ranges([b"%b%b:minute:%d" % (self.prefix, encoded, minute)])[0]}
        key = b"%b%b:hour:%d" % (self.prefix, encoded, hour)
        minutes = sorted(map(int, self.ask([on(key, b"SMEMBERS")])[0]))
        found = self._ranges([b"%b:%d" % (key, minute) for minute in minutes])
        return dict(zip([minute * 60 for minute in minutes], found, strict=True))

    def _ranges(self, keys: list[bytes]) -> list[list[float]]:
        answers = self.ask([on(key, b"LRANGE", b"0", b"-1") for key in keys])
        return [list(map(float, answer)) for answer in answers]
