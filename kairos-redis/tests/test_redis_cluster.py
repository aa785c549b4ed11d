"""A Cluster: commands by node, slots that move, races, and masters that die."""

import re
import threading
import time

import pytest
import redis
from redis.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import RedisClusterException

import kairos
from kairos.errors import InvalidValue
from kairos_redis import NotAcknowledged, adopt

NOW = 1_700_000_000
START = NOW // 60 * 60
MINUTE = {"m": {"step": 60, "steps": 1000}}
RESOLVED = {"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}}


def address(url):
    host, _, port = url.partition("://")[2].partition("/")[0].rpartition(":")
    return host, int(port)


def open_(url, prefix, kind="count", intervals=MINUTE, **options):
    options.setdefault("clock", lambda: NOW)
    return kairos.Timeseries(url, type=kind, intervals=intervals, prefix=prefix, **options)


@pytest.fixture
def cluster(engine):
    url = engine("redis-cluster").url
    client = RedisCluster(*address(url))
    yield url, client
    client.close()


def owner(client, key):
    node = client.get_node_from_key(key)
    return node, redis.Redis(node.host, node.port)


def test_what_is_new_is_in_the_index_and_what_is_there_costs_one_request_a_node(cluster):
    url, client = cluster
    with open_(url, "simple", intervals=RESOLVED) as ours:
        for _ in range(3):
            ours.insert("home")
        assert ours.properties("home") == {
            "m": {"first": START, "last": START},
            "h": {"first": NOW // 3600 * 3600, "last": NOW // 3600 * 3600},
        }
        assert ours.get("home", "h") == {START: 3}
        assert ours.delete_all() == 1
    assert client.exists(b"simple:home:m:%d" % (NOW // 60)) == 0


@pytest.mark.parametrize("prefix", ["{app}hits", "a}b", "plain"])
def test_the_index_lies_together_whatever_braces_the_prefix_has(cluster, prefix):
    url, _ = cluster
    with open_(url, prefix, intervals=RESOLVED) as ours:
        ours.bulk_insert({NOW: {"home": [1]}, NOW - 60: {"home": [1], "away": [2]}})
        assert ours.list() == ["away", "home"]
        assert ours.get("home", "h", condense=True) == {NOW // 3600 * 3600: 2}
        assert ours.delete("home") == 1
        assert ours.delete_all() == 1


@pytest.mark.parametrize("prefix", ["a{b", "a}b{c", "{}hits"])
def test_a_prefix_that_would_spread_the_index_is_refused_on_a_cluster(cluster, prefix):
    url, _ = cluster
    with pytest.raises(InvalidValue, match="hash tag.*got '" + re.escape(prefix)):
        open_(url, prefix)


def test_a_shorter_handle_does_not_cut_the_index_of_a_longer_one(cluster):
    url, _ = cluster
    now = [NOW]
    clock = lambda: now[0]  # noqa: E731
    with (
        open_(url, "steps", intervals={"m": {"step": 60, "steps": 100}}, clock=clock) as long,
        open_(url, "steps", intervals={"m": {"step": 60, "steps": 10}}, clock=clock) as short,
    ):
        long.insert("a")
        long.insert("old")
        short.insert("a")
        now[0] += 50 * 60
        short.insert("a")
        assert long.list() == ["a", "old"]
        assert long.properties("a")["m"]["first"] == START
        assert long.delete_all() == 2


def test_numbers_beyond_64_bits_fail_alone(cluster):
    url, _ = cluster
    with open_(url, "overflow") as ours:
        ours.insert("full", 2**63 - 1)
        ours.insert("a", 1)
        with pytest.raises(InvalidValue, match="other names of this call may have been stored"):
            ours.bulk_insert({NOW: {"full": [1], "a": [3], "new": [5]}})
        assert ours.get("full", "m") == {START: 2**63 - 1}
        assert ours.get("a", "m") == {START: 4}
        assert ours.get("new", "m") == {START: 5}
        assert ours.delete_all() == 3


def test_a_node_that_takes_no_scripts_gets_plain_commands_and_nothing_is_doubled(cluster):
    url, client = cluster
    names = [f"name{n}" for n in range(30)]
    _, one = owner(client, b"rights:name0:m:%d" % (NOW // 60))
    one.execute_command("ACL", "SETUSER", "default", "-@scripting")
    try:
        with open_(url, "rights") as ours:
            for _ in range(2):
                for name in names[:3]:
                    ours.insert(name)
                ours.bulk_insert({NOW: {name: [1] for name in names}})
            totals = {name: ours.get(name, "m")[START] for name in names}
            assert totals == {**dict.fromkeys(names, 2), **dict.fromkeys(names[:3], 4)}
            assert ours.list() == sorted(names)
            assert ours.delete_all() == 30
    finally:
        one.execute_command("ACL", "SETUSER", "default", "+@scripting")
        one.close()


def test_wait_raises_when_all_is_stored(cluster):
    url, _ = cluster
    with open_(url, "wait", wait=(5, 0.02)) as ours:
        for _ in range(2):
            with pytest.raises(NotAcknowledged, match="the write is stored"):
                ours.insert("home")
        with pytest.raises(NotAcknowledged):
            ours.bulk_insert({NOW: {f"name{n}": [1] for n in range(100)}})
    with open_(url, "wait", wait=(1, 3)) as ours:
        ours.insert("home")
        assert ours.get("home", "m") == {START: 3}
        assert ours.delete_all() == 101


def test_a_slot_that_moves_takes_every_write_once(own_engine):
    """MIGRATING and IMPORTING (ASK, to a node that has no script yet), then another owner (MOVED)."""
    url = own_engine("redis-cluster").url
    client = RedisCluster(*address(url))
    key = b"move:home:m:%d" % (NOW // 60)
    slot = key_slot(key)
    source, source_client = owner(client, key)
    target = next(node for node in client.get_primaries() if node.name != source.name)
    target_client = redis.Redis(target.host, target.port)
    from_id, to_id = (
        one.execute_command("CLUSTER", "MYID").decode() for one in (source_client, target_client)
    )
    with open_(url, "move") as ours, open_(url, "move") as another:
        ours.insert("home")
        another.insert("home")
        target_client.script_flush()
        target_client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", from_id)
        source_client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", to_id)
        source_client.migrate(target.host, target.port, key.decode(), 0, 5000)
        for handle in (ours, another):
            handle.insert("home")
            assert handle.get("home", "m")[START] >= 3
        for one in (target_client, source_client):
            one.execute_command("CLUSTER", "SETSLOT", slot, "NODE", to_id)
        for handle in (ours, another):
            handle.insert("home")
        assert ours.get("home", "m") == another.get("home", "m") == {START: 6}
    for one in (client, source_client, target_client):
        one.close()


def test_deleting_beside_writers_leaves_nothing_that_no_list_shows(cluster):
    url, client = cluster
    with open_(url, "race", intervals=RESOLVED) as ours:
        stop = time.monotonic() + 3

        def write():
            with open_(url, "race", intervals=RESOLVED) as writer:
                while time.monotonic() < stop:
                    writer.insert("a")

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        while time.monotonic() < stop:
            ours.delete("a")
        for thread in threads:
            thread.join()
        there = [bool(ours.get("a", "m")[START]), bool(ours.get("a", "h"))]
        assert [interval in ours.properties("a") for interval in ("m", "h")] == there
        ours.delete("a")
        ours.delete_all()
    left = [
        key for node in client.get_primaries() for key in redis.Redis(node.host, node.port).keys("race:*")
    ]
    assert left == [b"race:\0deleted{race:}"]
    assert 0 < client.ttl(left[0]) <= 3600


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_a_master_that_is_killed_or_stands_still_costs_errors_but_nothing_is_doubled(
    own_engine, writers, how
):
    """What a replica has confirmed is there; the rest is Redis' own affair, which replicates asynchronously."""
    running = own_engine("redis-cluster")
    names = [f"name{n:02}" for n in range(12)]
    with RedisCluster(*address(running.url)) as client:
        port = owner(client, b"killed:name02:m:%d" % (NOW // 60))[0].port
    master = next(node for node in running.nodes if node.port == port)

    def opener(**options):
        return open_(running.url, "killed", client_config={"socket_timeout": 1.0}, **options)

    with opener() as ours:  # its URL names the node that dies
        with writers(opener, names, replicas=1) as at_work:
            if how == "SIGKILL":
                master.kill()
            else:
                master.suspend()
                try:
                    time.sleep(3)
                finally:
                    master.resume()
            at_work.recover(replicas=how != "SIGKILL")  # the new master of a dead one has none
        clear = (redis.RedisError, RedisClusterException, NotAcknowledged)
        assert all(isinstance(error, clear) for error in at_work.errors), at_work.errors
        adopt(ours)
        at_work.check({name: ours.get(name, "m")[START] for name in names})
        assert ours.list() == names
