"""asyncio: the same arguments and answers, opening at the first await, and what cancelling does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kairos import AsyncTimeseries, Closed, SchemaMismatch, Timeseries, Written
from kairos.memory import Store

Make = Callable[..., Timeseries]
KINDS = ["series", "histogram", "count", "gauge", "set"]
INTERVALS = {
    "m": {"step": 60, "steps": 5},
    "h": {"step": 3600, "resolution": 60},
    "d": {"step": "daily", "resolution": 3600},
}


def series_of(target: Any, now: list[float], kind: str = "count", **options: Any) -> AsyncTimeseries:
    defaults: dict[str, Any] = {"intervals": INTERVALS, "clock": lambda: now[0]}
    return AsyncTimeseries(target, type=kind, **(defaults | options))


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("insert", ("a", [5, 3, 5]), {}),
    ("insert", ("a", 7, 630), {"intervals": 2}),
    ("insert", ("b", 1, 0), {}),
    ("insert", ("c", [], None), {}),
    ("bulk_insert", ({600: {"a": [1], "b": [2, 2]}, None: {"a": [3]}, 4000: {"a": [4]}},), {"intervals": -1}),
    ("list", (), {}),
    ("properties", ("a",), {}),
    ("properties", ("unknown",), {}),
    ("get", ("a", "m"), {}),
    ("get", ("a", "h"), {"timestamp": 0}),
    ("get", ("a", "h"), {"condense": True}),
    ("get", ("a", "h"), {"condense": len}),
    ("get", (["b", "a", "b"], "h"), {"condense": True, "transform": ["count", "rate"]}),
    ("get", ("a", "m"), {"process_row": str}),
    ("series", ("a", "m"), {}),
    ("series", ("a", "m"), {"start": 540, "end": 700}),
    ("series", ({"a", "b"}, "h"), {"end": 4000, "steps": 3}),
    ("series", ({"a", "b"}, "h"), {"end": 4000, "steps": 3, "collapse": True}),
    ("series", (["a", "b"], "h"), {"end": 4000, "collapse": len, "join_rows": len}),
    ("series", ("a", "m"), {"steps": 3, "transform": {"x": "sum", "y": lambda row, duration: duration}}),
    ("iterate", ("a", "m"), {}),
    ("iterate", ("a", "h"), {}),
    ("iterate", (["a", "b"], "h"), {"condense": True}),
    ("iterate", ("a", "d"), {"transform": "count"}),
    ("iterate", ("unknown", "d"), {}),
    ("delete", ("b",), {}),
    ("delete", ("b",), {}),
    ("list", (), {}),
    ("delete_all", (), {}),
    ("list", (), {}),
    ("insert", ("a", 1), {}),
    ("get", ("a", "m"), {}),
]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_timeseries(make: Make, now: list[float], kind: str) -> None:
    async def run() -> list[Any]:
        found = []
        async with series_of(Store(), now, kind) as series:
            for method, arguments, keywords in CALLS:
                result = getattr(series, method)(*arguments, **keywords)
                found.append([item async for item in result] if method == "iterate" else await result)
        return found

    sync = make(kind, intervals=INTERVALS)
    expected = []
    for method, arguments, keywords in CALLS:
        answer = getattr(sync, method)(*arguments, **keywords)
        expected.append(list(answer) if inspect.isgenerator(answer) else answer)
    for call, here, there in zip(CALLS, asyncio.run(run()), expected, strict=True):
        assert here == there, call


def test_both_facades_share_a_place(make: Make, now: list[float]) -> None:
    store = Store()

    async def run() -> Any:
        async with series_of(store, now) as series:
            await series.insert("a", 5)
            return await series.get(["a", "b"], "m")

    sync = make("count", target=store, intervals=INTERVALS)
    sync.insert("b", 1)
    assert asyncio.run(run()) == {600: 6}
    assert sync.get("a", "m") == {600: 5}


OPENERS: list[Callable[[AsyncTimeseries], Awaitable[Any]]] = [
    lambda series: series.open(),
    lambda series: series.insert("a", 1),
    lambda series: series.bulk_insert({}),
    lambda series: series.get("a", "m"),
    lambda series: series.series("a", "m"),
    lambda series: anext(series.iterate("a", "m"), None),
    lambda series: series.list(),
    lambda series: series.properties("a"),
    lambda series: series.delete("a"),
    lambda series: series.delete_all(),
    lambda series: series.plan("m"),
    lambda series: series.__aenter__(),
]


@pytest.mark.parametrize("opener", OPENERS)
def test_it_opens_at_the_first_await_and_once(
    limited: Callable[..., Any], now: list[float], opener: Callable[[AsyncTimeseries], Awaitable[Any]]
) -> None:
    place = limited()

    async def run() -> None:
        series = series_of(place, now)
        assert place.calls == []
        await opener(series)
        assert place.calls[0] == "ready"
        await asyncio.gather(*(opener(series) for _ in range(5)))
        await series.open()
        assert place.calls.count("ready") == 1
        await series.close()
        await series.close()
        assert place.calls.count("close") == 1

    asyncio.run(run())


def test_many_first_awaits_at_once_open_once(limited: Callable[..., Any], now: list[float]) -> None:
    place = limited()

    async def run() -> dict[int, Any]:
        series = series_of(place, now)
        written = await asyncio.gather(*(series.insert("a") for _ in range(50)))
        assert written == [Written(3, 0)] * 50
        return await series.get("a", "m")

    assert asyncio.run(run()) == {600: 50}
    assert place.calls.count("ready") == 1


def test_open_returns_the_timeseries_and_async_with_closes_it(
    limited: Callable[..., Any], now: list[float]
) -> None:
    place = limited()

    async def run() -> None:
        series = series_of(place, now)
        assert await series.open() is series
        async with series as same:
            assert same is series
        assert place.calls == ["ready", "close"]
        with pytest.raises(Closed):
            await series.list()
        with pytest.raises(Closed):
            await series.open()
        with pytest.raises(Closed):
            await series.__aenter__()

    asyncio.run(run())


def test_closing_what_never_opened_is_fine(limited: Callable[..., Any], now: list[float]) -> None:
    place = limited()
    asyncio.run(series_of(place, now).close())
    assert place.calls == []


def test_errors_of_the_configuration_come_from_the_constructor_and_those_of_the_target_at_opening(
    now: list[float],
) -> None:
    with pytest.raises(TypeError, match="step"):
        series_of(Store(), now, intervals={"m": {"step": 0.5}})
    series = series_of("nobody://here", now)
    with pytest.raises(ImportError, match="nobody"):
        asyncio.run(series.open())


def test_layout_is_compared_at_opening_and_at_the_first_write(make: Make, now: list[float]) -> None:
    store = Store()
    early = series_of(store, now, intervals={"m": {"step": 30}})

    async def run() -> None:
        await early.open()
        make("count", target=store).insert("a")
        with pytest.raises(SchemaMismatch, match=r"step 60.*step 30"):
            await early.insert("a")
        with pytest.raises(SchemaMismatch, match=r"step 60.*step 30"):
            await series_of(store, now, intervals={"m": {"step": 30}}).open()

    asyncio.run(run())


def test_iterate_reads_the_clock_at_its_first_item(now: list[float]) -> None:
    async def run() -> list[Any]:
        async with series_of(Store(), now, intervals={"m": {"step": 60, "steps": 1}}) as series:
            await series.insert("a", 1, 600)
            await series.insert("a", 2, 660)
            items = series.iterate("a", "m")
            now[0] = 660
            return [item async for item in items]

    assert asyncio.run(run()) == [(660, 2)]


def test_iterate_may_be_left_early(now: list[float]) -> None:
    async def run() -> None:
        async with series_of(Store(), now) as series:
            await series.bulk_insert({60 * n: {"a": [1]} for n in range(5_000)})
            async for start, row in series.iterate("a", "h"):
                assert (start, row) == (0, 1)
                break
            items = series.iterate("a", "h")
            assert await anext(items) == (0, 1)
            await items.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_condensed_warns_where_it_is_used(now: list[float]) -> None:
    async def run() -> None:
        async with series_of(Store(), now) as series:
            await series.insert("a", 5)
            with pytest.warns(DeprecationWarning, match="condense") as caught:
                assert await series.get("a", "h", condensed=True) == {0: 5}
            assert Path(caught[0].filename).name == Path(__file__).name
            with pytest.warns(DeprecationWarning, match="condense"):
                assert await series.series("a", "h", end=0, condensed=True) == {0: 5}
            with pytest.warns(DeprecationWarning, match="condense"):
                assert [item async for item in series.iterate("a", "h", condensed=True)] == [(0, 5)]

    asyncio.run(run())


def test_expire_of_manual_expiry(limited: Callable[..., Any], now: list[float]) -> None:
    async def run() -> None:
        async with series_of(limited(expiry=dict.fromkeys(KINDS, "manual")), now) as series:
            await series.insert("a")
            await series.insert("b")
            now[0] = 10_000
            assert await series.get("a", "m", timestamp=600) == {600: 1}
            await series.expire("a")
            assert await series.get("a", "m", timestamp=600) == {600: 0}
            assert await series.get("b", "m", timestamp=600) == {600: 1}
            await series.expire()
            assert await series.get("b", "m", timestamp=600) == {600: 0}
        async with series_of(Store(), now) as series:
            with pytest.raises(NotImplementedError, match="expire"):
                await series.expire()

    asyncio.run(run())


def test_one_timeseries_may_be_used_by_one_loop_after_another(now: list[float]) -> None:
    series = series_of(Store(), now)

    async def use() -> Any:
        await series.insert("a")
        return await series.get("a", "m")

    assert [asyncio.run(use())[600] for _ in range(3)] == [1, 2, 3]


def test_cancelling_loses_nothing_acknowledged(now: list[float]) -> None:
    async def run() -> None:
        acknowledged = 0
        async with series_of(Store(), now) as series:

            async def write() -> None:
                nonlocal acknowledged
                while True:
                    await series.insert("a")
                    acknowledged += 1
                    await asyncio.sleep(0)

            tasks = [asyncio.create_task(write()) for _ in range(5)]
            for task in tasks:
                await asyncio.sleep(0.002)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            total = (await series.get("a", "m"))[600]
            assert acknowledged <= total <= acknowledged + 5
            assert acknowledged > 0

    asyncio.run(run())


def test_capabilities_are_those_of_the_backend(limited: Callable[..., Any], now: list[float]) -> None:
    place = limited(float_counts=False)

    async def run() -> None:
        async with series_of(place, now) as series:
            assert series.capabilities is place.capabilities

    asyncio.run(run())


def test_cancelled_opening_is_cleaned_up_and_the_next_call_opens_again(
    limited: Callable[..., Any], now: list[float]
) -> None:
    place = limited()
    place.pause = 30

    async def run() -> None:
        series = series_of(place, now)
        first = asyncio.create_task(series.insert("a"))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(series.insert("b"))
        await asyncio.sleep(0.01)
        place.pause = 0
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await waiting == Written(3, 0)
        assert place.calls[:3] == ["ready", "close", "ready"]
        assert await series.list() == ["b"]
        await series.close()
        assert place.calls.count("close") == 2

    asyncio.run(run())


def test_closing_while_it_opens_leaves_nothing_open(limited: Callable[..., Any], now: list[float]) -> None:
    place = limited()
    place.pause = 0.02

    async def run() -> None:
        series = series_of(place, now)
        opening = asyncio.create_task(series.insert("a"))
        await asyncio.sleep(0.005)
        await series.close()
        with pytest.raises(Closed):
            await opening
        with pytest.raises(Closed):
            await series.list()

    asyncio.run(run())
    assert place.calls == ["ready", "close"]


def test_layout_that_differs_closes_what_was_opened(limited: Callable[..., Any], now: list[float]) -> None:
    place = limited()

    async def run() -> None:
        async with series_of(place, now) as series:
            await series.insert("a")
        place.calls.clear()
        with pytest.raises(SchemaMismatch):
            await series_of(place, now, intervals={"m": {"step": 30}}).open()

    asyncio.run(run())
    assert place.calls == ["ready", "close"]


def test_iterator_of_a_closed_timeseries_stops_with_an_error(now: list[float]) -> None:
    async def run() -> None:
        series = series_of(Store(), now, intervals={"s": {"step": 1}})
        await series.bulk_insert({0: {"a": [1]}, 50_000: {"a": [1]}})
        items = series.iterate("a", "s")
        await anext(items)
        await series.close()
        with pytest.raises(Closed):
            [item async for item in items]

    asyncio.run(run())
