"""What happens when something breaks: nothing is counted twice, errors are clear, and the next call works."""

import threading
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import kairos
from kairos_engines import Proxy
from kairos_redis import NotAcknowledged

NOW = 1_700_000_000
START = NOW // 60 * 60
MINUTE = {"minute": {"step": 60, "steps": 1000}}


def address(url):
    host, _, port = url.partition("://")[2].partition("/")[0].rpartition(":")
    return host, int(port)


def open_(target, kind="count", intervals=MINUTE, **options):
    return kairos.Timeseries(target, type=kind, intervals=intervals, clock=lambda: NOW, **options)


def test_the_drivers_own_default_counts_twice_when_a_reply_is_lost(server, raw):
    """Why kairos does not use it: redis-py sends a command again whose outcome it does not know."""
    with Proxy(*address(server.url)) as proxy:
        client = redis.Redis(port=proxy.port, retry=Retry(NoBackoff(), 3))
        client.set("total", 0)
        proxy.drop_when(lambda data: b"INCRBY" in data)
        client.incrby("total", 1)
        assert proxy.dropped == 1
        assert raw.get("total") == b"2"
        default = redis.Redis(port=proxy.port)
        assert default.connection_pool.connection_kwargs["retry"].get_retries() > 0
        client.close()
        default.close()


@pytest.mark.parametrize("kind", ["count", "series", "histogram"])
def test_a_write_whose_reply_is_lost_raises_and_is_stored_once(server, raw, kind):
    value = 1 if kind == "count" else "v"
    with Proxy(*address(server.url)) as proxy, open_(f"redis://127.0.0.1:{proxy.port}", kind) as ours:
        ours.insert("home", value)
        proxy.drop_when(lambda data: b"EVALSHA" in data)
        with pytest.raises(redis.ConnectionError):
            ours.insert("home", value)
        assert proxy.dropped == 1
        ours.insert("home", value)
        expected = {"count": 3, "series": ["v"] * 3, "histogram": {"v": 3}}[kind]
        assert ours.get("home", "minute") == {START: expected}


def test_a_write_through_a_live_client_that_retries_is_stored_once(server, raw):
    with Proxy(*address(server.url)) as proxy:
        client = redis.Redis(port=proxy.port, retry=Retry(NoBackoff(), 3))
        with open_(client) as ours:
            ours.insert("home")
            proxy.drop_when(lambda data: b"EVALSHA" in data)
            with pytest.raises(redis.ConnectionError):
                ours.insert("home")
            assert ours.get("home", "minute") == {START: 2}
        client.close()


def test_a_read_whose_reply_is_lost_is_sent_again(server, raw):
    with Proxy(*address(server.url)) as proxy, open_(f"redis://127.0.0.1:{proxy.port}") as ours:
        ours.insert("home")
        proxy.drop_when(lambda data: b"GET" in data)
        assert ours.get("home", "minute") == {START: 1}
        assert proxy.dropped == 1


def test_scripts_that_the_server_has_forgotten_are_sent_again(server, raw):
    with open_(server.url) as ours:
        ours.insert("home")
        raw.script_flush()
        ours.insert("home")
        raw.script_flush()
        ours.bulk_insert({NOW: {f"name{n}": [1] for n in range(2500)}})
        raw.script_flush()
        assert ours.get("home", "minute") == {START: 2}
        assert ours.delete_all() == 2501


def test_a_script_that_is_forgotten_in_the_middle_of_a_bulk(server, raw):
    with open_(server.url) as ours:
        stop = threading.Event()

        def flush():
            while not stop.is_set():
                raw.script_flush()

        thread = threading.Thread(target=flush)
        thread.start()
        try:
            for _ in range(3):
                ours.bulk_insert({NOW + 60 * k: {f"name{n}": [1] for n in range(200)} for k in range(60)})
        finally:
            stop.set()
            thread.join()
        rows = ours.series([f"name{n}" for n in range(200)], "minute", start=NOW, steps=60)
        assert rows == {START + 60 * k: 600 for k in range(60)}


@pytest.mark.parametrize("renamed", [False, True])
def test_where_scripts_are_refused_plain_commands_serve(own_engine, renamed):
    options = (
        {"args": ["--rename-command", "EVALSHA", "", "--rename-command", "SCRIPT", ""]} if renamed else {}
    )
    server = own_engine("redis", **options)
    url = server.url
    if not renamed:
        with redis.Redis.from_url(url) as admin:
            admin.execute_command("ACL", "SETUSER", "plain", "on", ">plain", "~*", "+@all", "-@scripting")
        url = url.replace("redis://", "redis://plain:plain@")
    with open_(url) as ours:
        for increment in (1, 0.5, 2):
            ours.insert("home", increment)
        assert ours.get("home", "minute") == {START: 3.5}
        assert ours.delete("home") == 1


