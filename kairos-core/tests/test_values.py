"""Which values are kept, and how they compare: in a typed store, in a text store, in columns of one type."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import pytest

from kairos import Timeseries
from kairos.errors import InvalidValue
from kairos.storage import Values

Make = Callable[..., Timeseries]
VALUE_KINDS = ["series", "histogram", "gauge", "set"]

PORTABLE = [
    *(0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64, 10**100),
    *(0.5, -0.0, 1e300, 5e-324, 0.1, 1e16, 2.0**53),
    *("", "a", "é", "e\u0301", "\U0001f600", "a\nb", "  ", "None", "1", "x" * 100_000),
    *(b"", b"\0", b"\xff\xfe", b"a"),
    *(True, False),
]


def row(kind: str, *values: Any) -> Any:
    """Return the row of a bucket that holds these distinct values."""
    return {
        "series": list(values),
        "histogram": dict.fromkeys(values, 1),
        "gauge": values[-1],
        "set": set(values),
    }[kind]


def values_of(kind: str, found: Any) -> list[Any]:
    return [found] if kind == "gauge" else list(found)


@pytest.mark.parametrize("kind", VALUE_KINDS)
@pytest.mark.parametrize("value", PORTABLE, ids=lambda value: repr(value)[:20])
def test_portable_value_reads_back_equal_and_of_its_type(make: Make, kind: str, value: Any) -> None:
    series = make(kind)
    series.insert("a", value)
    found = series.get("a", "m")[600]
    assert found == row(kind, value)
    assert [type(one) for one in values_of(kind, found)] == [type(value)]


class Number(int):
    def __int__(self) -> int:
        return 99

    def __index__(self) -> int:
        return 99

    def __str__(self) -> str:
        return "99"

    __repr__ = __str__


class Fraction(float):
    def __float__(self) -> float:
        return 99.5

    def __repr__(self) -> str:
        return "99.5"


class Word(str):
    def __str__(self) -> str:
        return "other"

    def encode(self, *arguments: Any) -> bytes:
        return b"other"


class Data(bytes):
    def __bytes__(self) -> bytes:
        return b"other"


class Colour(enum.Enum):
    RED = 1


class IntColour(enum.IntEnum):
    RED = 1


class StrColour(enum.StrEnum):
    RED = "red"


class WordColour(str, enum.Enum):  # noqa: UP042 - as it was before 3.11
    RED = "red"


class FloatColour(float, enum.Enum):
    RED = 1.5


class BytesColour(bytes, enum.Enum):
    RED = b"red"


class Flags(enum.IntFlag):
    A = 1
    B = 2


SUBCLASSES = [
    (Number(5), 5),
    (Fraction(0.5), 0.5),
    (Word("text"), "text"),
    (Word("é\U0001f600"), "é\U0001f600"),
    (Data(b"data"), b"data"),
    (IntColour.RED, 1),
    (StrColour.RED, "red"),
    (WordColour.RED, "red"),
    (FloatColour.RED, 1.5),
    (BytesColour.RED, b"red"),
    (Flags.A | Flags.B, 3),
]


@pytest.mark.parametrize("kind", VALUE_KINDS)
@pytest.mark.parametrize(("value", "base"), SUBCLASSES)
def test_subclass_is_stored_as_the_base_type(make: Make, kind: str, value: Any, base: Any) -> None:
    series = make(kind)
    series.insert("a", [value])
    series.bulk_insert({660: {"a": [value]}})
    for found in series.series("a", "m", start=600, steps=2).values():
        assert found == row(kind, base)
        assert [type(one) for one in values_of(kind, found)] == [type(base)]


@pytest.mark.parametrize(
    ("value", "base"), [(Number(5), 5), (Fraction(0.5), 0.5), (IntColour.RED, 1), (Flags.B, 2)]
)
def test_subclass_as_an_increment_is_the_base_type(make: Make, value: Any, base: float) -> None:
    counts = make("count")
    counts.insert("a", value)
    counts.bulk_insert({600: {"a": [value]}})
    assert counts.get("a", "m") == {600: 2 * base}
    assert type(counts.get("a", "m")[600]) in (int, float)


@pytest.mark.parametrize("kind", VALUE_KINDS)
def test_enum_without_a_base_type_is_refused(make: Make, kind: str) -> None:
    with pytest.raises(TypeError, match=r"Colour\.RED"):
        make(kind).insert("a", Colour.RED)


# Equality --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1, 1.0, True], [True, 1.0, 1], [1.0, True, 1]])
def test_one_one_point_zero_and_true_are_one_key(make: Make, values: list[Any]) -> None:
    for together in (True, False):
        histogram, distinct, series = make("histogram"), make("set"), make()
        name = str(together)
        for one in (histogram, distinct, series):
            if together:
                one.insert(name, values)
            else:
                for value in values:
                    one.insert(name, value)
        assert histogram.get(name, "m") == {600: {1: 3}}
        assert distinct.get(name, "m") == {600: {1}}
        assert series.get(name, "m") == {600: [1, 1, 1]}
        assert [type(value) for value in series.get(name, "m")[600]] == [type(value) for value in values]


def test_what_is_not_equal_is_kept_apart(make: Make) -> None:
    values = [1, "1", b"1", 1.5, "1.0", 2**53, 2**53 + 1, "a", "A", "a ", "é", "e\u0301", "", b""]
    histogram, distinct = make("histogram"), make("set")
    histogram.insert("a", values)
    distinct.insert("a", values)
    assert histogram.get("a", "m") == {600: dict.fromkeys(values, 1)}
    assert distinct.get("a", "m") == {600: set(values)}
    assert len(distinct.get("a", "m")[600]) == len(values)


def test_zero_and_negative_zero_and_false_are_one_key(make: Make) -> None:
    histogram = make("histogram")
    histogram.insert("a", [0, -0.0, 0.0, False])
    assert histogram.get("a", "m") == {600: {0: 4}}


def test_counts_of_keys_that_come_back_equal_through_read_func_are_added(reading: Make) -> None:
    intervals = {"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}}
    histogram = reading("histogram", read_func=lambda value: str(value).lower(), intervals=intervals)
    histogram.insert("a", ["X", "x", "x", "Y"])
    histogram.insert("b", ["x"])
    histogram.insert("a", ["X"], 660)
    assert histogram.get("a", "m") == {600: {"x": 3, "y": 1}}
    assert histogram.get(["a", "b"], "m") == {600: {"x": 4, "y": 1}}
    assert histogram.get("a", "h") == {600: {"x": 3, "y": 1}, 660: {"x": 1}}
    assert histogram.get("a", "h", condense=True) == {0: {"x": 4, "y": 1}}
    assert histogram.series("a", "m", start=600, steps=2, collapse=True) == {600: {"x": 4, "y": 1}}
    assert histogram.get("a", "m", transform="count") == {600: 4}


def test_values_that_read_func_makes_equal_are_one_of_a_set(make: Make) -> None:
    distinct = make("set", read_func=abs)
    distinct.insert("a", [1, -1, 2])
    assert distinct.get("a", "m") == {600: {1, 2}}
    assert distinct.get("a", "m", transform="count") == {600: 2}


# read_func -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "stored", "expected"),
    [
        ("series", [5, 3, 5], [50, 30, 50]),
        ("histogram", [5, 3, 5], {50: 2, 30: 1}),
        ("count", [5, 3, 5], 13),
        ("gauge", [5, 3, 5], 50),
        ("set", [5, 3, 5], {30, 50}),
    ],
)
def test_read_func_sees_values_and_neither_totals_nor_counts(
    reading: Make, kind: str, stored: list[int], expected: Any
) -> None:
    series = reading(
        kind,
        read_func=lambda value: value * 10,
        intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}},
    )
    series.insert("a", stored)
    assert series.get("a", "m") == {600: expected}
    assert series.get("a", "h") == {600: expected}
    assert series.get("a", "h", condense=True) == {0: expected}
    assert list(series.iterate("a", "m")) == [(600, expected)]
    assert series.series("a", "m", end=600, steps=5, collapse=True) == {360: expected}


@pytest.mark.parametrize("kind", ["series", "histogram", "count", "gauge", "set"])
def test_read_func_is_not_called_where_there_is_no_value(reading: Make, kind: str) -> None:
    def read_func(value: Any) -> Any:
        raise AssertionError(f"called with {value!r}")

    series = reading(kind, read_func=read_func)
    empty = {"series": [], "histogram": {}, "count": 0, "gauge": None, "set": set()}[kind]
    assert series.get("a", "m") == {600: empty}
    assert series.get(["a", "b"], "m") == {600: empty}
    assert series.series("a", "m", steps=3, collapse=True) == {480: empty}
    series.insert("a", [])
    assert list(series.iterate("a", "m")) == []


def test_write_func_and_read_func_carry_other_types(make: Make) -> None:
    series = make("series", write_func=repr, read_func=lambda text: complex(text))
    series.insert("a", [1j, 2 + 3j])
    assert series.get("a", "m") == {600: [1j, 2 + 3j]}


# Text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (-0, "0"),
        (2**64, "18446744073709551616"),
        (0.5, "0.5"),
        (1.0, "1.0"),
        (1e300, "1e+300"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        ("text", "text"),
        ("", ""),
        (Number(5), "5"),
        (Fraction(0.5), "0.5"),
        (Word("text"), "text"),
        (IntColour.RED, "1"),
        (StrColour.RED, "red"),
        (FloatColour.RED, "1.5"),
    ],
)
@pytest.mark.parametrize("kind", VALUE_KINDS)
def test_text_store_holds_str_of_an_int_and_repr_of_a_float(
    make: Make, limited: Callable[..., Any], kind: str, value: Any, text: str
) -> None:
    series = make(kind, target=limited(text=True))
    series.insert("a", value)
    found = series.get("a", "m")[600]
    assert found == row(kind, text)
    assert [type(one) for one in values_of(kind, found)] == [str]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.1, -0.0, 1e300, 5e-324, 2.0], ["0.1", "-0.0", "1e+300", "5e-324", "2.0"]),
        ([0, -1, 2**53 + 1, 10**30, 7], ["0", "-1", "9007199254740993", "1" + "0" * 30, "7"]),
    ],
)
def test_many_numbers_of_one_type_are_written_as_each_alone(
    make: Make, limited: Callable[..., Any], values: list[Any], texts: list[str]
) -> None:
    series = make("series", target=limited(text=True))
    series.insert("a", values)
    assert series.get("a", "m") == {600: texts}
    with pytest.raises(ValueError, match=r"finite|digits"):
        series.insert("a", [*values, float("inf") if type(values[0]) is float else 10**5000])
    assert series.get("a", "m") == {600: texts}


def test_equality_in_a_text_store_is_of_the_text(make: Make, limited: Callable[..., Any]) -> None:
    place = limited(text=True)
    histogram, distinct = make("histogram", target=place), make("set", target=place)
    for one in (histogram, distinct):
        one.insert("a", [1, 1.0, "1", "1.0", 1])
    assert histogram.get("a", "m") == {600: {"1": 3, "1.0": 2}}
    assert distinct.get("a", "m") == {600: {"1", "1.0"}}
    merged = make("histogram", target=place, read_func=float)
    assert merged.get("a", "m") == {600: {1.0: 5}}


def test_counts_of_a_text_store_are_numbers(make: Make, limited: Callable[..., Any]) -> None:
    counts = make("count", target=limited(text=True), read_func=lambda value: 1 / 0)
    counts.insert("a", [1, 0.5])
    assert counts.get("a", "m") == {600: 1.5}
    assert counts.get("b", "m") == {600: 0}


def test_missing_gauge_of_a_text_store_is_read_func_of_nothing(
    make: Make, limited: Callable[..., Any]
) -> None:
    def read_func(text: str) -> Any:
        return float(text) if text else "nothing"

    intervals = {"m": {"step": 60, "steps": 2}, "h": {"step": 3600, "resolution": 60}}
    place = limited(text=True, folds=frozenset())
    gauge = make("gauge", target=place, read_func=read_func, intervals=intervals)
    gauge.insert("a", 5)
    assert gauge.get("a", "m") == {600: 5.0}
    assert gauge.get("b", "m") == gauge.get("b", "m", timestamp=600) == {600: "nothing"}
    assert gauge.get("a", "m", timestamp=0) == {0: "nothing"}  # dead
    assert gauge.series("a", "m", start=480, end=660) == {
        480: "nothing",
        540: "nothing",
        600: 5.0,
        660: "nothing",
    }
    gauge.insert("a", 6, 720)
    assert list(gauge.iterate("a", "m")) == [(600, 5.0), (660, "nothing"), (720, 6.0)]
    # of a name given as a str, neither condensed nor collapsed
    assert gauge.get(["b"], "m") == {600: None}
    assert gauge.get(["b", "a"], "m") == {600: 5.0}
    assert gauge.series("b", "m", steps=2, collapse=True) == {540: None}
    assert gauge.get("b", "h", condense=True) == {0: None}
    assert gauge.get("b", "h") == {}
    # and only with a read_func
    assert make("gauge", target=place).get("b", "m") == {600: None}


def test_custom_process_row_gets_none_for_a_missing_gauge_of_a_text_store(
    make: Make, limited: Callable[..., Any]
) -> None:
    gauge = make("gauge", target=limited(text=True), read_func=float)
    gauge.insert("a", 5)
    seen: list[Any] = []
    gauge.series("a", "m", end=600, steps=2, process_row=seen.append)
    assert seen == [None, "5"]


@pytest.mark.parametrize("kind", VALUE_KINDS)
def test_missing_rows_of_a_text_store_are_empty_without_read_func(
    make: Make, limited: Callable[..., Any], kind: str
) -> None:
    series = make(kind, target=limited(text=True))
    assert series.get("a", "m") == {600: {"series": [], "histogram": {}, "gauge": None, "set": set()}[kind]}


# Columns ---------------------------------------------------------------------------------------------------------


def column(*types: type, **limits: Any) -> Values:
    defaults: dict[str, Any] = {"text": False, "int_range": None, "max_bytes": None}
    return Values(types=frozenset(types), **(defaults | limits))


@pytest.mark.parametrize(
    ("values", "given", "stored"),
    [
        (column(float), 5, 5.0),
        (column(float), 2**53, 2.0**53),
        (column(float), 2**60, 2.0**60),
        (column(float), Number(5), 5.0),
        (column(float), IntColour.RED, 1.0),
        (column(int), 5.0, 5),
        (column(int), 1e18, 10**18),
        (column(int), Fraction(5.0), 5),
        (column(int, int_range=(-(2**63), 2**63 - 1)), 2**63 - 1, 2**63 - 1),
        (column(int, int_range=(-(2**63), 2**63 - 1)), -(2**63), -(2**63)),
        (column(bool), True, True),
        (column(str, max_bytes=10), "x" * 10, "x" * 10),
        (column(str, max_bytes=10), "é" * 5, "é" * 5),
        (column(bytes, max_bytes=10), b"\xff" * 10, b"\xff" * 10),
    ],
)
@pytest.mark.parametrize("kind", VALUE_KINDS)
def test_value_that_a_column_gives_back_equal_is_stored_as_its_type(
    make: Make, limited: Callable[..., Any], kind: str, values: Values, given: Any, stored: Any
) -> None:
    series = make(kind, target=limited(values=values))
    series.insert("a", given)
    found = series.get("a", "m")[600]
    assert found == row(kind, stored)
    assert [type(one) for one in values_of(kind, found)] == [type(stored)]


def test_increments_do_not_depend_on_the_type_of_values(make: Make, limited: Callable[..., Any]) -> None:
    counts = make("count", target=limited(values=column(str, max_bytes=1)))
    counts.insert("a", [2**53 + 1, 1])
    assert counts.get("a", "m") == {600: 2**53 + 2}


def doubled(value: Any) -> Any:
    return value * 2  # not equal, so that it shows who was converted


@pytest.mark.parametrize("many", [1, 10])
def test_only_values_of_a_converted_type_are_converted(
    make: Make, limited: Callable[..., Any], many: int
) -> None:
    values = column(int, float, str, bytes, convert={float: doubled, str: doubled})
    series = make(target=limited(values=values))
    mixed = [1, 2.5, "a", b"x"]
    for timestamp, given in enumerate([mixed, *([value] for value in mixed)]):
        series.insert("a", given * many, timestamp=60 * timestamp)
    expected = [[1, 5.0, "aa", b"x"], [1], [5.0], ["aa"], [b"x"]]
    assert list(series.series("a", "m", start=0, steps=5).values()) == [row * many for row in expected]


@pytest.mark.parametrize("many", [1, 10])
def test_what_is_stored_decides_which_conversion_it_gets(
    make: Make, limited: Callable[..., Any], many: int
) -> None:
    series = make(target=limited(values=column(float, convert={float: doubled})))
    series.insert("a", [5, Number(5), IntColour.RED] * many)
    assert series.get("a", "m") == {600: [10.0, 10.0, 2.0] * many}


@pytest.mark.parametrize("many", [1, 10])
def test_conversion_follows_the_other_checks_and_may_refuse(
    make: Make, limited: Callable[..., Any], many: int
) -> None:
    def small(value: int) -> int:
        if value > 5:
            raise InvalidValue(f"too large: {value}")
        return value

    place = limited(values=column(int, int_range=(-9, 9), convert={int: small}))
    series = make(target=place)
    for bad, said in ((10, "from -9 to 9"), (6, "too large: 6")):
        with pytest.raises(InvalidValue, match=said):
            series.insert("a", [1] * many + [bad])
    assert series.list() == []
    series.insert("a", [5] * many)
    assert series.get("a", "m") == {600: [5] * many}


def test_conversion_of_a_type_that_is_not_held_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"Values\.types; got bytes, str"):
        column(int, convert={str: str, bytes: bytes, int: int})
