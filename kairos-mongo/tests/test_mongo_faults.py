"""Lost replies, killed and stopped servers, and processes that write at once: nothing is counted twice or lost."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, NetworkTimeout

from kairos_engines import Proxy

WORKER = Path(__file__).parent / "workers" / "write.py"
PLAIN = {"minute": {"step": 60}}
ROWS = {"count": 1, "series": [1], "histogram": {1: 1}}
TWICE = {"count": 2, "series": [1, 1], "histogram": {1: 2}}


@pytest.fixture
def proxies():
    """Return a function that puts a proxy in front of a node; to be asked for before `timeseries`.

    It is there until the timeseries is closed: a client that is closed without its server looks for it for 30 seconds.
    """
    with ExitStack() as stack:
        yield lambda node: stack.enter_context(Proxy(node.host, node.port))


def is_update(data):
    """Return whether a request is the command ``update`` on the data (an insert, not a record of layouts)."""
    return b"update\x00" in data and b"minute" in data and b"kairos_layouts" not in data


def start(url, kind, number, *times):
    command = [sys.executable, "-W", "error", str(WORKER), url, kind, *map(str, (number, *times))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes)


def go(processes):
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def results(processes, seconds):
    """Return for each process the numbers of its calls by outcome."""
    found = []
    for process in processes:
        said, errors = process.communicate(timeout=seconds)
        assert (process.returncode, errors) == (0, "")
        outcomes = {"ok": set(), "unknown": set()}
        for line in said.splitlines():
            outcome, k = line.split()
            outcomes[outcome].add(int(k))
        found.append(outcomes)
    return found


def wait_for_values(url, before, more):
    """Wait until each writer has written so many more than before; return what each has written last."""
    deadline = time.monotonic() + 120
    with MongoClient(url) as client:
        collection = client.get_default_database().minute
        while time.monotonic() < deadline:
            found = collection.find_one() or {"value": []}
            last = dict.fromkeys(before, 0)
            for value in found["value"]:
                number, k = divmod(value, 10**6)
                last[number] = max(last[number], k)
            if all(last[number] >= before[number] + more for number in before):
                return last
            time.sleep(0.1)
    raise AssertionError(f"not all went on: {before} became {last}")


# A reply is lost


@pytest.mark.parametrize("names", [1, 3], ids=["insert", "bulk"])
@pytest.mark.parametrize("kind", list(ROWS))
def test_a_standalones_lost_reply_raises_and_nothing_is_sent_again(proxies, engine, timeseries, kind, names):
    node = engine("mongo").nodes[0]
    proxy = proxies(node)
    handle = timeseries(f"mongodb://127.0.0.1:{proxy.port}/lost-{kind}-{names}", kind, intervals=PLAIN)
    inserts = {600: {f"n{number}": [1] for number in range(names)}}
    handle.bulk_insert({600: {"other": [1]}})  # the layout is recorded
    proxy.drop_when(is_update)
    with pytest.raises(AutoReconnect):
        handle.bulk_insert(inserts)
    assert proxy.dropped == 1
    for name in inserts[600]:
        assert handle.get(name, "minute") == {600: ROWS[kind]}
    handle.bulk_insert(inserts)
    for name in inserts[600]:
        assert handle.get(name, "minute") == {600: TWICE[kind]}


@pytest.mark.parametrize("names", [1, 3], ids=["insert", "bulk"])
@pytest.mark.parametrize("kind", list(ROWS))
def test_a_sets_lost_reply_is_asked_for_again_and_the_write_is_there_once(
    primary, proxies, engine, timeseries, commands, kind, names
):
    node = primary(engine("mongo-set"))
    proxy = proxies(node)
    url = f"mongodb://127.0.0.1:{proxy.port}/lost-{kind}-{names}?directConnection=true"
    config = {"event_listeners": [commands]}
    handle = timeseries(url, kind, intervals=PLAIN, client_config=config)
    inserts = {600: {f"n{number}": [1] for number in range(names)}}
    handle.bulk_insert({600: {"other": [1]}})
    commands.sent.clear()
    proxy.drop_when(is_update)
    handle.bulk_insert(inserts)
    assert proxy.dropped == 1
    first, again = commands.named("update")
    assert (first["txnNumber"], first["lsid"]) == (again["txnNumber"], again["lsid"])
    for name in inserts[600]:
        assert handle.get(name, "minute") == {600: ROWS[kind]}


@pytest.mark.parametrize("kind", list(ROWS))
def test_a_set_that_loses_both_replies_raises_and_the_write_is_there_once(
    primary, proxies, engine, timeseries, kind
):
    node = primary(engine("mongo-set"))
    proxy = proxies(node)
    url = f"mongodb://127.0.0.1:{proxy.port}/lost-both-{kind}?directConnection=true"
    handle = timeseries(url, kind, intervals=PLAIN)
    handle.insert("other", 1)
    proxy.drop_when(is_update, 2)
    with pytest.raises(AutoReconnect):
        handle.insert("n", 1)
    assert proxy.dropped == 2
    assert handle.get("n", "minute") == {600: ROWS[kind]}


def is_insert(data):
    """Return whether a request is the command `insert` on the data."""
    return b"insert\x00" in data and b"minute" in data


@pytest.mark.parametrize("kind", list(ROWS))
def test_many_new_documents_whose_reply_is_lost(primary, proxies, engine, timeseries, kind):
    """Half of 60 documents are there already: 30 are inserted, 30 are refused, and nobody hears of it."""
    names = [f"n{number:02}" for number in range(60)]
    for server, more in (("mongo", ""), ("mongo-set", "?directConnection=true")):
        node = primary(engine(server))
        proxy = proxies(node)
        url = f"mongodb://127.0.0.1:{proxy.port}/lost-many-{kind}{more}"
        handle = timeseries(url, kind, intervals=PLAIN)
        handle.bulk_insert({600: {name: [1] for name in names[:30]}})
        proxy.drop_when(is_insert)
        if more:
            handle.bulk_insert({600: {name: [1] for name in names}})
        else:
            with pytest.raises(AutoReconnect):
                handle.bulk_insert({600: {name: [1] for name in names}})
        assert proxy.dropped == 1
        old = TWICE[kind] if more else ROWS[kind]
        assert [handle.get(name, "minute")[600] for name in names] == [old] * 30 + [ROWS[kind]] * 30


def test_a_set_without_retryable_writes_is_treated_like_a_standalone(primary, proxies, engine, timeseries):
    node = primary(engine("mongo-set"))
    proxy = proxies(node)
    url = f"mongodb://127.0.0.1:{proxy.port}/not-retried?directConnection=true&retryWrites=false"
    handle = timeseries(url, intervals=PLAIN)
    handle.insert("n", 1)
    proxy.drop_when(is_update)
    with pytest.raises(AutoReconnect):
        handle.insert("n", 1)
    assert handle.get("n", "minute") == {600: 2}


def test_a_read_whose_reply_is_lost_is_asked_again(proxies, engine, timeseries):
    node = engine("mongo").nodes[0]
    proxy = proxies(node)
    handle = timeseries(f"mongodb://127.0.0.1:{proxy.port}/lost-read", intervals=PLAIN)
    handle.bulk_insert({540: {"n": [1]}, 600: {"n": [2]}})
    for read, answer in (
        (lambda: handle.get("n", "minute"), {600: 2}),
        (lambda: handle.series("n", "minute", steps=2), {540: 1, 600: 2}),
        (handle.list, ["n"]),
    ):
        before = proxy.dropped
        proxy.drop_when(lambda data: b"minute" in data)
        assert read() == answer
        assert proxy.dropped == before + 1


@pytest.mark.parametrize(("more", "lost"), [("", 2), ("?retryReads=false", 1)])
def test_a_read_is_asked_twice_at_most_or_once_if_the_caller_says_so(proxies, engine, timeseries, more, lost):
    node = engine("mongo").nodes[0]
    proxy = proxies(node)
    handle = timeseries(f"mongodb://127.0.0.1:{proxy.port}/lost-reads{lost}{more}", intervals=PLAIN)
    handle.insert("n", 1)
    for read in (lambda: handle.get("n", "minute"), lambda: handle.series("n", "minute", steps=2)):
        before = proxy.dropped
        proxy.drop_when(lambda data: b"minute" in data, lost)
        with pytest.raises(AutoReconnect):
            read()
        assert proxy.dropped == before + lost
    assert handle.get("n", "minute") == {600: 1}


# A server stops, or is killed


def test_a_server_that_hangs_makes_one_call_doubtful(own_engine, timeseries):
    engine = own_engine("mongo")
    handle = timeseries(engine.url, intervals=PLAIN, client_config={"socketTimeoutMS": 2_000})
    handle.insert("n")
    engine.nodes[0].suspend()
    try:
        with pytest.raises(NetworkTimeout):
            handle.insert("n")
    finally:
        engine.nodes[0].resume()
    handle.insert("n")
    assert handle.get("n", "minute")[600] in (2, 3)


def test_a_standalone_that_is_killed_has_what_was_journaled_and_the_handle_goes_on(own_engine, timeseries):
    engine = own_engine("mongo", durable=True)
    handle = timeseries(engine.url, "series", intervals=PLAIN, client_config={"journal": True})
    for k in range(50):
        handle.insert("n", k)
    engine.nodes[0].kill()
    engine.nodes[0].restart()
    assert handle.get("n", "minute") == {600: list(range(50))}
    handle.insert("n", 50)
    assert handle.get("n", "minute") == {600: list(range(51))}


def test_killing_the_primary_under_four_writers_loses_and_doubles_nothing(primary, own_engine, timeseries):
    engine = own_engine("mongo-set")
    writers = [start(engine.url, "series", number) for number in range(4)]
    go(writers)
    early = wait_for_values(engine.url, dict.fromkeys(range(4), 0), 10)
    dead = primary(engine)
    dead.kill()
    assert primary(engine) is not dead
    elected = wait_for_values(engine.url, early, 0)
    wait_for_values(engine.url, elected, 10)
    for writer in writers:
        writer.stdin.write("stop\n")
        writer.stdin.flush()
    outcomes = results(writers, 120)
    handle = timeseries(
        engine.url, "series", intervals={"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
    )
    for interval in ("minute", "hour"):
        stored = handle.get("name", interval, timestamp=0)[0]
        assert len(set(stored)) == len(stored), "a value is there twice"
        for number, outcome in enumerate(outcomes):
            mine = [value % 10**6 for value in stored if value // 10**6 == number]
            assert outcome["ok"] <= set(mine) <= outcome["ok"] | outcome["unknown"]
            assert mine == sorted(mine), "a writer's values are out of order"
            assert max(outcome["ok"]) == len(outcome["ok"] | outcome["unknown"]) - 1, (
                "the last one was not written"
            )


def test_a_place_opens_and_builds_its_index_while_a_member_is_down(primary, own_engine, timeseries):
    engine = own_engine("mongo-set")
    timeseries(engine.url, intervals=PLAIN).insert("n")
    dead = next(node for node in engine.nodes if node is not primary(engine))
    dead.kill()
    began = time.monotonic()
    handle = timeseries(engine.url, intervals={"minute": {"step": 60, "steps": 100}})
    handle.insert("n")
    assert time.monotonic() - began < 60  # else it waits for the member
    assert handle.get("n", "minute") == {600: 2}


# Processes that write at once


@pytest.mark.parametrize("name", ["mongo", "mongo-set"])
def test_eight_processes_upsert_the_same_fresh_buckets(engine, timeseries, name):
    times = 2_000 if os.environ.get("KAIROS_PROFILE") == "deep" else 250
    url = engine(name).url.replace("/kairos", "/fresh")
    processes = [start(url, "count", number, times) for number in range(8)]
    go(processes)
    assert all(not outcome["unknown"] for outcome in results(processes, 1_200))
    with MongoClient(url) as client:
        for collection in ("minute", "hour"):
            found = list(client.get_default_database()[collection].find())
            assert len(found) == times
            assert {document["value"] for document in found} == {8}
