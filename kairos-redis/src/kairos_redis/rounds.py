"""What goes to the nodes of a Cluster for a request, and what their refusals mean: the same for both clients. No I/O.

Generators yield one step each and are sent what came of it (:mod:`kairos.sansio`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence, Set
from typing import Any, Generic, TypeVar

import redis
from attrs import Factory, define, frozen
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)

from .connections import Command, pack
from .errors import NotAcknowledged
from .requests import Request, Wait
from .scripts import TEXTS

__all__ = ["Parcel", "Pause", "Refresh", "Round", "Rounds", "Step", "exchanged"]

_ROUNDS = 8
_PAUSE = 0.05

Node = TypeVar("Node")
"""What lends connections to a node."""

_KEY_AT = {b"EVALSHA": 3, b"ZDIFF": 2, b"ZINTER": 2}
"""Where a command's first key stands, if not behind its name."""


@define
class Parcel(Generic[Node]):
    """What one node gets in a round, and, filled in, what came of it.

    Attributes
    ----------
    node
        What lends connections to it.
    sent
        Packed commands.
    count
        How many replies they have.
    replies
        The replies; errors of the server are among them.
    absent
        Why there was no connection, so that nothing was sent.
    failure
        Why it is unknown what was carried out.
    """

    node: Node
    sent: bytes
    count: int
    replies: list[Any] = Factory(list)
    absent: Exception | None = None
    failure: Exception | None = None


@define
class Round(Generic[Node]):
    """Parcels that are all sent before the first reply is read. Answer: nothing, they are filled in."""

    parcels: Sequence[Parcel[Node]]
    raw: bool = True


@frozen
class Refresh:
    """Ask which node has which slots. Answer: whether anybody told."""


@frozen
class Pause:
    """Wait a moment. Answer: nothing."""

    seconds: float


Step = Round[Any] | Refresh | Pause
Steps = Generator[Step, Any, Any]


