"""§6: listing, properties and deleting."""

from __future__ import annotations

from ..configurations import Configuration
from ..law import law
from ..moments import Clock
from ..place import Place
from .base import BOTH, KEPT, NOW, Laws

__all__ = ["MetadataLaws"]


class MetadataLaws(Laws):
    """Listing, properties and deleting."""

    @law(
        "properties gives the starts of the first and last bucket with data, for the intervals that have data",
        "§6",
        "list and properties",
    )
    def test_properties(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Ask while data comes, and while buckets die."""
        with place.pair(kind, KEPT, clock) as pair:
            pair.properties(tag)
            for number, value in enumerate(place.samples(kind, 5)):
                pair.insert(tag, value, NOW + (-1) ** number * 61 * number)
                pair.properties(tag)
            for later in (60, 120, 3_600, 7_200):
                clock.now = NOW + later
                pair.properties(tag)
            pair.delete(tag)
            pair.properties(tag)

    @law(
        "delete removes that name alone, from every interval, and returns how many names had data",
        "§6",
        "Deleting",
    )
    def test_delete(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Delete names that are prefixes, or look like patterns, of the others."""
        names = [tag + end for end in ("", "a", "a:b", "ab", "*", "%", "_", "A", ".*")]
        with place.pair(kind, BOTH, clock) as pair:
            for name in names:
                pair.insert(name, place.samples(kind, 2))
                pair.insert(name, place.samples(kind, 1), 0)
            for number, name in enumerate(names):
                pair.delete(name)  # says whether an earlier one took it along
                pair.delete(name)
                pair.listed(tag)
                if number in (0, 4, len(names) - 1):
                    pair.check(names)

    @law("Inserting after a delete starts from nothing", "§6", "Deleting")
    def test_insert_after_delete(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Delete between writes, through two handles."""
        with place.pair(kind, BOTH, clock) as one, place.pair(kind, BOTH, clock) as two:
            two.model = one.model
            for _ in range(3):
                one.insert(tag, place.samples(kind, 3))
                two.insert(tag, place.samples(kind, 1))
                one.check([tag])
                two.delete(tag)
                one.check([tag])
                one.listed(tag)

    @law(
        "delete_all removes this timeseries' names alone, counts them, and forgets its steps",
        "§6",
        "Deleting",
    )
    def test_delete_all(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Delete all of one timeseries next to another with other intervals in the same place."""
        mine, theirs = f"kit_mine{tag}", f"kit_mine{tag}2"
        ours = Configuration("ours", "UTC", {mine: {"step": 60, "steps": 1_000}})
        both = Configuration("both", "UTC", {mine: {"step": 60, "steps": 1_000}, theirs: {"step": 60}})
        names = [tag + end for end in ("", "a", "*", "\u00e9")]
        values = place.samples(kind, 2)
        with place.pair(kind, ours, clock) as one, place.open(kind, both.specs, clock=clock) as two:
            assert one.handle.delete_all() == 0
            for name in names:
                two.insert(name, values)
            assert one.handle.list() == sorted(names)
            assert one.handle.delete_all() == len(names)
            assert one.handle.list() == []
            assert two.list() == sorted(names)
            assert list(two.properties(names[0])) == [theirs]
            one.insert(tag, values[0])
            one.check([tag])
            assert one.handle.delete_all() == 1
            assert two.delete_all() == len(names)
        with place.open(kind, {mine: {"step": "daily"}}, clock=clock) as handle:
            handle.insert(tag, values[0])
            assert handle.list() == [tag]
            assert handle.delete_all() == 1

    @law("list gives the sorted names that have data, each once", "§6", "list and properties")
    def test_list(self, place: Place, kind: str, clock: Clock, tag: str) -> None:
        """Write many names in one call, and some again."""
        names = [f"{tag}{number * 7919 % 101}" for number in range(60)]
        value = place.samples(kind, 1)
        with place.pair(kind, BOTH, clock) as pair:
            pair.bulk_insert({NOW: dict.fromkeys(names, value), 0: dict.fromkeys(names[::3], value)})
            pair.insert(names[5], value)
            pair.listed(tag)
            for name in names:
                pair.delete(name)
            pair.listed(tag)
