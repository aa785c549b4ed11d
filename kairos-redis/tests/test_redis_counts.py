"""Counts: ints exactly, fractions as Redis adds them, and nothing of a write that fails."""

from fractions import Fraction

import pytest
import redis

import kairos
from kairos.errors import InvalidValue

NOW = 1_700_000_000
INT64 = 2**63
TWO = {"minute": {"step": 60, "steps": 100}, "hour": {"step": 3600, "resolution": 60}}


@pytest.fixture(params=["count", "histogram"])
def kind(request):
    return request.param


def open_(server, kind="count", intervals=TWO):
    return kairos.Timeseries(server.url, type=kind, intervals=intervals, clock=lambda: NOW)


def totals(handle, name):
    return handle.get(name, "minute"), handle.get(name, "hour")


def test_an_overflow_in_the_second_bucket_changes_neither(server, raw):
    with open_(server) as ours:
        ours.insert("home", -5)
        raw.set(f"home:hour:{NOW // 3600}:{NOW // 60}", INT64 - 1)
        before = totals(ours, "home")
        for increment in (1, 7, INT64 - 1):
            with pytest.raises(InvalidValue, match="64 bits"):
                ours.insert("home", increment)
            assert totals(ours, "home") == before
        raw.set(f"home:hour:{NOW // 3600}:{NOW // 60}", -INT64)
        before = totals(ours, "home")
        with pytest.raises(InvalidValue):
            ours.insert("home", -INT64 + 5)
        assert totals(ours, "home") == before


def test_a_count_that_overflows_takes_new_buckets_and_fractions_of_its_batch_back(server, raw):
    with open_(server) as ours:
        ours.insert("full", INT64 - 1)
        ours.insert("part", 0.1)
        before = sorted(raw.keys()), ours.get("part", "minute")
        for data in ({"new": [1], "part": [0.5], "full": [1]}, {"new": [0.5], "part": [5], "full": [1]}):
            with pytest.raises(InvalidValue):
                ours.bulk_insert({NOW: data})
            assert (sorted(raw.keys()), ours.get("part", "minute")) == before


def test_taking_back_an_increment_of_0_is_no_error_of_its_own(server, raw):
    with open_(server, intervals={"m": {"step": 60}}) as ours:
        ours.bulk_insert({NOW: {"a": [5], "b": [7], "full": [INT64 - 1]}})
        with pytest.raises(InvalidValue, match="64 bits"):
            ours.bulk_insert({NOW: {"a": [3], "b": [1, -1], "full": [1]}})
        assert {name: int(raw.get(f"{name}:m:{NOW // 60}")) for name in ("a", "b")} == {"a": 5, "b": 7}


def test_a_histogram_that_overflows_changes_nothing(server, raw):
    with open_(server, "histogram") as ours:
        ours.insert("home", ["a", "b"])
        raw.hset(f"home:hour:{NOW // 3600}:{NOW // 60}", "b", INT64 - 1)
        before = totals(ours, "home")
        with pytest.raises(InvalidValue, match="64 bits"):
            ours.insert("home", ["a", "new", "b"])
        assert totals(ours, "home") == before


def test_a_fraction_beyond_the_largest_float_is_refused(server, raw):
    with open_(server) as ours:
        ours.insert("home", 1.7e308)
        with pytest.raises(InvalidValue):
            ours.insert("home", 1.7e308)
        assert ours.get("home", "minute", timestamp=NOW)[NOW // 60 * 60] == pytest.approx(1.7e308)


@pytest.mark.parametrize("increments", [[0.1] * 10, [1, 0.5, 2, 0.25], [2.0**60, 1, -(2.0**60)], [0.5, -0.5]])
def test_ints_and_fractions_mix_in_one_bucket(server, raw, increments):
    with open_(server) as ours:
        for increment in increments:
            ours.insert("home", increment)
        ((_, total),) = ours.get("home", "minute").items()
        exact, size = sum(map(Fraction, increments)), sum(abs(Fraction(i)) for i in increments)
        assert abs(Fraction(total) - exact) <= size / 10**9
        assert type(total) is int or not float(total).is_integer()


@pytest.mark.parametrize("size", [1e-7, 3.3e-9, 1.2345e-12, 7e-18, 5e-324])
def test_tiny_fractions_are_kept(server, raw, size):
    """INCRBYFLOAT writes 17 decimals, which would lose them."""
    with open_(server) as ours:
        for _ in range(3):
            ours.insert("home", size)
        ((_, total),) = ours.get("home", "minute").items()
        assert total == pytest.approx(3 * size, rel=1e-9)
        ours.insert("home", 1)
        ((_, total),) = ours.get("home", "minute").items()
        assert total == pytest.approx(1 + 3 * size, rel=1e-9)


def test_a_key_of_another_type_is_the_servers_error(server, raw):
    raw.rpush(f"home:minute:{NOW // 60}", "x")
    with open_(server) as ours, pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        ours.insert("home")


def test_any_value_is_kept_as_a_text(server, raw):
    values = [5, 0.1, 1e300, 2**70, "", " ", "\n", "\U0001f600", "NaN", "1" * 100_000]
    for kind in ("series", "set", "histogram", "gauge"):
        with kairos.Timeseries(server.url, type=kind, prefix=kind, intervals=TWO, clock=lambda: NOW) as ours:
            ours.insert("home", values)
            ((_, row),) = ours.get("home", "minute").items()
            texts = [value if isinstance(value, str) else str(value) for value in values]
            wanted = {
                "series": texts,
                "set": set(texts),
                "histogram": dict.fromkeys(texts, 1),
                "gauge": texts[-1],
            }
            assert row == wanted[kind]
