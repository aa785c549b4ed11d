"""value_type: what each column takes, and that it gives back what it took."""

import enum
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from kairos.errors import InvalidType, InvalidValue
from kairos_sql.plugin import kairos_open
from kairos_sql.values import NAMES


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Reversed(sa.types.TypeDecorator):
    """Text, stored backwards."""

    impl = sa.String
    cache_ok = True
    python_type = str

    def process_bind_param(self, value, dialect):
        return value[::-1]

    def process_result_value(self, value, dialect):
        return value[::-1]


class Lossy(Reversed):
    """Text, cut to three characters."""

    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value[:3][::-1]


class Code(sa.types.UserDefinedType):
    """Text in a column that turns it into numbers where it can."""

    cache_ok = True
    python_type = str

    def get_col_spec(self, **kw):
        return "CODE"


MOMENT = datetime(2024, 2, 29, 23, 59, 59, 999_999)
TIMES = [MOMENT, datetime(1, 1, 1), datetime(9999, 12, 31, 1), datetime(1901, 5, 6, 7, 8, 9, 10)]
HUGE = Decimal("12345678901234567890123456789012345678901234567890.000000000000000000000000000001")
DECIMALS = [Decimal("0.1"), Decimal("1E+50"), Decimal("-1e-50"), HUGE, Decimal("-0"), Decimal("1.10")]
TEXTS = ["", "a", "A", "a ", "1", "1e3", " 1 ", "0x1", "ä", "a\u0308", "😀", "\n", "'", "a" * 255]

TYPES = {
    "blob": [b"", b"\0", b"\xff\0", b"x" * 32_768, b"1"],
    "bool": [True, False],
    "boolean": [True],
    "clob": [*TEXTS, "ä" * 16_384],
    "date": [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)],
    "datetime": TIMES,
    "decimal": DECIMALS,
    "float": [0.1, -0.0, 5e-324, 1.7976931348623157e308, 2.0**53, 1, 2**53],
    "int": [0, 2**63 - 1, -(2**63), 1.0, -(2.0**63)],
    "int64": [1],
    "integer": [1],
    "long": [1],
    "str": TEXTS,
    "string": TEXTS,
    "text": TEXTS,
    "time": [time(0), time(23, 59, 59, 999_999), time(12, 0, 0, 1)],
    "unicode": TEXTS,
    bool: [True],
    bytes: [b"x"],
    date: [date(2024, 2, 29)],
    datetime: TIMES,
    Decimal: DECIMALS,
    float: [0.5],
    int: [2**62 + 1],
    str: TEXTS,
    time: [time(1, 2, 3)],
    sa.BigInteger: [2**63 - 1],
    sa.Boolean: [True, False],
    sa.Date: [date(2024, 2, 29)],
    sa.DateTime: TIMES,
    sa.Double: [0.1],
    sa.Enum("low", "high"): ["low", "high"],
    sa.Enum(Colour): [Colour.RED, Colour.BLUE],
    sa.Float: [0.1, 1e300],
    sa.Integer: [-5, 2**40],
    sa.Interval: [timedelta(days=-3, microseconds=5), timedelta(0)],
    sa.LargeBinary: [b"\0x"],
    sa.Numeric(10, 2): [Decimal("12345678.90"), Decimal("-0.01"), 5, 0.5, Decimal("1E+7")],
    sa.Numeric: DECIMALS,
    sa.REAL: [0.1],
    sa.SmallInteger: [7],
    sa.String(3): ["abc", "ä"],
    sa.Text: TEXTS,
    sa.Time: [time(1, 2, 3)],
    sa.Unicode: TEXTS,
    sa.Uuid: [uuid.UUID(int=5)],
    Reversed(50): ["abc", "1e3"],
    Code: ["abc", "x1"],
}


