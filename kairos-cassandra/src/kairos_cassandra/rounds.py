"""Protocols: what is sent, and what the answers mean, apart from how it is sent.

A protocol is a generator that yields a :class:`Round` of statements, all of which may be sent at once, and is given
the rows of each. :mod:`kairos_cassandra.sending` carries them out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, TypeVar

from attrs import define, field
from cassandra import WriteTimeout
from cassandra.protocol import ErrorMessage

__all__ = ["Protocol", "Request", "Round", "Rows", "in_turn", "together"]

_CAS_UNKNOWN = 0x1700
_ATTEMPTS = 5

Result = TypeVar("Result")
Rows = list[tuple[Any, ...]]


@define(eq=False)
class Request:
    """One statement or batch, bound.

    Attributes
    ----------
    statement
        What the driver executes.
    writes
        How many rows it writes; 0: it reads.
    size
        About how many bytes it has, where they may be many.
    """

    statement: Any
    writes: int = 0
    size: int = 0


@define(eq=False)
class Round:
    """Statements that may be sent at once.

    Attributes
    ----------
    requests
        The statements.
    pause
        How long the round lasts at least, in seconds.
    """

    requests: Sequence[Request] = field(factory=list)
    pause: float = 0.0


Protocol = Generator[Round, list[Rows], Result]


def together(protocols: Iterable[Protocol[Result]]) -> Protocol[list[Result]]:
    """Run protocols in step: the first rounds of all are one round, and so on."""
    running = dict(enumerate(protocols))
    results: dict[int, Result] = {}
    answers: dict[int, list[Rows] | None] = dict.fromkeys(running)
    while running:
        rounds: dict[int, Round] = {}
        for key, protocol in list(running.items()):
            try:
                rounds[key] = protocol.send(answers[key])  # type: ignore[arg-type]
            except StopIteration as stop:
                results[key] = stop.value
                del running[key]
        if not rounds:
            break
        merged = Round(
            [request for one in rounds.values() for request in one.requests],
            max(one.pause for one in rounds.values()),
        )
        rows = iter((yield merged))
        for key, one in rounds.items():
            answers[key] = [next(rows) for _ in one.requests]
    return [results[key] for key in sorted(results)]


def in_turn(conditional: Iterable[Request]) -> Protocol[None]:
    """Send statements with a condition one by one: those of one partition get in each other's way.

    One whose outcome is unknown is sent again: it does nothing if it was carried out.
    """
    for request in conditional:
        for attempt in range(_ATTEMPTS):
            try:
                yield Round([request])
            except (ErrorMessage, WriteTimeout) as error:
                if attempt == _ATTEMPTS - 1 or getattr(error, "code", _CAS_UNKNOWN) != _CAS_UNKNOWN:
                    raise
            else:
                break
