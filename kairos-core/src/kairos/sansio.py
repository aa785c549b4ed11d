"""One protocol for a sync and an async client, for backends that have both.

Write the protocol once, as a generator that yields one request per round trip and is sent the answer; drive it
with :func:`run` around a sync client, or with :func:`arun` around an async one. A driver's error is raised at
the ``yield``, so that the protocol can handle it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

__all__ = ["arun", "run"]

Request = TypeVar("Request")
Result = TypeVar("Result")


def run(protocol: Generator[Request, Any, Result], send: Callable[[Request], Any]) -> Result:
    """Run a protocol to its end: ``send(request)`` does one round trip.

    Examples
    --------
    >>> def double(key):
    ...     return 2 * (yield ("GET", key))
    >>> run(double("a"), {("GET", "a"): 21}.get)
    42
    """
    try:
        request = next(protocol)
        while True:
            try:
                answer = send(request)
            except Exception as error:
                request = protocol.throw(error)
            else:
                request = protocol.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        protocol.close()


async def arun(
    protocol: Generator[Request, Any, Result], send: Callable[[Request], Awaitable[Any]]
) -> Result:
    """Run a protocol to its end: ``await send(request)`` does one round trip.

    A task that was cancelled meanwhile ends, even where the driver has lost the cancellation (before Python 3.12,
    :func:`asyncio.wait_for` may return in spite of it).
    """
    task = asyncio.current_task()
    cancelled = 0 if task is None else task.cancelling()
    try:
        request = next(protocol)
        while True:
            try:
                answer = await send(request)
            except Exception as error:
                request = protocol.throw(error)
            else:
                if task is not None and task.cancelling() > cancelled:
                    raise asyncio.CancelledError
                request = protocol.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        protocol.close()
