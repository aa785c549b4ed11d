"""Names that storages confuse, more than 200 of them side by side: no collision, no wrong read.

Each name is written with a value that no other has, so that a row of another name, or of two names run together,
can't pass for its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from kairos import Timeseries
from kairos.memory import Store

KINDS = ["series", "histogram", "count", "gauge", "set"]
FIRST, SECOND, ABSENT = 600, 720, 660
INTERVALS = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}

SPECIAL = ":.$*?[]{}%_\\'\"`;,|/&=+-#@!~^()<> \t\n\r\x01\x1f\x7f\x85\xa0\u200b\u2028\ufeff\ufffd\uffff"
"""Separators, patterns, quotes, white space and control characters of one storage or another."""

BY_HAND = [
    # cases, and what folds to the same
    *("a", "A", "b", "B", "ab", "AB", "Ab", "aB", "abc", "a a", "A A"),
    *("K", "k", "\u212a", "\u00e5", "\u00c5", "\u212b", "a\u030a"),  # Kelvin, Ångström
    *("ss", "SS", "\u00df", "\u1e9e", "s", "\u017f", "\u017fs"),  # ß, capital ß, long s
    *("i", "I", "\u0130", "\u0131", "i\u0307"),  # with and without dots
    *("\u03c3", "\u03c2", "\u03a3"),  # sigmas
    *("\u01c4", "\u01c5", "\u01c6"),  # DŽ, Dž, dž
    # composed, decomposed and compatible
    *("\u00e9", "e\u0301", "e", "\u00c9", "E\u0301", "\u0301", "\u0301e"),
    *("\ufb01", "fi", "\u2460", "1", "\u00b2", "2", "\u2126", "\u03a9", "\u1e9b\u0323", "\u1e69"),
    *("\uff21", "\uff11", "\uff1a", "\uff04", "\uff05"),  # full width
    *("\uac00", "\u1100\u1161"),  # Hangul
    # what shows nothing, or turns the text around
    *(
        "a\u200b",
        "\u200ba",
        "a\u200d",
        "a\u00ad",
        "a\u2060",
        "a\u034f",
        "\u202ea",
        "a\u202e",
        "\u2066a\u2069",
    ),
    *("\u05d0", "\u05d0\u05d1", "\u05d1\u05d0", "\u0627", "\u0623", "\u0627\u0654"),
    # look-alikes
    *("\u0430", "\u0410", "\u0391", "\u0399", "o", "0", "O", "\u043e", "l", "|"),
    # emoji, joined or not, with selectors and skins
    *(
        "\U0001f600",
        "\U0001f601",
        "\u263a",
        "\u263a\ufe0f",
        "\u263a\ufe0e",
        "\U0001f44d",
        "\U0001f44d\U0001f3fd",
    ),
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f468\U0001f469\U0001f467",
    *("\U0001f1e9\U0001f1ea", "\U0001f1e9", "\U0001f1ea"),
    # beyond the basic plane, and its last characters
    *("\U00010000", "\U00010400", "\U00010428", "\U0010ffff", "\ud7ff", "\ue000", "\ufffe"),
    # numbers and words that mean something elsewhere
    *("10", "9", "01", "1.0", "1e5", "100000", "-1", "+1", "0x10", "1_0", "\u0661", "NaN", "inf", "9" * 40),
    *("None", "null", "NULL", "nil", "undefined", "true", "True", "false", "", "''", '""'),
    *(
        "minute",
        "hour",
        "600",
        "minute:10",
        "hour:0",
        "hour:0:10",
        "kairos",
        "name",
        "_id",
        "value",
        "default",
    ),
    *("count", "series", "gauge", "set", "histogram", "system.", "system.x", "__proto__", "constructor"),
    # keys and patterns of storages
    *("a:minute", "a:minute:10", "a:b", "a:b:c", "a::b", ":a", "a:", "::", "a.b", "a..b", ".a", "a.", ".."),
    *("$a", "a$", "$set", "a.$", "a.$[]", "a.0", "a\uffff", "a\uffff:", "\uffffa", "a\uffff\uffffb"),
    *(
        "a*",
        "*a",
        "a?",
        "a[b]",
        "[ab]",
        "a[^b]",
        "a[!b]",
        "a\\*",
        "a\\",
        "\\a",
        "\\\\a",
        "{a}",
        "a{b}c",
        "{}",
    ),
    *("a%", "%a", "a_", "_a", "__", "%%", "a%20b", "a b", "a+b", "a\\%", "a\\_", "%s", "%(a)s", "{0}", "$1"),
    *(
        "'; DROP TABLE count; --",
        "' OR '1'='1",
        "a'; --",
        'a"; --',
        "a`",
        "/* a */",
        "--",
        "a--",
        "#a",
        "0 OR 1=1",
    ),
    *("../a", "a/../b", "/", "//", "a/b", "C:\\a", "~", "a\r\nb", "a\nb", "a\rb", "a\tb"),
    *(
        "\r\nSET a 1\r\n",
        "*1\r\n",
        "$1\r\na",
        "a\r",
        "a\n",
        "a\t",
        "\ta",
        "\na",
        "a\x0b",
        "a\x0c",
        "a\x1b[0m",
    ),
    *("<a>", "&amp;", "&", "a=b", "a&b", '{"a": 1}', "[1]", "(a)", "$(a)", "${a}", "`a`"),
    # white space around
    *(
        " ",
        "  ",
        "   ",
        "a ",
        "a  ",
        " a",
        "  a",
        " a ",
        "A ",
        "\xa0",
        "a\xa0",
        "\u3000",
        "a\u3000",
        "\u1680",
    ),
]


def corpus(longest: int) -> list[str]:
    """Return the names, none twice, all of which can be written: in an order that is not that of ``list``."""
    tagged = [pattern.replace("x", c) for c, pattern in product(SPECIAL, ("x", "ax", "xa", "axb", "axx"))]
    stems = ["cafe\u0301", "\u1e0b\u0323", "\u00c5ngstro\u0308m", "A\u0308"]
    forms = [unicodedata.normalize(form, stem) for form in ("NFC", "NFD", "NFKC", "NFKD") for stem in stems]
    prefixes = ["prefix"[:n] for n in range(1, 7)] + ["aaaaaaaa"[:n] for n in range(1, 9)]
    long = [
        *("x" * (longest - 1), "x" * longest, "x" * (longest - 1) + "y", "X" * longest),
        *("x" * (longest - 1) + " ", " " + "x" * (longest - 1), "%" * longest, "\\" * longest, "'" * longest),
        *("\u00e9" * (longest // 2), "e\u0301" * (longest // 3), "\U0001f600" * (longest // 4)),
        *("x" * 64, "x" * 63, "x" * 65, "x" * 127, "x" * 128, "x" * 190, "x" * 191, "x" * 192),
    ]
    names = dict.fromkeys([*BY_HAND, *tagged, *forms, *prefixes, *long])
    fitting = [name for name in names if name and "\0" not in name and len(name.encode()) <= longest]
    return sorted(fitting, key=lambda name: (len(name), name[::-1]))


Open = Callable[[str], Timeseries]


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a timeseries of a kind, in a place of this test's own."""
    target: Any = Store() if request.param == "memory" else f"sqlite:///{tmp_path / 'names.sqlite'}"
    made = []

    def open_one(kind: str) -> Timeseries:
        made.append(Timeseries(target, type=kind, intervals=INTERVALS, clock=lambda: FIRST))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