class Rounds(ABC, Generic[Node]):
    """Sends requests by rounds.

    Parameters
    ----------
    wait
        What every write waits for, on each node.
    decodes
        Whether the client turns values into texts as kairos does.
    """

    def __init__(self, wait: Wait | None, decodes: bool) -> None:
        self._wait = wait
        self._decodes = decodes
        self._by_slot: dict[int, Node] = {}
        self._stale = False

    @abstractmethod
    def node_of(self, slot: int) -> Node:
        """Return the node that has a slot, or raise the driver's error."""

    @abstractmethod
    def node_at(self, host: str, port: int) -> Node:
        """Return the node at an address, known or new."""

    def requested(self, request: Request) -> Steps:
        """Return the replies; what a node has refused because it is another's, or not now, is sent again."""
        if self._stale:
            yield from self._refresh()
        commands, wait = request.commands, self._wait if request.waits else None
        raw = not (request.text and self._decodes)
        replies: list[Any] = [None] * len(commands)
        pending = list(range(len(commands)))
        redirected: dict[int, tuple[Node, bool]] = {}
        for turn in range(_ROUNDS):
            failure, missed, unsent = yield from self._round(
                commands, pending, redirected, replies, wait, raw
            )
            request.missed = request.missed or missed
            if failure is not None:
                self._stale = True
                if turn or (request.writes and not unsent):
                    raise failure
                yield from self._refresh()  # to read once more does no harm, nor to write what has not left
                pending, redirected = (unsent, {}) if request.writes else (pending, {})
                continue
            pending, redirected = yield from self._refused(commands, pending, redirected, replies)
            if not pending:
                break
            if turn:
                yield Pause(_PAUSE)
        return replies

    def _refused(
        self,
        commands: Sequence[Command],
        sent: Sequence[int],
        targets: dict[int, tuple[Node, bool]],
        replies: list[Any],
    ) -> Steps:
        """Return which commands were not carried out and should be sent again, and where to, if not by their slots."""
        pending: list[int] = []
        redirected: dict[int, tuple[Node, bool]] = {}
        moved = False
        unknown: dict[Node, dict[bytes, list[int]]] = {}
        for at in sent:
            reply = replies[at]
            if not isinstance(reply, ResponseError):
                continue
            if isinstance(reply, AskError):  # MovedError is one
                moved = moved or isinstance(reply, MovedError)
                redirected[at] = (self.node_at(reply.host, reply.port), not isinstance(reply, MovedError))
            elif isinstance(reply, NoScriptError):
                if at in targets:
                    redirected[at] = targets[at]
                node = targets[at][0] if at in targets else self._of(commands[at])
                unknown.setdefault(node, {}).setdefault(commands[at][1], []).append(at)
            elif isinstance(
                reply, ClusterDownError
            ):  # so says also who has lost its slots, and has not heard of it
                moved = True
            elif not isinstance(reply, TryAgainError):
                continue
            pending.append(at)
        for node, digests in unknown.items():
            loaded = yield from exchanged(node, [(b"SCRIPT", b"LOAD", TEXTS[digest]) for digest in digests])
            for numbers, reply in zip(digests.values(), loaded, strict=True):
                if isinstance(reply, Exception):
                    pending = [at for at in pending if at not in numbers]
                    for at in numbers:
                        replies[at] = reply
        if moved:
            yield from self._refresh()
        return pending, redirected

    def _round(
        self,
        commands: Sequence[Command],
        pending: Sequence[int],
        redirected: dict[int, tuple[Node, bool]],
        replies: list[Any],
        wait: Wait | None,
        raw: bool,
    ) -> Steps:
        """Send each node its commands, then read all replies.

        Returns the first failure of a node, that of an acknowledgement, and, if no node failed otherwise than by not
        being there, the commands that were not sent.
        """
        groups: dict[Node, list[int]] = {}
        try:
            for at in pending:
                to = redirected[at][0] if at in redirected else self._of(commands[at])
                groups.setdefault(to, []).append(at)
        except (redis.RedisError, RedisClusterException) as error:
            return error, None, []
        asking = {at for at, (_, asks) in redirected.items() if asks}
        parcels = [
            Parcel(node, _packed(commands, numbers, asking, wait), _expected(numbers, asking, wait))
            for node, numbers in groups.items()
        ]
        yield Round(parcels, raw)
        failure: Exception | None = None
        absent: Exception | None = None
        unsent: list[int] = []
        missed: NotAcknowledged | None = None
        for parcel, numbers in zip(parcels, groups.values(), strict=True):
            if parcel.absent is not None:
                absent = absent or parcel.absent
                unsent += numbers
            elif parcel.failure is not None:
                failure = failure or parcel.failure
            else:
                if wait is not None:
                    missed = wait.missed(parcel.replies.pop(), parcel.replies) or missed
                answers = iter(parcel.replies)
                for at in numbers:
                    if at in asking:
                        next(answers)
                    replies[at] = next(answers)
        return (absent, missed, unsent) if failure is None else (failure, missed, [])

    def _of(self, command: Command) -> Node:
        """Return the node of a command's key."""
        slot = key_slot(command[_KEY_AT.get(command[0], 1)])
        try:
            return self._by_slot[slot]
        except KeyError:
            found = self._by_slot[slot] = self.node_of(slot)
            return found

    def _refresh(self) -> Steps:
        """Ask which node has which slots; if nobody answers, the next call asks again."""
        self._stale = not (yield Refresh())
        self._by_slot = {}


def exchanged(node: Node, commands: Sequence[Command]) -> Generator[Step, Any, list[Any]]:
    """Return the replies of one node."""
    parcel = Parcel(node, pack(commands), len(commands))
    yield Round([parcel])
    error = parcel.absent or parcel.failure
    if error is not None:
        raise error
    return parcel.replies


def _packed(
    commands: Sequence[Command], numbers: Sequence[int], asking: Set[int], wait: Wait | None
) -> bytes:
    if not asking and wait is None:
        return pack([commands[at] for at in numbers])
    sent: list[Command] = []
    for at in numbers:
        if at in asking:
            sent.append((b"ASKING",))
        sent.append(commands[at])
    if wait is not None:
        sent.append(wait.command)
    return pack(sent)


def _expected(numbers: Sequence[int], asking: Set[int], wait: Wait | None) -> int:
    return len(numbers) + (wait is not None) + (sum(at in asking for at in numbers) if asking else 0)
