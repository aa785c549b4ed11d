"""``pipeline=``: plain commands on the caller's pipeline, carried out when the caller says so."""

import pytest
import redis
from redis.cluster import RedisCluster

import kairos
from kairos.errors import InvalidType, SchemaMismatch

NOW = 1_700_000_000
BOTH = {"minute": {"step": 60, "steps": 1000}, "hour": {"step": 3600, "resolution": 60}}
ROWS = {
    "series": ["a", "b", "a"],
    "histogram": {"a": 2, "b": 1},
    "count": 4,
    "gauge": "a",
    "set": {"a", "b"},
}


def open_(target, kind="count", intervals=BOTH, **options):
    return kairos.Timeseries(target, type=kind, intervals=intervals, clock=lambda: NOW, **options)


def values(kind):
    return [1, 2, 1] if kind == "count" else ["a", "b", "a"]


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("kind", list(ROWS))
def test_a_write_is_queued_and_carried_out_by_execute(server, raw, kind, transaction):
    with open_(server.url, kind) as ours:
        pipeline = raw.pipeline(transaction=transaction)
        for value in values(kind):
            assert ours.insert("home", value, pipeline=pipeline) == (2, 0)
        assert ours.bulk_insert({NOW: {"other": values(kind)}}, pipeline=pipeline) == (6, 0)
        assert raw.keys() == []
        pipeline.execute()
        for name in ("home", "other"):
            assert ours.get(name, "minute") == {NOW // 60 * 60: ROWS[kind]}
            assert ours.get(name, "hour") == {NOW // 60 * 60: ROWS[kind]}
        assert ours.list() == ["home", "other"]
        assert ours.properties("home")["hour"]["last"] == NOW // 3600 * 3600
        assert 60_000 < raw.ttl(f"home:minute:{NOW // 60}") < 60_400
        assert ours.delete_all() == 2
        assert raw.keys() == []


def test_a_queued_write_takes_its_record_with_it(server, raw):
    with open_(server.url) as ours:
        pipeline = raw.pipeline()
        ours.insert("home", pipeline=pipeline)
        open_(server.url, intervals={"minute": {"step": 61}}).close()
        pipeline.execute()
        with pytest.raises(SchemaMismatch):
            open_(server.url, intervals={"minute": {"step": 61}})


def test_a_queued_write_is_refused_where_another_layout_is(server, raw):
    with open_(server.url) as late, open_(server.url, intervals={"minute": {"step": 61}}) as ours:
        ours.insert("home")
        pipeline = raw.pipeline()
        with pytest.raises(SchemaMismatch):
            late.insert("home", pipeline=pipeline)
        assert len(pipeline) == 0


def test_a_watching_pipeline_carries_nothing_out(server, raw):
    with open_(server.url) as ours, raw.pipeline() as pipeline:
        pipeline.watch("something")
        ours.insert("home", pipeline=pipeline)
        assert raw.keys() == []
        pipeline.execute()
        assert ours.get("home", "minute") == {NOW // 60 * 60: 1}


def test_a_time_to_live_is_not_shortened_by_a_queued_write(server, raw):
    with (
        open_(server.url, intervals={"m": {"step": 60, "steps": 1000}}) as long,
        open_(server.url, intervals={"m": {"step": 60, "steps": 2}}) as short,
    ):
        long.insert("home")
        pipeline = raw.pipeline()
        short.insert("home", pipeline=pipeline)
        pipeline.execute()
        assert raw.ttl(f"home:m:{NOW // 60}") > 50_000
        assert long.get("home", "m") == {NOW // 60 * 60: 2}


def test_fractions_can_be_queued(server, raw):
    with open_(server.url) as ours:
        pipeline = raw.pipeline()
        for increment in (1, 0.5, -0.25):
            ours.insert("home", increment, pipeline=pipeline)
        pipeline.execute()
        assert ours.get("home", "minute") == {NOW // 60 * 60: 1.25}


def test_an_int_can_be_queued_for_a_bucket_with_a_fraction(server, raw):
    with open_(server.url) as ours:
        ours.insert("home", 0.5)
        pipeline = raw.pipeline()
        for increment in (1, 2**40, -(2**40)):
            ours.insert("home", increment, pipeline=pipeline)
        pipeline.execute()
        assert ours.get("home", "minute") == {NOW // 60 * 60: 1.5}
        pipeline = raw.pipeline()
        for increment in (2**62, 3, 2**53 + 1):
            ours.insert("whole", increment, pipeline=pipeline)
        pipeline.execute()
        assert ours.get("whole", "minute") == {NOW // 60 * 60: 2**62 + 2**53 + 4}


def test_the_index_of_queued_writes_forgets_what_has_died(server, raw):
    now = [NOW]
    intervals = {"m": {"step": 60, "steps": 5}}
    with kairos.Timeseries(server.url, type="count", intervals=intervals, clock=lambda: now[0]) as ours:
        for _ in range(100):
            pipeline = raw.pipeline()
            ours.insert("home", pipeline=pipeline)
            ours.insert(f"name{now[0]}", pipeline=pipeline)
            pipeline.execute()
            now[0] += 60
    sizes = [raw.zcard(key) for key in raw.keys() if b"\0names" in key or key.endswith(b"buckets:m:home")]  # noqa: SIM118
    assert len(sizes) == 2
    assert max(sizes) < 20


def test_what_is_no_pipeline_is_refused(server, raw):
    with open_(server.url) as ours:
        for wrong in (raw, "pipeline", None):
            with pytest.raises(InvalidType, match="pipeline must be"):
                ours.insert("home", pipeline=wrong)
        with pytest.raises(InvalidType, match="unknown write option"):
            ours.insert("home", pipe=raw.pipeline())


@pytest.mark.parametrize("kind", list(ROWS))
def test_a_cluster_pipeline(engine, kind):
    url = engine("redis-cluster").url
    port = (
        int(url.rpartition(":")[2].rstrip("/0") or 6379)
        if url.endswith("/0")
        else int(url.rpartition(":")[2])
    )
    client = RedisCluster(host="127.0.0.1", port=port)
    with open_(url, kind, prefix=f"pipeline-{kind}") as ours:
        pipeline = client.pipeline()
        for value in values(kind):
            ours.insert("home", value, pipeline=pipeline)
        assert ours.list() == []
        pipeline.execute()
        assert ours.get("home", "hour") == {NOW // 60 * 60: ROWS[kind]}
        assert ours.list() == ["home"]
        assert ours.delete_all() == 1
    client.close()


def test_index_keys_of_queued_writes_live_as_long_as_their_data(server, raw):
    intervals = {"m": {"step": 60, "steps": 100}, "h": {"step": 3600, "steps": 50, "resolution": 60}}
    with open_(server.url, intervals=intervals) as ours:
        for timestamp in (NOW, NOW - 600):  # the older one does not shorten what the index has
            pipeline = raw.pipeline()
            ours.insert("home", timestamp=timestamp, pipeline=pipeline)
            pipeline.execute()
        lives = {key: raw.ttl(key) for key in raw.keys() if b"\0" in key and b"layouts" not in key}  # noqa: SIM118
        assert len(lives) == 4
        for key, left in lives.items():
            steps, step = (100, 60) if key.endswith((b":m", b":m:home")) else (50, 3600)
            assert (steps - 1) * step < left <= steps * step + 300, key


def test_before_redis_7_index_keys_of_queued_writes_live_for_ever(engine):
    """It has no command that makes a life longer and never shorter; the entries are trimmed all the same."""
    url = engine("redis-6").url
    with open_(url, intervals={"m": {"step": 60, "steps": 100}}) as ours, redis.Redis.from_url(url) as raw:
        pipeline = raw.pipeline()
        ours.insert("home", pipeline=pipeline)
        pipeline.execute()
        assert ours.list() == ["home"]
        assert {raw.ttl(key) for key in raw.keys() if b"\0" in key} == {-1}  # noqa: SIM118
        assert ours.delete_all() == 1


def test_a_queued_write_that_comes_late_shortens_nothing(server, raw):
    """Neither the record of who keeps most nor a time to live, when another handle came while it was queued."""
    with (
        open_(server.url, intervals={"m": {"step": 60, "steps": 2}}) as short,
        open_(server.url, intervals={"m": {"step": 60, "steps": 1000}}) as long,
    ):
        pipeline = raw.pipeline()
        short.insert("home", pipeline=pipeline)
        long.insert("home")
        pipeline.execute()
        lives = {key: raw.ttl(key) for key in raw.keys() if b"layouts" not in key}  # noqa: SIM118
        assert lives[b"home:m:%d" % (NOW // 60)] > 50_000
        assert lives[b"\0singles{kairos}:m"] > 50_000  # where the index has it until then
        for minute in range(10):  # its index would be trimmed by these, if the record had been lowered
            short.insert("home", timestamp=NOW + 60 * minute)
        assert long.properties("home")["m"]["first"] == NOW // 60 * 60
        layouts = next(key for key in raw.keys() if b"layouts" in key)  # noqa: SIM118
        assert raw.hget(layouts, b"m\0steps") == b"1000"


def test_a_queued_write_that_keeps_more_is_heard_of_by_scripts(server, raw):
    now = [NOW]
    with (
        kairos.Timeseries(
            server.url, type="count", intervals={"m": {"step": 60, "steps": 2}}, clock=lambda: now[0]
        ) as short,
        open_(server.url, intervals={"m": {"step": 60, "steps": 1000}}) as long,
    ):
        short.insert("home")
        pipeline = raw.pipeline()
        long.insert("home", timestamp=NOW + 60, pipeline=pipeline)
        pipeline.execute()
        with kairos.Timeseries(
            server.url, type="count", intervals={"m": {"step": 60, "steps": 2}}, clock=lambda: now[0]
        ) as another:
            for _ in range(30):
                now[0] += 60
                another.insert("home")
        layouts = next(key for key in raw.keys() if b"layouts" in key)  # noqa: SIM118
        assert raw.hget(layouts, b"m\0steps") == b"1000"
        assert long.properties("home")["m"]["first"] == NOW // 60 * 60
