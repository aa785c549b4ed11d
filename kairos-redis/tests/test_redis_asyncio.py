"""asyncio: live clients, the caller's own fetch and pipeline, and a server that stands still."""

import asyncio
import tracemalloc

import pytest
import redis
import redis.asyncio
import uvloop

import kairos
from kairos.errors import Closed, InvalidType
from kairos_redis.asynchronous_links import MOST

MINUTES = {"minute": {"step": 60}}


def open_(target, kind="count", **options):
    return kairos.AsyncTimeseries(target, type=kind, intervals=MINUTES, clock=lambda: 60, **options)


async def use(client, prefix):
    async with open_(client, prefix=prefix) as ours:
        await asyncio.gather(*(ours.insert("home") for _ in range(100)))
        assert await ours.get("home", "minute") == {60: 100}
        assert await ours.delete_all() == 1
    assert await client.ping()
    await client.aclose()


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("most", [1, 100])
def test_a_live_client_stays_the_callers_also_with_one_connection(server, raw, most, runner):
    async def main():
        await use(redis.asyncio.Redis.from_url(server.url, max_connections=most), "live")

    runner(main())


def test_a_live_client_of_a_cluster(engine):
    async def main():
        host, _, port = engine("redis-cluster").url.partition("://")[2].partition("/")[0].rpartition(":")
        await use(redis.asyncio.RedisCluster(host=host, port=int(port)), "live")

    asyncio.run(main())


async def open_with(facade, client):
    one = facade(client, intervals=MINUTES)
    await one.open()


@pytest.mark.parametrize(
    ("facade", "client", "hint"),
    [
        (kairos.AsyncTimeseries, redis.Redis, "it is for Timeseries"),
        (kairos.Timeseries, redis.asyncio.Redis, "it is for AsyncTimeseries"),
        (kairos.AsyncTimeseries, lambda: redis.asyncio.Redis().pipeline(), "pass the client"),
        (kairos.AsyncTimeseries, lambda: redis.asyncio.Sentinel([("h", 1)]), "master_for"),
    ],
)
def test_a_client_of_the_other_side_names_the_other_class(facade, client, hint):
    async def main():
        with pytest.raises(InvalidType, match=hint):
            await open_with(facade, client())

    asyncio.run(main())


def test_a_fetch_may_be_a_coroutine_function(server, raw):
    async def fetch(pipeline, key):
        await asyncio.sleep(0)
        pipeline.get(key)

    async def main():
        async with open_(server.url, client_config={"max_connections": 1}) as ours:
            await ours.insert("a", 3)
            assert await ours.get("a", "minute", fetch=fetch) == {60: 3}
            assert await ours.get("a", "minute", fetch=lambda pipeline, key: pipeline.get(key)) == {60: 3}
            with pytest.raises(InvalidType, match="exactly one command"):
                await ours.get("a", "minute", fetch=lambda pipeline, key: pipeline.get(key).get(key))

    asyncio.run(main())


def test_a_pipeline_of_the_callers_is_filled_and_not_executed(server, raw):
    async def main():
        client = redis.asyncio.Redis.from_url(server.url)
        async with open_(client) as ours:
            async with client.pipeline() as pipeline:
                await ours.insert("a", 3, pipeline=pipeline)
                assert await ours.get("a", "minute") == {60: 0}
                await pipeline.execute()
            assert await ours.get("a", "minute") == {60: 3}
            with pytest.raises(InvalidType, match=r"redis\.asyncio"):
                await ours.insert("a", 3, pipeline=raw.pipeline())
        await client.aclose()

    asyncio.run(main())


def test_pending_inserts_on_a_server_that_stands_still_stay_few_bytes_each_and_end(server, raw):
    pending = 1_000

    async def main():
        async with open_(
            server.url, client_config={"socket_timeout": None, "socket_connect_timeout": None}
        ) as ours:
            await ours.insert("a")
            raw.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
            tracemalloc.start()
            tasks = [asyncio.create_task(ours.insert("a")) for _ in range(pending)]
            await asyncio.sleep(1)
            size, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert raw.info("clients")["connected_clients"] <= MOST + 2
            assert size < pending * 8_000
            raw.execute_command("CLIENT", "UNPAUSE")
            await asyncio.gather(*tasks)
            assert await ours.get("a", "minute") == {60: pending + 1}

    asyncio.run(main())


def test_a_call_that_waits_for_a_connection_when_it_is_closed_ends(server, raw):
    async def main():
        ours = await open_(
            server.url,
            client_config={"max_connections": 1, "socket_timeout": None, "socket_connect_timeout": None},
        ).open()
        await ours.insert("a")
        raw.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        tasks = [asyncio.create_task(ours.insert("a")) for _ in range(3)]
        await asyncio.sleep(0.1)
        await ours.close()
        raw.execute_command("CLIENT", "UNPAUSE")
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(outcome, Closed | redis.ConnectionError), outcome

    asyncio.run(main())
