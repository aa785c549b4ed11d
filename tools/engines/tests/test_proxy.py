"""The proxy in front of real servers: replies lost, held back, counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from kairos_engines import Engine, Node, Proxy, wire
from kairos_engines.waiting import NotYet, until


@pytest.fixture(scope="module")
def node(engine: Callable[..., Engine]) -> Node:
    return engine("redis").nodes[0]


@pytest.fixture
def proxy(node: Node) -> Iterator[Proxy]:
    with wire.Redis(node.host, node.port) as redis:
        redis("FLUSHALL")
    with Proxy(node.host, node.port) as proxy:
        yield proxy


def through(proxy: Proxy) -> wire.Redis:
    return wire.Redis("127.0.0.1", proxy.port)


def stored(node: Node, key: str) -> object:
    with wire.Redis(node.host, node.port) as redis:
        return redis("GET", key)


def test_a_lost_reply_was_done_and_the_client_sees_a_cut_connection(node: Node, proxy: Proxy) -> None:
    with through(proxy) as redis:
        assert redis("INCR", "n") == 1
        proxy.drop_replies()
        with pytest.raises(ConnectionError):
            redis("INCR", "n")
    assert stored(node, "n") == "2"
    assert proxy.dropped == 1
    with through(proxy) as redis:
        assert redis("INCR", "n") == 3
    assert proxy.dropped == 1


def test_only_the_replies_of_matching_requests_are_lost(node: Node, proxy: Proxy) -> None:
    proxy.drop_when(lambda data: b"INCR" in data, n=2)
    for _ in range(2):
        with through(proxy) as redis:
            assert redis("PING") == "PONG"
            with pytest.raises(ConnectionError):
                redis("INCR", "n")
    with through(proxy) as redis:
        assert redis("INCR", "n") == 3
    assert proxy.dropped == 2


def test_requests_and_round_trips_are_counted(proxy: Proxy) -> None:
    with through(proxy) as redis:
        for _ in range(3):
            redis("PING")
        assert (proxy.requests, proxy.round_trips) == (3, 3)
        proxy.gather = 0.1  # this machine may be slow to send what follows
        proxy.reset_counts()
        redis.send("SET", "k", "v" * 200_000)
        for _ in range(999):
            redis.send("INCR", "n")
        replies = [redis.receive() for _ in range(1000)]
    assert replies == ["OK", *range(1, 1000)]
    assert (proxy.requests, proxy.round_trips) == (1, 1)


def test_an_answer_is_delayed(proxy: Proxy) -> None:
    with through(proxy) as redis:
        proxy.delay = 0.2
        begin = time.monotonic()
        redis("PING")
        assert time.monotonic() - begin >= 0.2


def test_a_paused_proxy_passes_on_nothing_until_it_resumes(node: Node, proxy: Proxy) -> None:
    with through(proxy) as redis:
        proxy.pause()
        redis.patience(0.2)
        with pytest.raises(TimeoutError):
            redis("SET", "k", "v")
        assert stored(node, "k") is None
        proxy.resume()

        def arrived() -> None:
            if stored(node, "k") != "v":
                raise NotYet("it has not arrived")

        until(arrived, 5.0, "what was held back arrives")


def test_connections_are_cut_and_new_ones_made(proxy: Proxy) -> None:
    with through(proxy) as redis:
        redis("PING")
        proxy.cut()
        with pytest.raises(ConnectionError):
            redis("PING")
    with through(proxy) as redis:
        assert redis("PING") == "PONG"


def test_a_client_is_cut_off_when_the_server_is_gone_and_served_when_it_is_back(
    own_engine: Callable[..., Engine],
) -> None:
    (node,) = own_engine("redis").nodes
    with Proxy(node.host, node.port) as proxy:
        with through(proxy) as redis:
            redis("PING")
            node.kill()
            with pytest.raises(ConnectionError):
                redis("PING")
        with pytest.raises(ConnectionError), through(proxy) as redis:
            redis("PING")
        node.restart()
        with through(proxy) as redis:
            assert redis("PING") == "PONG"


def test_a_lost_commit_of_postgresql_is_committed(engine: Callable[..., Engine]) -> None:
    server = engine("postgresql")
    (node,) = server.nodes
    server.database("lost")
    with Proxy(node.host, node.port) as proxy:
        proxy.drop_when(lambda data: b"COMMIT" in data)
        with wire.Postgres("127.0.0.1", proxy.port, user="postgres", database="lost") as postgres:
            postgres("CREATE TABLE t (k int PRIMARY KEY)")
            postgres("BEGIN")
            postgres("INSERT INTO t VALUES (1)")
            with pytest.raises(ConnectionError):
                postgres("COMMIT")
    with (
        wire.Postgres(node.host, node.port, user="postgres", database="lost") as postgres,
        pytest.raises(wire.Refused, match="duplicate key"),
    ):
        postgres("INSERT INTO t VALUES (1)")


def test_a_lost_insert_of_mongodb_is_inserted(engine: Callable[..., Engine]) -> None:
    (node,) = engine("mongo").nodes
    insert = {"insert": "lost", "documents": [{"_id": 1}]}
    with Proxy(node.host, node.port) as proxy, wire.Mongo("127.0.0.1", proxy.port) as mongo:
        proxy.drop_when(lambda data: b"insert" in data)
        mongo({"hello": 1})
        with pytest.raises(ConnectionError):
            mongo(insert, "d")
    with wire.Mongo(node.host, node.port) as mongo:
        assert [e["code"] for e in mongo(insert, "d")["writeErrors"]] == [11000]
