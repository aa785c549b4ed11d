"""asyncio on real servers: a server that stands still, calls that end early, live engines, the other event loop."""

import asyncio
import os
import resource
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvloop
from sqlalchemy.ext.asyncio import create_async_engine

from kairos import AsyncTimeseries

MINUTES = {"minute": {"step": 60}}
SCHEMES = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+asyncmy"}
PENDING = int(os.environ.get("KAIROS_PENDING", "10000"))
"""100,000 by hand."""

BYTES = 6_000
"""What a pending insert may take: its task, its coroutines, its batch."""

pytestmark = pytest.mark.parametrize("server", ["postgresql", "mariadb"])


def open_(target, **options):
    return AsyncTimeseries(target, type="count", intervals=MINUTES, clock=lambda: 60, **options)


@pytest.fixture
def plain_url(server, database):
    """Return the URL of a fresh database that names no driver."""
    url = sa.make_url(database("mariadb mysqlclient" if server == "mariadb" else server))
    return url.set(drivername=server).render_as_string(hide_password=False)


def resident():
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def test_pending_inserts_on_a_paused_server_take_few_bytes_each_and_all_end(server, own_engine):
    engine = own_engine(server)
    url = sa.make_url(engine.url).set(drivername=server).render_as_string(hide_password=False)

    async def main():
        async with open_(url) as ours:
            await ours.insert("a")
            engine.nodes[0].suspend()
            try:
                before = resident()
                tasks = [asyncio.create_task(ours.insert("a")) for _ in range(PENDING)]
                for _ in range(5):
                    await asyncio.sleep(0.05)
                grown = resident() - before
            finally:
                engine.nodes[0].resume()
            assert not any(task.done() for task in tasks)
            await asyncio.gather(*tasks)
            assert await ours.get("a", "minute") == {60: PENDING + 1}
            assert grown < PENDING * BYTES, grown / PENDING

    asyncio.run(main())


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_live_engine_stays_the_callers_and_gets_all_its_connections_back(server, plain_url, runner):
    async def main():
        url = sa.make_url(plain_url).set(drivername=SCHEMES[server])
        engine = create_async_engine(url, pool_size=3, max_overflow=0)
        async with open_(engine) as ours:
            await ours.bulk_insert({60 * k: {"a": [1]} for k in range(3_000)})
            await asyncio.gather(*(ours.insert("b") for _ in range(100)))
            async for _ in ours.iterate("a", "minute"):
                break
            left = ours.iterate("a", "minute")
            await anext(left)
            await left.aclose()
            assert engine.pool.checkedout() == 0
            for seconds in (0, 0.0005, 0.001, 0.002, 0.005):
                for call in (ours.insert("c"), ours.get("a", "minute"), ours.list(), ours.delete("c")):
                    try:
                        async with asyncio.timeout(seconds):
                            await call
                    except TimeoutError:
                        pass
            assert await ours.get("b", "minute") == {60: 100}
        assert engine.pool.checkedout() == 0
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
        await engine.dispose()

    runner(main())


def test_one_refused_write_does_not_refuse_those_that_share_its_commit(server, plain_url):
    async def main():
        async with open_(plain_url) as ours:
            await ours.insert("full", 2**63 - 1)
            names = ["a", "full", "b", "a", "full"]
            outcomes = await asyncio.gather(*(ours.insert(name, 1) for name in names), return_exceptions=True)
            assert [isinstance(outcome, ValueError) for outcome in outcomes] == [n == "full" for n in names]
            assert [await ours.get(name, "minute") for name in "ab"] == [{60: 2}, {60: 1}]

    asyncio.run(main())


def test_a_cancelled_write_of_a_group_leaves_the_others_alone(server, plain_url):
    async def main():
        async with open_(plain_url) as ours:
            await ours.insert("a")
            tasks = [asyncio.create_task(ours.insert("a")) for _ in range(300)]
            await asyncio.sleep(0)
            for task in tasks[1::3]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            ended = sum(not isinstance(outcome, BaseException) for outcome in outcomes)
            assert ended == 200
            assert 201 <= (await ours.get("a", "minute"))[60] <= 301

    asyncio.run(main())


def test_a_restarted_server_goes_unnoticed_between_two_calls(server, own_engine):
    durable = {"postgresql": ("-c", "synchronous_commit=on"), "mariadb": ()}
    engine = own_engine(server, args=durable[server])
    url = sa.make_url(engine.url).set(drivername=server).render_as_string(hide_password=False)

    async def main():
        async with open_(url) as ours:
            await ours.insert("a")
            engine.nodes[0].kill()
            engine.nodes[0].restart()
            await asyncio.sleep(0.1)
            await ours.insert("b")
            assert await ours.get("b", "minute") == {60: 1}

    asyncio.run(main())
