"""The keys: kairos 0.10's for data, and an index beside them that has the last word on nothing but names and ends."""

import random
import threading
import time

import pytest
import redis

import kairos
from kairos.errors import InvalidType, SchemaMismatch
from kairos_redis import adopt

NOW = 1_700_000_000
MINUTE, HOUR = NOW // 60, NOW // 3600
BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
WRITE_OF_0_10 = {
    "series": lambda client, key, value: client.rpush(key, value),
    "histogram": lambda client, key, value: client.hincrby(key, value, 1),
    "count": lambda client, key, value: client.incr(key, value),
    "gauge": lambda client, key, value: client.set(key, value),
    "set": lambda client, key, value: client.sadd(key, value),
}
READ = {
    "series": lambda client, key: client.lrange(key, 0, -1),
    "histogram": lambda client, key: client.hgetall(key),
    "count": lambda client, key: client.get(key),
    "gauge": lambda client, key: client.get(key),
    "set": lambda client, key: client.smembers(key),
}
KINDS = tuple(READ)


@pytest.fixture
def opened(server, raw):
    """A function that opens a timeseries on an empty database, at a fixed time."""
    handles = []

    def opener(kind="count", intervals=BOTH, now=NOW, **options):
        clock = now if callable(now) else lambda: now
        handles.append(kairos.Timeseries(server.url, type=kind, intervals=intervals, clock=clock, **options))
        return handles[-1]

    yield opener
    for handle in handles:
        handle.close()


def keys_of(raw):
    return list(raw.keys())


def data_keys(raw):
    return sorted(key for key in keys_of(raw) if b"\0" not in key)


