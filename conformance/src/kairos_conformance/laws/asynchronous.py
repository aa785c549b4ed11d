"""§7: what only the asyncio side has. Every other law is tried on both sides."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from inspect import isasyncgen, iscoroutine
from itertools import count
from types import coroutine
from typing import Any

import pytest

import kairos
from kairos.errors import BackendNotFound, Closed, Unsupported

from ..law import INAPPLICABLE, UNDECLARED, Absent, law
from ..moments import Clock
from ..place import Place
from .base import BOTH, NOW, ONE, Laws, Undeclared, opening, refused
from .concurrency import batches_of, check_batches

__all__ = ["AsyncioLaws"]

MANY = 10
"""How many coroutines insert at once, for each that a profile's writers write: 1,000 and more from ci on."""

POINTS = 200
"""At how many awaits one short call is cancelled at most."""


DRIVERLESS = "no driver for asyncio installed"

Coroutines = Absent | None
"""Present, or noted as absent."""


class AsyncioLaws(Laws):
    """Coroutines."""

    @pytest.fixture
    def coroutines(self, request: pytest.FixtureRequest, place: Place) -> Coroutines:
        """Let a law be about the asyncio side; absent where the backend has none, or the suite leaves it out."""
        if "asyncio" not in place.chosen:
            return Absent(request, INAPPLICABLE, "not on the asyncio side")
        if "asyncio" in place.sides():
            return None
        if place.driverless:
            return Absent(request, INAPPLICABLE, DRIVERLESS)
        return Absent(request, UNDECLARED, "asyncio")

    @pytest.fixture
    def declared(self, request: pytest.FixtureRequest, place: Place) -> bool | Absent:
        """Tell whether the backend has an asyncio side; absent where its driver for asyncio is not installed."""
        has = "asyncio" in place.backend_sides()
        return Absent(request, INAPPLICABLE, DRIVERLESS) if place.driverless else has

    @law(
        "asyncio is declared by its hook: without it AsyncTimeseries opens as Unsupported",
        "§7, §9",
        "Opening",
        once=True,
    )
    def test_asyncio_declared(self, place: Place, kind: str, declared: bool, undeclared: Undeclared) -> None:
        """Open with AsyncTimeseries, or see it refused."""
        if declared:
            place.on("asyncio").opened(kind, ONE.specs).close()
            return
        undeclared("asyncio")
        if isinstance(place.target, str):
            with pytest.raises(Unsupported):
                place.loop.run(place.asynchronous(kind, ONE.specs).open())

    @law("It opens at the first await, and after close every call raises Closed", "§7", "Opening", once=True)
    def test_first_await(
        self, place: Place, kind: str, clock: Clock, tag: str, coroutines: Coroutines
    ) -> None:
        """Call without opening; open twice; close before opening, and twice."""
        value = place.samples(kind, 1)[0]

        async def main() -> None:
            unopened = place.asynchronous(kind, ONE.specs, clock=clock)
            await unopened.insert(tag, value)
            assert await unopened.list() == await (await unopened.open()).list()
            assert [start async for start, _ in unopened.iterate(tag, "kit_minute")] == [NOW]
            assert await unopened.delete(tag) == 1
            await unopened.close()
            await unopened.close()
            never = place.asynchronous(kind, ONE.specs, clock=clock)
            await never.close()
            nobody = kairos.AsyncTimeseries("kit-nobody://there", intervals=ONE.specs)
            with pytest.raises(BackendNotFound):  # a wrong target is found at opening
                await nobody.open()
            for ts in (unopened, never):
                with pytest.raises(Closed):
                    await ts.insert(tag, value)
                with pytest.raises(Closed):
                    await ts.open()

        with refused(TypeError, ValueError):
            place.asynchronous(kind, {"kit_minute": {"step": 0.5}})
        place.loop.run(main())

    @law(
        "Every method is awaited, plan and close too; iterate is an async generator",
        "§7",
        "Coroutines",
        once=True,
    )
    def test_every_method_is_awaited(
        self, place: Place, kind: str, clock: Clock, tag: str, coroutines: Coroutines
    ) -> None:
        """Call each, and look at what it gives."""
        value = place.samples(kind, 1)[0]

        async def main() -> None:
            async with place.asynchronous(kind, ONE.specs, clock=clock) as ts:
                calls: dict[str, tuple[Any, ...]] = {
                    "insert": (tag, value),
                    "bulk_insert": ({None: {tag: [value]}},),
                    "get": (tag, "kit_minute"),
                    "series": (tag, "kit_minute"),
                    "list": (),
                    "properties": (tag,),
                    "plan": ("kit_minute",),
                    "delete": (tag,),
                    "delete_all": (),
                    "close": (),
                }
                assert isasyncgen(ts.iterate(tag, "kit_minute")), "iterate is no async generator"
                for method, arguments in calls.items():
                    call = getattr(ts, method)(*arguments)
                    assert iscoroutine(call), f"{method} is not awaited"
                    await call

        place.loop.run(main())

    @pytest.fixture
    def clients(self, request: pytest.FixtureRequest, place: Place, client: Any) -> list[Any] | Absent:
        """Give the live clients that the author gives; absent if there are none."""
        live = [it for it in (place.target, place.async_target, client) if it is not None]
        return [it for it in live if not isinstance(it, str)] or Absent(request, INAPPLICABLE, "no client")

    @law(
        "A live client serves one side or both; the other side is a TypeError that names the right class",
        "§7",
        "Opening",
        once=True,
    )
    def test_the_other_sides_client(self, place: Place, kind: str, clients: list[Any]) -> None:
        """Open each client with both classes."""
        keywords: dict[str, Any] = {"type": kind, "intervals": ONE.specs, **place.options_for(kind)}

        async def opened(client: Any) -> None:
            await (await kairos.AsyncTimeseries(client, **keywords).open()).close()

        for client in clients:
            wrong: dict[str, Exception] = {}
            try:
                kairos.Timeseries(client, **keywords).close()
            except TypeError as error:
                wrong["AsyncTimeseries"] = error
            try:
                place.loop.run(opened(client))
            except (TypeError, Unsupported) as error:  # Unsupported: there is no asyncio side at all
                wrong["Timeseries"] = error
            assert len(wrong) < 2, f"neither class takes {type(client)}: {wrong}"
            for right, why in wrong.items():
                assert re.search(rf"\b{right}\b", str(why)), f"{why!r} does not name {right}"

    @law(
        "Coroutines that write through one AsyncTimeseries at once lose nothing",
        "§3, §7",
        "Coroutines",
        once=True,
    )
    def test_coroutines(
        self, place: Place, kind: str, clock: Clock, tag: str, coroutines: Coroutines
    ) -> None:
        """Gather n writers of m values each, with readers between them."""
        batches = batches_of(place, kind, place.profile.writers, place.profile.writes)
        place.log.own = _script(place, kind, tag)

        async def work(ts: kairos.AsyncTimeseries, values: list[Any]) -> None:
            for value in values:
                await ts.insert(tag, value, NOW)

        async def read(ts: kairos.AsyncTimeseries) -> None:
            for _ in range(5):
                await ts.get(tag, "kit_hour", timestamp=NOW)
                assert len([name for name in await ts.list() if name == tag]) <= 1

        async def main() -> list[Any]:
            async with place.asynchronous(kind, BOTH.specs, clock=clock) as ts:
                await asyncio.gather(*(work(ts, values) for values in batches), read(ts))
                rows = [(await ts.get(tag, interval, timestamp=NOW))[NOW] for interval in BOTH.specs]
                await ts.delete(tag)
                return rows

        for row in place.loop.run(main()):
            check_batches(place, kind, row, batches)

        number = MANY * place.profile.writes

        async def many() -> Any:
            async with place.asynchronous("count", ONE.specs, clock=clock) as ts:
                await asyncio.gather(*(ts.insert(tag, 1, NOW) for _ in range(number)))
                total = (await ts.get(tag, "kit_minute", timestamp=NOW))[NOW]
                async for _ in ts.iterate(tag, "kit_minute"):
                    break  # whoever leaves early leaves nothing behind
                await ts.delete(tag)
                return total

        if kind == "count":
            assert place.loop.run(many()) == number

    @law("Sync and async handles on one place see each other's writes", "§1, §7", "Coroutines", once=True)
    def test_both_sides(
        self, place: Place, kind: str, clock: Clock, tag: str, coroutines: Coroutines
    ) -> None:
        """Write through each in turn, read through the other."""
        with (
            place.pair(kind, BOTH, clock) as one,
            place.on("asyncio").pair(kind, BOTH, clock) as two,
        ):
            two.model = one.model
            for number, value in enumerate(place.samples(kind, 4)):
                (one, two)[number % 2].insert(tag, value)
                (two, one)[number % 2].check([tag])
                (one, two)[number % 2].listed(tag)
            two.delete(tag)
            one.check([tag])

    @law("Cancelling loses nothing acknowledged, and the next call works", "§3, §7", "Coroutines", once=True)
    @pytest.mark.parametrize("kind", ["count", "series"])
    def test_cancelling(
        self, place: Place, kind: str, clock: Clock, tag: str, coroutines: Coroutines
    ) -> None:
        """Cancel writers at ever later moments; a total lies between what was acknowledged and what was begun."""
        value = place.samples(kind, 1)[0]
        begun, acknowledged = 0, 0

        async def work(ts: kairos.AsyncTimeseries) -> None:
            nonlocal begun, acknowledged
            while True:
                begun += 1
                await ts.insert(tag, value, NOW)
                acknowledged += 1
                await asyncio.sleep(0)

        async def main() -> Any:
            async with place.asynchronous(kind, ONE.specs, clock=clock) as ts:
                for turns in range(12):
                    workers = [asyncio.create_task(work(ts)) for _ in range(3)]
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    await asyncio.sleep(0.001 * (turns % 4))
                    for worker in workers:
                        worker.cancel()
                    await asyncio.gather(*workers, return_exceptions=True)
                    await ts.list()
                row = (await ts.get(tag, "kit_minute", timestamp=NOW))[NOW]
                await ts.delete(tag)
                return row if kind == "count" else len(row)

        total = place.loop.run(main())
        assert acknowledged <= total <= begun, f"{acknowledged} acknowledged, {begun} begun, {total} stored"
        place.loop.run(_cancel_at_each_point(place, kind, clock, tag, value))