def test_plain_commands_do_not_shorten_what_a_longer_handle_keeps(own_engine):
    server = own_engine("redis", args=["--rename-command", "EVALSHA", ""])
    with (
        open_(server.url, intervals={"m": {"step": 60, "steps": 10}}) as short,
        open_(server.url, intervals={"m": {"step": 60, "steps": 1000}}) as long,
        redis.Redis.from_url(server.url) as raw,
    ):
        for handle in (short, long, short):
            handle.insert("home")
        assert raw.ttl(f"home:m:{NOW // 60}") > 50_000
        assert long.get("home", "m") == {START: 3}


@pytest.mark.parametrize("name", ["redis-6", "redis-8"])
def test_other_versions_of_redis(own_engine, name):
    server = own_engine(name)
    for kind in ("count", "series", "histogram", "gauge", "set"):
        value = 1 if kind == "count" else "v"
        intervals = {"m": {"step": 60, "steps": 100}, "h": {"step": 3600, "resolution": 60}}
        with open_(server.url, kind, intervals, prefix=kind) as ours:
            for _ in range(2):
                ours.insert("home", value)
            ours.bulk_insert({NOW: {f"name{n}": [value] for n in range(1200)}})
            assert ours.get("home", "m") == ours.get("home", "h")
            assert len(ours.list()) == 1201
            assert ours.properties("home")["m"] == {"first": START, "last": START}
            assert ours.delete("home") == 1
            assert ours.delete_all() == 1200


def test_a_suspended_server_is_a_clear_error_and_nothing_is_doubled(own_engine):
    server = own_engine("redis")
    (node,) = server.nodes
    with open_(server.url, client_config={"socket_timeout": 0.5}) as ours:
        ours.insert("home")
        node.suspend()
        with pytest.raises(redis.TimeoutError):
            ours.insert("home")
        with pytest.raises(redis.RedisError):
            ours.get("home", "minute")
        node.resume()
        deadline = time.monotonic() + 10
        while ours.get("home", "minute") == {START: 1} and time.monotonic() < deadline:
            time.sleep(0.01)  # the server carries out what it had got
        ours.insert("home")
        assert ours.get("home", "minute") == {START: 3}


def test_a_server_that_was_killed_keeps_what_it_acknowledged_and_the_handle_goes_on(own_engine):
    server = own_engine("redis", durable=True)
    (node,) = server.nodes
    with open_(server.url) as ours:
        for _ in range(20):
            ours.insert("home")
        node.kill()
        with pytest.raises(redis.ConnectionError):
            ours.insert("home")
        node.restart()
        ours.insert("home")
        assert ours.get("home", "minute") == {START: 21}
        assert ours.list() == ["home"]


def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(server, raw):
    with open_(server.url) as ours:
        ours.insert("home")
        time.sleep(0.05)
        raw.client_kill_filter(_type="normal", skipme=True)
        ours.insert("home")
        assert ours.get("home", "minute") == {START: 2}


def test_a_master_that_is_killed_behind_sentinel(own_engine, writers):
    """Writers fail until Sentinel has chosen another, and go on; nothing is counted twice."""
    running = own_engine("redis-sentinel")
    names = [f"name{at}" for at in range(4)]

    def opener(**options):
        return open_(running.url, client_config={"socket_timeout": 2.0}, **options)

    with writers(opener, names, replicas=1) as at_work:
        next(node for node in running.nodes if node.role == "master").kill()
        at_work.recover(replicas=False)  # the new master has none
    with opener() as ours:
        at_work.check({name: ours.get(name, "minute")[START] for name in names})


@pytest.mark.parametrize("name", ["redis", "redis-sentinel"])
def test_a_master_that_stands_still_for_3_seconds(own_engine, writers, name):
    """SIGSTOP: writers get errors of the driver's, go on after it, and nothing is counted twice, or lost."""
    running = own_engine(name)
    names = [f"name{at}" for at in range(4)]

    def opener(**options):
        return open_(running.url, client_config={"socket_timeout": 1.0}, **options)

    with writers(opener, names, replicas=0 if name == "redis" else 1) as at_work:
        master = next((node for node in running.nodes if node.role == "master"), running.nodes[0])
        master.suspend()
        try:
            time.sleep(3)
        finally:
            master.resume()
        at_work.recover()
    clear = (redis.TimeoutError, redis.ConnectionError)
    if name == "redis-sentinel":
        clear += (redis.ReadOnlyError, NotAcknowledged)  # both by what is no master any more
    assert all(isinstance(error, clear) for error in at_work.errors), at_work.errors
    assert any(isinstance(error, redis.TimeoutError) for error in at_work.errors)
    with opener() as ours:
        at_work.check({name: ours.get(name, "minute")[START] for name in names})
        assert ours.list() == names


def test_wait_is_satisfied_by_a_replica_and_missing_ones_are_an_error(engine):
    url = engine("redis-sentinel").url
    with open_(url, prefix="wait", wait=(1, 3)) as ours:
        ours.insert("home")
        ours.bulk_insert({NOW: {f"name{n}": [1] for n in range(2500)}})
    with open_(url, prefix="wait", wait=(2, 0.05)) as ours:
        with pytest.raises(NotAcknowledged, match="2 replicas"):
            ours.insert("home")
        assert ours.get("home", "minute") == {START: 2}
        with pytest.raises(TimeoutError):
            ours.delete("home")
