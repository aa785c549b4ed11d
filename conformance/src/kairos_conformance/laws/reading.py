"""§5: ranges, walks, names and stages."""

from __future__ import annotations

from typing import Any

import pytest

from kairos.errors import UnknownInterval

from ..configurations import CONFIGURATIONS, Configuration, utc
from ..kinds import merge
from ..law import law
from ..machine import (
    custom_collapse,
    custom_condense,
    custom_join_rows,
    custom_process_row,
    custom_transform,
)
from ..moments import Clock
from ..pair import Pair
from ..place import Place
from ..stages import Stages
from ..transforms import NAMES
from .base import BOTH, KEPT, NOW, ONE, Laws, refused

__all__ = ["ReadingLaws"]

PAGES = (
    0,
    1,
    2,
    98,
    99,
    100,
    101,
    255,
    256,
    511,
    512,
    998,
    999,
    1000,
    1001,
    1023,
    1024,
    1025,
    2500,
    4999,
    5001,
)

STAGES = (
    Stages(condense=True),
    Stages(condense=custom_condense),
    Stages(join_rows=custom_join_rows),
    Stages(condense=custom_condense, join_rows=custom_join_rows),
    Stages(condense=True, join_rows=custom_join_rows),
    Stages(collapse=True),
    Stages(collapse=custom_collapse),
    Stages(collapse=custom_collapse, condense=custom_condense, join_rows=custom_join_rows),
    Stages(collapse=True, condense=custom_condense, join_rows=custom_join_rows),
    Stages(process_row=custom_process_row, join_rows=custom_join_rows),
    Stages(process_row=custom_process_row, condense=custom_condense, join_rows=custom_join_rows),
    Stages(transform=custom_transform),
    Stages(transform=[custom_transform, custom_process_row], condense=True),
    Stages(transform={"a": custom_transform, "b": custom_process_row}, collapse=True),
    Stages(transform=(custom_transform,), condense=custom_condense, join_rows=custom_join_rows),
    Stages(transform=[]),
    Stages(transform={}),
)


FETCH_TO_COLLAPSE = ("fetch", "process_row", "condense", "join_rows", "collapse")


