"""Live clients, custom fetch, and what a call costs on the wire."""

import subprocess
import sys

import pytest
import redis
from redis.cluster import RedisCluster
from redis.sentinel import Sentinel

import kairos
from kairos.errors import InvalidType
from kairos_engines import Proxy

NOW = 1_700_000_000
START = NOW // 60 * 60
BOTH = {"minute": {"step": 60, "steps": 2000}, "hour": {"step": 3600, "resolution": 60}}
VALUES = {"series": ["a", "b"], "histogram": {"a": 1, "b": 1}, "gauge": "b", "set": {"a", "b"}, "count": 2}


def open_(target, kind, **options):
    options = {"intervals": BOTH, "clock": lambda: NOW, **options}
    return kairos.Timeseries(target, type=kind, **options)


def address(url):
    host, _, port = url.partition("://")[2].partition("/")[0].rpartition(":")
    return host, int(port)


def use(target, kind, prefix):
    with open_(target, kind, prefix=prefix) as ours:
        for value in (1, 1) if kind == "count" else ("a", "b"):
            ours.insert("home", value)
        assert ours.get("home", "minute") == ours.get("home", "hour") == {START: VALUES[kind]}
        assert ours.series("home", "hour", steps=1, collapse=True) == {NOW // 3600 * 3600: VALUES[kind]}
        assert ours.properties("home")["minute"] == {"first": START, "last": START}
        assert ours.list() == ["home"]
        assert ours.delete("home") == 1
        assert ours.delete_all() == 0


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("kind", list(VALUES))
def test_a_live_client_stays_the_callers(server, kind, decode, protocol):
    client = redis.Redis.from_url(server.url, decode_responses=decode, protocol=protocol, max_connections=1)
    use(client, kind, f"live-{kind}")
    assert client.ping()
    client.close()


def test_a_live_client_with_another_encoding_is_read_as_utf_8(server):
    client = redis.Redis.from_url(server.url, decode_responses=True, encoding="latin-1")
    with open_(client, "series", prefix="latin") as ours:
        ours.insert("h\u00f6me", "\u00e9\U0001f600")
        assert ours.list() == ["h\u00f6me"]
        assert ours.get("h\u00f6me", "minute") == {START: ["\u00e9\U0001f600"]}
        ours.delete_all()
    client.close()


@pytest.mark.parametrize("kind", list(VALUES))
def test_a_live_cluster_client(engine, kind):
    host, port = address(engine("redis-cluster").url)
    client = RedisCluster(host=host, port=port, decode_responses=True)
    use(client, kind, f"live-{kind}")
    assert client.ping()
    client.close()


def test_a_client_that_sentinel_made(engine):
    hosts, _, rest = engine("redis-sentinel").url.partition("://")[2].partition("/")
    sentinel = Sentinel(
        [(host.rpartition(":")[0], int(host.rpartition(":")[2])) for host in hosts.split(",")]
    )
    client = sentinel.master_for(rest.partition("/")[0])
    use(client, "series", "live")
    client.close()


def test_a_unix_socket(engine):
    use(f"unix://{engine('redis').socket}?db=2", "gauge", "socket")


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("kind", list(VALUES))
def test_a_fetch_of_the_callers_queues_one_command(server, kind, decode):
    command = {
        "series": lambda handle, key: handle.lrange(key, 0, -1),
        "histogram": lambda handle, key: handle.hgetall(key),
        "count": lambda handle, key: handle.get(key),
        "gauge": lambda handle, key: handle.get(key),
        "set": lambda handle, key: handle.smembers(key),
    }[kind]
    config = {"decode_responses": decode}
    with open_(server.url, kind, prefix=f"fetch-{kind}", client_config=config) as ours:
        for value in (1, 1) if kind == "count" else ("a", "b"):
            ours.insert("home", value)
        keys = []

        def fetch(handle, key):
            keys.append(key)
            command(handle, key)

        assert ours.get("home", "minute", fetch=fetch) == {START: VALUES[kind]}
        assert keys == [f"fetch-{kind}:home:minute:{NOW // 60}"]
        assert ours.get("home", "hour", fetch=fetch) == {START: VALUES[kind]}
        assert keys[-1].endswith(f":home:hour:{NOW // 3600}:{NOW // 3600 * 60 + 59}")
        ours.delete_all()


def test_a_fetch_that_queues_nothing_or_two_is_refused(server):
    with open_(server.url, "series", prefix="fetch") as ours:
        for wrong in (lambda handle, key: None, lambda handle, key: (handle.get(key), handle.get(key))):
            with pytest.raises(InvalidType, match="exactly one command"):
                ours.get("home", "minute", fetch=wrong)


def test_a_pool_of_one_connection_is_enough_for_a_fetch(server):
    with open_(f"{server.url}?max_connections=1", "gauge", prefix="one") as ours:
        ours.insert("home", "v")
        assert ours.get("home", "minute", fetch=lambda handle, key: handle.get(key)) == {START: "v"}
        ours.delete_all()


def test_a_forked_process_does_not_use_its_parents_connections(server):
    code = f"""
import os, sys, kairos
intervals = {{"m": {{"step": 60}}}}
ts = kairos.Timeseries({server.url!r}, type="count", prefix="fork", intervals=intervals, clock=lambda: {NOW})
for _ in range(3):
    ts.insert("home")
child = os.fork()
name = "child" if child == 0 else "home"
for n in range(1, 400):
    ts.insert(name)
    got = ts.get(name, "m")
    assert got == {{{START}: n + (0 if child == 0 else 3)}}, (name, n, got)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert ts.delete_all() == 2
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_fetch_reads_a_part_of_a_list(server):
    with open_(server.url, "series", prefix="fetch") as ours:
        ours.insert("home", ["a", "b", "c"])
        assert ours.get("home", "minute", fetch=lambda handle, key: handle.lrange(key, -1, -1)) == {
            START: ["c"]
        }
        assert ours.get("home", "minute", fetch=lambda handle, key: handle.llen(key), process_row=int) == {
            START: 3
        }
        ours.delete_all()


@pytest.mark.parametrize("kind", list(VALUES))
def test_an_insert_a_get_and_a_series_are_one_round_trip_each(server, kind):
    value = 1 if kind == "count" else "a"
    with (
        Proxy(*address(server.url)) as proxy,
        open_(f"redis://127.0.0.1:{proxy.port}/0", kind, prefix=f"trips-{kind}") as ours,
    ):
        ours.insert("home", value)

        def trips(call):
            before = proxy.round_trips
            call()
            return proxy.round_trips - before

        assert trips(lambda: ours.insert("home", value)) == 1
        assert trips(lambda: ours.insert("new", value)) == 1
        assert trips(lambda: ours.bulk_insert({NOW: {"a": [value], "b": [value]}})) == 1
        assert trips(lambda: ours.get("home", "minute")) == 1
        assert trips(lambda: ours.get("home", "hour")) == 1
        assert trips(lambda: ours.series("home", "minute", steps=1440)) == 1
        assert trips(lambda: ours.series(["home", "new"], "hour", steps=12)) == 1
        assert trips(lambda: ours.series("home", "hour", steps=100)) == 2
        ours.delete_all()
