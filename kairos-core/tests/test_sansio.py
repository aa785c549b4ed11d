"""One protocol for a sync and an async client."""

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

import pytest

from kairos.sansio import arun, run


class Refused(Exception):
    pass


def protocol(log: list[str]) -> Generator[str, Any, str]:
    """Two round trips; the second is tried again once if it is refused."""
    try:
        first = yield "first"
        try:
            second = yield "second"
        except Refused:
            second = yield "second, again"
        return f"{first} {second}"
    finally:
        log.append("closed")


def answers(refuse: str) -> Any:
    def send(request: str) -> str:
        if request == refuse:
            raise Refused(request)
        return request.upper()

    return send


@pytest.mark.parametrize(("refuse", "result"), [("", "FIRST SECOND"), ("second", "FIRST SECOND, AGAIN")])
def test_sync_and_async_run_one_protocol(refuse: str, result: str) -> None:
    log: list[str] = []
    send = answers(refuse)

    async def asend(request: str) -> Any:
        await asyncio.sleep(0)
        return send(request)

    assert run(protocol(log), send) == result
    assert asyncio.run(arun(protocol(log), asend)) == result
    assert log == ["closed", "closed"]


def test_error_that_the_protocol_does_not_handle_is_the_callers_and_the_protocol_ends() -> None:
    log: list[str] = []
    with pytest.raises(Refused, match="first"):
        run(protocol(log), answers("first"))
    assert log == ["closed"]


def test_interrupt_or_cancellation_ends_the_protocol() -> None:
    log: list[str] = []

    def interrupt(request: str) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(protocol(log), interrupt)

    async def cancelled() -> None:
        async def hang(request: str) -> Any:
            await asyncio.sleep(3600)

        task = asyncio.create_task(arun(protocol(log), hang))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert log == ["closed", "closed"]


def test_cancellation_that_a_driver_has_lost_ends_the_protocol() -> None:
    log: list[str] = []

    async def deaf(request: str) -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        return request

    async def main() -> None:
        task = asyncio.create_task(arun(protocol(log), deaf))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert log == ["closed"]


def test_timeout_that_a_driver_has_met_is_no_cancellation() -> None:
    log: list[str] = []

    async def impatient(request: str) -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(3600)
        except TimeoutError:
            return request.upper()
        raise AssertionError

    assert asyncio.run(arun(protocol(log), impatient)) == "FIRST SECOND"