@pytest.mark.parametrize("kind", KINDS)
def test_data_lies_under_the_keys_of_kairos_0_10(opened, raw, kind):
    ours = opened(kind, prefix="app")
    values = [1, 2, 1] if kind == "count" else ["a", "b", "a"]
    for value in values:
        ours.insert("home", value)
    flat, cell = b"app:home:minute:%d" % MINUTE, b"app:home:hour:%d:%d" % (HOUR, MINUTE)
    assert data_keys(raw) == sorted([flat, cell, b"app:home:hour:%d" % HOUR])
    assert raw.smembers(b"app:home:hour:%d" % HOUR) == {b"%d" % MINUTE}
    rows = {
        "series": [b"a", b"b", b"a"],
        "histogram": {b"a": b"2", b"b": b"1"},
        "count": b"4",
        "gauge": b"a",
        "set": {b"a", b"b"},
    }
    assert READ[kind](raw, flat) == READ[kind](raw, cell) == rows[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_what_0_10_wrote_reads_back_and_is_listed_once_adopted(opened, raw, kind):
    write = WRITE_OF_0_10[kind]
    values = [3, 4] if kind == "count" else ["x", "y"]
    for minute in (MINUTE - 1, MINUTE):
        for value in values:
            write(raw, f"old:home:minute:{minute}", value)
            raw.sadd(f"old:home:hour:{HOUR}", minute)
            write(raw, f"old:home:hour:{HOUR}:{minute}", value)
    raw.rpush("old:home:other:5", "not ours")
    raw.set("older:home:minute:5", 1)
    raw.hset("old:wrong type:minute:5", "a", "b") if kind != "histogram" else raw.set(
        "old:wrong type:minute:5", 1
    )
    row = {"series": values, "histogram": {"x": 1, "y": 1}, "count": 7, "gauge": "y", "set": {"x", "y"}}[kind]
    ours = opened(kind, prefix="old")
    assert ours.series("home", "minute", steps=2) == {60 * (MINUTE - 1): row, 60 * MINUTE: row}
    assert ours.get("home", "hour") == {60 * (MINUTE - 1): row, 60 * MINUTE: row}
    assert ours.list() == []
    assert adopt(ours) == 3
    assert adopt(ours) == 0
    assert ours.list() == ["home"]
    span = {"first": 60 * (MINUTE - 1), "last": 60 * MINUTE}
    assert ours.properties("home") == {"minute": span, "hour": {"first": 3600 * HOUR, "last": 3600 * HOUR}}
    assert ours.delete("home") == 1
    assert data_keys(raw) == [b"old:home:other:5", b"old:wrong type:minute:5", b"older:home:minute:5"]


def test_what_is_adopted_is_in_the_index_as_long_as_it_lives(opened, raw):
    for minute, life in ((MINUTE, 5000), (MINUTE - 1, 4000)):
        raw.set(f"home:minute:{minute}", 1, ex=life)
    raw.set(f"kept:minute:{MINUTE}", 1)
    ours = opened("count", {"minute": {"step": 60, "steps": 60}})
    assert adopt(ours) == 3
    lives = {key: raw.ttl(key) for key in keys_of(raw) if b"\0" in key and b"layouts" not in key}
    assert sorted(lives) == [b"\0buckets:minute:home", b"\0names{kairos}:minute", b"\0singles{kairos}:minute"]
    assert 4900 < lives[b"\0buckets:minute:home"] <= 5000
    assert 4900 < lives[b"\0names{kairos}:minute"] <= 5000
    assert lives[b"\0singles{kairos}:minute"] == -1
    ours.delete("kept")
    assert ours.list() == ["home"]


def test_what_somebody_else_removed_is_listed_until_it_is_deleted_or_dies(opened, raw):
    """As documented: to look at each name would cost `list` several times what it takes."""
    clock = [NOW]
    ours = opened("count", {"m": {"step": 60, "steps": 5}}, now=lambda: clock[0])
    for name in ("gone", "deleted", "there"):
        ours.insert(name)
    assert raw.delete(f"gone:m:{MINUTE}", f"deleted:m:{MINUTE}") == 2
    assert ours.list() == ["deleted", "gone", "there"]
    assert ours.properties("gone") == {}
    assert list(ours.iterate("gone", "m")) == []
    assert ours.delete("deleted") == 0
    assert ours.list() == ["gone", "there"]
    clock[0] += 240
    assert ours.list() == ["gone", "there"]
    clock[0] += 60
    assert ours.list() == []


def test_adopt_takes_a_timeseries_in_redis():
    with (
        kairos.Timeseries("memory://adopt", type="count", intervals=BOTH) as other,
        pytest.raises(InvalidType, match="in Redis"),
    ):
        adopt(other)


def test_values_of_0_10_that_are_not_text_come_with_surrogates(opened, raw):
    raw.rpush(f"home:minute:{MINUTE}", b"\xff\xfe", "ok")
    for decode in (True, False):
        ours = opened("series", client_config={"decode_responses": decode})
        values = ours.get("home", "minute")[60 * MINUTE]
        assert values == ["\udcff\udcfe", "ok"]
        assert values[0].encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_no_two_rows_share_a_key(opened, raw):
    """Names that end like a key's end, negative buckets, and an interval in whose resolution they could lie."""
    names = ["a", "a:m", "a:m:1", "a:m:-1", "a:r:1", "a:r:0:1", "a:r:-1:-1", "m:1", "1", "-1:2", ":", "a:"]
    intervals = {"m": {"step": 1}, "r": {"step": 2, "resolution": 1}}
    ours = opened("count", intervals=intervals, now=0)
    written = {}
    for number, (name, second) in enumerate(((name, s) for name in names for s in (-3, -2, -1, 0, 1, 2)), 1):
        ours.insert(name, number, second)
        written[name, second] = number
    for (name, second), number in written.items():
        assert ours.get(name, "m", timestamp=second) == {second: number}
        assert ours.get(name, "r", timestamp=second)[second] == number
    for name in random.Random(5).sample(names, len(names)):
        assert ours.delete(name) == 1
        names.remove(name)
        assert ours.list() == sorted(names)
    assert data_keys(raw) == []


@pytest.mark.parametrize("prefix", ["", "p", "{}", "a{b}c", "a}b{c"])
def test_keys_begin_with_the_prefix_and_nothing_is_left_after_delete_all(opened, raw, prefix):
    foreign = {b"x:minute:5": b"1", b"q:home:minute:5": b"2"}
    raw.mset(foreign)
    ours = opened("gauge", prefix=prefix)
    ours.insert("home", "v")
    start = f"{prefix}:".encode() if prefix else b""
    assert all(key.startswith(start) for key in keys_of(raw) if key not in foreign)
    assert ours.list() == ["home"]
    assert ours.delete_all() == 1
    assert sorted(raw.keys()) == sorted(foreign)


def test_one_kind_is_refused_where_another_is_and_may_stand_beside_it(opened):
    opened("count").insert("home")
    with pytest.raises(SchemaMismatch, match="holds a count; this timeseries is a series"):
        opened("series")
    beside = opened("series", intervals={"value_minute": {"step": 60}})
    beside.insert("home", "v")
    assert beside.list() == ["home"]
    opened("set", prefix="other").insert("home", "v")


def test_a_kind_that_takes_the_place_after_opening_is_refused_at_the_first_write(opened, raw):
    late, ours = opened("series"), opened("count")
    ours.insert("home")
    before = sorted(raw.keys())
    with pytest.raises(SchemaMismatch):
        late.insert("other", "v")
    assert sorted(raw.keys()) == before


def test_a_write_after_another_took_the_place_is_refused_and_writes_nothing(opened, raw):
    """One has recorded its layout, another forgot it, a third took the place: the first must not write on."""
    first = opened("count", intervals={"x": {"step": 60}})
    first.insert("home")
    assert opened("count", intervals={"x": {"step": 60}}).delete_all() == 1
    third = opened("count", intervals={"x": {"step": 61}})
    third.insert("home")
    before = sorted(raw.keys())
    with pytest.raises(SchemaMismatch, match="step 61"):
        first.insert("elsewhere")
    with pytest.raises(SchemaMismatch, match="step 61"):
        first.bulk_insert({NOW + n: {f"name{n}": [1]} for n in range(3000)})
    assert sorted(raw.keys()) == before


def test_a_write_after_the_record_was_forgotten_records_again(opened):
    first = opened("count", intervals={"x": {"step": 60}})
    first.insert("home")
    opened("count", intervals={"x": {"step": 60}}).delete_all()
    first.insert("home")
    with pytest.raises(SchemaMismatch, match="step 60"):
        opened("count", intervals={"x": {"step": 61}})


def test_a_record_is_not_forgotten_where_somebody_writes_meanwhile(opened, raw):
    """A writer that comes after the data was removed meets its record still, and looks at it no more."""
    intervals = {"x": {"step": 60}}
    ours, writers, stop = (
        opened("count", intervals),
        [opened("count", intervals) for _ in range(3)],
        threading.Event(),
    )

    def write(writer):
        while not stop.is_set():
            writer.insert("home")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for _ in range(100):
        ours.delete_all()
    deadline = time.monotonic() + 60
    while ours.get("home", "x") == {60 * MINUTE: 0} and time.monotonic() < deadline:
        time.sleep(0.001)  # until one of them has written after the last delete_all()
    stop.set()
    for thread in threads:
        thread.join()
    assert ours.get("home", "x") != {60 * MINUTE: 0}
    with pytest.raises(SchemaMismatch, match="step 60"):
        opened("count", {"x": {"step": 61}})
    assert ours.delete_all() == 1
    assert keys_of(raw) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_batch_is_what_its_writes_are_one_by_one(opened, kind):
    """In several calls, with names that some timestamps have and others not, and numbers that are no ints."""
    values = {"count": [1, 2, 0.5], "gauge": ["a", "b", "c"]}.get(kind, ["a", "b", "a"])
    for alike in (True, False):
        one, two = (opened(kind, prefix=f"{kind}{alike}{n}") for n in range(2))
        batch = {
            NOW + 60 * k: {f"name{n}": values[: 1 + (n + k) % 3] for n in range(120) if alike or (n + k) % 7}
            for k in range(12)
        }
        for _ in range(2):  # the second time every key is there
            one.bulk_insert(batch)
            for timestamp, by_name in batch.items():
                two.bulk_insert({timestamp: by_name})
        names = [f"name{n}" for n in range(120)]
        assert one.list() == two.list() == sorted(names)
        for interval in BOTH:
            for name in names[::17]:
                reads = [ours.series(name, interval, start=NOW, steps=12) for ours in (one, two)]
                assert reads[0] == reads[1]


def test_a_record_that_is_spelled_otherwise_means_the_same(opened, raw):
    ours = opened("count", intervals={"x": {"step": 60}})
    ours.insert("home")
    (key,) = [key for key in keys_of(raw) if b"layouts" in key]
    kind, _, layout = raw.hget(key, "x").partition(b" ")
    raw.hset(key, "x", kind + b" " + layout.replace(b" ", b""))
    ours.insert("other")
    assert opened("count", intervals={"x": {"step": 60}}).list() == ["home", "other"]


def test_data_and_index_live_a_little_longer_than_the_deadline(opened, raw):
    ours = opened(
        "count", intervals={"m": {"step": 60, "steps": 3}, "h": {"step": 3600, "steps": 1, "resolution": 60}}
    )
    ours.insert("home")
    ours.insert("home", timestamp=NOW - 60)
    lives = {key: raw.ttl(key) for key in keys_of(raw) if b"layouts" not in key}
    until = 60 * (MINUTE + 3) - NOW + 300
    for key, left in lives.items():
        hourly = b":h:" in key or key.endswith(b":h")
        deadline = 3600 * (HOUR + 1) - NOW + 300 if hourly else until
        if key == b"home:m:%d" % (MINUTE - 1):
            deadline -= 60
        assert deadline - 5 <= left <= deadline, key
    ours.insert("home", timestamp=NOW - 60)
    assert all(raw.ttl(key) <= left for key, left in lives.items())


def test_without_steps_nothing_expires(opened, raw):
    opened("series").insert("home", "v")
    assert {raw.ttl(key) for key in keys_of(raw)} == {-1}


@pytest.mark.parametrize("longer", [{"step": 60, "steps": 1000}, {"step": 60}])
@pytest.mark.parametrize("kind", KINDS)
def test_where_handles_keep_different_numbers_of_steps_the_longest_counts(opened, raw, kind, longer):
    short, long = opened(kind, {"m": {"step": 60, "steps": 2}}), opened(kind, {"m": longer})
    value = 1 if kind == "count" else "v"
    for writers in ((short, long, short), (long, short, long)):
        for at, writer in enumerate(writers):
            writer.insert("home", value)
            writer.insert(f"name{at}", value)
        for key in (b"home:m:%d" % MINUTE, *(key for key in keys_of(raw) if b"\0buckets:m:home" in key)):
            assert raw.ttl(key) == -1 if "steps" not in longer else raw.ttl(key) > 900 * 60
        long.delete("home")


def test_the_index_forgets_what_has_died(opened, raw):
    clock = [NOW]
    ours = opened("count", {"m": {"step": 60, "steps": 5}}, now=lambda: clock[0])
    for _ in range(100):
        ours.insert("home")
        ours.insert(f"name{clock[0]}")
        clock[0] += 60
    (buckets,) = [key for key in keys_of(raw) if b"\0buckets:m:home" in key]
    (names,) = [key for key in keys_of(raw) if b"\0names" in key]
    assert raw.zcard(buckets) < 20
    assert raw.zcard(names) < 20
    assert ours.properties("home")["m"] == {
        "first": clock[0] // 60 * 60 - 240,
        "last": clock[0] // 60 * 60 - 60,
    }


def test_data_that_somebody_removed_is_not_an_end(opened, raw):
    ours = opened("count", {"m": {"step": 60}})
    for minute in range(10):
        ours.insert("home", timestamp=60 * minute)
    raw.delete("home:m:0", "home:m:1", "home:m:9")
    assert ours.properties("home") == {"m": {"first": 120, "last": 480}}
    assert next(iter(ours.iterate("home", "m"))) == (120, 1)


def test_deleting_and_listing_cost_nothing_for_the_keys_of_others(opened, raw):
    ours = opened("count", prefix="mine")
    ours.insert("home")
    raw.mset({f"foreign:{n}": n for n in range(1000)})
    commands = lambda: {k: v["calls"] for k, v in raw.info("commandstats").items()}  # noqa: E731
    raw.config_resetstat()
    ours.list()
    ours.properties("home")
    ours.delete("home")
    ours.delete_all()
    assert {"cmdstat_keys", "cmdstat_scan", "cmdstat_config"} & set(commands()) <= {
        "cmdstat_config|resetstat"
    }


def test_many_names_are_listed_in_pages(opened, raw):
    ours = opened("gauge", {"m": {"step": 60, "steps": 5}, "h": {"step": 3600}})
    ours.bulk_insert({NOW: {f"name{n:05}": ["v"] for n in range(20_100)}})
    ours.insert("gone", "v", NOW - 3600)
    assert len(ours.list()) == 20_101
    assert raw.zcard(b"\0singles{kairos}:m") == 20_100
    assert raw.zcard(b"\0names{kairos}:m") == 0
    assert ours.delete_all() == 20_101
    assert raw.keys() == []


def test_buckets_beyond_what_a_score_can_hold_keep_their_order(opened):
    ours = opened("count", {"s": {"step": 1}})
    seconds = [2**60 + offset for offset in (0, 1, 3)] + [-(2**60) - 1, -(2**60)]
    for second in seconds:
        ours.insert("home", 1, second)
    assert ours.properties("home") == {"s": {"first": min(seconds), "last": max(seconds)}}
    assert ours.delete("home") == 1


def test_a_long_list_is_stored_in_order_in_several_calls(opened):
    ours = opened("series")
    values = [f"{n}" for n in range(23_456)]
    ours.bulk_insert({NOW: {"home": values}, NOW + 1: {"home": ["last"]}})
    assert ours.get("home", "minute") == {60 * MINUTE: [*values, "last"]}


def test_a_bucket_of_very_many_resolution_buckets_can_be_deleted(opened, raw):
    ours = opened("count", {"d": {"step": 86_400, "resolution": 10}})
    day = NOW // 86_400 * 86_400
    ours.bulk_insert({day + 10 * n: {"home": [1]} for n in range(8_640)})
    assert ours.get("home", "d", condense=True) == {day: 8_640}
    assert ours.delete("home") == 1
    assert data_keys(raw) == []


@pytest.mark.parametrize("kind", ["series", "set"])
def test_what_was_stored_before_a_name_that_fails_is_in_the_index(opened, raw, kind):
    """A key that somebody else made is of another type: the script stops there, and finishes what it has done."""
    raw.hset(f"b:m:{MINUTE}", "x", "y")
    ours = opened(kind, {"m": {"step": 60, "steps": 5}})
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        ours.bulk_insert({NOW: {"a": ["v"], "b": ["v"], "c": ["v"]}})
    assert ours.list() == ["a"]
    assert 0 < raw.ttl(f"a:m:{MINUTE}") <= 600
    assert ours.delete("a") == 1
    assert data_keys(raw) == [b"b:m:%d" % MINUTE]


def test_a_set_of_resolutions_of_another_type_does_not_keep_data_out_of_the_index(opened, raw):
    raw.rpush(f"home:hour:{HOUR}", "0.10 wrote this without a resolution")
    ours = opened("count")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        ours.insert("home")
    assert ours.list() == ["home"]
    assert ours.get("home", "minute") == {60 * MINUTE: 1}


def test_another_kind_that_took_the_place_is_not_deleted(opened, raw):
    count = opened("count")
    count.insert("home")
    opened("count").delete_all()
    gauge = opened("gauge")
    gauge.insert("home", "7")
    with pytest.raises(SchemaMismatch):
        count.delete_all()
    assert gauge.list() == ["home"]


def test_the_index_shrinks_when_fewer_steps_are_kept(opened, raw):
    """Another handle kept more once: until the record is forgotten its number counts, and it alone."""
    now = [NOW]
    for steps, minutes in ((20, 30), (5, 60)):
        ours = opened("count", {"m": {"step": 60, "steps": steps}}, now=lambda: now[0])
        for _ in range(minutes):
            ours.insert("home")
            ours.insert(f"name{now[0]}")
            now[0] += 60
    (buckets,) = [key for key in keys_of(raw) if b"buckets:m:home" in key]
    (names,) = [key for key in keys_of(raw) if b"\0names" in key]
    assert raw.zcard(buckets) <= 32
    assert raw.zcard(names) <= 32


def test_a_database_number_is_a_place_of_its_own(server, raw, opened):
    opened("count").insert("home")
    url = server.url.rsplit("/", 1)[0] + "/7"
    with kairos.Timeseries(url, type="series", intervals=BOTH) as other:
        assert other.list() == []
        other.insert("home", "v")
        other.delete_all()
    assert redis.Redis.from_url(url).dbsize() == 0
