"""Just enough of each server's protocol to ask whether it is there, and to set it up; no driver is needed.

Each client connects when made, sends what it is told, raises `Refused` for an error of the server, `OSError` for one
of the connection, and is closed by ``with``.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Self

SECONDS = 5.0  # for a connection or an answer of a server that is busy starting


class Refused(Exception):
    """The server answered with an error; the message is the server's."""


class _Connection:
    """A socket with exact reads."""

    def __init__(self, host: str, port: int, seconds: float = SECONDS) -> None:
        self._socket = socket.create_connection((host, port), timeout=seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def patience(self, seconds: float) -> None:
        """Wait this long for an answer from now on."""
        self._socket.settimeout(seconds)

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ConnectionError("the server closed the connection")
        return data

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the server closed the connection")
        return line.rstrip(b"\r\n")


class Redis(_Connection):
    """RESP 2: Redis, Valkey, Sentinel.

    Examples
    --------
    >>> with Redis("127.0.0.1", 6379) as redis:  # doctest: +SKIP
    ...     redis("PING")
    'PONG'
    """

    def __init__(self, host: str, port: int, *, password: str | None = None, user: str | None = None) -> None:
        super().__init__(host, port)
        try:
            if password is not None:
                self("AUTH", *([user] if user else []), password)
        except BaseException:
            self.__exit__()
            raise

    def __call__(self, *words: str | int) -> Any:
        """Send a command; return its reply."""
        self.send(*words)
        return self.receive()

    def send(self, *words: str | int) -> None:
        """Send a command whose reply `receive` returns later, in order."""
        parts = [str(word).encode() for word in words]
        self._send(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))

    def receive(self) -> Any:
        """Return the next reply."""
        line = self._line()
        kind, rest = line[:1], line[1:].decode()
        if kind == b"-":
            raise Refused(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self._read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return None if rest == "-1" else [self.receive() for _ in range(int(rest))]
        return rest

    def info(self, section: str) -> dict[str, str]:
        """Return a section of INFO."""
        return fields(self("INFO", section))


def fields(text: str) -> dict[str, str]:
    """Read Redis' lines of ``name:value``."""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


class Postgres(_Connection):
    """PostgreSQL's protocol 3, for a server that trusts."""

    def __init__(self, host: str, port: int, *, user: str, database: str) -> None:
        super().__init__(host, port)
        self.parameters: dict[str, str] = {}
        words = f"user\0{user}\0database\0{database}\0\0".encode()
        try:
            self._send(struct.pack("!ii", 8 + len(words), 196608) + words)
            self._until_ready()
        except BaseException:
            self.__exit__()
            raise

    def __call__(self, statement: str) -> None:
        """Run a statement; rows are thrown away."""
        text = statement.encode() + b"\0"
        self._send(b"Q" + struct.pack("!i", 4 + len(text)) + text)
        self._until_ready()

    def _until_ready(self) -> None:
        error = ""
        while True:
            kind, size = struct.unpack("!ci", self._read(5))
            body = self._read(size - 4)
            if kind == b"E":
                found = {part[:1]: part[1:] for part in body.decode().split("\0")}
                error = f"{found.get('C')}: {found.get('M')}"
                if found.get("S") == "FATAL":
                    raise Refused(error)
            if kind == b"R" and body != b"\0\0\0\0":
                raise Refused("it asks for a password")
            if kind == b"S":
                name, value = body.decode().split("\0")[:2]
                self.parameters[name] = value
            if kind == b"Z":
                if error:
                    raise Refused(error)
                return


class MySQL(_Connection):
    """MySQL's and MariaDB's protocol 10, for a user without a password."""

    def __init__(self, host: str, port: int, *, user: str) -> None:
        super().__init__(host, port)
        try:
            greeting = self._packet()
            self.version = greeting[1 : greeting.index(b"\0", 1)].decode()
            # long password, protocol 4.1, transactions, secure connection, authentication by plugin
            capabilities = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000
            head = struct.pack("<IIB23x", capabilities, 1 << 24, 45)
            answer = head + user.encode() + b"\0\0" + b"mysql_native_password\0"
            self._write(answer, 1)
            self._packet()
        except BaseException:
            self.__exit__()
            raise

    def __call__(self, statement: str) -> None:
        """Run a statement that has no rows."""
        self._write(b"\3" + statement.encode(), 0)
        self._packet()

    def _write(self, body: bytes, sequence: int) -> None:
        self._send(struct.pack("<I", len(body))[:3] + bytes([sequence]) + body)

    def _packet(self) -> bytes:
        head = self._read(4)
        self._sequence = head[3]
        return self._check(self._read(int.from_bytes(head[:3], "little")))

    def _check(self, body: bytes) -> bytes:
        if body[:1] == b"\xff":
            raise Refused(body[3:].decode(errors="replace"))
        if (
            body[:1] == b"\xfe" and len(body) > 1
        ):  # "use another method": an empty password is an empty answer
            self._write(b"", self._sequence + 1)
            return self._packet()
        return body


class Mongo(_Connection):
    """MongoDB's OP_MSG."""

    def __call__(self, command: dict[str, Any], database: str = "admin") -> dict[str, Any]:
        """Run a command of strings, ints, bools, lists and dicts; return its answer."""
        body = bytes(5) + _bson({**command, "$db": database})
        self._send(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
        size = struct.unpack("<iiii", self._read(16))[0]
        answer: dict[str, Any] = _unbson(self._read(size - 16)[5:])
        if answer.get("ok") != 1.0:
            raise Refused(f"{answer.get('codeName')}: {answer.get('errmsg')}")
        return answer


def _bson(document: dict[str, Any]) -> bytes:
    parts = b"".join(_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(parts) + 5) + parts + b"\0"


def _element(name: str, value: Any) -> bytes:
    key = name.encode() + b"\0"
    match value:
        case bool():
            return b"\x08" + key + bytes([value])
        case int():
            return b"\x10" + key + struct.pack("<i", value)
        case str():
            text = value.encode() + b"\0"
            return b"\x02" + key + struct.pack("<i", len(text)) + text
        case list():
            return b"\x04" + key + _bson({str(index): item for index, item in enumerate(value)})
        case dict():
            return b"\x03" + key + _bson(value)
    raise TypeError(f"no BSON for {type(value).__name__}")


def _unbson(data: bytes) -> Any:
    """Read a document; of the types that a server answers with, those that are asked for here keep their values."""
    at, found = 4, {}
    sizes = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16}
    while data[at]:
        kind, end = data[at], data.index(0, at)
        name, at = data[at + 1 : end].decode(), end + 1
        if kind in sizes:
            size = sizes[kind]
        else:  # text, documents, lists and binary say their size
            said = int.from_bytes(data[at : at + 4], "little")
            size = {0x02: 4 + said, 0x03: said, 0x04: said, 0x05: 5 + said}[kind]
        raw = data[at : at + size]
        at += size
        match kind:
            case 0x01:
                found[name] = struct.unpack("<d", raw)[0]
            case 0x02:
                found[name] = raw[4:-1].decode()
            case 0x03:
                found[name] = _unbson(raw)
            case 0x04:
                found[name] = list(_unbson(raw).values())
            case 0x08:
                found[name] = bool(raw[0])
            case 0x10 | 0x12:
                found[name] = int.from_bytes(raw, "little", signed=True)
    return found


class Cassandra(_Connection):
    """CQL's protocol 4; a server that asks who it is gets the user that every new one has."""

    def __init__(self, host: str, port: int, seconds: float = 30.0) -> None:
        super().__init__(host, port, seconds)
        try:
            answer, _ = self._ask(1, struct.pack("!h", 1) + _text("CQL_VERSION") + _text("3.0.0"))
            if answer == 3:
                account = b"\0cassandra\0cassandra"
                self._ask(15, struct.pack("!i", len(account)) + account)
        except BaseException:
            self.__exit__()
            raise

    def __call__(self, statement: str, consistency: str = "ONE") -> list[tuple[str, ...]]:
        """Run a statement; return its rows, as text."""
        query = statement.encode()
        level = {"ONE": 1, "QUORUM": 4, "ALL": 5}[consistency]
        _, body = self._ask(7, struct.pack("!i", len(query)) + query + struct.pack("!hB", level, 0))
        if struct.unpack_from("!i", body)[0] != 2:
            return []
        flags, columns = struct.unpack_from("!ii", body, 4)
        at = 12
        if not flags & 1:
            raise Refused("columns of several tables")
        for _ in range(2):  # keyspace and table
            at += 2 + struct.unpack_from("!h", body, at)[0]
        for _ in range(columns):
            at += 2 + struct.unpack_from("!h", body, at)[0] + 2  # name, type (none of the collections)
        (count,) = struct.unpack_from("!i", body, at)
        at += 4
        rows = []
        for _ in range(count):
            row = []
            for _ in range(columns):
                (size,) = struct.unpack_from("!i", body, at)
                at += 4
                row.append(body[at : at + max(size, 0)].decode(errors="replace"))
                at += max(size, 0)
            rows.append(tuple(row))
        return rows

    def _ask(self, kind: int, body: bytes) -> tuple[int, bytes]:
        self._send(struct.pack("!BBhBi", 4, 0, 0, kind, len(body)) + body)
        _, _, _, answer, size = struct.unpack("!BBhBi", self._read(9))
        body = self._read(size)
        if answer == 0:
            raise Refused(body[6:].decode(errors="replace"))
        return answer, body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!h", len(data)) + data


class Lines(_Connection):
    """A protocol of lines: memcached."""

    def __call__(self, line: str) -> str:
        """Send a line; return the one that answers it."""
        self._send(line.encode() + b"\r\n")
        return self._line().decode()


def knock(host: str, port: int) -> None:
    """Connect and hang up; raises `OSError` where nobody listens."""
    socket.create_connection((host, port), timeout=SECONDS).close()
