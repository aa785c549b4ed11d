"""Engines of several nodes: they agree when they are handed over, and go on when one is killed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from kairos_engines import Engine, Node, wire
from kairos_engines.cassandra import agreed
from kairos_engines.waiting import NotYet, until

SECONDS = 60.0  # an upper bound, for machines that have much to do


def test_a_cluster_goes_on_when_a_master_is_killed(own_engine: Callable[..., Engine]) -> None:
    engine = own_engine("redis-cluster")
    assert [node.role for node in engine.nodes] == ["master"] * 3 + ["replica"] * 3
    first, second = engine.nodes[:2]
    assert engine.url == f"redis+cluster://127.0.0.1:{first.port}"

    def servers(node: Node) -> dict[int, int]:
        with wire.Redis(node.host, node.port) as redis:
            return {start: master[1] for start, _, master, *_ in redis("CLUSTER", "SLOTS")}

    assert [servers(node)[0] for node in engine.nodes] == [first.port] * 6
    first.kill()

    def taken_over() -> None:
        if servers(second)[0] == first.port:
            raise NotYet("nobody has taken over")

    until(taken_over, SECONDS, "a replica takes over")
    first.restart()


def test_sentinels_name_the_replica_when_the_master_is_killed(own_engine: Callable[..., Engine]) -> None:
    engine = own_engine("redis-sentinel")
    master, replica, *sentinels = engine.nodes
    assert [node.role for node in engine.nodes] == ["master", "replica"] + ["sentinel"] * 3
    assert urlsplit(engine.url).netloc == ",".join(f"127.0.0.1:{node.port}" for node in sentinels)
    assert urlsplit(engine.url).path == "/mymaster/0"
    master.kill()

    def promoted() -> None:
        for node in sentinels:
            with wire.Redis(node.host, node.port) as sentinel:
                named = sentinel("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
            if named != ["127.0.0.1", str(replica.port)]:
                raise NotYet(f"{node} names {named}")

    until(promoted, SECONDS, "the sentinels name the replica")


def test_a_replica_set_elects_another_primary(own_engine: Callable[..., Engine]) -> None:
    engine = own_engine("mongo-set")
    assert len(engine.nodes) == 3

    def primary() -> Node:
        for node in engine.nodes:
            if node.running:
                with wire.Mongo(node.host, node.port) as mongo:
                    if mongo({"hello": 1})["isWritablePrimary"]:
                        return node
        raise NotYet("there is no primary")

    old = until(primary, 0.0, "the set is handed over with a primary")
    old.kill()
    new = until(primary, SECONDS, "another is elected")
    with wire.Mongo(new.host, new.port) as mongo:
        concern = {"w": "majority", "wtimeout": 10_000}
        assert "writeConcernError" not in mongo(
            {"insert": "c", "documents": [{"k": "v"}], "writeConcern": concern}
        )
    old.restart()


def test_a_ring_knows_its_nodes_and_writes_with_one_killed(own_engine: Callable[..., Engine]) -> None:
    engine = own_engine("cassandra-ring", timeout=2)
    first, second, third = engine.nodes
    assert [node.host for node in engine.nodes] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert len({node.port for node in engine.nodes}) == 1
    with wire.Cassandra(first.host, first.port) as cassandra:
        cassandra("CREATE TABLE kairos.t (k text PRIMARY KEY)")
    until(partial(agreed, engine.nodes), SECONDS, "all know the table")
    third.kill()
    with wire.Cassandra(first.host, first.port) as cassandra:
        cassandra("INSERT INTO kairos.t (k) VALUES ('v')", consistency="QUORUM")
    with wire.Cassandra(second.host, second.port) as cassandra:

        def found() -> list[tuple[str, ...]]:
            try:
                return cassandra("SELECT k FROM kairos.t WHERE k = 'v'", consistency="QUORUM")
            except wire.Refused as error:  # it asked the third, which it does not know to be gone yet
                raise NotYet(str(error)) from error

        assert until(found, SECONDS, "it reads without the third") == [("v",)]
