"""§3: values, equality and the rows that hold them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..law import law
from ..model import stored_as_text
from ..moments import Clock
from ..names import fresh_tag
from ..place import Place
from ..values import LARGE, NUMBERS, OTHERS, takes
from .base import BOTH, NOW, ONE, VALUED, Laws, refused

__all__ = ["ValueLaws"]


class Text(str):
    """A subclass of str."""


class Number(int):
    """A subclass of int."""


class Fraction(float):
    """A subclass of float."""


class Blob(bytes):
    """A subclass of bytes."""


class Colour(IntEnum):
    """A subclass of int that the standard library makes."""

    RED = 2


NEVER: tuple[Any, ...] = (
    None,
    object(),
    1j,
    {"a": 1},
    range(3),
    float("nan"),
    float("inf"),
    float("-inf"),
    "a\0b",
    "\ud800",
)
EQUAL = (1, 1.0, True, 0, False, 0.0, -0.0, 2, 2.0)


class ValueLaws(Laws):
    """Values, equality and the rows that hold them."""

    @law(
        "A value that the backend declares reads back equal, as a declared type (a text store: as its text)",
        "§3",
        "Values",
    )
    @pytest.mark.parametrize("kind", VALUED)
    def test_values_round_trip(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write each candidate alone, and read it."""
        declared = place.capabilities(kind).values
        with place.pair(kind, ONE, clock) as pair:
            for value in place.pool(kind).all:
                pair.insert(tag, value)
                pair.get(tag, "kit_minute")
                for held in _values(pair.handle.get(tag, "kit_minute")[NOW]):
                    if declared.text:
                        assert held == stored_as_text(value)
                        assert type(held) is str
                    else:
                        assert type(held) in declared.types, f"{held!r} is of no declared type"
                pair.delete(tag)

    @law("Generated values round trip", "§3", "Values")
    @pytest.mark.parametrize("kind", VALUED)
    def test_generated_values(self, place: Place, kind: str, clock: Clock) -> None:
        """Write generated values of every declared type at once."""
        declared = place.capabilities(kind).values
        some = st.one_of(
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60),
            st.binary(max_size=60),
            st.booleans(),
            st.dates(),
            st.datetimes(),
            st.times(),
            st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**6), max_value=10**6),
        ).filter(lambda value: takes(declared, value))
        with place.pair(kind, BOTH, clock) as pair:

            @place.profile.settings()
            @given(values=st.lists(some, min_size=1, max_size=8))
            def round_trip(values: list[Any]) -> None:
                tag = fresh_tag()
                pair.insert(tag, values)
                for value in values:
                    pair.insert(tag, value)
                pair.check([tag])
                pair.delete(tag)

            round_trip()

    @law(
        "A value that the backend can't hold is refused before anything is written, wherever it comes",
        "§3",
        "Values",
    )
    @pytest.mark.parametrize("kind", VALUED)
    def test_refused_values(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give each candidate that is not declared, behind one that is, and through write_func."""
        declared = place.capabilities(kind).values
        good = place.samples(kind, 1)[0]
        candidates = (*NEVER, *(v for v in (*NUMBERS, *LARGE, *OTHERS) if not takes(declared, v)))
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for bad in candidates:
                with refused(TypeError, ValueError):
                    handle.insert(tag, bad)
                with refused(TypeError, ValueError):
                    handle.insert(tag, [good, bad])
                with refused(TypeError, ValueError):
                    handle.bulk_insert({0: {tag: [good]}, 60: {tag + "b": [good, bad]}})
                assert not [name for name in handle.list() if tag in name], (
                    f"{bad!r} was refused, but something was written"
                )
        turn = iter(candidates)
        with place.open(kind, ONE.specs, clock=clock, write_func=lambda _: next(turn)) as handle:
            for bad in candidates:
                with refused(TypeError, ValueError):
                    handle.insert(tag, good)
                assert tag not in handle.list(), f"write_func gave {bad!r}, and something was written"

    @law(
        "The longest declared str and bytes, and the smallest and largest int, round trip; one more is refused",
        "§3",
        "Values",
    )
    @pytest.mark.parametrize("kind", VALUED)
    def test_limits(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write at each declared limit, and past it."""
        declared = place.capabilities(kind).values
        longest = 100_000 if declared.max_bytes is None else declared.max_bytes
        inside: list[Any] = ["x" * longest, "\u00e9" * (longest // 2), b"x" * longest]
        past: list[Any] = []
        if declared.max_bytes is not None:
            past += ["x" * (longest + 1), "\u00e9" * (longest // 2 + 1), b"x" * (longest + 1)]
        if declared.int_range is not None:
            inside += declared.int_range
            past += [declared.int_range[0] - 1, declared.int_range[1] + 1]
        with place.pair(kind, ONE, clock) as pair:
            for value in inside:
                if takes(declared, value):
                    pair.insert(tag, value)
                    pair.get(tag, "kit_minute")
                    pair.delete(tag)
            for value in past:
                if not takes(declared, value):
                    with refused(TypeError, ValueError):
                        pair.handle.insert(tag, value)
            pair.listed(tag)

    @law("A value of a subclass is stored as its base type", "§3", "Values")
    @pytest.mark.parametrize("kind", VALUED)
    def test_subclasses(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write values of subclasses of the portable types."""
        declared = place.capabilities(kind).values
        pairs = ((Text("a"), "a"), (Number(7), 7), (Fraction(0.5), 0.5), (Blob(b"a"), b"a"), (Colour.RED, 2))
        with place.pair(kind, ONE, clock) as pair:
            for value, base in pairs:
                if not takes(declared, base):
                    continue
                pair.handle.insert(tag, value)
                pair.model.insert(tag, base, None, 0, NOW)
                pair.get(tag, "kit_minute")
                (held,) = _values(pair.handle.get(tag, "kit_minute")[NOW])
                assert type(held) not in (Text, Number, Fraction, Blob, Colour), f"{type(held)} is a subclass"
                pair.delete(tag)

    @law(
        "1, 1.0 and True are one key of a histogram and one value of a set; texts are equal by their text",
        "§3",
        "Equality",
    )
    @pytest.mark.parametrize("kind", ["histogram", "set", "series"])
    def test_equality(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write equal values of different types, at once and one after the other."""
        declared = place.capabilities(kind).values
        values = [value for value in EQUAL if takes(declared, value)]
        with place.pair(kind, BOTH, clock) as pair:
            pair.insert(tag, values)
            for value in reversed(values):
                pair.insert(tag, value)
            pair.bulk_insert({NOW: {tag: values[::2]}, NOW + 1: {tag: values[1::2]}})
            pair.check([tag])
            pair.delete(tag)

    @law("Counts of keys that come back equal through read_func are added", "§3", "Equality")
    def test_keys_made_equal(self, place: Place, clock: Clock, tag: str) -> None:
        """Read a histogram and a set with a function that makes all values equal."""
        for kind in ("histogram", "set"):
            with place.pair(kind, BOTH, clock, read_func=lambda _: "same") as pair:
                pair.insert(tag, place.samples(kind, 3))
                pair.insert(tag, place.samples(kind, 2), NOW + 60)
                for interval in BOTH.specs:
                    pair.get(tag, interval)
                    pair.get([tag, tag], interval)
                pair.delete(tag)

    @law(
        "A series keeps the order of arrival and repeats; a gauge keeps the last value, also a falsy one",
        "§3",
        "Type",
    )
    @pytest.mark.parametrize("kind", ["series", "gauge"])
    def test_order(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write values up and down, by insert and by bulk_insert, with times out of order."""
        values = place.samples(kind, 5)
        zigzag = [*values, *reversed(values), values[0], values[1], values[1]]
        with place.pair(kind, BOTH, clock) as pair:
            for number, value in enumerate(zigzag):
                pair.insert(tag, value, NOW + (number * 37) % 60)
                pair.get(tag, "kit_minute")
            pair.insert(tag, zigzag)
            pair.bulk_insert({NOW + 59: {tag: zigzag}, NOW: {tag: values}, NOW + 30: {tag: zigzag[::2]}})
            pair.check([tag])
            for falsy in (0, 0.0, "", b"", False):
                if takes(place.capabilities(kind).values, falsy):
                    pair.insert(tag, falsy)
                    pair.get(tag, "kit_minute")
                    pair.get([tag, tag + "none"], "kit_minute")
            pair.delete(tag)

    @law("What a call gives is the caller's: changing it changes no later answer", "§5", "get")
    def test_answers_are_copies(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Empty every row that was read, and the collection that was written."""
        values = place.samples(kind, 3)
        with place.pair(kind, BOTH, clock) as pair:
            written = list(values)
            pair.insert(tag, written)
            written.clear()
            for _ in range(2):
                for interval in BOTH.specs:
                    for row in pair.handle.get(tag, interval).values():
                        if hasattr(row, "clear"):
                            row.clear()
                    pair.get(tag, interval)
                    pair.get(tag + "none", interval)
                for row in pair.handle.get(tag + "none", "kit_minute").values():
                    if isinstance(row, list):
                        row.append("spoilt")
                    elif isinstance(row, set):
                        row.add("spoilt")
                    elif isinstance(row, dict):
                        row["spoilt"] = 1
                pair.get(tag + "none", "kit_minute")
            pair.delete(tag)


def _values(row: Any) -> list[Any]:
    """Return the values in a row."""
    return list(row) if isinstance(row, list | set | dict) else [row]
