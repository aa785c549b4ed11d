"""On one real node: opening, deleting under warm handles, shards, times to live, layouts."""

import gc
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from ipaddress import ip_address

import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy, RoundRobinPolicy
from cassandra.query import dict_factory

import kairos
from kairos.errors import InvalidValue, SchemaMismatch
from kairos_cassandra import known
from kairos_cassandra.rounds import Round
from kairos_cassandra.urls import parse
from kairos_cassandra.writing import MOST_TTL, SLACK, YEAR_2038, Expiry

BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
COUNTS = pytest.mark.parametrize("counts", ["counter", "log"])


@pytest.fixture
def open_series(place):
    """Give a function that opens a timeseries in the module's keyspace; it is closed after the test."""
    url, options = place
    opened = []

    def open_one(**more):
        opened.append(kairos.Timeseries(url, **{"intervals": BOTH, **options, **more}))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def session(place, engine):
    """Give a session of the driver on the module's keyspace."""
    url, _ = place
    node = engine("cassandra").nodes[0]
    profile = ExecutionProfile(DCAwareRoundRobinPolicy("datacenter1"), row_factory=dict_factory)
    profiles = {EXEC_PROFILE_DEFAULT: profile}
    cluster = Cluster([node.host], port=node.port, protocol_version=5, execution_profiles=profiles)
    yield cluster.connect(parse(url).keyspace)
    cluster.shutdown()


def test_a_missing_keyspace_is_an_error_that_shows_the_statement(place):
    url = place[0].rpartition("/")[0] + "/nobodys"
    with pytest.raises(InvalidValue, match='CREATE KEYSPACE IF NOT EXISTS "nobodys" WITH replication = '):
        kairos.Timeseries(url, intervals=BOTH)


def test_pool_size_is_accepted_and_warns(open_series):
    with pytest.warns(UserWarning, match="pool_size does nothing"):
        open_series(pool_size=5)


def test_a_table_of_another_kind_type_or_way_to_count_is_refused(open_series):
    open_series(type="count", table_name="taken")
    for more in ({"type": "series"}, {"type": "count", "counts": "log"}, {"type": "histogram"}):
        with pytest.raises(SchemaMismatch, match="choose another table_name"):
            open_series(table_name="taken", **more)
    open_series(type="gauge", table_name="typed", value_type="str")
    with pytest.raises(SchemaMismatch, match="value text"):
        open_series(type="gauge", table_name="typed")


def test_a_live_session_is_used_and_stays_open(open_series, session):
    open_series(type="count", table_name="lives").insert("a", 3, timestamp=0)
    with kairos.Timeseries(session, type="count", table_name="lives", intervals=BOTH) as hits:
        hits.insert("a", 4, timestamp=0)
        assert hits.get("a", "minute", timestamp=0) == {0: 7}
    assert session.execute("SELECT key FROM system.local").one() == {"key": "local"}


def test_a_session_that_nobody_uses_is_freed(place, engine):
    node = engine("cassandra").nodes[0]
    profiles = {EXEC_PROFILE_DEFAULT: ExecutionProfile(DCAwareRoundRobinPolicy("datacenter1"))}
    cluster = Cluster([node.host], port=node.port, protocol_version=5, execution_profiles=profiles)
    session = cluster.connect(parse(place[0]).keyspace)
    with kairos.Timeseries(session, type="count", table_name="freed", intervals=BOTH) as hits:
        with kairos.Timeseries(session, type="count", table_name="freed", intervals=BOTH) as other:
            assert other._storage._shared is hits._storage._shared
        hits.insert("a", timestamp=0)
    seen = weakref.ref(session)
    cluster.shutdown()
    del session, cluster, hits, other
    gc.collect()
    assert seen() is None


def test_a_session_with_the_drivers_older_settings_is_used_too(place, engine, open_series):
    open_series(type="count", table_name="older").insert("a", 3, timestamp=0)
    node = engine("cassandra").nodes[0]
    with pytest.warns(DeprecationWarning, match="Legacy execution parameters"):
        cluster = Cluster(
            [node.host], port=node.port, protocol_version=5, load_balancing_policy=RoundRobinPolicy()
        )
    session = cluster.connect(parse(place[0]).keyspace)
    with kairos.Timeseries(session, type="count", table_name="older", intervals=BOTH) as hits:
        assert hits.get("a", "minute", timestamp=0) == {0: 3}
    other = cluster.connect(parse(place[0]).keyspace)
    other.row_factory = dict_factory
    with pytest.raises(InvalidValue, match="row_factory"):
        kairos.Timeseries(other, type="count", table_name="older", intervals=BOTH)
    cluster.shutdown()


def test_handles_of_one_url_share_their_connections(open_series):
    one, two = open_series(table_name="sharing"), open_series(table_name="sharing")
    assert one._storage._shared is two._storage._shared
    one.close()
    two.insert("a", 1.5)