def row(kind: str, value: int) -> Any:
    return {"series": [value], "histogram": {value: 1}, "count": value, "gauge": value, "set": {value}}[kind]


EMPTY: dict[str, Any] = {"series": [], "histogram": {}, "count": 0, "gauge": None, "set": set()}


def test_the_corpus_is_what_it_says() -> None:
    names = corpus(255)
    assert len(names) == len(set(names)) >= 200
    assert max(len(name.encode()) for name in names) == 255
    folds: list[Callable[[str], str]] = [
        lambda n: n.casefold(),
        lambda n: n.strip(),
        lambda n: unicodedata.normalize("NFKC", n),
    ]
    for fold in folds:  # each of them would take some names for others
        assert len({fold(name) for name in names}) <= len(names) - 10


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_never_collide(opened: Open, kind: str) -> None:
    series = opened(kind)
    names = corpus(min(255, series.capabilities.max_name_bytes))
    assert len(names) >= 200
    values = {name: 1_000 + number for number, name in enumerate(names)}
    written = series.bulk_insert(
        {
            FIRST: {name: [value] for name, value in values.items()},
            SECOND: {name: [value + 100_000] for name, value in values.items()},
        }
    )
    assert (written.stored, written.dropped) == (4 * len(names), 0)

    for reader in (series, opened(kind)):  # and a handle that has written nothing
        assert reader.list() == sorted(names)
        holds_its_own(reader, kind, values)

    merged = series.get(names, "minute", timestamp=FIRST)[FIRST]
    merged = merged.keys() if kind == "histogram" else merged
    everything = list(values.values())
    assert {
        "series": lambda: merged == everything,
        "histogram": lambda: merged == set(everything),
        "count": lambda: merged == sum(everything),
        "gauge": lambda: merged == everything[-1],
        "set": lambda: merged == set(everything),
    }[kind]()


