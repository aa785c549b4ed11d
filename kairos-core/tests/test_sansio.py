"""One protocol for a sync and an async client."""

import asyncio
import contextlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

import pytest

from kairos import Unsupported
from kairos.memory import MemoryStorage, Store
from kairos.sansio import AsyncProtocolStorage, ProtocolStorage, Steps, StorageProtocol, arun, run
from kairos.storage import Batch, Read, Reply, Scope, Write


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


class Remembered(StorageProtocol):
    """The memory backend as a protocol: every method is one round trip."""

    def layouts(self) -> Steps[Mapping[str, str]]:
        found: Mapping[str, str] = yield "layouts", ()
        return found

    def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Steps[Mapping[str, str]]:
        found: Mapping[str, str] = yield "record_layouts", (layouts, options)
        return found

    def forget_layouts(self, intervals: Sequence[str]) -> Steps[None]:
        yield "forget_layouts", (intervals,)

    def write(self, batch: Batch) -> Steps[None]:
        yield "write", (batch,)

    def read(self, request: Read) -> Steps[Reply]:
        reply: Reply = yield "read", (request,)
        return reply

    def names(self, scope: Scope) -> Steps[Iterable[str]]:
        names: Iterable[str] = yield "names", (scope,)
        return names

    def span(self, name: str, interval: str, at_least: int | None) -> Steps[tuple[int, int] | None]:
        span: tuple[int, int] | None = yield "span", (name, interval, at_least)
        return span

    def delete(self, names: Sequence[str], scope: Scope) -> Steps[int]:
        count: int = yield "delete", (names, scope)
        return count


class Sync(ProtocolStorage):
    def __init__(self) -> None:
        self.protocol = Remembered()
        self._memory = MemoryStorage(Store(), "count")

    def send(self, request: tuple[str, tuple[Any, ...]]) -> Any:
        method, arguments = request
        return getattr(self._memory, method)(*arguments)


class Async(AsyncProtocolStorage):
    def __init__(self) -> None:
        self.protocol = Remembered()
        self._memory = MemoryStorage(Store(), "count")

    async def send(self, request: tuple[str, tuple[Any, ...]]) -> Any:
        method, arguments = request
        await asyncio.sleep(0)
        return getattr(self._memory, method)(*arguments)


BATCH = Batch([Write("minute", 5, None, None, {"a": 3}), Write("minute", 6, None, None, {"b": 1})], 0.0, {})
SCOPE = {"minute": None}
CALLS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("ready", (), None),
    ("record_layouts", ({"minute": "60"}, {}), {"minute": "60"}),
    ("layouts", (), {"minute": "60"}),
    ("write", (BATCH,), None),
    ("read", (Read(("a",), "minute", 5, 6, lambda: [5, 6]),), Reply({"a": {5: {None: 3}}})),
    ("names", (SCOPE,), ["a", "b"]),
    ("span", ("b", "minute", None), (6, 6)),
    ("delete", (["a"], SCOPE), 1),
    ("delete_all", (SCOPE,), 1),
    ("layouts", (), {}),
]


def test_one_protocol_is_the_storage_of_both_sides() -> None:
    waits, loops = Sync(), Async()
    with asyncio.Runner() as runner:
        for method, arguments, expected in CALLS:
            for answer in (
                getattr(waits, method)(*arguments),
                runner.run(getattr(loops, method)(*arguments)),
            ):
                assert (sorted(answer) if method == "names" else answer) == expected, method
        with pytest.raises(Unsupported, match="manual expiry"):
            waits.expire({"minute": 5}, None)
        with pytest.raises(Unsupported, match="manual expiry"):
            runner.run(loops.expire({"minute": 5}, None))