def test_statements_have_the_consistency_that_was_asked_for(open_series):
    for asked, level in ((None, "LOCAL_QUORUM"), ("quorum", "QUORUM"), (ConsistencyLevel.ONE, "ONE")):
        more = {} if asked is None else {"consistency": asked}
        statement = open_series(type="count", table_name="levels", **more)._storage._data.write.statement
        assert ConsistencyLevel.value_to_name[statement.consistency_level] == level


@pytest.mark.parametrize(
    ("value_type", "values"),
    [
        ("ascii", ["a", "~"]),
        ("blob", [b"", b"\x00\xff" * 100]),
        ("boolean", [True, False]),
        ("decimal", [Decimal("1.50"), Decimal("-1e-300"), Decimal(10) ** 300]),
        ("inet", [ip_address("10.0.0.1"), ip_address("::1"), ip_address("::ffff:10.0.0.1")]),
        ("long", [2**200, -(2**200), -1, 127, 128, -128, -129]),
        ("int", [2**63 - 1, -(2**63)]),
        ("text", ["", "é" * 1000]),
    ],
)
@pytest.mark.parametrize("kind", ["series", "set", "histogram", "gauge"])
def test_values_of_each_type_read_back(open_series, kind, value_type, values):
    things = open_series(type=kind, table_name=f"{kind}_{value_type}", value_type=value_type)
    things.delete("a")
    things.insert("a", values, timestamp=0)
    expected = {
        "series": values,
        "set": set(values),
        "histogram": dict.fromkeys(values, 1),
        "gauge": values[-1],
    }
    assert things.get("a", "minute", timestamp=0) == {0: expected[kind]}


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


@pytest.mark.parametrize("kind", ["series", "set", "histogram", "count"])
def test_a_bucket_of_many_rows_goes_on_in_shards(open_series, session, monkeypatch, kind):
    monkeypatch.setattr(known, "SHARD_ROWS", 100)
    more = {
        "type": kind,
        "counts": "log",
        "table_name": f"sharded_{kind}",
        "intervals": {"day": {"step": "daily"}},
    }
    one = open_series(**more)
    one.insert("a", list(range(1, 951)), timestamp=0)
    if kind == "count":
        for number in range(950):
            one.insert("a", number % 2 or 3, timestamp=0)
    two = open_series(**more)
    two.insert("a", list(range(1000, 1250)), timestamp=0)
    (row,) = one.get("a", "day", timestamp=0).values()
    every = [*range(1, 951), *range(1000, 1250)]
    expected = {"series": every, "set": set(every), "histogram": dict.fromkeys(every, 1)}
    expected["count"] = sum(every) + 950 * 2
    assert row == expected[kind]
    table = f"sharded_{kind}"
    shards = session.execute(
        f"SELECT shard, count(*) AS n FROM {table} GROUP BY name, interval, generation, part, shard"
    )
    rows = {row["shard"]: row["n"] for row in shards}
    assert max(rows.values()) <= 200, "two handles may write to one shard"
    assert len(rows) >= 9
    assert one.delete("a") == 1
    assert not list(session.execute(f"SELECT name FROM {table}"))


@pytest.mark.parametrize("kind", ["series", "set"])
def test_a_bucket_of_a_busy_name_is_read_from_few_partitions(open_series, monkeypatch, kind):
    monkeypatch.setattr(known, "SHARD_ROWS", 100)
    table = {"type": kind, "table_name": f"busy_{kind}", "intervals": BOTH}
    busy = open_series(**table)
    busy.bulk_insert({60 * minute: {"a": [float(n) for n in range(10)]} for minute in range(300)})
    other = open_series(**table)
    other.bulk_insert({60 * minute: {"a": [float(n) for n in range(10, 20)]} for minute in range(300)})
    where = busy._storage._table.partitions
    assert len(where("a", "minute", range(300))) > 20
    for minute in (0, 77, 299):
        assert len(where("a", "minute", [minute])) <= 4
        assert sorted(busy.get("a", "minute", timestamp=60 * minute)[60 * minute]) == list(range(20))
    assert len(where("a", "hour", [2])) < len(where("a", "hour", range(5)))
    hours = busy.get("a", "hour", timestamp=2 * 3600)
    assert {minute: len(row) for minute, row in hours.items()} == {7200 + 60 * n: 20 for n in range(60)}
    assert busy.properties("a")["minute"] == {"first": 0, "last": 60 * 299}


def test_a_set_with_few_values_inserted_often_stays_in_few_partitions(open_series, monkeypatch):
    monkeypatch.setattr(known, "SHARD_ROWS", 20)
    seen = open_series(type="set", table_name="often", intervals={"day": {"step": "daily"}})
    for _ in range(200):
        seen.insert("a", [1.0, 2.0], timestamp=0)
    assert seen.get("a", "day", timestamp=0) == {0: {1.0, 2.0}}
    assert len(seen._storage._table.partitions("a", "day", [19700101])) <= 4 + 2