@pytest.mark.parametrize("kind", KINDS)
def test_single_inserts_of_hostile_names_never_collide(opened: Open, kind: str) -> None:
    series = opened(kind)
    names = corpus(255)[::4]
    values = {name: 1_000 + number for number, name in enumerate(names)}
    for name, value in values.items():
        assert series.list().count(name) == 0
        series.insert(name, value, FIRST)
        series.insert(name, value + 100_000, SECOND)
    assert series.list() == sorted(names)
    holds_its_own(series, kind, values)


@pytest.mark.parametrize("kind", KINDS)
def test_delete_of_a_hostile_name_removes_exactly_that_one(opened: Open, kind: str) -> None:
    series = opened(kind)
    names = corpus(255)
    values = {name: 1_000 + number for number, name in enumerate(names)}
    series.bulk_insert(
        {FIRST: {n: [v] for n, v in values.items()}, SECOND: {n: [v + 100_000] for n, v in values.items()}}
    )
    left = dict(values)
    for number, name in enumerate(names[::2]):
        assert series.delete(name) == 1, name
        del left[name]
        if number % 20 == 0:
            assert series.list() == sorted(left)
    assert series.list() == sorted(left)
    holds_its_own(series, kind, left)
    for name in names[::2]:
        assert series.get(name, "minute", timestamp=FIRST) == {FIRST: EMPTY[kind]}, name
        assert series.properties(name) == {}, name
    assert series.delete_all() == len(left)
    assert series.list() == []


def holds_its_own(series: Timeseries, kind: str, values: dict[str, int]) -> None:
    """Assert that each name reads back its own value, in every call that reads."""
    minute = {"first": FIRST, "last": SECOND}
    span = {"minute": minute, "hour": {"first": 0, "last": 0}}
    for name, value in values.items():
        first, second = row(kind, value), row(kind, value + 100_000)
        assert series.get(name, "minute", timestamp=FIRST) == {FIRST: first}, name
        assert series.get(name, "hour", timestamp=0) == {FIRST: first, SECOND: second}, name
        shown = {FIRST: first, ABSENT: EMPTY[kind], SECOND: second}
        assert series.series(name, "minute", start=FIRST, end=SECOND) == shown, name
        assert list(series.iterate(name, "minute")) == list(shown.items()), name
        assert series.properties(name) == span, name
