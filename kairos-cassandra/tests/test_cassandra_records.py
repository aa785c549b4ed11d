"""What is there, on one real node: deleting under warm handles, listing, expiring, layouts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy

import kairos
from kairos.errors import SchemaMismatch
from kairos_cassandra import known
from kairos_cassandra.rounds import Round
from kairos_cassandra.urls import parse

BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
COUNTS = pytest.mark.parametrize("counts", ["counter", "log"])


@COUNTS
@pytest.mark.parametrize("kind", ["count", "histogram", "series", "set"])
def test_a_warm_handle_sees_at_once_what_another_deleted(open_series, kind, counts):
    more = {"type": kind, "counts": counts, "table_name": f"warm_{kind}_{counts}"}
    one, two = open_series(**more), open_series(**more)
    for turn in range(20):
        one.insert("a", [1, 2], timestamp=0)
        two.insert("a", 1, timestamp=0)  # two is warm
        one.get("a", "minute", timestamp=0)
        two.get("a", "minute", timestamp=0)
        assert one.delete("a") == 1
        assert two.get("a", "minute", timestamp=0) == one.get("a", "minute", timestamp=0), turn
        two.insert("a", 5, timestamp=0)
        expected = {"count": 5, "histogram": {5: 1}, "series": [5], "set": {5}}[kind]
        for handle in (one, two):
            assert handle.get("a", "minute", timestamp=0) == {0: expected}
            assert handle.get("a", "hour", timestamp=0) == {0: expected}
            assert handle.list() == ["a"]
        assert two.delete("a") == 1
        assert one.list() == two.list() == []


@COUNTS
def test_deletes_among_writes_leave_no_name_without_data_and_no_data_without_its_name(open_series, counts):
    more = {"type": "count", "counts": counts, "table_name": f"racing_{counts}"}
    handles = [open_series(**more) for _ in range(4)]
    watcher = open_series(**more)
    end = time.monotonic() + 4
    written = threading.Barrier(len(handles) + 1)

    def write(handle):
        written.wait()
        while time.monotonic() < end:
            handle.insert("a", 1, timestamp=0)

    def delete(handle):
        written.wait()
        while time.monotonic() < end:
            handle.delete("a")
            time.sleep(0.002)

    with ThreadPoolExecutor(len(handles) + 1) as pool:
        jobs = [pool.submit(write, handle) for handle in handles] + [pool.submit(delete, watcher)]
        for job in jobs:
            job.result()
    total = watcher.get("a", "minute", timestamp=0)[0]
    assert watcher.list() == (["a"] if total else [])
    assert watcher.get("a", "hour", timestamp=0, condense=True) == {0: total}
    for handle in handles:
        handle.insert("a", 1, timestamp=0)
    assert watcher.get("a", "minute", timestamp=0) == {0: total + len(handles)}
    watcher.delete("a")
    assert watcher.list() == []
    assert handles[0].get("a", "minute", timestamp=0) == {0: 0}


def test_expiring_among_writes_loses_nothing_that_lives(open_series):
    intervals = {"minute": {"step": 60, "steps": 10}}
    more = {"type": "count", "table_name": "expiring", "intervals": intervals}
    writer, other = open_series(**more, clock=lambda: 60 * 20), open_series(**more, clock=lambda: 60 * 20)
    written = 0
    end = time.monotonic() + 3

    def expire():
        while time.monotonic() < end:
            other.expire()

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(expire)
        while time.monotonic() < end:
            writer.insert("a", 1, timestamp=60 * 20)  # lives
            writer.insert("a", 1, timestamp=60 * 5)  # is dead, and expired again and again
            written += 1
        job.result()
    other.expire()
    assert other.series("a", "minute", start=0, end=60 * 20, collapse=True) == {0: written}
    assert other.list() == writer.list() == ["a"]


def test_a_write_after_another_handles_delete_all_records_the_layout_again(open_series):
    one, two = open_series(type="count", table_name="again"), open_series(type="count", table_name="again")
    two.insert("a", timestamp=0)
    one.delete_all()
    two.insert("a", timestamp=0)
    with pytest.raises(SchemaMismatch):
        open_series(type="count", table_name="again", intervals={"minute": {"step": 30}})
    one.delete_all()
    with kairos_other(open_series) as third:
        third.insert("b", timestamp=0)
    with pytest.raises(SchemaMismatch):
        two.insert("a", timestamp=0)
    assert "a" not in open_series(type="count", table_name="again", intervals={"minute": {"step": 30}}).list()


def kairos_other(open_series):
    """Return a handle that cuts the same interval otherwise."""
    return open_series(type="count", table_name="again", intervals={"minute": {"step": 30}})


@COUNTS
def test_names_of_one_timeseries_among_others_with_other_intervals(open_series, counts):
    table = {"type": "count", "counts": counts, "table_name": f"mixed_{counts}"}
    both = open_series(**table)
    minute = open_series(**table, intervals={"minute": BOTH["minute"]})
    both.insert("a", timestamp=0)
    minute.insert("b", timestamp=0)
    assert both.list() == minute.list() == ["a", "b"]
    assert minute.delete("a") == 1
    assert (minute.list(), both.list()) == (["b"], ["a", "b"])
    assert both.delete("a") == 1
    assert both.list() == ["b"]
    assert both.delete_all() == 1
    assert minute.list() == []


def test_a_name_that_is_forgotten_by_the_memo_is_not_taken_for_one_that_was_never_deleted(
    open_series, monkeypatch
):
    hits = open_series(type="count", table_name="forgetting")
    hits.insert("a", 1, timestamp=0)
    hits.delete("a")
    hits.insert("a", 5, timestamp=0)
    monkeypatch.setattr(known, "_NAMES", 6)
    for number in range(5):
        hits.insert(f"other-{number}", timestamp=0)
    hits.bulk_insert({0: {"a": [7], "new": [1]}})
    assert hits.get("a", "minute", timestamp=0) == {0: 12}
    for number in range(20):
        hits.bulk_insert({0: {"a": [1], f"new-{number}": [1]}})
    assert hits.get("a", "minute", timestamp=0) == {0: 32}
    assert hits.delete("a") == 1
    assert "a" not in hits.list()


def test_delete_all_under_a_writer_leaves_nothing_unlisted(open_series):
    table = {"type": "count", "table_name": "all_under_writer"}
    writer, other = open_series(**table), open_series(**table)
    for number in range(60):
        other.insert(f"n{number:02}", timestamp=0)
    end = time.monotonic() + 2.5

    def write():
        while time.monotonic() < end:
            writer.insert("x", timestamp=0)

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(write)
        time.sleep(0.2)
        while time.monotonic() < end:
            other.delete_all()
        job.result()
    writer.insert("x", timestamp=0)
    assert other.get("x", "minute", timestamp=0)[0] >= 1
    assert other.list() == ["x"]
    with pytest.raises(SchemaMismatch):
        open_series(**table, intervals={"minute": {"step": 30}})
    assert other.delete_all() == 1
    assert other.list() == writer.list() == []


def test_a_name_that_was_expired_and_written_by_a_warm_handle_is_listed_for_good(open_series, session):
    now = [0.0]
    intervals = {"minute": {"step": 60, "steps": 10}}
    table = {"type": "count", "table_name": "expired", "intervals": intervals, "clock": lambda: now[0]}
    warm, other = open_series(**table), open_series(**table)
    warm.insert("x", timestamp=0)
    now[0] = 6_000.0
    other.expire()
    assert other.list() == []
    warm.insert("x", timestamp=6_000)
    rows = session.execute(
        "SELECT shard FROM kairos_names WHERE table_name = 'expired' AND name = 'x' ALLOW FILTERING"
    )
    assert any(row["shard"] >= 0 for row in rows)
    assert other.list() == ["x"]


@pytest.mark.parametrize("kind", ["count", "series"])
def test_deletes_hold_though_the_writers_clock_is_ahead(place, engine, open_series, kind):
    url, _ = place
    node = engine("cassandra").nodes[0]
    ahead = Cluster(
        [node.host],
        port=node.port,
        protocol_version=5,
        timestamp_generator=lambda: time.time_ns() // 1000 + 20_000_000,
        execution_profiles={EXEC_PROFILE_DEFAULT: ExecutionProfile(DCAwareRoundRobinPolicy("datacenter1"))},
    )
    table = {"type": kind, "table_name": f"ahead_{kind}"}
    plain = open_series(**table)
    early = kairos.Timeseries(ahead.connect(parse(url).keyspace), intervals=BOTH, **table)
    for _ in range(3):
        early.insert("x", 3, timestamp=0)
        assert plain.delete("x") == 1
        assert plain.list() == early.list() == []
        plain.insert("x", 4, timestamp=0)
        assert early.get("x", "minute", timestamp=0) == {0: 4 if kind == "count" else [4]}
        assert plain.delete("x") == 1
    ahead.shutdown()


def test_a_name_without_data_goes_with_a_delete(open_series):
    hits = open_series(type="count", table_name="phantom")
    hits.insert("x", timestamp=0)
    storage = hits._storage
    storage._sender.send(Round([storage._index.add_name("y", storage._index.group, 0)]))
    assert hits.list() == ["x", "y"]
    assert hits.delete("y") == 0
    assert hits.list() == ["x"]


def test_what_late_writers_put_into_dead_generations_is_removed(open_series, session):
    table = {"type": "series", "table_name": "late"}
    one, two = open_series(**table), open_series(**table)
    for _ in range(3):
        one.insert("x", 1.0, timestamp=0)
        two.insert("x", 1.0, timestamp=0)
        two.delete("x")
    assert not list(session.execute("SELECT generation FROM late"))
    assert not list(session.execute("SELECT part FROM kairos_parts WHERE table_name = 'late' AND name = 'x'"))