@pytest.mark.parametrize(
    "value_type", TYPES, ids=lambda kind: kind if isinstance(kind, str) else repr(kind)[:60]
)
def test_every_kind_gives_back_what_it_took(timeseries, url, value_type):
    values = TYPES[value_type]
    options = {"value_type": value_type, "string_length": 255}
    series = timeseries(url, "series", **options)
    series.insert("a", list(values), timestamp=0)
    back = series.get("a", "minute", timestamp=0)[0]
    assert back == values
    assert len(set(map(type, back))) == 1
    assert series.get("a", "hour", timestamp=0)[0] == values
    gauge = timeseries(url, "gauge", **options)
    for k, value in enumerate(values):
        gauge.insert("a", value, timestamp=60 * k)
        assert gauge.get("a", "minute", timestamp=60 * k) == {60 * k: value}
    distinct = timeseries(url, "set", **options)
    distinct.insert("a", list(values), timestamp=0)
    distinct.insert("a", values[0], timestamp=0)
    assert distinct.get("a", "minute", timestamp=0) == {0: set(values)}
    histogram = timeseries(url, "histogram", **options)
    histogram.insert("a", list(values), timestamp=0)
    histogram.insert("a", values[0], timestamp=0)
    expected = {}
    for value in [*values, values[0]]:
        expected[value] = expected.get(value, 0) + 1
    assert histogram.get("a", "minute", timestamp=0) == {0: expected}
    assert timeseries(url, "count", **options).list() == []


REFUSED = [
    ("blob", ["x", 1, b"x" * 32_769]),
    ("bool", [1, 0, 1.0, "True"]),
    ("date", [MOMENT, "2024-01-01", 5]),
    ("datetime", [date(2024, 1, 1), MOMENT.replace(tzinfo=UTC), "2024-01-01", 5]),
    (
        "decimal",
        [Decimal("NaN"), Decimal("inf"), Decimal("sNaN"), Decimal("1." + "0" * 299 + "1"), True, "1"],
    ),
    ("float", [2**53 + 1, "1", True, float("nan"), float("inf"), b"1", None, Decimal("0.5"), 10**400]),
    ("int", [0.5, 2**63, -(2**63) - 1, True, "1", 2.0**63]),
    ("str", ["a" * 256, "ä" * 128, 1, b"x", True, "a\0b", "\ud800"]),
    ("text", ["ä" * 16_385, 1]),
    ("time", [time(1, tzinfo=UTC), MOMENT]),
    (sa.Enum("low", "high"), ["other", 1]),
    (sa.Enum(Colour), ["RED", 1]),
    (sa.Numeric(10, 2), [Decimal("0.001"), Decimal(10) ** 8, Decimal("NaN"), 0.1]),
    (sa.String(3), ["abcd", "ää", 1]),
    (sa.Integer, [2**63, 0.5]),
    (sa.DateTime(timezone=True), [MOMENT.replace(tzinfo=UTC)]),
    (Lossy(50), ["abcd"]),
    (Code, ["1", "1e3", " 2 "]),
    (sa.Interval, [timedelta.max]),
]


