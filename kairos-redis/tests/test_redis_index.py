"""The index: what a bucket costs, its two forms, and that nothing falls between them, whoever comes between."""

from itertools import count, product

import pytest
import redis

import kairos
from kairos.timeseries import storage_of
from kairos_redis import adopt

NOW = 1_700_000_000
MINUTE = NOW // 60
BOTH = {"m": {"step": 60}, "h": {"step": 600, "resolution": 60}}
BOUND = 120
"""Bytes a bucket, for names of 12 characters."""


@pytest.fixture
def ours(server, raw):
    with kairos.Timeseries(
        server.url, type="count", intervals={"m": {"step": 60}}, clock=lambda: NOW
    ) as handle:
        yield handle


def index(raw):
    return {key for key in raw.keys() if b"\0" in key and b"layouts" not in key}  # noqa: SIM118


SINGLES, NAMES, BUCKETS = b"\0singles{kairos}:m", b"\0names{kairos}:m", b"\0buckets:m:"


@pytest.mark.parametrize("buckets", [1, 2, 3])
@pytest.mark.parametrize("kind", ["count", "series", "histogram", "gauge", "set"])
def test_the_index_costs_no_more_than_its_bound(server, raw, kind, buckets):
    names = 1_000
    with kairos.Timeseries(server.url, type=kind, intervals={"m": {"step": 60}}, prefix="app") as handle:
        for at in range(buckets):
            handle.bulk_insert({NOW + 60 * at: {f"name-{n:07}": [1] for n in range(names)}})
    assert sum(raw.memory_usage(key, samples=0) for key in index(raw)) <= BOUND * names * buckets


def test_a_name_gets_a_key_of_its_own_with_its_second_bucket(ours, raw):
    ours.insert("a", timestamp=NOW)
    ours.insert("a", timestamp=NOW)
    assert index(raw) == {SINGLES}
    ours.insert("a", timestamp=NOW - 60)
    assert index(raw) == {NAMES, BUCKETS + b"a"}
    assert raw.zrange(BUCKETS + b"a", 0, -1) == [b"%d" % (MINUTE - 1), b"%d" % MINUTE]
    assert raw.zscore(NAMES, "a") == MINUTE
    assert ours.delete("a") == 1
    assert index(raw) == set()


def test_a_batch_in_which_a_name_stands_in_two_groups(ours, raw):
    ours.insert("b", timestamp=NOW - 600)
    ours.bulk_insert({NOW: {"a": [1], "b": [1]}, NOW + 60: {"a": [1], "c": [1]}, NOW + 120: {"d": [1]}})
    assert ours.list() == ["a", "b", "c", "d"]
    assert ours.properties("a")["m"] == {"first": 60 * MINUTE, "last": 60 * MINUTE + 60}
    assert ours.properties("b")["m"] == {"first": 60 * MINUTE - 600, "last": 60 * MINUTE}
    assert sorted(raw.zrange(SINGLES, 0, -1)) == [b"c", b"d"]
    assert [ours.delete(name) for name in "abcd"] == [1, 1, 1, 1]
    assert [key for key in raw.keys() if b"layouts" not in key] == []  # noqa: SIM118


def test_a_pipeline_keeps_to_the_other_form_and_both_are_read(ours, raw):
    """Plain commands cannot look before they write; a single stays a single, and its name is listed once."""
    ours.insert("a", timestamp=NOW)
    pipeline = raw.pipeline()
    ours.insert("a", timestamp=NOW + 60, pipeline=pipeline)
    ours.insert("b", timestamp=NOW, pipeline=pipeline)
    pipeline.execute()
    assert index(raw) == {SINGLES, NAMES, BUCKETS + b"a", BUCKETS + b"b"}
    ours.insert("b", timestamp=NOW)
    ours.insert("a", timestamp=NOW - 60)
    assert ours.list() == ["a", "b"]
    assert ours.properties("a")["m"] == {"first": 60 * MINUTE - 60, "last": 60 * MINUTE + 60}
    assert ours.delete_all() == 2
    assert raw.keys() == []


def test_a_single_that_is_dead_makes_way_for_another(server, raw):
    now = [NOW]
    intervals = {"m": {"step": 60, "steps": 5}}
    with kairos.Timeseries(server.url, type="count", intervals=intervals, clock=lambda: now[0]) as handle:
        handle.insert("a")
        now[0] += 3600
        handle.insert("a")
        assert index(raw) == {SINGLES}
        assert raw.zscore(SINGLES, "a") == now[0] // 60
        assert raw.ttl(SINGLES) > 300


