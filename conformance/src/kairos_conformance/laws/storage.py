"""The storage contract itself: what the core may expect of each method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import pytest

from kairos.storage import Batch, Read, Reply, Storage, Write

from ..kinds import merge, row_of
from ..law import law
from ..model import stored_as_text
from ..names import HOSTILE, hostile_names
from ..place import Place
from .base import Laws, Undeclared, opening

__all__ = ["StorageLaws"]

PLAIN, FINE = "kit_storage", "kit_storage_fine"
INTERVALS = {PLAIN: {"step": 10}, FINE: {"step": 60, "resolution": 10}}
SCOPE = {PLAIN: None, FINE: None}

FOLDS = (
    (PLAIN, {"name"}),
    (PLAIN, {"interval"}),
    (PLAIN, {"name", "interval"}),
    (FINE, {"resolution"}),
    (FINE, {"name"}),
    (FINE, {"resolution", "name"}),
    (FINE, {"resolution", "interval"}),
    (FINE, {"resolution", "name", "interval"}),
)


def write(storage: Storage, *writes: tuple[str, int, int | None, Mapping[str, Any]]) -> None:
    """Write buckets without a deadline."""
    batch = [Write(interval, i, r, None, dict(rows)) for interval, i, r, rows in writes]
    storage.write(Batch(batch, 0.0, {}))


def request(interval: str, names: Iterable[str], first: int, last: int, **more: Any) -> Read:
    """Return a read of a range."""
    resolutions = (lambda i: range(6 * i, 6 * i + 6)) if interval == FINE else None
    return Read(tuple(names), interval, first, last, lambda: range(first, last + 1), resolutions, **more)


def read(
    storage: Storage, interval: str, name: str, first: int, last: int
) -> dict[int, dict[int | None, Any]]:
    """Return what is there of one name."""
    reply = storage.read(request(interval, [name], first, last))
    assert not reply.folded
    assert not reply.transformed
    return {i: dict(cells) for i, cells in reply.data.get(name, {}).items()}


class StorageLaws(Laws):
    """The storage contract itself."""

    @law(
        "Storage: what is written to a bucket reads back from it, and adds to what is there",
        "contract",
        "Rows",
    )
    def test_storage_write_and_read(self, place: Place, kind: str, tag: str) -> None:
        """Write to buckets on both sides of 0, and to some again."""
        with place.storage(kind, INTERVALS) as storage:
            one, two = payloads(place, kind)
            for i in (-3, 0, 5, 10**9):
                write(storage, (PLAIN, i, None, {tag: one}), (FINE, i, 6 * i + 1, {tag: two}))
            write(storage, (PLAIN, 5, None, {tag: two}), (FINE, 5, 31, {tag: one}), (FINE, 5, 33, {tag: one}))
            assert read(storage, PLAIN, tag, -3, 5) == rows(
                kind, {-3: {None: [one]}, 0: {None: [one]}, 5: {None: [one, two]}}
            )
            assert read(storage, FINE, tag, 5, 5) == rows(kind, {5: {31: [two, one], 33: [one]}})
            assert read(storage, PLAIN, tag, 10**9, 10**9) == rows(kind, {10**9: {None: [one]}})
            assert read(storage, FINE, tag, -3, -3) == rows(kind, {-3: {-17: [two]}})
            assert storage.delete([tag], SCOPE) == 1

    @law("Storage: a total of fractions that is whole is an int", "contract", "Rows")
    @pytest.mark.parametrize("kind", ["count"])
    def test_storage_whole_totals(self, place: Place, kind: str, tag: str, undeclared: Undeclared) -> None:
        """Add floats up to whole totals, small and large."""
        if not place.capabilities(kind).float_counts:
            undeclared("float_counts")
            return
        with place.storage(kind, INTERVALS) as storage:
            for i, parts in enumerate(([0.5, 0.5], [2.0**60], [3, 0.25, -0.25], [0.5, -0.5], [0.5])):
                for part in parts:
                    write(storage, (PLAIN, i, None, {tag: part}))
            found = {i: cells[None] for i, cells in read(storage, PLAIN, tag, 0, 4).items()}
            assert found == {0: 1, 1: 2**60, 2: 3, 3: 0, 4: 0.5}
            assert [type(total) for _, total in sorted(found.items())] == [int, int, int, int, float]
            storage.delete([tag], SCOPE)

    @law("Storage: both ends of a range are in it, and nothing beyond them", "contract", "Reading")
    def test_storage_ranges(self, place: Place, kind: str, tag: str) -> None:
        """Read every range over ten buckets with gaps."""
        there = (-2, -1, 0, 2, 3, 7)
        with place.storage(kind, INTERVALS) as storage:
            one, _ = payloads(place, kind)
            write(storage, *((PLAIN, i, None, {tag: one}) for i in there))
            write(storage, *((FINE, i, 6 * i, {tag: one}) for i in there))
            for first, last in product(range(-3, 9), repeat=2):
                if first <= last:
                    expected = [i for i in there if first <= i <= last]
                    for interval in INTERVALS:
                        assert sorted(read(storage, interval, tag, first, last)) == expected
            storage.delete([tag], SCOPE)

    @law("Storage: a read gives the names that it was asked for, each its own rows", "contract", "Reading")
    def test_storage_names_of_a_read(self, place: Place, kind: str, tag: str) -> None:
        """Read several of many hostile names at once."""
        limit = place.capabilities(kind).max_name_bytes
        names = list(dict.fromkeys(hostile_names(tag, 0, len(HOSTILE), limit)))
        with place.storage(kind, INTERVALS) as storage:
            one, two = payloads(place, kind)
            write(storage, (PLAIN, 1, None, dict.fromkeys(names, one)), (PLAIN, 2, None, {names[3]: two}))
            reply = storage.read(request(PLAIN, names[::2], 1, 2))
            got = {name: buckets for name, buckets in reply.data.items() if buckets}
            assert sorted(got) == sorted(names[::2])
            assert {i for name in got for i in got[name]} == {1}
            assert read(storage, PLAIN, names[3], 1, 2) == rows(kind, {1: {None: [one]}, 2: {None: [two]}})
            assert not storage.read(request(PLAIN, [tag + "no such name"], 1, 2)).data.get(
                tag + "no such name"
            )
            assert storage.delete(names, SCOPE) == len(names)

    @law(
        "Storage: names and span see only the scope's intervals, from its first live bucket on",
        "contract",
        "Names and spans",
    )
    def test_storage_names_and_span(self, place: Place, kind: str, tag: str) -> None:
        """Ask with every scope."""
        a, b = tag + "a", tag + "b"
        with place.storage(kind, INTERVALS) as storage:
            one, _ = payloads(place, kind)
            write(storage, *((PLAIN, i, None, {a: one}) for i in (-5, 3, 9)), (FINE, 4, 25, {a: one, b: one}))

            def names(scope: Mapping[str, int | None]) -> list[str]:
                found = list(storage.names(scope))
                assert len(found) == len(set(found)), "names() has a name twice"
                return sorted(name for name in found if tag in name)

            assert names(SCOPE) == [a, b]
            assert names({PLAIN: None}) == [a]
            assert names({PLAIN: 9}) == [a]
            assert names({PLAIN: 10}) == []
            assert names({FINE: 4}) == [a, b]
            assert names({FINE: 5, PLAIN: 9}) == [a]
            assert storage.span(a, PLAIN, None) == (-5, 9)
            assert storage.span(a, PLAIN, -5) == (-5, 9)
            assert storage.span(a, PLAIN, -4) == (3, 9)
            assert storage.span(a, PLAIN, 9) == (9, 9)
            assert storage.span(a, PLAIN, 10) is None
            assert storage.span(b, PLAIN, None) is None
            assert storage.span(b, FINE, None) == (4, 4)
            assert storage.span(tag, FINE, None) is None
            assert storage.delete([a, b], SCOPE) == 2

    @law(
        "Storage: delete removes dead and live data in the scope, and counts the names with live data",
        "contract",
        "Deleting from the store",
    )
    def test_storage_delete(self, place: Place, kind: str, tag: str) -> None:
        """Delete from one interval, and with a scope past some data."""
        a, b, c = tag + "a", tag + "b", tag
        with place.storage(kind, INTERVALS) as storage:
            one, _ = payloads(place, kind)
            write(storage, (PLAIN, 1, None, {a: one, b: one, c: one}), (FINE, 1, 6, {a: one, b: one, c: one}))
            write(storage, (PLAIN, 7, None, {b: one}))
            assert storage.delete([a], {PLAIN: None}) == 1
            assert read(storage, PLAIN, a, 0, 9) == {}
            assert sorted(read(storage, FINE, a, 0, 9)) == [1]
            assert storage.delete([a], {PLAIN: None}) == 0
            assert storage.delete([b, c], {PLAIN: 5}) == 1, "only one of the two has live data"
            assert read(storage, PLAIN, b, 0, 9) == {}, "dead data goes too"
            assert read(storage, PLAIN, c, 0, 9) == {}, "dead data goes too"
            assert storage.delete([a, b, c, tag + "d"], SCOPE) == 3
            assert storage.delete([], SCOPE) == 0
            write(storage, (PLAIN, 1, None, {a: one}))
            assert read(storage, PLAIN, a, 0, 9) == rows(kind, {1: {None: [one]}}), "it starts from nothing"
            storage.delete([a], SCOPE)

    @law(
        "Storage: layouts are put if absent, for each interval, and forgotten by delete_all",
        "contract",
        "Layouts",
    )
    def test_storage_layouts(self, place: Place, kind: str, tag: str) -> None:
        """Record twice, and delete all of an interval of the law's own."""
        mine, theirs = f"kit_layout{tag}", f"kit_layout{tag}s"
        intervals = {mine: {"step": 10}, theirs: {"step": 10}}
        with place.storage(kind, intervals) as one, place.storage(kind, intervals) as two:
            assert not {mine, theirs} & set(one.layouts())
            assert dict(one.record_layouts({mine: "first"}, {})) == {mine: "first"}
            assert dict(two.record_layouts({mine: "second", theirs: "third"}, {})) == {
                mine: "first",
                theirs: "third",
            }
            recorded = {name: text for name, text in one.layouts().items() if tag in name}
            assert recorded == {mine: "first", theirs: "third"}
            payload, _ = payloads(place, kind)
            write(one, (mine, 1, None, {tag: payload, tag + "b": payload}), (theirs, 1, None, {tag: payload}))
            assert two.delete_all({mine: None}) == 2
            assert list(one.names({mine: None})) == []
            assert list(one.names({theirs: None})) == [tag]
            assert {name for name in two.layouts() if tag in name} == {theirs}
            two.forget_layouts((theirs,))
            assert not {name for name in one.layouts() if tag in name}
            assert two.delete_all({mine: None, theirs: None}) == 1

    @law(
        "Storage: expire removes buckets below the first live one; native storages refuse it",
        "contract",
        "Deleting from the store",
    )
    def test_storage_expire(self, place: Place, kind: str, tag: str) -> None:
        """Expire one name, then all, in one interval and then in both."""
        a, b = tag + "a", tag + "b"
        with place.storage(kind, INTERVALS) as storage:
            if place.native(kind):
                with pytest.raises(NotImplementedError):
                    storage.expire({PLAIN: 5}, None)
                return
            one, _ = payloads(place, kind)
            write(storage, *((PLAIN, i, None, {a: one, b: one}) for i in (-1, 4, 5, 6)))
            write(storage, *((FINE, i, 6 * i, {a: one, b: one}) for i in (-1, 4, 5, 6)))
            storage.expire({PLAIN: 5}, [a])
            assert sorted(read(storage, PLAIN, a, -9, 9)) == [5, 6]
            assert sorted(read(storage, FINE, a, -9, 9)) == [-1, 4, 5, 6]
            assert sorted(read(storage, PLAIN, b, -9, 9)) == [-1, 4, 5, 6]
            storage.expire({PLAIN: 6, FINE: 5}, None)
            assert sorted(read(storage, PLAIN, a, -9, 9)) == [6]
            assert sorted(read(storage, FINE, b, -9, 9)) == [5, 6]
            assert storage.span(b, PLAIN, None) == (6, 6)
            assert storage.delete([a, b], SCOPE) == 2

    @law(
        "Storage: a reply's rows are copies, and a batch's payloads are neither kept nor changed",
        "contract",
        "Rules",
    )
    def test_storage_copies(self, place: Place, kind: str, tag: str) -> None:
        """Change what was read, and what was written."""
        with place.storage(kind, INTERVALS) as storage:
            one, two = payloads(place, kind)
            place.log.own = _script(place, kind, tag)
            mine = one.copy() if hasattr(one, "copy") else one
            write(storage, (PLAIN, 1, None, {tag: mine, tag + "b": mine}))
            write(storage, (PLAIN, 1, None, {tag: two}))
            assert mine == one, "the payload was changed"
            if hasattr(mine, "clear"):
                mine.clear()
            expected = rows(kind, {1: {None: [one, two]}})
            for _ in range(2):
                got = read(storage, PLAIN, tag, 1, 1)
                assert got == expected
                if hasattr(got[1][None], "clear"):
                    got[1][None].clear()
            assert read(storage, PLAIN, tag + "b", 1, 1) == rows(kind, {1: {None: [one]}})
            storage.delete([tag, tag + "b"], SCOPE)

    @law("Storage: a fold of the engine's is the fold of the rows", "contract", "Folds")
    @pytest.mark.parametrize(
        ("interval", "axes"),
        FOLDS,
        ids=lambda value: "+".join(sorted(value)) if isinstance(value, set) else value,
    )
    def test_storage_folds(
        self, place: Place, kind: str, tag: str, undeclared: Undeclared, interval: str, axes: set[Any]
    ) -> None:
        """Ask for every fold that is declared, and do it by hand too."""
        declared = place.capabilities(kind).folds
        if not axes <= declared:
            undeclared("folds")
            return
        names = [tag + "b", tag + "a", tag + "none"]
        with place.storage(kind, INTERVALS) as storage:
            one, two = payloads(place, kind)
            for i, r in ((2, 12), (0, 1), (2, 14), (1, 9), (0, 4)):
                cell = None if interval == PLAIN else r
                write(storage, (interval, i, cell, {names[0]: one, names[1]: two}))
                write(storage, (interval, i, cell, {names[1]: one}))
            for asked in (names, names[::-1], names[:1], names[2:]):
                if len(asked) > 1 and "name" not in axes and "interval" in axes:
                    continue
                plain = storage.read(request(interval, asked, -1, 3))
                reply = storage.read(request(interval, asked, -1, 3, fold=frozenset(axes)))
                got = {name: buckets for name, buckets in reply.data.items() if buckets}
                expected = folded(kind, plain, asked, axes, -1) if reply.folded else dict(plain.data)
                assert got == {name: buckets for name, buckets in expected.items() if buckets}
            storage.delete(names, SCOPE)

    @law(
        "Storage: closing twice is fine, and leaves another storage of the place at work",
        "contract",
        "Opening and closing",
    )
    def test_storage_close(self, place: Place, kind: str, tag: str) -> None:
        """Close one of two, twice."""
        with place.storage(kind, INTERVALS) as one, place.storage(kind, INTERVALS) as two:
            payload, _ = payloads(place, kind)
            write(one, (PLAIN, 1, None, {tag: payload}))
            one.close()
            one.close()
            assert tag in set(two.names(SCOPE))
            assert two.delete([tag], SCOPE) == 1