async def _cancel_at_each_point(place: Place, kind: str, clock: Clock, tag: str, value: Any) -> None:
    """Cancel each call at its first await, at its second, …, then let it run into a timeout, and look at the total."""
    begun = acknowledged = 0

    async def insert(ts: kairos.AsyncTimeseries) -> None:
        nonlocal begun, acknowledged
        begun += 1
        await ts.insert(tag, value, NOW)
        acknowledged += 1

    async def walk(ts: kairos.AsyncTimeseries) -> None:
        async for _ in ts.iterate(tag, "kit_minute"):
            pass

    calls: list[Callable[[kairos.AsyncTimeseries], Coroutine[Any, Any, Any]]] = [
        insert,
        lambda ts: ts.get(tag, "kit_minute", timestamp=NOW),
        lambda ts: ts.list(),
        walk,
    ]
    async with place.asynchronous(kind, ONE.specs, clock=clock) as ts:
        for call in calls:
            for point in count(1):
                task = asyncio.create_task(_cancelled_at(point, call(ts)))
                outcome: Any = (await asyncio.gather(task, return_exceptions=True))[0]
                row = (await ts.get(tag, "kit_minute", timestamp=NOW))[NOW]
                total = row if kind == "count" else len(row)
                assert acknowledged <= total <= begun, f"{acknowledged} of {begun}, {total} stored"
                if not isinstance(outcome, asyncio.CancelledError):
                    assert not isinstance(outcome, BaseException), outcome
                    break
                assert point < POINTS, "the call never ends"
            for seconds in (0, 0.0005, 0.002):
                try:
                    async with asyncio.timeout(seconds):
                        await call(ts)
                except TimeoutError:
                    pass
                await ts.list()
        await ts.delete(tag)