@pytest.mark.parametrize(
    ("value_type", "value"),
    [(value_type, value) for value_type, values in REFUSED for value in values],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("kind", ["series", "histogram", "gauge", "set"])
def test_what_would_not_come_back_equal_is_refused(timeseries, value_type, value, kind):
    one = timeseries("sqlite://", kind, value_type=value_type)
    with pytest.raises((InvalidType, InvalidValue)):
        one.insert("a", value, timestamp=0)
    with pytest.raises((InvalidType, InvalidValue)):
        one.bulk_insert({0: {"b": [value]}})
    assert one.list() == []


@pytest.mark.parametrize("kind", ["histogram", "set"])
def test_equal_values_are_one_key(timeseries, kind):
    def size(value_type, *values):
        one = timeseries("sqlite://", kind, value_type=value_type)
        for value in values:
            one.insert("a", value, timestamp=0)
        return len(one.get("a", "minute", timestamp=0)[0])

    assert size("float", 0.0, -0.0, 0) == 1
    assert size("float", 1, 1.0, 2) == 2
    assert size("int", 1, 1.0, 2) == 2
    assert size("decimal", Decimal("1.0"), Decimal("1.00"), 1, 1.0, Decimal("0"), Decimal("-0.00")) == 2
    assert size("decimal", Decimal("1E+3"), Decimal("1000"), 1000) == 1
    assert size("str", "a", "A", "a ", "ä", "a\u0308") == 5


def test_the_lengths_are_bytes(timeseries, url):
    one = timeseries(url, "gauge", value_type="str", string_length=4)
    one.insert("ää", "ää", timestamp=0)
    assert one.get("ää", "minute", timestamp=0) == {0: "ää"}
    for name, value in (("ääx", "x"), ("x", "ääx")):
        with pytest.raises(InvalidValue, match="at most 4 bytes of UTF-8"):
            one.insert(name, value, timestamp=0)
    blob = timeseries(url, "gauge", value_type="blob", text_length=3, table_name="blobs")
    with pytest.raises(InvalidValue, match="at most 3 bytes"):
        blob.insert("x", b"1234", timestamp=0)


@pytest.mark.parametrize("value_type", ["floats", "Float", "", "uuid"])
def test_an_unknown_name_lists_the_known_ones(config, value_type):
    with pytest.raises(InvalidValue) as caught:
        kairos_open("sqlite://", config("gauge", value_type=value_type))
    assert all(name in str(caught.value) for name in NAMES)
    assert f"got {value_type!r}" in str(caught.value)


@pytest.mark.parametrize("value_type", [None, 5, list, object, [str]])
def test_what_is_no_type_is_refused(config, value_type):
    with pytest.raises(InvalidType, match=r"value_type must be one of blob, .*SQLAlchemy type"):
        kairos_open("sqlite://", config("gauge", value_type=value_type))


@pytest.mark.parametrize(
    ("value_type", "message"),
    [
        (sa.JSON, "kairos keeps values of"),
        (sa.PickleType, "unknown Python type"),
        (sa.Float(asdecimal=True), "Numeric"),
        (sa.Numeric(asdecimal=False), "Double"),
        (sa.types.NullType, "unknown Python type"),
    ],
)
def test_a_type_that_cannot_be_kept_is_refused(config, value_type, message):
    with pytest.raises(InvalidValue, match=message):
        kairos_open("sqlite://", config("gauge", value_type=value_type))


def test_a_type_that_needs_arguments_says_so(config):
    with pytest.raises(InvalidType, match="ARRAY: pass an instance"):
        kairos_open("sqlite://", config("gauge", value_type=sa.ARRAY))


def test_decimals_are_not_floats_on_disk(timeseries, url):
    one = timeseries(url, "gauge", value_type="decimal")
    one.insert("a", HUGE, timestamp=0)
    shown = one.get(
        "a",
        "minute",
        timestamp=0,
        fetch=lambda connection, *_: {
            0: {None: connection.exec_driver_sql("SELECT typeof(value) FROM gauge").scalar()}
        },
    )
    assert shown == {0: "text"}


class AsText(sa.TypeDecorator):
    """Decimals as the text they were given in: ``1.0`` and ``1.00`` are two texts and one number."""

    impl = sa.String
    cache_ok = True
    python_type = Decimal

    def process_bind_param(self, value, dialect):
        return None if value is None else str(value)

    def process_result_value(self, value, dialect):
        return None if value is None else Decimal(value)


def test_counts_of_values_that_come_back_equal_are_added(timeseries, url):
    prices = timeseries(url, "histogram", value_type=AsText())
    prices.insert("a", [Decimal("1.0")] * 3 + [Decimal("2")], 0)
    prices.insert("a", Decimal("1.00"), 0)
    assert prices.get("a", "minute", timestamp=0) == {0: {Decimal(1): 4, Decimal(2): 1}}


def test_decimals_that_are_not_finite_are_refused_by_any_type(timeseries, url):
    prices = timeseries(url, "series", value_type=AsText())
    for value in ("Infinity", "-Infinity", "NaN"):
        with pytest.raises(InvalidValue, match="finite"):
            prices.insert("a", Decimal(value), 0)


class Halves(sa.TypeDecorator):
    """Floats, behind a type of one's own."""

    impl = sa.Double
    cache_ok = True
    python_type = float


def test_a_type_of_ones_own_over_a_float_works(timeseries, url):
    halves = timeseries(url, "series", value_type=Halves())
    halves.insert("a", [0.5, 1.5], 0)
    assert halves.get("a", "minute", timestamp=0) == {0: [0.5, 1.5]}


def test_a_text_type_with_a_collation_opens_again(timeseries, url):
    for _ in range(2):
        texts = timeseries(url, "set", value_type=sa.Text(collation="NOCASE"))
        texts.insert("a", ["x", "X"], 0)
    assert texts.get("a", "minute", timestamp=0) == {0: {"x", "X"}}