def test_the_index_lives_as_long_as_the_latest_bucket_that_was_a_single(server, raw):
    intervals = {"m": {"step": 60, "steps": 100}}
    with kairos.Timeseries(server.url, type="count", intervals=intervals, clock=lambda: NOW) as handle:
        handle.insert("a", timestamp=NOW)
        handle.insert("a", timestamp=NOW - 3000)
        for key in (NAMES, BUCKETS + b"a"):
            assert raw.ttl(key) == pytest.approx(raw.ttl(f"a:m:{MINUTE}"), abs=3)


def test_buckets_beyond_what_a_score_can_hold_are_no_singles(server, raw):
    with kairos.Timeseries(server.url, type="count", intervals={"s": {"step": 1}}) as handle:
        for name, second in (("a", 2**53 + 1), ("b", -(2**53) - 1)):
            handle.insert(name, 1, second)
            assert handle.properties(name) == {"s": {"first": second, "last": second}}
            assert handle.delete(name) == 1
        assert raw.keys("*:s:*") == []


def test_what_is_adopted_has_the_same_forms(ours, raw):
    raw.mset(
        {f"one:m:{MINUTE}": 1, f"two:m:{MINUTE}": 1, f"two:m:{MINUTE + 1}": 1, f"more:m:{MINUTE + 1}": 1}
    )
    ours.insert("more", timestamp=NOW)
    assert adopt(ours) == 4
    assert adopt(ours) == 0
    assert index(raw) == {SINGLES, NAMES, BUCKETS + b"two", BUCKETS + b"more"}
    assert raw.zrange(SINGLES, 0, -1) == [b"one"]
    assert ours.properties("more")["m"] == {"first": 60 * MINUTE, "last": 60 * MINUTE + 60}
    assert [ours.delete(name) for name in ("one", "two", "more")] == [1, 1, 1]


@pytest.fixture(params=["server", "plain", "cluster", "plain cluster"])
def target(request, engine):
    """A server and a Cluster, for a user who may run scripts, and for one who may not."""
    running = engine("redis-cluster" if "cluster" in request.param else "redis")
    if "plain" not in request.param:
        return running.url
    for node in running.nodes:
        with redis.Redis(node.host, node.port) as admin:
            admin.execute_command(
                "ACL", "SETUSER", "plain", "on", ">plain", "~*", "&*", "+@all", "-@scripting"
            )
    return running.url.replace("://", "://plain:plain@", 1)


def between(handle, at, other):
    """Let ``other`` happen before the round trip of that number."""
    storage, numbers = storage_of(handle), count()
    send = storage.send

    def hooked(step):
        if next(numbers) == at:
            storage.send = send
            other()
        return send(step)

    storage.send = hooked
    return lambda: setattr(storage, "send", send)


def test_whoever_comes_between_the_round_trips_of_another_all_that_is_there_is_in_the_index(target):
    """Writers of the same and of other buckets, deleters, and one within the other."""
    start = NOW // 600 * 600

    def opened():
        return kairos.Timeseries(target, type="count", intervals=BOTH, prefix="between", clock=lambda: NOW)

    with opened() as one, opened() as two, opened() as three, opened() as reader:

        def act(handle, what):
            handle.delete("a") if what == "d" else handle.insert("a", timestamp=start + 60 * what)

        def held():
            minutes = [start + 60 * minute for minute in range(5)]
            return [at for at in minutes if reader.get("a", "m", timestamp=at)[at]], bool(
                reader.get("a", "h")
            )

        def check(case):
            """A delete is one of each interval: a writer between two of them leaves one with data and one without."""
            minutes, hour = held()
            expected = {"m": {"first": minutes[0], "last": minutes[-1]}} if minutes else {}
            expected |= {"h": {"first": start, "last": start}} if hour else {}
            assert reader.properties("a") == expected, case
            assert reader.list() == (["a"] if expected else []), case
            reader.delete("a")
            assert (*held(), reader.list()) == ([], False, []), case

        def run(before, outer, inner, at, innermost=None, at_inner=0):
            for what in before:
                act(reader, what)
            undo = [lambda: None]

            def other():
                if innermost is not None:
                    undo.append(between(two, at_inner, lambda: act(three, innermost)))
                act(two, inner)

            undo.append(between(one, at, other))
            act(one, outer)
            for call in undo:
                call()
            check((before, outer, inner, at, innermost, at_inner))

        for before, outer, inner in product(((), (0,), (0, 1)), (0, 2, "d"), (0, 2, 3, "d")):
            for at in range(1, 9):
                run(before, outer, inner, at)
        for outer, inner, innermost in ((2, "d", 0), (2, "d", 3), ("d", "d", 3), ("d", 2, "d"), (2, 3, "d")):
            for at, at_inner in product(range(1, 9, 2), range(1, 9, 2)):
                run((0,), outer, inner, at, innermost, at_inner)
        reader.delete_all()
