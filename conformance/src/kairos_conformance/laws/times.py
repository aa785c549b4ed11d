"""§2: timestamps, buckets and zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..calendar import GREGORIAN, ruler, second_of
from ..configurations import CONFIGURATIONS, Configuration, utc
from ..law import law
from ..moments import Clock
from ..place import Place
from .base import BOTH, KEPT, NOW, ONE, Laws, refused

__all__ = ["TimeLaws"]

BAD = (True, float("nan"), float("inf"), float("-inf"), "0", b"0", datetime(2013, 6, 1), 1j, [0], object())
ZONES = (*dict.fromkeys(c.tz for c in CONFIGURATIONS), "America/Sao_Paulo", "Pacific/Kiritimati")
EDGE = utc(9999, 12, 31, 23)


class TimeLaws(Laws):
    """Timestamps, buckets and zones."""

    @law(
        "A timestamp that is no time (naive, NaN, infinite, a bool, text) is refused before anything is written",
        "§2",
        "Timestamps",
    )
    def test_bad_timestamps(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give each to every call that takes a time."""
        value = place.samples(kind, 1)[0]
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            for bad in BAD:
                with refused(TypeError, ValueError):
                    handle.insert(tag, value, bad)
                if bad.__hash__ is not None:
                    with refused(TypeError, ValueError):
                        handle.bulk_insert({0: {tag: [value]}, bad: {tag: [value]}})
                for start, end in ((bad, None), (None, bad), (0, bad)):
                    with refused(TypeError, ValueError):
                        handle.series(tag, "kit_minute", start=start, end=end)
                with refused(TypeError, ValueError):
                    handle.get(tag, "kit_hour", timestamp=bad)
                assert tag not in handle.list()

    @law("None is now, 0 is 1970, and the years before 1970 work", "§2", "Timestamps")
    def test_none_zero_and_before(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write at None, 0, −1, and at fractions around 0."""
        values = place.samples(kind, 6)
        with place.pair(kind, BOTH, clock) as pair:
            times = (None, 0, -1, -0.5, 0.0, -(2**31) - 0.25)
            for moment, value in zip(times, values, strict=True):
                pair.insert(tag, value, moment)
            for moment in times:
                for interval in pair.model.configuration.intervals:
                    pair.get(tag, interval, moment)
                    pair.series(tag, interval, moment, moment)
            pair.properties(tag)
            pair.delete(tag)

    @law("An aware datetime is the same time as its seconds, in any zone", "§2", "Timestamps")
    def test_datetimes(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write with datetimes, read with seconds."""
        instants = (utc(2013, 6, 1, 12, 59, 59), -1, utc(1969, 12, 31, 23), utc(2013, 11, 3, 5, 30))
        values = place.samples(kind, 2 * len(instants))
        with place.pair(kind, BOTH, clock) as pair:
            for number, second in enumerate(instants):
                moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second, microseconds=999_999)
                pair.insert(tag, values[2 * number], moment.astimezone(ZoneInfo("America/New_York")))
                pair.insert(tag, values[2 * number + 1], moment.astimezone(ZoneInfo("Asia/Kolkata")))
                for interval in pair.model.configuration.intervals:
                    pair.get(tag, interval, second)
            pair.delete(tag)

    @law(
        "Bucket → start → bucket is the identity, for every step in every zone, in the years 1 to 9999",
        "§2",
        "Buckets",
    )
    @pytest.mark.parametrize("zone", ZONES)
    def test_gregorian_buckets(self, place: Place, zone: str, tag: str) -> None:
        """Compare starts with the kit's own calendar; nothing is written."""
        rulers = {f"kit_{unit}{tag}": ruler(unit, zone) for unit in GREGORIAN}
        specs = {f"kit_{unit}{tag}": {"step": unit} for unit in GREGORIAN}
        near = st.builds(
            lambda day, delta: (day * 86_400) + delta,
            st.integers(-20_000, 40_000),
            st.integers(-50_400, 50_400),
        )
        far = st.integers(utc(1, 1, 3), utc(9999, 12, 29))
        with place.open("count", specs, tz=zone) as handle:

            @place.profile.settings(share=0.5)
            @given(second=st.one_of(near, near, far), interval=st.sampled_from(tuple(specs)))
            def starts_agree(second: int, interval: str) -> None:
                step = rulers[interval]
                start, end = step.start(step.bucket(second)), step.end(step.bucket(second))
                for moment in (second, start, start - 1, end):
                    (got,) = handle.get(tag, interval, timestamp=moment)
                    assert got == step.start(step.bucket(moment))
                    assert list(handle.get(tag, interval, timestamp=got)) == [got]

            starts_agree()

    @law(
        "A range has an entry for every bucket, and none for a day that the zone skipped", "§2, §5", "Buckets"
    )
    def test_the_skipped_day(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Walk over the 30th of December 2011 in Apia."""
        apia = Configuration("Apia", "Pacific/Apia", {"kit_apia": {"step": "daily", "resolution": 3600}})
        with place.pair(kind, apia, clock) as pair:
            for day, value in zip((28, 29, 30, 31), place.samples(kind, 4), strict=True):
                pair.insert(tag, value, utc(2011, 12, day, 12))
            pair.series(tag, "kit_apia", utc(2011, 12, 28, 12), utc(2012, 1, 2))
            answer = pair.handle.series(
                tag, "kit_apia", start=utc(2011, 12, 29, 12), end=utc(2011, 12, 30, 12)
            )
            starts = [utc(2011, 12, 29, 10), utc(2011, 12, 30, 10)]
            assert list(answer) == starts
            pair.check([tag])
            pair.delete(tag)

    @law(
        "Copies and ranges past the year 9999 or 64 bits are errors; a deadline past it is never",
        "§2",
        "The ends of time",
    )
    def test_the_ends_of_time(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Go to the last bucket, and one further."""
        value = place.samples(kind, 1)[0]
        specs = {
            f"kit_last{tag}": {"step": "daily", "steps": 30},
            f"kit_year{tag}": {"step": "yearly", "steps": 3},
        }
        with place.open(kind, specs, clock=clock) as handle:
            with refused(ValueError, TypeError):
                handle.insert(tag, value, EDGE, 1)
            with refused(ValueError, TypeError):
                handle.insert(tag, value, EDGE + 86_400)
            with refused(ValueError, TypeError):
                handle.series(tag, f"kit_last{tag}", start=EDGE, steps=2)
            with refused(ValueError, TypeError):
                handle.series(tag, f"kit_year{tag}", end=utc(1, 6, 1), steps=2)
            assert handle.list() == []
            written = handle.insert(tag, value, EDGE)
            assert (written.stored, written.dropped) == (2, 0)
            assert list(handle.get(tag, f"kit_last{tag}", timestamp=EDGE)) == [utc(9999, 12, 31)]
            clock.now = EDGE
            assert handle.list() == [tag]
            assert handle.delete_all() == 1
        with place.open(kind, {f"kit_wide{tag}": {"step": 60}}, clock=clock) as handle:
            for far in (2**63 * 60, -(2**63) * 60 - 1, 2**63 + 60, 1e300):
                with refused(ValueError, TypeError):
                    handle.insert(tag, value, far)
            with refused(ValueError, TypeError):
                handle.insert(tag, value, 2**63 - 60, 10)
            assert handle.list() == []
            ends = (-(2**63) // 60 + 1) * 60, (2**63 - 1) // 60 * 60
            for end in ends:
                handle.insert(tag, value, end)
                assert list(handle.get(tag, f"kit_wide{tag}", timestamp=end)) == [end]
            assert handle.properties(tag) == {
                f"kit_wide{tag}": dict(zip(("first", "last"), ends, strict=True))
            }
            assert handle.delete_all() == 1

    @law("Over 10 million buckets in one series call is an error", "§2", "series")
    def test_too_many_buckets(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Ask for one more."""
        with place.open(kind, ONE.specs, clock=clock) as handle:
            with refused(ValueError):
                handle.series(tag, "kit_minute", start=0, end=60 * 10_000_000)
            with refused(ValueError):
                handle.series(tag, "kit_minute", steps=10_000_001)

    @law("A number of copies that is no int within ±100 000 is an error", "§2", "Copies")
    def test_bad_copies(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give each; nothing is written."""
        value = place.samples(kind, 1)[0]
        bad: tuple[Any, ...] = (True, 1.0, "1", None, 100_001, -100_001)
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for copies in bad:
                with refused(TypeError, ValueError):
                    handle.insert(tag, value, 0, copies)
                with refused(TypeError, ValueError):
                    handle.bulk_insert({0: {tag: [value]}}, intervals=copies)
                assert tag not in handle.list()
        if kind == "count" and place.native(kind):  # else each copy is stored, which takes its time
            three = {"kit_three": KEPT.specs["kit_three"]}
            with place.open(kind, three, clock=clock) as handle:
                for copies, at in ((-100_000, NOW), (100_000, NOW - 60 * 100_000)):
                    written = handle.insert(tag, value, at, copies)
                    assert (written.stored, written.dropped) == (3, 99_998)
                handle.delete(tag)

    @law(
        "Keys of answers are the starts of buckets, as int, whatever form the time was given in",
        "§2",
        "Timestamps",
    )
    @pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda c: c.title)
    def test_starts(self, place: Place, configuration: Configuration, clock: Clock, tag: str) -> None:
        """Write around every anchor of every configuration, one second to each side."""
        with place.pair("count", configuration, clock) as pair:
            for anchor in configuration.anchors:
                clock.now = anchor
                for delta in (-86_400, -1, 0, 0.5, 3_599, 3_600, 7_200, 86_399):
                    pair.insert(tag, 1, anchor + delta)
                for interval in configuration.intervals:
                    pair.series(tag, interval, anchor - 86_400, second_of(anchor + 86_400))
                pair.check([tag])
                pair.delete(tag)
