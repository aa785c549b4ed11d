"""§1: opening, closing, sharing and keeping apart."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

import kairos
from kairos.errors import Closed, SchemaMismatch

from ..configurations import Configuration
from ..kinds import KINDS
from ..law import INAPPLICABLE, Absent, law
from ..moments import Clock
from ..place import Place
from .base import BOTH, NOW, ONE, Laws, opening, refused

__all__ = ["ConstructionLaws"]

LAYOUTS = (
    ({"step": 60}, {"step": 61}),
    ({"step": 60}, {"step": 60, "resolution": 30}),
    ({"step": 60, "resolution": 30}, {"step": 60, "resolution": 20}),
    ({"step": "daily"}, {"step": 86_400}),
    ({"step": "monthly", "resolution": "daily"}, {"step": "monthly", "resolution": "weekly"}),
)

SPELLINGS: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"step": 3_600}, {"step": "3600"}, {"step": "1h"}, {"step": timedelta(hours=1)}),
    ({"step": "1d"}, {"step": 86_400}, {"step": "24h"}),
    ({"step": 604_800}, {"step": "1w"}, {"step": "7d"}),
    ({"step": "1m"}, {"step": "30d"}, {"step": timedelta(days=30)}),
    ({"step": "1y"}, {"step": "365d"}),
    ({"step": 60}, {"step": 60, "resolution": 60}, {"step": 60, "resolution": "60"}),
    ({"step": "daily", "resolution": "daily"}, {"step": "daily"}),
    ({"step": 60, "steps": None, "resolution": None}, {"step": 60}),
)
"""Several ways to say one interval. A resolution that is the step itself is none."""

LEFT = 6
"""How many open files are no leak: a pool may keep some, and threads come and go."""


class ConstructionLaws(Laws):
    """Opening, closing, sharing and keeping apart."""

    @law("An option that nobody asked for is refused by name", "§1", "Options")
    def test_unknown_option(self, place: Place, kind: str) -> None:
        """Give an option that no backend has."""
        with refused(TypeError, ValueError, match="kit_no_such_option"):
            place.opened(kind, {"kit_minute": {"step": 60}}, kit_no_such_option=1)

    @law("A caller's dictionaries are never modified", "§1", "Options")
    def test_dictionaries_are_not_modified(self, place: Place, kind: str, tag: str) -> None:
        """Compare dictionaries before and after."""
        intervals: dict[str, Any] = {"kit_minute": {"step": "60", "steps": None}}
        options = dict(place.options_for(kind))
        data: dict[Any, Any] = {None: {tag: place.samples(kind, 2)}, 0: {tag: tuple(place.samples(kind, 1))}}
        before = deepcopy((intervals, data))
        with place.open(kind, intervals) as handle:
            handle.bulk_insert(data)
        assert (intervals, data) == before
        assert dict(place.options_for(kind)) == options

    @law(
        "After close every call raises Closed, before any other error; closing twice is fine",
        "§1, §6",
        "Target and closing",
    )
    def test_closed(self, place: Place, kind: str) -> None:
        """Call everything, with arguments that are wrong too."""
        handle: Any = place.opened(kind, {"kit_minute": {"step": 60}})
        handle.close()
        handle.close()
        calls = (
            lambda: handle.insert("", object(), "never", intervals=0.5, kit_no_such_option=1),
            lambda: handle.bulk_insert({"never": 1}),
            lambda: handle.get("", "kit_unknown", timestamp="never"),
            lambda: handle.series([], "kit_unknown", steps=-1),
            lambda: list(handle.iterate("", "kit_unknown")),
            lambda: handle.list(),
            lambda: handle.properties(""),
            lambda: handle.delete(""),
            lambda: handle.delete_all(),
            lambda: handle.expire(""),
        )
        for call in calls:
            with pytest.raises(Closed):
                call()

    @pytest.fixture
    def open_files(self, request: pytest.FixtureRequest) -> Callable[[], int] | Absent:
        """Give a function that counts the process's open files and sockets; absent where the system can't tell."""
        if not os.path.isdir("/dev/fd"):
            return Absent(request, INAPPLICABLE, "no /dev/fd")
        return lambda: len(os.listdir("/dev/fd"))

    @law(
        "What a URL opens is released by close(), not when the handle is forgotten",
        "§1",
        "Target and closing",
    )
    def test_released(self, place: Place, clock: Clock, tag: str, open_files: Callable[[], int]) -> None:
        """Open, use and close handles one after the other, keep them, and count files and sockets."""
        opened = opening(place, "count", repr({"kit_minute": {"step": 60}}))
        place.log.own = [
            "import os; from kairos import Timeseries",
            "def use():",
            f"    with {opened} as ts: ts.insert({tag!r}, 1, 0)",
            "    return ts",
            "first, before = use(), len(os.listdir('/dev/fd'))",
            f"closed = [use() for _ in range({2 * LEFT})]",
            f"assert len(os.listdir('/dev/fd')) < before + {LEFT}",
        ]

        def use() -> kairos.Timeseries:
            with place.open("count", ONE.specs, clock=clock) as handle:
                handle.insert(tag, 1)
                assert handle.delete(tag) == 1
            return handle

        closed = [use()]
        before = open_files()
        closed += [use() for _ in range(2 * LEFT)]
        for _ in range(50):  # a driver's threads may take a moment
            if open_files() < before + LEFT:
                return
            place.loop.run(asyncio.sleep(0.1))
        raise AssertionError(f"{len(closed)} closed handles hold {open_files() - before} more files than one")

    @law(
        "Closing a handle leaves the caller's client, and other handles, at work", "§1", "Target and closing"
    )
    def test_closing_one_of_two(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Close one of two, and open a third."""
        value = place.samples(kind, 1)[0]
        with place.pair(kind, ONE, clock) as pair:
            with place.open(kind, ONE.specs, clock=clock) as other:
                other.list()
            pair.insert(tag, value)
            pair.get(tag, "kit_minute")
        with place.open(kind, ONE.specs, clock=clock) as third:
            assert tag in third.list()
            third.delete(tag)

    @law("Eight may open one place at once", "§1", "Threads and processes")
    def test_eight_at_once(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Open and write from eight threads."""
        intervals = {f"kit_eight{tag}": {"step": 60}}
        value = place.samples(kind, 1)[0]

        def work(number: int) -> None:
            with place.open(kind, intervals, clock=clock) as handle:
                handle.insert(f"{tag}{number}", value)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        with place.open(kind, intervals, clock=clock) as handle:
            assert handle.list() == [f"{tag}{number}" for number in range(8)]
            assert handle.delete_all() == 8

    @law("Two handles of the same place, kind and intervals share data", "§1", "Identity")
    def test_the_same_three_share_data(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write through one, read through the other."""
        with place.pair(kind, BOTH, clock) as one, place.pair(kind, BOTH, clock) as two:
            two.model = one.model
            for number, value in enumerate(place.samples(kind, 4)):
                (one, two)[number % 2].insert(tag, value)
                (two, one)[number % 2].check([tag])
            two.delete(tag)
            one.check([tag])

    @pytest.fixture
    def beside(self, request: pytest.FixtureRequest, client: Any) -> Any:
        """Give the client; absent where the author gives none."""
        return Absent(request, INAPPLICABLE, "no client beside the target") if client is None else client

    @law("A URL and a live client of one place are one place", "§1", "Target and closing", once=True)
    def test_url_and_client(self, place: Place, kind: str, clock: Clock, tag: str, beside: Any) -> None:
        """Write through each in turn, read through the other; close one, and the other goes on."""
        other = evolve(place, target=beside)
        with place.pair(kind, BOTH, clock) as one:
            for number, value in enumerate(place.samples(kind, 4)):
                with other.pair(kind, BOTH, clock) as two:
                    two.model = one.model
                    (one, two)[number % 2].insert(tag, value)
                    (two, one)[number % 2].check([tag])
                    two.listed(tag)
            one.check([tag])
            one.delete(tag)
        with other.open(kind, BOTH.specs, clock=clock) as again:
            assert tag not in again.list()

    @law("Another kind in the same place is refused or kept apart", "§1", "Identity")
    def test_kinds_never_share(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write under the same name and interval in every kind."""
        with place.pair(kind, ONE, clock) as ours:
            ours.insert(tag, place.samples(kind, 1))
            for another in KINDS:
                if another == kind:
                    continue
                with suppress(SchemaMismatch), place.pair(another, ONE, clock) as theirs:
                    theirs.get(tag, "kit_minute")
                    for name in (tag, tag + another):
                        theirs.insert(name, place.samples(another, 2))
                    for pair in (ours, theirs):
                        pair.check([tag, tag + another])
                        pair.listed(tag)
                    theirs.delete(tag)
                    theirs.delete(tag + another)
                ours.check([tag])
            ours.delete(tag)

    @law(
        "Data of intervals that a timeseries does not configure is not read, listed or deleted",
        "§1",
        "Identity",
    )
    def test_other_intervals(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Delete in one interval what stands in another."""
        others = ("kit_minut", "kit_minute2", "KIT_MINUTE", "kit_minut\u00e9", "kit%minute")
        other = Configuration("other", "UTC", {name: {"step": 60} for name in others})
        both = Configuration("both", "UTC", {**ONE.specs, **other.specs})
        with place.pair(kind, both, clock) as all_of_it, place.pair(kind, other, clock) as without_ours:
            all_of_it.insert(tag, place.samples(kind, 2))
            with place.open(kind, ONE.specs, clock=clock) as ours:
                assert ours.delete(tag) == 1
                assert tag not in ours.list()
                assert ours.properties(tag) == {}
            without_ours.insert(tag, place.samples(kind, 1))
            properties = all_of_it.handle.properties(tag)
            assert sorted(properties) == sorted(others)
            all_of_it.handle.delete(tag)

    @law(
        "Opening with another step or resolution of a written interval is SchemaMismatch",
        "§1",
        "Layout",
    )
    @pytest.mark.parametrize("number", range(len(LAYOUTS)))
    def test_schema_mismatch(self, place: Place, kind: str, clock: Clock, tag: str, number: int) -> None:
        """Open with another layout, before and after the first write."""
        here, there = LAYOUTS[number]
        interval = f"kit_layout{tag}"
        value = place.samples(kind, 1)[0]
        with place.open(kind, {interval: here}, clock=clock) as ours:
            assert ours.list() == []  # who reads, records nothing
            assert list(ours.iterate(tag, interval)) == []
            assert ours.delete(tag) == 0
            early = place.opened(kind, {interval: there}, clock=clock)
            with early:
                ours.insert(tag, value)
                with refused(SchemaMismatch):
                    early.insert(tag + "late", value)
            with refused(SchemaMismatch):
                place.opened(kind, {interval: there}, clock=clock)
            with place.open(kind, {interval: {**here, "steps": 1000}}, clock=clock) as fewer:
                assert fewer.list() == [tag]
            ours.delete_all()
        with place.open(kind, {interval: there}, clock=clock) as free:
            free.insert(tag, value)
            free.delete_all()

    @law(
        "Opening with another zone is SchemaMismatch where a step is Gregorian, and fine where none is",
        "§1",
        "Layout",
    )
    @pytest.mark.parametrize("spec", [{"step": "daily"}, {"step": "7d", "resolution": "daily"}, {"step": 60}])
    def test_another_zone(
        self, place: Place, kind: str, clock: Clock, tag: str, spec: dict[str, Any]
    ) -> None:
        """Open in another zone."""
        interval = f"kit_zone{tag}"
        with place.open(kind, {interval: spec}, clock=clock, tz="Asia/Kolkata") as ours:
            ours.insert(tag, place.samples(kind, 1)[0])
            if "daily" in spec.values():
                with refused(SchemaMismatch):
                    place.opened(kind, {interval: spec}, clock=clock, tz="UTC")
            else:
                with place.open(kind, {interval: spec}, clock=clock, tz="UTC") as other:
                    assert other.list() == [tag]
            ours.delete_all()

    @law("Intervals that can't be are refused by name", "§1", "Intervals")
    @pytest.mark.parametrize(
        "intervals",
        [
            {},
            {"": {"step": 60}},
            {"kit\0bad": {"step": 60}},
            {"kit_bad": {}},
            {"kit_bad": {"step": 60, "stepss": 3}},
            {"kit_bad": {"step": 0.5}},
            {"kit_bad": {"step": True}},
            {"kit_bad": {"step": 60, "steps": 0}},
            {"kit_bad": {"step": 60, "resolution": "daily"}},
        ],
    )
    def test_bad_intervals(self, place: Place, intervals: dict[str, Any]) -> None:
        """Open with each."""
        name = next(iter(intervals), "intervals").partition("\0")[0]
        with refused(TypeError, ValueError, match=name or "interval ''"):
            place.opened("series", intervals)

    @law("The type is series and the zone UTC unless the caller says otherwise", "§1", "Intervals")
    def test_defaults(self, place: Place, clock: Clock, tag: str) -> None:
        """Open without a type and a zone, and with them."""
        specs = {f"kit_default{tag}": {"step": "daily"}}
        values = place.samples("series", 2)
        with (
            closing(place.opened("series", specs, clock=clock, defaults=True)) as ours,
            place.open("series", specs, clock=clock) as told,
        ):
            for value in values:
                ours.insert(tag, value)
            told.insert(tag, values[0], NOW - 43_201)  # the day before, in UTC
            rows = [row for _, row in told.iterate(tag, f"kit_default{tag}")]
            assert list(map(len, rows)) == [1, 2]
            assert [row for _, row in ours.iterate(tag, f"kit_default{tag}")] == rows
            assert ours.delete_all() == 1

    @law(
        "Every way to say a step says the same step; a resolution that is the step is none", "§1", "Intervals"
    )
    @pytest.mark.parametrize("number", range(len(SPELLINGS)))
    def test_spellings(self, place: Place, clock: Clock, tag: str, number: int) -> None:
        """Write with each, and read with each what all have written."""
        name = f"kit_said{tag}"
        first, *others = SPELLINGS[number]
        with place.open("count", {name: first}, clock=clock) as ours:
            ours.insert(tag, 1)
            for times, spec in enumerate(others, 2):
                with place.open("count", {name: spec}, clock=clock) as theirs:
                    theirs.insert(tag, 1)
                    ((start, total),) = theirs.get(tag, name).items()
                    assert total == times
                    assert list(theirs.iterate(tag, name)) == [(start, total)]
                assert ours.get(tag, name) == {start: total}
            assert ours.delete_all() == 1
