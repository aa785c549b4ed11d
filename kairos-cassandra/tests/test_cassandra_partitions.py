"""Where rows live: generations, parts, shards, and the order of timeuuids."""

import os
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kairos.intervals import parse_intervals, parse_zone
from kairos_cassandra import data
from kairos_cassandra import known as known_module
from kairos_cassandra.known import LEASE, Memo, Shards
from kairos_cassandra.partitions import (
    EVERY,
    Cut,
    generation,
    needed,
    part_of,
    parts_of,
    reigns,
    shard_at,
    shard_span,
)
from kairos_cassandra.timeuuids import TimeUUIDs

cuts = st.lists(
    st.builds(Cut, st.integers(1, 6), st.one_of(st.just(EVERY), st.integers(-20, 20))), max_size=6
).map(tuple)


@given(cuts, st.integers(-30, 30))
def test_each_bucket_is_in_the_one_reign_of_its_generation(some, i):
    holding = [reign for reign in reigns(some) if reign.low <= i <= reign.high]
    assert [reign.generation for reign in holding] == [generation(some, i)]


@given(cuts, st.integers(-30, 30))
def test_cuts_that_are_not_needed_change_no_generation(some, i):
    assert generation(needed(some), i) == generation(some, i)


@given(cuts, st.integers(-30, 30), st.integers(-30, 30))
def test_a_new_cut_raises_the_generation_of_what_it_removes_alone(some, high, i):
    new = Cut(max((cut.generation for cut in some), default=0) + 1, high)
    before, after = generation(some, i), generation((*some, new), i)
    assert (after > before) == (i <= high)
    assert after >= before


@given(
    st.sampled_from(("minute", "hour", "day", "week")), st.integers(-(10**9), 4 * 10**9), st.integers(0, 400)
)
def test_a_range_of_buckets_lies_in_its_parts(name, second, length):
    specs = {
        "minute": {"step": 60},
        "hour": {"step": 3600, "resolution": 7},
        "day": {"step": "daily", "resolution": "1h"},
        "week": {"step": "weekly", "resolution": "daily"},
    }
    interval = parse_intervals(specs, parse_zone("America/New_York"))[name]
    first = interval.step.bucket(second)
    last = interval.step.at(interval.step.ordinal(first) + length)
    parts = parts_of(interval, first, last, 1000)
    for bucket in interval.step.buckets(first, last)[:50]:
        for r in list(interval.resolutions(bucket)) or [None]:
            assert part_of(bucket, r, 1000) in parts


def test_timeuuids_ascend_though_the_clock_goes_back(monkeypatch):
    made = TimeUUIDs()
    first = made.make(3)
    monkeypatch.setattr("kairos_cassandra.timeuuids.time.time_ns", lambda: 10**18)
    uuids = [UUID(bytes=one) for one in [*first, *made.make(1000)]]
    assert [one.time for one in uuids] == sorted({one.time for one in uuids})
    assert {(one.version, one.variant) for one in uuids} == {(1, "specified in RFC 4122")}
    assert uuids[0].node >> 40 & 1, "a random node has the multicast bit"


def test_a_forked_process_makes_other_timeuuids():
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, data._uuids.make(1)[0])
        os._exit(0)
    theirs, ours = os.read(reader, 16), data._uuids.make(1)[0]
    os.wait()
    assert len(theirs) == len(ours) == 16
    assert theirs[8:] != ours[8:]


def test_late_answers_never_take_a_name_back_to_older_cuts():
    memo = Memo()
    old, new = {"minute": (Cut(1, EVERY),)}, {"minute": (Cut(2, EVERY),)}
    memo.learn("a", old, 10.0)
    memo.learn("a", new, 11.0)
    assert memo.learn("a", old, 10.5).cuts == new
    assert memo.get("a").until == 11.0 + LEASE


def test_of_one_name_only_so_many_parts_are_remembered():
    known = Memo().learn("a", {}, 0.0)
    for part in range(1000):
        known.shards[("second", 0, part)] = Shards()
        known.register(("second", 0, part), 0)
        assert (("second", 0, part), 0) in known.registered
        assert ("second", 0, part) in known.shards
    assert len(known.registered) <= 64
    assert len(known.shards) <= 65


def test_a_writer_goes_on_in_narrower_shards(monkeypatch):
    monkeypatch.setattr(known_module, "SHARD_ROWS", 100)
    monkeypatch.setattr(known_module.random, "randint", lambda low, high: 100)
    shards = Shards()
    assert shards.take(456, 90) == [(0, 90)]
    assert shards.take(457, 20) == [(0, 10), (5, 10)]
    assert shards.take(456, 700) == [
        (5, 90),
        (56, 100),
        (567, 100),
        (1567, 100),
        (2567, 100),
        (3567, 100),
        (4567, 100),
        (5567, 10),
    ]
    assert shards.take(457, 1) == [(568, 1)]
    assert shards.take(999, 1) == [(10, 1)]
    other = Shards()
    other.learn(1567)
    assert other.take(456, 1) == [(1567, 1)]
    assert other.take(455, 1) == [(566, 1)]
    assert other.take(1, 1) == [(1, 1)]
    values = Shards(4)
    values.learn(9567)
    assert values.take(456, 1000) == [(1567, 1000)]


@given(st.integers(0, 12), st.integers(0, 999))
def test_a_shard_has_the_buckets_of_its_span(level, offset):
    found, first, last = shard_span(shard_at(level, offset))
    assert found == level
    assert first <= offset <= last
    assert {shard_at(level, first), shard_at(level, last)} == {shard_at(level, offset)}
    assert last - first + 1 == max(1000 // 10**level, 1)


def test_what_is_registered_is_forgotten_when_cuts_change():
    memo = Memo()
    known = memo.learn("a", {}, 10.0)
    known.registered.add((("minute", 0, 1), 0))
    assert memo.learn("a", {}, 11.0) is known
    assert known.until == 11.0 + LEASE
    cut = {"minute": (Cut(1, EVERY),)}
    assert memo.learn("a", cut, 12.0).registered == set()
    assert memo.get("a").of("minute") == cut["minute"]
    assert memo.get("a").of("hour") == ()


def test_only_so_many_names_are_remembered(monkeypatch):
    monkeypatch.setattr(known_module, "_NAMES", 10)
    memo = Memo()
    for number in range(100):
        memo.learn(str(number), {}, 0.0)
        assert memo.get(str(number)).until == LEASE
    assert len(memo._names) <= 10
