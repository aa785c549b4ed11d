"""§3: what a write takes, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kairos

from ..configurations import CONFIGURATIONS, Configuration
from ..law import law
from ..moments import Clock, Moment, moments
from ..names import HOSTILE, fresh_tag, hostile_names
from ..pair import Pair
from ..place import Place
from .base import BOTH, KEPT, NOW, ONE, Laws, refused

__all__ = ["WritingLaws"]

BAD_NAMES: tuple[Any, ...] = ("", "a\0b", "a\ud800", None, 1, b"a", 1.5, True)


class WritingLaws(Laws):
    """What a write takes, and what it leaves."""

    @law("A list, tuple, set or frozenset inserts each item; an empty one writes nothing", "§3", "insert")
    def test_collections(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Insert each form."""
        values = place.samples(kind, 3)
        with place.pair(kind, BOTH, clock) as pair:
            for number, form in enumerate((list, tuple, set, frozenset)):
                pair.insert(f"{tag}{number}", form(values))
            for form in (list, tuple, set, frozenset):
                pair.insert(f"{tag}empty", form())
            pair.bulk_insert({})
            pair.bulk_insert({0: {}})
            pair.bulk_insert({0: {f"{tag}empty": []}})
            pair.listed(tag)
            pair.check(f"{tag}{end}" for end in ("0", "1", "2", "3", "empty"))
            for number in range(4):
                pair.delete(f"{tag}{number}")

    @law("A nested list is an error, also from write_func, and writes nothing", "§3", "insert")
    def test_nested_lists(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Insert lists in lists."""
        value = place.samples(kind, 1)[0]
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for nested in ([[value]], [value, [value]], ((value,),), [value, {value}]):
                with refused(TypeError, ValueError):
                    handle.insert(tag, nested)
                with refused(TypeError, ValueError):
                    handle.bulk_insert({0: {tag: nested}})
        with place.open(kind, ONE.specs, clock=clock, write_func=lambda one: [one]) as handle:
            with refused(TypeError, ValueError):
                handle.insert(tag, value)
            assert tag not in handle.list()

    @law("The value defaults to 1 for a count; other kinds need one", "§3", "insert")
    def test_default_value(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Insert without a value."""
        with place.open(kind, ONE.specs, clock=clock) as handle:
            if kind == "count":
                handle.insert(tag)
                assert handle.get(tag, "kit_minute") == {NOW: 1}
                assert handle.delete(tag) == 1
                return
            with pytest.raises(TypeError):
                handle.insert(tag)
            assert tag not in handle.list()

    @law("A bulk_insert reads back like the same inserts one by one", "§3", "bulk_insert")
    def test_bulk_is_one_by_one(self, place: Place, kind: str) -> None:
        """Write generated data both ways, to two names."""
        for configuration in (BOTH, KEPT, CONFIGURATIONS[2], CONFIGURATIONS[8]):
            with place.pair(kind, configuration, Clock(NOW)) as pair:
                _bulk_is_one_by_one(place, kind, pair)

    @law("In bulk_insert the key None is read once and keeps its place", "§3", "bulk_insert")
    def test_bulk_now(self, place: Place, kind: str, tag: str) -> None:
        """Write with a clock that goes on at each look."""
        looks = iter(range(NOW, NOW + 6_000, 60))
        values = place.samples(kind, 3)
        clock = Clock(NOW)
        with place.pair(kind, ONE, clock) as pair:
            data = {
                NOW: {tag: values[:1]},
                None: {tag: values[1:2], tag + "b": values},
                NOW + 1: {tag: values[2:]},
            }
            pair.model.bulk_insert(data, 0, NOW)
            with place.open(kind, ONE.specs, clock=lambda: next(looks)) as ticking:
                ticking.bulk_insert(data)
            pair.check([tag, tag + "b"])
            pair.delete(tag)
            pair.delete(tag + "b")

    @law("What bulk_insert can't take is refused before anything is written", "§3", "bulk_insert")
    def test_bad_bulk(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give shapes that are wrong behind one that is right."""
        value = place.samples(kind, 1)[0]
        good = {0: {tag: [value]}}
        bad: tuple[Any, ...] = (
            {**good, 1: {tag: "text"}},
            {**good, 1: {tag: b"bytes"}},
            {**good, 1: {tag: value}},
            {**good, 1: {tag: None}},
            {**good, 1: {tag: {value: 1}}},
            {**good, 1: [tag]},
            {**good, 1: None},
            [good],
            None,
            "text",
        )
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for data in bad:
                with refused(TypeError, ValueError):
                    handle.bulk_insert(data)
                assert tag not in handle.list()

    @law("Copies go to the n interval buckets after or before, at the start of each", "§3", "Copies")
    @pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda c: c.title)
    def test_copies(self, place: Place, configuration: Configuration, clock: Clock, tag: str) -> None:
        """Copy forward and back around every anchor, in counts and series."""
        for kind in ("count", "series"):
            values = place.samples(kind, 4)
            with place.pair(kind, configuration, clock) as pair:
                for anchor in configuration.anchors:
                    clock.now = anchor
                    for value, copies in zip(values, (1, -1, 3, -2), strict=True):
                        pair.insert(tag, value, anchor + 5 * copies, copies)
                    pair.check([tag])
                    pair.delete(tag)

    @law("Names never collide, fold, match or run", "§3", "Names")
    def test_hostile_names(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write under all hostile names at once, then delete every second one."""
        names = hostile_names(tag, 0, len(HOSTILE), place.capabilities(kind).max_name_bytes)
        names = list(dict.fromkeys(names))
        values = place.samples(kind, len(names))
        with place.pair(kind, BOTH, clock) as pair:
            for name, value in zip(names, values, strict=True):
                pair.insert(name, value)
            pair.listed(tag)
            for name in names:
                pair.get(name, "kit_minute")
                pair.properties(name)
            for name in names[::2]:
                pair.delete(name)
            pair.listed(tag)
            for name in names:
                pair.get(name, "kit_hour")
            pair.bulk_insert({None: {name: [value] for name, value in zip(names, values, strict=True)}})
            pair.get(names, "kit_minute")
            for name in names:
                pair.get(name, "kit_minute")
                pair.delete(name)
            pair.listed(tag)

    @law("A name that could not be written is an error in every call, and nothing is written", "§3", "Names")
    def test_bad_names(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give each to every call."""
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for bad in BAD_NAMES:
                _name_is_refused(place, kind, handle, tag, bad)

    @law("A name of the declared length round trips; a longer one is an error in every call", "§3", "Names")
    def test_long_names(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write names of the greatest length in ASCII, and in characters of two bytes."""
        limit = place.capabilities(kind).max_name_bytes
        ascii_name = tag + "n" * (limit - len(tag))
        wide_name = tag + "\u00e9" * ((limit - len(tag)) // 2)
        with place.pair(kind, ONE, clock) as pair:
            for name in (ascii_name, wide_name):
                pair.insert(name, place.samples(kind, 1)[0])
                pair.get(name, "kit_minute")
                pair.listed(tag)
                pair.delete(name)
            for name in (ascii_name + "n", wide_name + "\u00e9"):
                _name_is_refused(place, kind, pair.handle, tag, name)

    @law(
        "An argument that a call does not have is a TypeError, and nothing is written",
        "§5",
        "Unknown intervals and names",
    )
    def test_undeclared_write_options(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give a write option that is not declared, and options to calls that have none."""
        value = place.samples(kind, 1)[0]
        with place.open(kind, ONE.specs, clock=clock) as opened:
            handle: Any = opened
            calls: tuple[Callable[[], Any], ...] = (
                lambda: handle.insert(tag, value, kit_no_such_option=1),
                lambda: handle.bulk_insert({0: {tag: [value]}}, kit_no_such_option=1),
                lambda: handle.get(tag, "kit_minute", start=0),
                lambda: handle.get(tag, "kit_minute", collapse=True),
                lambda: handle.series(tag, "kit_minute", timestamp=0),
                lambda: handle.iterate(tag, "kit_minute", timestamp=0),
                lambda: handle.delete(tag, "kit_minute"),
            )
            for call in calls:
                with pytest.raises(TypeError):
                    call()
            assert tag not in handle.list()

    @law(
        "write_func sees each item once, also a count's increments; read_func sees each value read",
        "§1",
        "read_func and write_func",
    )
    def test_read_func_and_write_func(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Rotate through the values that the backend takes, and wrap what comes back."""
        values = place.samples(kind, 4)
        follow = dict(zip(values, values[1:] + values[:1], strict=True))

        def wrap(value: Any) -> Any:
            return ("read", value)

        functions = {"write_func": lambda value: follow[value], "read_func": wrap}
        with place.pair(kind, BOTH, clock, **functions) as pair:
            pair.insert(tag, values[0])
            pair.insert(tag, values[:3])
            pair.bulk_insert({None: {tag: values}})
            for interval in BOTH.specs:
                pair.get(tag, interval)
                pair.get([tag, tag + "unknown"], interval)
            pair.series(tag, "kit_hour", steps=2)
            pair.delete(tag)


def _bulk_is_one_by_one(place: Place, kind: str, pair: Pair) -> None:
    some = st.lists(st.sampled_from(place.pool(kind).all), max_size=5)
    parts_of_it = st.lists(st.tuples(st.one_of(st.none(), moments()), some), max_size=5)

    @place.profile.settings(share=0.3)
    @given(parts=parts_of_it, copies=st.sampled_from((0, 0, 1, -2)))
    def both_ways(parts: list[tuple[Moment | None, list[Any]]], copies: int) -> None:
        tag = fresh_tag()
        data: dict[Any, dict[str, list[Any]]] = {}
        for moment, values in parts:
            at = None if moment is None else moment.timestamp(pair.model.configuration, pair.clock.now)
            data.setdefault(at, {}).setdefault(tag + "bulk", []).extend(values)
        pair.bulk_insert(data, copies)
        for at, names in data.items():
            for value in names[tag + "bulk"]:
                pair.insert(tag + "one", value, at, copies)
        pair.check([tag + "bulk", tag + "one"])
        pair.delete(tag + "bulk")
        pair.delete(tag + "one")

    both_ways()


def _name_is_refused(place: Place, kind: str, handle: kairos.Timeseries, tag: str, bad: Any) -> None:
    value = place.samples(kind, 1)[0]
    calls: tuple[Callable[[], Any], ...] = (
        lambda: handle.insert(bad, value),
        lambda: handle.bulk_insert({0: {tag: [value], bad: [value]}}),
        lambda: handle.get(bad, "kit_minute"),
        lambda: handle.get([tag, bad], "kit_minute"),
        lambda: handle.series(bad, "kit_minute"),
        lambda: list(handle.iterate(bad, "kit_minute")),
        lambda: handle.properties(bad),
        lambda: handle.delete(bad),
    )
    for call in calls:
        with refused(TypeError, ValueError):
            call()
    if bad is not None:  # expire(None) is for all names
        with refused(*((NotImplementedError,) if place.native(kind) else (TypeError, ValueError))):
            handle.expire(bad)
    assert tag not in handle.list()
