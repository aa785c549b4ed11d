"""What goes over one server's connection for a request: the same steps for redis-py's client that waits and asyncio's.

Generators yield one step each and are sent what came of it (:mod:`kairos.sansio`). No I/O.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import redis
from attrs import define
from redis.exceptions import NoScriptError

from .connections import Command
from .errors import NotAcknowledged
from .requests import Request, Stream, Wait
from .scripts import TEXTS

__all__ = ["Exchange", "served", "streamed"]


@define
class Exchange:
    """Commands that are sent on one connection at once. Answer: their replies, errors of the server among them.

    Attributes
    ----------
    commands
        What is sent.
    raw
        Whether values come back as bytes; else as the client decodes them.
    """

    commands: Sequence[Command]
    raw: bool = True


def served(request: Request, wait: Wait | None, decodes: bool) -> Generator[Exchange, list[Any], list[Any]]:
    """Return the replies to a request.

    A read is sent once more if its connection breaks. Of a write, only script calls are sent again that the server
    did not carry out, because it did not know the script.
    """
    commands = request.commands
    if not request.writes:
        exchange = Exchange(commands, raw=not (request.text and decodes))
        try:
            return (yield exchange)
        except redis.ConnectionError:  # to read once more does no harm
            return (yield exchange)
    wait = wait if request.waits else None
    if wait is None:
        replies = yield Exchange(commands)  # as _written() would, at a microsecond less
    else:
        replies, request.missed = yield from _written(commands, wait)
    if NoScriptError in map(type, replies):
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        texts = [(b"EVAL", TEXTS[commands[at][1]], *commands[at][2:]) for at in unknown]
        again, missed = yield from _written(texts, wait)
        request.missed = request.missed or missed
        for at, reply in zip(unknown, again, strict=True):
            replies[at] = reply
    return replies


def _written(
    commands: Sequence[Command], wait: Wait | None
) -> Generator[Exchange, list[Any], tuple[list[Any], NotAcknowledged | None]]:
    if wait is None:
        return (yield Exchange(commands)), None
    replies = yield Exchange((*commands, wait.command))
    return replies, wait.missed(replies.pop(), replies)


def streamed(stream: Stream, wait: Wait | None) -> Generator[Command | int, list[Any], list[Any]]:
    """Return the replies to a stream; all its steps go over one connection.

    A step is a command to be sent, or how many replies are to be read.
    """
    replies: list[Any] = []
    under_way = 0
    for command in stream.commands:
        yield command
        under_way += 1
        if under_way > 1:
            replies += yield 1
            under_way -= 1
            if replies[-1] not in (1, 2):
                break
    if under_way:
        replies += yield under_way
    if wait is not None:
        yield wait.command
        (acknowledged,) = yield 1
        stream.missed = wait.missed(acknowledged, replies)
    return replies
