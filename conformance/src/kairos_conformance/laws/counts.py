"""§3: what a count adds, exactly."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kairos.errors import Unsupported

from ..law import law
from ..moments import Clock
from ..names import fresh_tag
from ..place import Place
from .base import BOTH, NOW, ONE, Laws, Undeclared, refused

__all__ = ["CountLaws"]

INT64 = 2**63

of_count = pytest.mark.parametrize("kind", ["count"])


class CountLaws(Laws):
    """What a count adds, exactly."""

    @of_count
    @law(
        "An increment that is no finite number (a bool, None, text, NaN) is refused before anything is written",
        "§3",
        "Counts",
    )
    def test_bad_increments(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give each, behind one that is right."""
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for bad in (True, False, None, "1", b"1", float("nan"), float("inf"), 1j, [None]):
                with refused(TypeError, ValueError):
                    handle.insert(tag, bad)
                with refused(TypeError, ValueError):
                    handle.insert(tag, [1, bad])
                with refused(TypeError, ValueError):
                    handle.bulk_insert({0: {tag: [1, bad]}})
                assert tag not in handle.list()

    @of_count
    @law(
        "An increment of 0 writes nothing; increments that cancel still make the bucket, with 0",
        "§3",
        "What a write returns",
    )
    def test_zero_and_cancelling(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Add nothing, and then something and its opposite."""
        with place.pair(kind, BOTH, clock) as pair:
            for nothing in (0, 0.0, -0.0, [0, 0]):
                pair.insert(tag, nothing)
            pair.listed(tag)
            pair.insert(tag, [5, 0, -5])
            pair.check([tag])
            pair.insert(tag, 3, NOW + 60)
            pair.insert(tag, -3, NOW + 60)
            pair.bulk_insert({NOW + 120: {tag: [1, 2]}, NOW + 125: {tag: [-3]}, NOW + 180: {tag: [0]}})
            pair.check([tag])
            assert tag in pair.handle.list()
            pair.delete(tag)

    @of_count
    @law("A total is an int when it is whole, also of floats up to 2**53", "§3", "Counts")
    def test_whole_floats(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Add whole floats and ints."""
        with place.pair(kind, BOTH, clock) as pair:
            for value in (1.0, 2, float(2**53), -(2.0**53), 7.0, 2**53 + 1):
                pair.insert(tag, value)
                pair.check([tag])
            pair.delete(tag)

    @of_count
    @law("Totals of ints are exact within 64 bits", "§3", "Counts")
    def test_exact_ints(self, place: Place, kind: str, clock: Clock) -> None:
        """Add generated ints that stay within 64 bits."""
        with place.pair(kind, BOTH, clock) as pair:

            @place.profile.settings()
            @given(increments=st.lists(st.integers(-(2**60), 2**60), max_size=7))
            def sums(increments: list[int]) -> None:
                tag = fresh_tag()
                pair.insert(tag, increments[::2])
                for increment in increments[1::2]:
                    pair.insert(tag, increment)
                pair.check([tag])
                pair.delete(tag)

            sums()

    @of_count
    @law(
        "A total beyond 64 bits is an error, never a wrapped or rounded number, and the total stays",
        "§3",
        "Counts",
    )
    def test_beyond_64_bits(
        self, place: Place, kind: str, clock: Clock, tag: str, undeclared: Undeclared
    ) -> None:
        """Go to both ends of 64 bits, and one further."""
        checked = place.capabilities(kind).checked_totals
        with place.pair(kind, ONE, clock) as pair:
            for edge, step in ((INT64 - 1, 1), (-INT64, -1)):
                pair.insert(tag, edge)
                pair.get(tag, "kit_minute")
                if checked:
                    with pytest.raises(Exception):  # noqa: B017, PT011 - the engine's own error may pass through
                        pair.handle.insert(tag, step)
                else:  # the write succeeds; going back restores the total
                    pair.handle.insert(tag, step)
                    pair.handle.insert(tag, -step)
                pair.get(tag, "kit_minute")
                pair.insert(tag, -step)
                pair.get(tag, "kit_minute")
                pair.delete(tag)
            for beyond in (INT64, -INT64 - 1, 10**30, [INT64 - 1, 1]):
                with refused(ValueError, TypeError):
                    pair.handle.insert(tag, beyond)
            pair.listed(tag)
        if not checked:
            undeclared("checked_totals")

    @of_count
    @law("Totals that a merge takes beyond 64 bits are ints", "§3", "Counts")
    def test_merges_beyond_64_bits(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Join and collapse totals that are as large as can be."""
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            for minute in range(3):
                handle.insert(tag, INT64 - 1, NOW + 60 * minute)
            both = handle.get([tag, tag], "kit_minute", timestamp=NOW)
            assert both == {NOW: 2 * (INT64 - 1)}
            hour = handle.get(tag, "kit_hour", timestamp=NOW, condense=True)
            assert hour == {NOW: 3 * (INT64 - 1)}
            all_of_it = handle.series(tag, "kit_minute", start=NOW, end=NOW + 120, collapse=True)
            assert all_of_it == {NOW: 3 * (INT64 - 1)}
            assert {type(row) for answer in (both, hour, all_of_it) for row in answer.values()} == {int}
            handle.delete(tag)

    @of_count
    @law(
        "Fractions add within 1e-9 of the sum of sizes; undeclared, they are Unsupported before any write",
        "§3",
        "Counts",
    )
    def test_fractions(self, place: Place, kind: str, clock: Clock, undeclared: Undeclared) -> None:
        """Add generated floats, or see each refused."""
        if not place.capabilities(kind).float_counts:
            tag = fresh_tag()
            with place.open(kind, ONE.specs, clock=clock) as handle:
                for fraction in (0.5, -0.25, 2.0**53 + 2, 1e300, [1, 0.5]):
                    with pytest.raises(Unsupported):
                        handle.insert(tag, fraction)
                    with pytest.raises(Unsupported):
                        handle.bulk_insert({0: {tag: [1, 0.5]}})
                assert tag not in handle.list()
            undeclared("float_counts")
            return
        sizes = st.one_of(
            st.floats(-1e12, -1e-9), st.floats(1e-9, 1e12), st.sampled_from((0.1, -1e-9, 1 / 3, 2.0**60))
        )
        with place.pair(kind, BOTH, clock) as pair:

            @place.profile.settings()
            @given(increments=st.lists(st.one_of(sizes, st.integers(-(2**40), 2**40)), max_size=7))
            @example(increments=[1e-9])
            @example(increments=[0.1] * 10)
            def sums(increments: list[float]) -> None:
                tag = fresh_tag()
                pair.insert(tag, increments[::2])
                for increment in increments[1::2]:
                    pair.insert(tag, increment)
                pair.check([tag])
                pair.delete(tag)

            sums()

    @of_count
    @law("A batch is stored whole or not at all, where atomic_batch is declared", "§3", "Several writers")
    def test_atomic_batch(
        self, place: Place, kind: str, clock: Clock, tag: str, undeclared: Undeclared
    ) -> None:
        """Let one increment of a batch fail in the store, at each place in it."""
        if not place.capabilities(kind).checked_totals:
            assert not place.capabilities(kind).atomic_batch, "the kit knows no other increment that fails"
            undeclared("atomic_batch")
            return
        with place.pair(kind, BOTH, clock) as pair:
            pair.insert(tag, INT64 - 1)
            for data in (
                {tag: [1], tag + "b": [1]},
                {tag + "b": [1], tag: [1]},
                {tag + "b": [1], tag: [1], tag + "c": [1]},
            ):
                with pytest.raises(Exception):  # noqa: B017, PT011 - the engine's own error may pass through
                    pair.handle.bulk_insert({NOW: data})
                pair.get(tag, "kit_minute")
                if place.capabilities(kind).atomic_batch:
                    pair.listed(tag)
            for name in pair.handle.list():
                if tag in name:
                    pair.handle.delete(name)
        if not place.capabilities(kind).atomic_batch:
            undeclared("atomic_batch")
