"""What happens when replies are lost and nodes die: no acknowledged write is lost, none is doubled."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException

import kairos
from kairos_cassandra.urls import parse
from kairos_engines import Proxy

WORKER = Path(__file__).parent / "workers" / "cassandra_increment.py"
BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
ERRORS = (NoHostAvailable, ConnectionException, DriverException)
INCREMENTS = 1000 if os.environ.get("KAIROS_PROFILE") in ("ci", "deep") else 250
"""How often each of eight processes increments: 8 × 1,000 on a ring take a minute of both cores."""
COUNTS = pytest.mark.parametrize("counts", ["counter", "log"])


@pytest.fixture
def behind_a_proxy(engine, keyspace_url, replication):
    """Give (proxy, open): handles go to the first node of a ring through the proxy, to the others directly."""
    started = engine("cassandra-ring")
    node = started.nodes[0]
    keyspace = parse(keyspace_url(started)).keyspace
    with Proxy(node.host, node.port) as proxy:
        opened = []

        def open_one(through=True, **more):
            port = proxy.port if through else node.port
            url = f"cassandra://127.0.0.1:{port}/{keyspace}"
            more = {"create_keyspace": replication["cassandra-ring"], "intervals": BOTH, **more}
            opened.append(kairos.Timeseries(url, type="count", **more))
            return opened[-1]

        yield proxy, open_one
        for one in opened:
            one.close()


def patiently(call):
    """Call until the driver has its connections again."""
    end = time.monotonic() + 20
    while True:
        try:
            return call()
        except ERRORS:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


NAMES = [f"counted-name-{number}" for number in range(8)]


def has_increments(data):
    """Tell whether a request has rows of the data's table: those of the index name the table in a value."""
    return data.count(b"counted-name") > data.count(b"lost_counter") + data.count(b"lost_log")


def lose_a_reply(proxy, hits, increment):
    """Increment until the proxy has lost a reply; return how many calls returned, and how many raised."""
    dropped, raised = proxy.dropped, 0
    proxy.drop_when(has_increments)
    for calls in range(1000):
        if proxy.dropped > dropped:
            return calls - raised, raised
        try:  # each name has a node of its own that the driver goes to first
            hits.insert(NAMES[calls % len(NAMES)], increment, timestamp=0)
        except ERRORS:
            raised += 1
        time.sleep(0.002)
    raise AssertionError("the proxy lost nothing")


def test_a_counters_lost_reply_is_an_error_and_is_never_counted_twice(behind_a_proxy):
    proxy, open_one = behind_a_proxy
    direct = open_one(through=False, table_name="lost_counter")
    returned = raised = 0
    for _ in range(3):
        with open_one(table_name="lost_counter") as hits:  # alone on its URL: its connections are its own
            outcome = lose_a_reply(proxy, hits, 1)
        returned, raised = returned + outcome[0], raised + outcome[1]
    total = direct.get(NAMES, "minute", timestamp=0)[0]
    assert returned <= total <= returned + raised
    assert raised
    assert total == direct.get(NAMES, "hour", timestamp=0, condense=True)[0]


def test_a_logs_lost_reply_is_tried_again_and_counted_once(behind_a_proxy):
    proxy, open_one = behind_a_proxy
    direct = open_one(through=False, table_name="lost_log", counts="log")
    returned = raised = 0
    for _ in range(3):
        with open_one(table_name="lost_log", counts="log") as hits:
            outcome = lose_a_reply(proxy, hits, 0.5)
        returned, raised = returned + outcome[0], raised + outcome[1]
    assert raised == 0
    for interval in BOTH:
        assert direct.get(NAMES, interval, timestamp=0, condense=True) == {0: returned / 2}


def test_the_error_of_a_write_says_what_is_known(behind_a_proxy):
    proxy, open_one = behind_a_proxy
    hits = open_one(table_name="many")
    names = [f"name-{number}" for number in range(40)]
    hits.bulk_insert({0: {name: [1] for name in names}})
    proxy.drop_when(lambda data: b"name-" in data)
    with pytest.raises(ERRORS) as caught:
        hits.bulk_insert({0: {name: [1] for name in names}})
    (note,) = caught.value.__notes__
    assert note.startswith("kairos: of 80 rows of this call ")


@COUNTS
def test_eight_processes_count_exactly_on_a_ring(engine, keyspace_url, replication, counts):
    started = engine("cassandra-ring")
    url = keyspace_url(started, "timeout=60&consistency=QUORUM")
    with kairos.Timeseries(
        url,
        type="count",
        table_name=f"hits_{counts}",
        counts=counts,
        intervals=BOTH,
        create_keyspace=replication["cassandra-ring"],
    ) as hits:
        results = race(url, counts, 8, INCREMENTS, lambda: None)
        assert results == [(INCREMENTS, 0)] * 8
        for interval in BOTH:
            assert hits.get("home", interval, timestamp=0) == {0: 8 * INCREMENTS}


def race(url, counts, processes, increments, meanwhile):
    """Let processes increment one name, do something meanwhile; return (acknowledged, failed) of each."""
    command = [sys.executable, str(WORKER), url, counts, str(increments)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        meanwhile()
        return [tuple(map(int, worker.communicate(timeout=300)[0].split())) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            worker.stdin.close()
            worker.stdout.close()


def test_nodes_die_under_load(own_engine, keyspace_url, replication):
    ring = own_engine("cassandra-ring", durable=True, timeout=3)
    url = keyspace_url(ring, "timeout=5&consistency=QUORUM")
    _, second, third = ring.nodes
    place = {"intervals": BOTH, "create_keyspace": replication["cassandra-ring"], "type": "count"}
    handles = {
        counts: kairos.Timeseries(url, table_name=f"hits_{counts}", counts=counts, **place)
        for counts in ("counter", "log")
    }

    def kill():
        time.sleep(0.5)
        third.kill()

    for counts, hits in handles.items():
        results = race(url, counts, 4, 150, kill if third.running else lambda: None)
        acknowledged, failed = map(sum, zip(*results, strict=True))
        assert acknowledged + failed == 600
        for interval in BOTH:
            total = patiently(lambda hits=hits, interval=interval: hits.get("home", interval, timestamp=0)[0])
            assert acknowledged <= total <= acknowledged + failed, (counts, interval, acknowledged, failed)

    second.kill()
    for hits in handles.values():
        begun = time.monotonic()
        with pytest.raises(ERRORS):
            hits.insert("home", timestamp=0)
        assert time.monotonic() - begun < 60, "within the timeout, on a slow machine"
    second.restart()
    for counts, hits in handles.items():
        before = patiently(lambda hits=hits: hits.get("home", "minute", timestamp=0)[0])
        patiently(lambda hits=hits: hits.insert("back", timestamp=0))
        assert patiently(lambda hits=hits: hits.get("back", "minute", timestamp=0)) == {0: 1}, counts
        assert patiently(lambda hits=hits: hits.get("home", "minute", timestamp=0)[0]) == before
    for hits in handles.values():
        hits.close()
