"""Rows, on one real node: their values, shards and times to live."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from ipaddress import ip_address

import pytest
from cassandra.query import BatchStatement, BoundStatement

import kairos
from kairos_cassandra import known
from kairos_cassandra.writing import MOST_TTL, SLACK, YEAR_2038, Expiry

BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
COUNTS = pytest.mark.parametrize("counts", ["counter", "log"])


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


class Middle:
    """Always the middle, in place of a random number."""

    @staticmethod
    def randint(low, high):
        return (low + high) // 2


@pytest.mark.parametrize("kind", ["series", "set"])
def test_a_bucket_of_a_busy_name_is_read_from_few_partitions(open_series, monkeypatch, kind):
    monkeypatch.setattr(known, "SHARD_ROWS", 100)
    monkeypatch.setattr(
        known, "random", Middle
    )  # where a writer begins to count; with one row left it is one shard more
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


@pytest.mark.parametrize("kind", ["series", "histogram", "count", "gauge", "set"])
def test_the_earliest_and_the_latest_moment_read_back(open_series, kind):
    intervals = {"minute": {"step": 64, "resolution": 1}, "second": {"step": 1}}
    things = open_series(type=kind, table_name=f"edges_{kind}", intervals=intervals)
    row = {"series": [5.0], "histogram": {5.0: 1}, "count": 5, "gauge": 5.0, "set": {5.0}}[kind]
    first, last = -(2**63), 2**63 - 1
    for moment in (first, last):
        things.insert("a", 5, timestamp=moment)
        assert list(things.get("a", "second", timestamp=moment).values()) == [row]
        assert things.get("a", "minute", timestamp=moment) == {moment: row}
    assert things.delete("a") == 1


def lives(session, table, column):
    """Return the times to live of a table's rows, in hours, by bucket."""
    rows = session.execute(f"SELECT i, TTL({column}) AS ttl FROM {table}")
    return {row["i"]: row["ttl"] and round(row["ttl"] / 3600, 1) for row in rows}


@pytest.mark.parametrize(
    ("kind", "counts", "column"),
    [("series", "counter", "value"), ("gauge", "counter", "value"), ("count", "log", "whole")],
)
def test_rows_of_handles_with_several_steps_live_as_long_as_the_longest_asks_for(
    open_series, session, kind, counts, column
):
    table = f"steps_{kind}"

    def of(steps):
        interval = {"step": 3600} if steps is None else {"step": 3600, "steps": steps}
        return open_series(
            type=kind, counts=counts, table_name=table, intervals={"hour": interval}, clock=lambda: 0
        )

    def entered():
        select = f"SELECT part, until FROM kairos_parts WHERE table_name = '{table}' AND name = 'a'"
        return {row["until"] for row in session.execute(select)}

    brief, long = of(2), of(20)
    brief.insert("a", 1, timestamp=0)
    assert lives(session, table, column) == {0: 2.2}
    long.insert("a", 1, timestamp=3600)
    brief.insert("a", 1, timestamp=7200)  # begins after the other one's first write has returned
    long.insert("a", 1, timestamp=3600 * 3)
    assert lives(session, table, column) == {0: 2.2, 1: 21.2, 2: 22.2, 3: 23.2}
    of(2).insert("a", 1, timestamp=3600)
    assert lives(session, table, column)[1] == 21.2, "of a handle that comes later"
    of(None).insert("a", 1, timestamp=3600)
    for handle in (brief, long):
        handle.insert("a", 1, timestamp=3600)
        assert lives(session, table, column)[1] is None, "for ever is the longest"
    assert 0 in entered(), "what is in the index lives as long"
    long.delete_all()
    brief.insert("a", 1, timestamp=0)
    assert lives(session, table, column) == {0: 2.2}, "a place that was emptied begins anew"


def test_ranges_of_more_rows_than_a_page_are_read_whole_and_walked_through(open_series):
    intervals = {"second": {"step": 1}}
    values = open_series(type="series", table_name="pages", intervals=intervals)
    values.insert("a", [float(number) for number in range(12_000)], timestamp=0)
    assert values.get("a", "second", timestamp=0) == {0: [float(number) for number in range(12_000)]}
    hits = open_series(type="count", table_name="many_buckets", intervals=intervals)
    hits.bulk_insert({second: {"a": [second + 1]} for second in range(12_000)})
    assert hits.series("a", "second", start=0, end=11_999) == {second: second + 1 for second in range(12_000)}
    assert list(hits.iterate("a", "second")) == [(second, second + 1) for second in range(12_000)]


@pytest.mark.parametrize(("kind", "counts"), [("series", "counter"), ("count", "counter"), ("count", "log")])
def test_statements_are_prepared_and_batches_are_as_the_server_likes_them(session, kind, counts):
    sent = []
    table = {"type": kind, "counts": counts, "table_name": f"sent_{kind}_{counts}", "intervals": BOTH}
    with kairos.Timeseries(session, **table) as things:
        session.add_request_init_listener(sent.append)
        things.insert("a", list(range(1, 1501)), timestamp=0)
        things.bulk_insert({60 * minute: {f"n{n}": [1, 2] for n in range(5)} for minute in range(300)})
        things.get("a", "minute", timestamp=0)
        things.series(["a", "n1"], "minute", start=0, steps=300)
        things.properties("a")
        things.list()
        things.delete("a")
        things.delete_all()
        session.remove_request_init_listener(sent.append)
    batches = [future.query for future in sent if isinstance(future.query, BatchStatement)]
    assert all(prepared for batch in batches for prepared, *_ in batch._statements_and_parameters)
    others = {type(future.query) for future in sent if not isinstance(future.query, BatchStatement)}
    assert batches
    assert others == {BoundStatement}
    assert not [future.warnings for future in sent if future.warnings], "too large, or over many partitions"
