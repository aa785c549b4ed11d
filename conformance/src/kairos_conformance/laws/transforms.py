"""§5: named and custom transforms."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..configurations import CONFIGURATIONS
from ..law import law
from ..moments import Clock
from ..names import fresh_tag
from ..place import Place
from ..stages import Stages
from ..transforms import NAMES, names_for
from .base import BOTH, NOW, ONE, Laws, refused

__all__ = ["TransformLaws"]

BAD = ("nope", "p", "p101", "p-1", "pnan", "pinf", "p1e1000", "Mean", "")


class TransformLaws(Laws):
    """Named and custom transforms."""

    @law(
        "Named transforms give what they are called, on rows, condensed and collapsed, empty or not",
        "§5",
        "Transforms",
    )
    def test_named_transforms(self, place: Place, kind: str) -> None:
        """Transform generated numbers."""
        pool, text = place.pool(kind), place.capabilities(kind).values.text
        numeric = bool(pool.numeric) and not text
        known = list(names_for(kind, numeric=numeric))
        values = pool.numeric if numeric else pool.all
        clock = Clock(NOW)
        with place.pair(kind, BOTH, clock) as pair:

            @place.profile.settings()
            @given(values=st.lists(st.sampled_from(values), max_size=8))
            def transforms_agree(values: list[Any]) -> None:
                tag = fresh_tag()
                for number, value in enumerate(values):
                    pair.insert(tag, value, NOW + 50 * (number % 3))
                for interval in BOTH.specs:
                    for stages in (Stages(transform=known), Stages(transform=known, condense=True)):
                        pair.get(tag, interval, NOW, stages)
                        pair.get([tag, tag + "none", tag], interval, NOW, stages)
                    pair.series(
                        tag, interval, NOW, NOW + 3_600, stages=Stages(transform=known, collapse=True)
                    )
                for name in known:
                    pair.get(tag, "kit_minute", NOW, Stages(transform=name))
                pair.get(tag, "kit_hour", NOW, Stages(transform={n.upper(): n for n in known}))
                pair.delete(tag)

            transforms_agree()

    @law(
        "rate is per second of the row's own duration, also in days of 23 and 25 hours and cut months",
        "§2, §5",
        "Durations",
    )
    def test_rates(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Take rates around every anchor of every Gregorian configuration."""
        for configuration in CONFIGURATIONS[3:]:
            with place.pair(kind, configuration, clock) as pair:
                for anchor in configuration.anchors:
                    clock.now = anchor
                    for number, value in enumerate(place.samples(kind, 3)):
                        pair.insert(tag, value, anchor - 43_200 + 43_200 * number)
                    for interval in configuration.specs:
                        for stages in (
                            Stages(transform="rate"),
                            Stages(transform=["rate"], condense=True),
                            Stages(transform="rate", collapse=True),
                        ):
                            pair.series(tag, interval, anchor - 90_000, anchor + 90_000, stages=stages)
                    pair.delete(tag)

    @law("An unknown transform is an error that lists the known ones", "§5", "Transforms")
    def test_unknown_transforms(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Ask for names that are none, alone and among others."""
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            for bad in BAD:
                for transform in (bad, ["count", bad], {"a": bad}):
                    with refused(ValueError, match="median"):
                        handle.get(tag, "kit_minute", transform=transform)
                    with refused(ValueError):
                        list(handle.iterate(tag, "kit_minute", transform=transform))

    @law("A transform that is no name, callable or collection of them is a TypeError", "§5", "Transforms")
    def test_bad_transforms(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give each."""
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            for bad in (1, True, [1], {"a": None}, [["mean"]], b"mean"):
                with refused(TypeError):
                    handle.get(tag, "kit_minute", transform=bad)

    @law("first and last are errors on a histogram and a set", "§5", "Transforms")
    @pytest.mark.parametrize("kind", ["histogram", "set"])
    def test_first_and_last(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Ask for them, with and without data."""
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for name in ("first", "last"):
                with refused(TypeError, ValueError):
                    handle.get(tag, "kit_minute", transform=name)
                with refused(TypeError, ValueError):
                    handle.get(tag, "kit_minute", transform=["count", name])

    @law(
        "A text store refuses to calculate without read_func, and names it; with one it calculates",
        "§5",
        "Transforms",
    )
    @pytest.mark.parametrize("kind", ["series", "histogram", "set"])
    def test_text_stores(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Ask for every name: of a typed store for what works, of a text store for the errors."""
        text = place.capabilities(kind).values.text
        values = [value for value in place.samples(kind, 3) if isinstance(value, int | float)]
        with place.pair(kind, ONE, clock) as pair:
            pair.insert(tag, values)
            works = names_for(kind, numeric=bool(values) and not text)
            for name in works:
                pair.get(tag, "kit_minute", stages=Stages(transform=name))
            if text:
                for name in set(NAMES) - set(works) - {"first", "last"}:
                    with refused(TypeError, ValueError, match="read_func"):
                        pair.handle.get(tag, "kit_minute", transform=name)
            own = {
                "process_row": lambda row: [3, 5] if kind == "series" else {3, 5} if kind == "set" else {4: 2}
            }
            got = pair.handle.get(tag, "kit_minute", transform=["mean", "sum"], **own)
            assert got == {NOW: {"mean": 4, "sum": 8}}, "process_row gives numbers, also on a text store"
            pair.delete(tag)
        if values:
            with place.pair(kind, ONE, clock, read_func=float) as pair:
                pair.insert(tag, values)
                for name in names_for(kind, numeric=True):
                    pair.get(tag, "kit_minute", stages=Stages(transform=name))
                pair.delete(tag)

    @law(
        "A custom transform is called f(row), or with the duration if it has a place for it",
        "§5",
        "Transforms",
    )
    def test_signatures(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give functions of every shape."""

        def by_keyword(row: Any, *, duration: int) -> Any:
            return ("by keyword", duration)

        def named_duration(row: Any, scale: int = 3, duration: int = 0) -> Any:
            return ("named", scale, duration)

        class Callable:
            def __call__(self, row: Any, seconds: int) -> Any:
                return ("object", seconds)

        def check(answer: dict[int, Any], seconds: int) -> None:
            (got,) = answer.values()
            assert got == {
                "one": "row",
                "two": ("two", seconds),
                "optional": ("optional", None),
                "keyword": ("by keyword", seconds),
                "named": ("named", 3, seconds),
                "object": ("object", seconds),
                "rest": ("rest", 0),
            }

        functions = {
            "one": lambda row: "row",
            "two": lambda row, seconds: ("two", seconds),
            "optional": lambda row, scale=None: ("optional", scale),
            "keyword": by_keyword,
            "named": named_duration,
            "object": Callable(),
            "rest": lambda row, *rest: ("rest", len(rest)),
        }
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            handle.insert(tag, place.samples(kind, 1)[0])
            check(handle.get(tag, "kit_minute", transform=functions), 60)
            check(handle.get(tag, "kit_hour", transform=functions), 60)
            check(handle.get(tag, "kit_hour", transform=functions, condense=True), 3_600)
            check(handle.series(tag, "kit_hour", steps=2, transform=functions, collapse=True), 7_200)
            handle.delete(tag)

    @law("sum, len, min, max and statistics.stdev work as custom transforms", "§5", "Transforms")
    def test_builtins(self, place: Place, clock: Clock, tag: str) -> None:
        """Give builtins that have an optional second parameter."""
        values = [value for value in place.samples("series", 3) if isinstance(value, int | float)]
        with place.pair("series", ONE, clock) as pair:
            if values:
                pair.insert(tag, values)
                stored = pair.handle.get(tag, "kit_minute")[NOW]
                functions = [len, min, max, *(() if isinstance(stored[0], str) else (sum, statistics.stdev))]
                got = pair.handle.get(tag, "kit_minute", transform=functions)[NOW]
                assert got == {function: function(stored) for function in functions}
            pair.delete(tag) if values else pair.get(tag, "kit_minute", stages=Stages(transform=len))