def _script(place: Place, kind: str, tag: str) -> list[str]:
    """Return the script of rows and payloads that a storage keeps hold of."""
    values = place.samples(kind, 2)
    held = [stored_as_text(value) for value in values] if place.capabilities(kind).values.text else values
    expected = sum(values) if kind == "count" else row_of(kind, held)
    return [
        "from kairos import Timeseries",
        f"ts = {opening(place, kind, repr({'minute': {'step': 60}, 'hour': {'step': 3600}}))}",
        f"for value in {values!r}: ts.insert({tag!r}, value, 0)",
        f"for row in ts.get({tag!r}, 'minute', timestamp=0).values(): getattr(row, 'clear', int)()",
        f"got = [ts.get({tag!r}, interval, timestamp=0) for interval in ('minute', 'hour')]",
        f"assert got == 2 * [{{0: {expected!r}}}], got",
    ]


def payloads(place: Place, kind: str) -> tuple[Any, Any]:
    """Return two payloads of a write that can be told apart, as the core makes them."""
    if kind == "count":
        return 3, 4
    text = place.capabilities(kind).values.text
    a, b = (str(value) if text else value for value in place.samples(kind, 2))
    shapes: dict[str, tuple[Any, Any]] = {
        "series": ([a, b, a], [b]),
        "histogram": ({a: 2, b: 1}, {b: 5}),
        "gauge": (a, b),
        "set": ([a, b], [b]),
    }
    return shapes[kind]


def rows(
    kind: str, written: Mapping[int, Mapping[int | None, list[Any]]]
) -> dict[int, dict[int | None, Any]]:
    """Return the rows that payloads make."""
    return {
        i: {r: merge(kind, [set(p) if kind == "set" else p for p in parts]) for r, parts in cells.items()}
        for i, cells in written.items()
    }


def folded(kind: str, plain: Reply, names: list[str], axes: set[Any], first: int) -> dict[str, Any]:
    """Return the fold of a plain reply: by time, and then in the order of names."""
    every = [
        (i, r, position, row)
        for position, name in enumerate(names)
        for i, cells in plain.data.get(name, {}).items()
        for r, row in cells.items()
    ]
    every.sort(key=lambda cell: (cell[0], cell[1] or 0, cell[2]))
    groups: dict[tuple[str, int, int | None], list[Any]] = {}
    for i, r, position, row in every:
        where = (
            "" if "name" in axes else names[position],
            first if "interval" in axes else i,
            None if "resolution" in axes else r,
        )
        groups.setdefault(where, []).append(row)
    result: dict[str, Any] = {}
    for (name, i, r), parts in groups.items():
        result.setdefault(name, {}).setdefault(i, {})[r] = merge(kind, parts)
    return result