class ReadingLaws(Laws):
    """Ranges, walks, names and stages."""

    @law("get, series and iterate agree on every bucket", "§5", "iterate")
    @pytest.mark.parametrize(
        "configuration", [BOTH, KEPT, CONFIGURATIONS[2], CONFIGURATIONS[4]], ids=lambda c: c.title
    )
    def test_three_ways_agree(
        self, place: Place, kind: str, configuration: Configuration, clock: Clock, tag: str
    ) -> None:
        """Read the same range in three ways, without the model's help."""
        values = place.samples(kind, 5)
        with place.open(kind, configuration.specs, tz=configuration.tz, clock=clock) as handle:
            for number, value in enumerate(values):
                handle.insert(tag, value, NOW - 977 * number, 1)
            for name, interval in configuration.intervals.items():
                walk = list(handle.iterate(tag, name))
                condensed = list(handle.iterate(tag, name, condense=True))
                assert walk
                assert condensed
                first, last = condensed[0][0], condensed[-1][0]
                ranged = handle.series(tag, name, start=first, end=last)
                assert list(ranged) == [start for start, _ in condensed]
                assert handle.series(tag, name, start=first, end=last, condense=True) == dict(condensed)
                for start, row in ranged.items():
                    assert handle.get(tag, name, timestamp=start) == (
                        row if interval.resolution else {start: row}
                    )
                if interval.resolution:
                    assert walk == [pair for row in ranged.values() for pair in row.items()]
                else:
                    assert walk == list(ranged.items())
                properties = handle.properties(tag)[name]
                assert properties == {"first": first, "last": last}
            handle.delete(tag)

    @law(
        "iterate gives each bucket once, over many pages and gaps, without and with resolution",
        "§5",
        "iterate",
    )
    def test_pages(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Walk over 5,002 buckets that are mostly empty."""
        configuration = Configuration(
            "pages", "UTC", {"kit_page": {"step": 60}, "kit_page_fine": {"step": 120, "resolution": 60}}
        )
        values = place.samples(kind, len(PAGES))
        with place.pair(kind, configuration, clock) as pair:
            for page, value in zip(PAGES, values, strict=True):
                pair.insert(tag, value, 60 * page)
            by_start = {
                60 * page: pair.model.get(tag, "kit_page", 60 * page, NOW)[60 * page] for page in PAGES
            }
            missing = pair.model.get(tag, "kit_page", 60 * 3, NOW)[60 * 3]
            every = list(pair.handle.iterate(tag, "kit_page"))
            assert [start for start, _ in every] == [60 * n for n in range(PAGES[-1] + 1)]
            pair.same(dict(every), {start: by_start.get(start, missing) for start, _ in every})
            fine = list(pair.handle.iterate(tag, "kit_page_fine"))
            assert [start for start, _ in fine] == [60 * page for page in PAGES]
            pair.same(dict(fine), by_start)
            joined = list(pair.handle.iterate([tag, tag + "b"], "kit_page_fine", condense=True))
            assert [start for start, _ in joined] == [120 * n for n in range(PAGES[-1] // 2 + 1)]
            pair.delete(tag)

    @law(
        "iterate reads page by page: what is written far ahead of it, it sees",
        "§5",
        "iterate",
    )
    def test_walk_sees_what_is_written_ahead(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Begin to walk over 10,001 buckets, and write to the last one."""
        end = 60 * 10_000
        values = place.samples(kind, 2)
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for at in (0, end):
                handle.insert(tag, values[0], at)
            walk = iter(handle.iterate(tag, "kit_minute"))
            assert next(walk)[0] == 0
            handle.insert(tag, values[1], end)
            (row,) = handle.get(tag, "kit_minute", timestamp=end).values()
            *_, last = walk
            assert last == (end, row), "it had read 10,000 buckets ahead"
            handle.delete(tag)

    @law(
        "series takes two ends, one and steps, or none; steps 0 is the default: the interval's, else 1",
        "§5",
        "series",
    )
    def test_ranges(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Ask for every combination of ends and steps."""
        ends = (None, NOW, NOW - 1, NOW + 3_600, NOW - 7_200)
        with place.pair(kind, KEPT, clock) as pair:
            for number, value in enumerate(place.samples(kind, 4)):
                pair.insert(tag, value, NOW - 60 * number)
            for interval in KEPT.specs:
                for start in ends:
                    for end in ends:
                        for steps in (None, 0, 1, 4) if start is None or end is None else (None,):
                            pair.series(tag, interval, start, end, steps)
            pair.delete(tag)

    @law("steps that is no int ≥ 0 is an error", "§5", "series")
    def test_bad_steps(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give each."""
        bad: tuple[Any, ...] = (-1, True, 1.0, "1")
        with place.open(kind, ONE.specs, clock=clock) as handle:
            for steps in bad:
                with refused(TypeError, ValueError):
                    handle.series(tag, "kit_minute", steps=steps)

    @law(
        "An unknown interval is UnknownInterval, also a KeyError; an unknown name is no data",
        "§5",
        "Unknown intervals and names",
    )
    def test_unknown(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Read what is not there."""
        with place.pair(kind, BOTH, clock) as pair:
            handle = pair.handle
            for interval in ("kit_unknown", "KIT_MINUTE", "kit_minute ", ""):
                with pytest.raises(UnknownInterval):
                    handle.get(tag, interval)
                with pytest.raises(KeyError):
                    handle.series(tag, interval)
                with pytest.raises(UnknownInterval):
                    list(handle.iterate(tag, interval))
            for interval in BOTH.specs:
                pair.get(tag, interval)
                pair.series(tag, interval, steps=3)
                pair.iterate(tag, interval)
                for stages in STAGES:
                    name = tag if _own_rows(stages) else [tag, tag + "b"]
                    pair.series(name, interval, steps=2, stages=stages)
            assert handle.properties(tag) == {}
            assert handle.delete(tag) == 0

    @law(
        "Each stage gets what it should, in the order process_row, condense, join_rows, collapse, transform",
        "§5",
        "Stages",
    )
    def test_stages(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Read with stages that show what they were called with."""
        with place.pair(kind, BOTH, clock) as pair:
            self._write_two_names(place, pair, kind, tag)
            for stages in STAGES:
                several = [] if _own_rows(stages) else [[tag, tag + "b", tag + "none", tag]]
                for interval in BOTH.specs:
                    for name in (tag, *several):
                        self._read(pair, name, interval, stages)
            pair.delete(tag)
            pair.delete(tag + "b")

    @law(
        "A keyword that does what the native stage does changes no answer: fold on is fold off",
        "§5, §9",
        "Stages",
    )
    def test_native_stages_as_keywords(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Compare native merges with the same merges given as keywords, stage by stage and together."""

        def in_order(rows: Any) -> Any:
            return merge(kind, rows.values() if isinstance(rows, dict) else rows)

        keywords: tuple[dict[str, Any], ...] = (
            {"process_row": lambda row: row},
            {"condense": in_order},
            {"join_rows": in_order},
            {"process_row": True},
            {"join_rows": True},
        )
        with place.pair(kind, BOTH, clock) as pair:
            self._write_two_names(place, pair, kind, tag)
            handle = pair.handle
            for interval in BOTH.specs:
                for name in (tag, [tag], [tag, tag + "b"], [tag + "b", tag, tag]):
                    span = {"start": NOW - 3_600, "end": NOW + 3_600}
                    for base in ({}, {"condense": True}, {"collapse": True}):
                        native = handle.series(name, interval, **span, **base)
                        for more in keywords:
                            if "condense" in more and not base:
                                continue
                            own = callable(more.get("condense")) or callable(more.get("join_rows"))
                            if own and base and kind in ("series", "gauge") and isinstance(name, list):
                                continue  # a stage of one's own ends the one merge over time and names
                            other = handle.series(name, interval, **span, **{**base, **more})
                            assert other == native, f"{more} of {name!r} over {base} gives another answer"
            pair.delete(tag)
            pair.delete(tag + "b")

    @law(
        "True, False and None are the native fetch, process_row, join_rows; False and None no condense, no collapse",
        "§5",
        "Stages",
    )
    def test_true_false_and_none(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give each to each stage, alone and all together."""
        meanings: dict[str, tuple[bool | None, ...]] = {
            "fetch": (True, False, None),
            "process_row": (True, False, None),
            "join_rows": (True, False, None),
            "condense": (False, None),
            "collapse": (False, None),
        }
        every: dict[str, Any] = dict.fromkeys(meanings, False)
        with place.pair(kind, BOTH, clock) as pair:
            self._write_two_names(place, pair, kind, tag)
            for interval in BOTH.specs:
                for name in (tag, [tag, tag + "b"]):
                    native = pair.handle.series(name, interval, end=NOW, steps=2)
                    assert pair.handle.series(name, interval, end=NOW, steps=2, **every) == native
                    for stage, values in meanings.items():
                        for value in values:
                            got = pair.handle.series(name, interval, end=NOW, steps=2, **{stage: value})
                            assert got == native, f"{stage}={value} is not the default"
            pair.delete(tag)
            pair.delete(tag + "b")

    @law("A process_row of the caller's replaces the native one, and its read_func", "§5", "Stages")
    def test_process_row_replaces_read_func(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Read with both, and the same without read_func."""

        def wrap(value: Any) -> Any:
            return ("read", value)

        several = {"name": [tag, tag + "b"], "join_rows": custom_join_rows}
        with (
            place.pair(kind, BOTH, clock) as raw,
            place.open(kind, BOTH.specs, clock=clock, read_func=wrap) as handle,
        ):
            self._write_two_names(place, raw, kind, tag)
            for interval in BOTH.specs:
                for more in ({"name": tag}, several):
                    stage: dict[str, Any] = {"process_row": custom_process_row, **more}
                    span: dict[str, Any] = {"interval": interval, "end": NOW, "steps": 2}
                    expected = raw.handle.series(**span, **stage)
                    assert handle.series(**span, **stage) == expected
            raw.delete(tag)
            raw.delete(tag + "b")

    @law("plan tells who provides each stage: the call, a plugin, the kind or the backend", "§6", "plan")
    def test_plan(self, place: Place, kind: str, clock: Clock) -> None:
        """Ask without and with stages of the caller's own."""
        own = {"process_row": custom_process_row, "collapse": custom_collapse}
        with place.open(kind, BOTH.specs, clock=clock, plugins=False) as handle:
            for interval in BOTH.specs:
                native, ours = handle.plan(interval), handle.plan(interval, **own)
                assert list(native) == [*FETCH_TO_COLLAPSE, "transform"]
                assert native["fetch"].startswith("backend ")
                assert {native[stage] for stage in FETCH_TO_COLLAPSE[1:]} == {f"kind {kind}"}
                assert {stage for stage in FETCH_TO_COLLAPSE if ours[stage] == "call"} == set(own)
                assert set(native["transform"]) >= set(NAMES) - {"first", "last"}
            with pytest.raises(UnknownInterval):
                handle.plan("kit_unknown")

    @law(
        "Native condense and join are one merge, by time and then by name; a repeated name counts each time",
        "§5",
        "Merging",
    )
    def test_merge_order(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write to three names in turn, and join them in several orders."""
        values = place.samples(kind, 6)
        names = [tag + end for end in ("a", "b", "c")]
        with place.pair(kind, BOTH, clock) as pair:
            for number, value in enumerate(values):
                pair.insert(names[number % 2], value, NOW + 60 * (number // 2))
            for several in (names, names[::-1], [names[0]] * 2, tuple(names), set(names), frozenset(names)):
                for stages in (Stages(), Stages(condense=True), Stages(collapse=True)):
                    for interval in BOTH.specs:
                        self._read(pair, several, interval, stages)
            for name in names[:2]:
                pair.delete(name)

    @law("A collection of names that is empty, or holds what is no name, is an error", "§5", "Several names")
    def test_bad_collections_of_names(self, place: Place, kind: str, clock: Clock) -> None:
        """Give each to every read."""
        every: tuple[Any, ...] = ([], (), set(), frozenset(), [""], [1], [["a"]], {"a": 1})
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            for interval in BOTH.specs:
                for bad in every:
                    with refused(TypeError, ValueError):
                        handle.get(bad, interval)
                    with refused(TypeError, ValueError):
                        handle.series(bad, interval)
                    with refused(TypeError, ValueError):
                        list(handle.iterate(bad, interval))

    @law(
        "condensed is a deprecated name of condense; both together, or what is no stage, are a TypeError",
        "§5",
        "Stages",
    )
    def test_stage_arguments(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Give stages that are none."""
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            with pytest.warns(DeprecationWarning, match="condense"):
                answer = handle.get(tag, "kit_hour", condensed=True)
            assert answer == handle.get(tag, "kit_hour", condense=True)
            with pytest.raises(TypeError):
                handle.get(tag, "kit_hour", condensed=True, condense=True)
            for stage in ("fetch", "process_row", "condense", "join_rows"):
                with refused(TypeError):
                    handle.get(tag, "kit_hour", **{stage: 1})
                with refused(TypeError):
                    list(handle.iterate(tag, "kit_hour", **{stage: "mean"}))
            with refused(TypeError):
                handle.series(tag, "kit_hour", collapse=1)

    @law(
        "Rows come under the start of their bucket, or of the interval where its edge cuts them",
        "§2, §5",
        "Cut buckets",
    )
    def test_cut_resolutions(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Read rows that an edge cuts, with their durations."""
        cut = Configuration(
            "cut",
            "America/New_York",
            {
                "kit_cut_hour": {"step": 5_000, "resolution": 3_600},
                "kit_cut_day": {"step": "7d", "resolution": "daily"},
            },
        )
        around = utc(2013, 3, 10, 7)
        with place.pair(kind, cut, clock) as pair:
            for number, value in enumerate(place.samples(kind, 12)):
                pair.insert(tag, value, around - 40_000 + 7_000 * number)
            for interval in cut.specs:
                for stages in (Stages(), Stages(transform="rate"), Stages(transform="rate", condense=True)):
                    pair.series(tag, interval, around - 50_000, around + 50_000, stages=stages)
                    pair.iterate(tag, interval, stages)
                pair.series(
                    tag,
                    interval,
                    around - 50_000,
                    around + 50_000,
                    stages=Stages(collapse=True, transform="rate"),
                )
            pair.delete(tag)

    def _write_two_names(self, place: Place, pair: Pair, kind: str, tag: str) -> None:
        for number, value in enumerate(place.samples(kind, 6)):
            pair.insert(tag + ("b" if number % 2 else ""), value, NOW + 61 * (number - 3))

    def _read(self, pair: Pair, name: Any, interval: str, stages: Stages) -> None:
        pair.series(name, interval, NOW - 3_600, NOW + 3_600, stages=stages)
        pair.iterate(name, interval, stages)
        if not stages.collapse:
            pair.get(name, interval, NOW, stages)


def _own_rows(stages: Stages) -> bool:
    """Return whether rows are of the caller's making, which no native join takes."""
    return callable(stages.condense) and stages.join_rows is None