async def _cancelled_at(point: int, call: Coroutine[Any, Any, Any]) -> Any:
    """Run a call that is cancelled where it awaits for the nth time."""
    return await _stepped(point, call)


@coroutine
def _stepped(point: int, call: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    task = asyncio.current_task()
    assert task is not None
    step: Callable[[], Any] = partial(call.send, None)
    for at in count(1):
        try:
            waiting = step()
        except StopIteration as stop:
            return stop.value
        if at == point:
            task.cancel()
        try:
            yield waiting
        except BaseException as error:
            step = partial(call.throw, error)
        else:
            step = partial(call.send, None)
    raise AssertionError("unreachable")


def _script(place: Place, kind: str, tag: str) -> list[str]:
    """Return the script of a hundred coroutines that write to one name."""
    size = {"count": "row", "histogram": "sum(row.values())", "gauge": "100"}.get(kind, "len(row)")
    value = "1" if kind == "count" else "n" if isinstance(place.samples(kind, 1)[0], int) else "f'v{n}'"
    return [
        "import asyncio; from kairos import AsyncTimeseries",
        "async def main():",
        f"    async with Async{opening(place, kind, repr({'minute': {'step': 60}}))} as ts:",
        f"        await asyncio.gather(*(ts.insert({tag!r}, {value}, 0) for n in range(100)))",
        f"        return (await ts.get({tag!r}, 'minute', timestamp=0))[0]",
        "row = asyncio.run(main())",
        f"assert {size} == 100, row",
    ]
