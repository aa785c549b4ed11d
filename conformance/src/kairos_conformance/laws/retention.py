"""§4: what lives until when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..law import law
from ..moments import Clock
from ..place import Place
from .base import KEPT, NOW, Laws

__all__ = ["RetentionLaws"]


class RetentionLaws(Laws):
    """What lives until when."""

    @law(
        "From its deadline on a bucket is no data (native), or stays until expire (manual); not a second before",
        "§4",
        "Live and dead",
    )
    @pytest.mark.parametrize("edge", [-1, 0, 1])
    def test_deadline(self, place: Place, kind: str, clock: Clock, tag: str, edge: int) -> None:
        """Look at everything one second before a deadline, at it, and one second after."""
        values = place.samples(kind, 3)
        with place.pair(kind, KEPT, clock) as pair:
            for minute, value in enumerate(values):
                pair.insert(tag, value, NOW + 60 * minute + 59)
            for deadline in (NOW + 180, NOW + 240, NOW + 7_200):
                clock.now = deadline + edge
                pair.get(tag, "kit_three", NOW)
                pair.get([tag, tag + "b"], "kit_three", NOW + 60)
                pair.series(tag, "kit_three", NOW, NOW + 180)
                pair.series(tag, "kit_three")
                pair.get(tag, "kit_two", NOW)
                pair.series(tag, "kit_two", steps=3)
                pair.listed(tag)
                pair.check([tag])
            pair.delete(tag)
            pair.listed(tag)

    @law(
        "A name whose last bucket has died is not listed, and deleting it counts nothing (native)",
        "§4, §6",
        "Native and manual expiry",
    )
    def test_dead_names(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Let every interval of a name die, without and with one that does not."""
        dying = {name: spec for name, spec in KEPT.specs.items() if name != "kit_always"}
        value = place.samples(kind, 1)[0]
        with place.open(kind, dying, clock=clock) as handle:
            handle.insert(tag, value)
            clock.now = NOW + 7_199
            assert handle.list().count(tag) == 1
            clock.now = NOW + 7_200
            seen = 0 if place.native(kind) else 1
            assert handle.list().count(tag) == seen
            assert len(handle.properties(tag)) == 2 * seen
            assert handle.delete(tag) == seen

    @law(
        "A write to a dead bucket is dropped for that interval only, and counted (native), or stored (manual)",
        "§4",
        "Native and manual expiry",
    )
    def test_writing_to_the_dead(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write at the oldest live bucket, and one bucket before it."""
        values = place.samples(kind, 3)
        with place.pair(kind, KEPT, clock) as pair:
            pair.insert(tag, values[0], NOW - 120)
            pair.insert(tag, values[1], NOW - 121)
            pair.insert(tag, values[2], NOW - 7_200)
            pair.insert(tag, values, NOW - 121, 2)
            pair.insert(tag, values[0], NOW, -4)
            pair.bulk_insert({0: {tag: values}, NOW: {tag: values}, NOW - 180: {tag + "b": values}})
            pair.check([tag, tag + "b"])
            for _ in range(4):
                clock.now += 60
                pair.check([tag, tag + "b"])
            pair.delete(tag)
            pair.delete(tag + "b")

    @law("Future buckets are live", "§4", "Live and dead")
    def test_the_future(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write ahead, and let the clock catch up."""
        with place.pair(kind, KEPT, clock) as pair:
            pair.insert(tag, place.samples(kind, 3), NOW + 600)
            pair.check([tag])
            for later in (599, 600, 779, 780):
                clock.now = NOW + later
                pair.check([tag])
            pair.delete(tag)

    @law(
        "expire(name) removes a name's dead buckets, expire() all names'; native expiry refuses it",
        "§4",
        "Native and manual expiry",
    )
    def test_expire(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Expire one name, then all, at a deadline and a second before it."""
        names = [tag, tag + "b", tag + "B"]
        with place.pair(kind, KEPT, clock) as pair:
            for name in names:
                for minute, value in enumerate(place.samples(kind, 3)):
                    pair.insert(name, value, NOW + 60 * minute)
            expired: tuple[str | None, ...] = (names[0], names[1], None)
            for one in expired:
                for now in (clock.now, clock.now + 59, clock.now + 60, clock.now + 180):
                    clock.now = now
                    pair.expire(one)
                    pair.listed(tag)
                    pair.check(names)
            clock.now = NOW + 7_200
            pair.expire()
            pair.check(names)
            for name in names:
                pair.insert(name, place.samples(kind, 1), NOW)
                pair.check([name])
                pair.delete(name)

    @law("The clock is read once a call, also by a walk of many pages", "§4", "The clock")
    def test_the_clock_is_read_once(self, place: Place, kind: str, tag: str) -> None:
        """Count the looks at it."""
        looks: list[int] = []

        def clock() -> int:
            looks.append(NOW)
            return NOW

        value = place.samples(kind, 1)[0]
        names = [tag, tag + "b"]
        with place.open(kind, KEPT.specs, clock=clock) as handle:
            calls: dict[str, Callable[[], Any]] = {
                "insert": lambda: handle.insert(tag, value),
                "insert with copies": lambda: handle.insert(tag, [value, value], intervals=2),
                "bulk_insert": lambda: handle.bulk_insert(
                    {None: {tag: [value]}, NOW: {tag + "b": [value]}, 0: {tag: [value]}}
                ),
                "get": lambda: handle.get(names, "kit_two", condense=True),
                "series": lambda: handle.series(names, "kit_three", steps=5),
                "iterate": lambda: list(handle.iterate(names, "kit_always")),
                "list": lambda: handle.list(),
                "properties": lambda: handle.properties(tag),
                "delete": lambda: handle.delete(tag),
                "delete_all": lambda: handle.delete_all(),
            }
            if not place.native(kind):
                calls["expire"] = lambda: handle.expire()
            for what, call in calls.items():
                looks.clear()
                call()
                assert len(looks) == 1, f"{what} looked at the clock {len(looks)} times"

    @law("iterate reads the clock at its first item", "§4", "The clock")
    def test_iterate_reads_the_clock_late(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Make the iterator before a deadline, and start it at the deadline."""
        with place.pair(kind, KEPT, clock) as pair:
            for minute, value in enumerate(place.samples(kind, 3)):
                pair.insert(tag, value, NOW + 60 * minute)
            walk: Any = pair.handle.iterate(tag, "kit_three")
            clock.now = NOW + 180
            expected = list(pair.model.iterate(tag, "kit_three", clock.now))
            assert [start for start, _ in walk] == [start for start, _ in expected]
            pair.delete(tag)