def test_rows_live_a_little_longer_than_their_deadline(open_series, session):
    intervals = {
        "hour": {"step": 3600, "steps": 2},
        "far": {"step": "yearly", "steps": 30},
        "ever": {"step": 60},
    }
    gauge = open_series(type="gauge", table_name="living", intervals=intervals, clock=lambda: 0)
    gauge.insert("a", 1.5, timestamp=1800)
    rows = session.execute("SELECT interval, TTL(value) AS ttl FROM living")
    lives = {row["interval"]: row["ttl"] for row in rows}
    assert lives["far"] is None, "30 years are more than Cassandra keeps time for"
    assert lives["ever"] is None
    assert 7200 + SLACK - 60 <= lives["hour"] <= 7200 + SLACK
    entries = session.execute(
        "SELECT interval, until FROM kairos_parts WHERE table_name = 'living' AND name = 'a'"
    )
    untils = {row["interval"]: row["until"] for row in entries}
    assert untils["hour"] >= 10_000 * 3600, "the part's last bucket needs the entry, too"


def test_times_to_live_are_capped():
    assert Expiry(far=True).ttl(100, 40.5) == 60 + SLACK
    assert Expiry(far=True).ttl(None, 0) == 0
    assert Expiry(far=True).ttl(MOST_TTL - SLACK, 0) == MOST_TTL
    assert Expiry(far=True).ttl(MOST_TTL - SLACK + 1, 0) == 0
    left = YEAR_2038 - int(time.time())
    assert Expiry(far=False).ttl(left - SLACK - 10, 0) == left - 10
    assert Expiry(far=False).ttl(left - SLACK + 10, 0) == 0


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


def test_a_range_over_many_parts_reads_those_that_are_there(open_series):
    hits = open_series(type="count", table_name="sparse", intervals={"second": {"step": 1}})
    for year in range(10):
        hits.insert("a", year + 1, timestamp=year * 366 * 86_400)
    start, end = 0, 9 * 366 * 86_400
    assert hits.series("a", "second", start=366 * 86_400 - 20_000, end=366 * 86_400, collapse=True) == {
        366 * 86_400 - 20_000: 2
    }
    assert hits.series("a", "second", start=0, end=60_000, collapse=True) == {0: 1}
    storage = hits._storage
    found = storage._table.partitions("a", "second", range(start, end + 1))
    assert len(found) == 10
    assert [partition.first for partition in found] == [start] * 10


def test_threads_of_one_handle_write_new_parts_at_once(open_series):
    values = open_series(type="series", table_name="threads", intervals={"second": {"step": 1}})

    def write(thread):
        for number in range(15):
            values.insert("a", float(thread), timestamp=1000 * (15 * thread + number))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for job in [pool.submit(write, thread) for thread in range(8)]:
                job.result()
    finally:
        sys.setswitchinterval(interval)
    (rows,) = values.series("a", "second", start=0, end=120_000, collapse=True).values()
    assert rows == [float(thread) for thread in range(8) for _ in range(15)]


def test_ints_and_fractions_of_many_buckets_in_one_call(open_series):
    paid = open_series(type="count", counts="log", table_name="mixed_numbers")
    paid.bulk_insert({60 * minute: {"a": [0.5, minute]} for minute in range(250)})
    paid.bulk_insert({60 * minute: {"a": [minute]} for minute in range(250)})
    assert paid.series("a", "minute", start=0, steps=250, collapse=True) == {0: 125 + 2 * sum(range(250))}


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


def test_kinds_with_the_same_columns_never_share_a_table(open_series):
    open_series(type="set", table_name="like_a_gauge").insert("a", [1.0, 2.0])
    with pytest.raises(SchemaMismatch, match=r"value double .clustering.*value double .regular"):
        open_series(type="gauge", table_name="like_a_gauge")


def test_values_of_all_sizes_in_one_call(open_series):
    texts = open_series(type="series", table_name="sizes", value_type="str")
    values = ["a", *("x" * 900_000 for _ in range(12)), "b", *("y" * 80_000 for _ in range(30)), "c"]
    texts.insert("a", values, timestamp=0)
    assert texts.get("a", "minute", timestamp=0) == {0: values}


@COUNTS
def test_long_values_of_a_histogram_in_several_intervals(open_series, counts):
    texts = open_series(type="histogram", table_name=f"long_{counts}", counts=counts, value_type="str")
    texts.insert("a", ["x" * 30_000, "y" * 60_000], timestamp=0)
    assert texts.get("a", "hour", timestamp=0) == {0: {"x" * 30_000: 1, "y" * 60_000: 1}}


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
