"""value_type: each column gives back what it took, or refuses it before the write; on SQLite and on each server."""

import enum
import uuid
import zlib
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from kairos.errors import InvalidType, InvalidValue
from kairos.storage import KINDS
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


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Levels(sa.types.TypeDecorator):
    """Ints of a class of their own, as they reach the driver."""

    impl = sa.BigInteger
    cache_ok = True
    python_type = int

    def process_bind_param(self, value, dialect):
        return Level(value)


class Zipped(sa.types.TypeDecorator):
    """Bytes, compressed."""

    impl = sa.LargeBinary
    cache_ok = True
    python_type = bytes

    def process_bind_param(self, value, dialect):
        return zlib.compress(value)

    def process_result_value(self, value, dialect):
        return zlib.decompress(value)


MOMENT = datetime(2024, 2, 29, 23, 59, 59, 999_999)
TIMES = [
    MOMENT,
    datetime(1000, 1, 1),
    datetime(9999, 12, 31, 23, 59, 59, 999_999),
    datetime(1901, 5, 6, 7, 8, 9, 10),
]
DECIMALS = [
    Decimal("0.1"),
    Decimal("1E+20"),
    Decimal("-1e-30"),
    Decimal("-0"),
    Decimal("1.10"),
    Decimal("12345678901234567890.123456789"),
]
TEXTS = [
    "",
    "a",
    "A",
    "a ",
    "1",
    "1e3",
    " 1 ",
    "ä",
    "a\u0308",
    "😀",
    "😁",
    "\n",
    "'",
    '"',
    "\\",
    "%s",
    "\\'",
    "{}",
    "NULL",
    "a" * 255,
]
BYTES = [b"", b"\0", b"\xff\0", b"x" * 32_768, b"'\\\"", bytes(range(256))]
FLOATS = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 2.0**53, 1e22, 1 / 3, -123456.789]

TYPES = {
    "blob": BYTES,
    "bool": [True, False],
    "boolean": [True],
    "clob": [*TEXTS, "ä" * 16_384],
    "date": [date(1000, 1, 1), date(1969, 12, 31), date(9999, 12, 31)],
    "datetime": TIMES,
    "decimal": DECIMALS,
    "float": [*FLOATS, 1, 2**53],
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
    sa.Double: FLOATS,
    sa.Enum("low", "high"): ["low", "high"],
    sa.Enum(Colour): [Colour.RED, Colour.BLUE],
    sa.Float: FLOATS,
    sa.Integer: [-5, 2**31 - 1],
    sa.Interval: [timedelta(days=-3, microseconds=5), timedelta(0), timedelta(days=100_000)],
    sa.LargeBinary: BYTES[:3],
    sa.Numeric(10, 2): [Decimal("12345678.90"), Decimal("-0.01"), 5, 0.5, Decimal("1E+7")],
    sa.Numeric: DECIMALS,
    sa.REAL: [0.5, 0.25],
    sa.SmallInteger: [7, -(2**15)],
    sa.String(3): ["abc", "ä"],
    sa.Text: TEXTS,
    sa.Time: [time(1, 2, 3)],
    sa.Unicode: TEXTS,
    sa.Uuid: [uuid.UUID(int=5), uuid.UUID(int=2**127)],
    Reversed(50): ["abc", "1e3", "é"],
    Levels: [1, 2],
    Zipped: [b"", b"x" * 200],
}

HUGE = Decimal("12345678901234567890123456789012345678901234567890.000000000000000000000000000001")
LONG = [HUGE, Decimal("1E+50"), Decimal("-1e-50")]

MORE = {
    "sqlite": {
        "date": [date(1, 1, 1)],
        "datetime": [datetime(1, 1, 1)],
        "decimal": LONG,
        sa.Integer: [2**40],
        sa.REAL: [0.1],
        Code: ["abc", "x1"],
    },
    "postgresql": {"date": [date(1, 1, 1)], "datetime": [datetime(1, 1, 1)], "decimal": LONG},
}
"""What not every database holds."""


def shown(kind):
    return kind if isinstance(kind, str) else repr(kind)[:60]


def check_each_kind(timeseries, target, value_type, values, table=""):
    """Write values into each kind, and read them back."""
    where, values = shown(value_type), list(values)
    options = {"value_type": value_type, "string_length": 255}
    kinds = {k: timeseries(target, k, table_name=f"{table}{k}", **options) for k in KINDS}
    series = kinds["series"]
    series.insert("a", values, timestamp=0)
    series.insert("a", values[0], timestamp=0)
    back = series.get("a", "minute", timestamp=0)[0]
    assert back == [*values, values[0]], where
    assert len(set(map(type, back))) == 1, where
    assert series.get("a", "hour", timestamp=0)[0] == back, where
    series.bulk_insert({60 * k: {"b": values} for k in range(10)})
    assert series.series("b", "minute", start=0, end=540) == {60 * k: values for k in range(10)}, where
    gauge = kinds["gauge"]
    for k, value in enumerate(values):
        gauge.insert("a", value, timestamp=60 * k)
        assert gauge.get("a", "minute", timestamp=60 * k) == {60 * k: value}, where
    distinct = kinds["set"]
    distinct.insert("a", values, timestamp=0)
    distinct.insert("a", values[0], timestamp=0)
    assert distinct.get("a", "minute", timestamp=0) == {0: set(values)}, where
    histogram = kinds["histogram"]
    histogram.insert("a", values, timestamp=0)
    histogram.insert("a", [values[0]] * 2, timestamp=0)
    counts = Counter([*values, values[0], values[0]])
    assert histogram.get("a", "minute", timestamp=0) == {0: counts}, where
    assert histogram.series("a", "minute", start=0, end=0, collapse=True) == {0: counts}, where
    kinds["count"].insert("a", 2, timestamp=0)
    assert kinds["count"].get("a", "minute", timestamp=0) == {0: 2}, where
    for one in kinds.values():
        one.close()


@pytest.mark.parametrize("value_type", {**TYPES, **MORE["sqlite"]}, ids=shown)
def test_every_kind_gives_back_what_it_took(timeseries, url, value_type):
    values = [*TYPES.get(value_type, ()), *MORE["sqlite"].get(value_type, ())]
    check_each_kind(timeseries, url, value_type, values)


def test_every_kind_gives_back_what_it_took_on_servers(timeseries, server, server_url):
    """All types on one database: a fresh one for each would take minutes."""
    for number, (value_type, values) in enumerate(TYPES.items()):
        values = [*values, *MORE.get(server, {}).get(value_type, ())]
        check_each_kind(timeseries, server_url, value_type, values, f"t{number}")


REFUSED = {
    "blob": ["x", 1, b"x" * 32_769],
    "bool": [1, 0, 1.0, "True"],
    "date": [MOMENT, "2024-01-01", 5],
    "datetime": [date(2024, 1, 1), MOMENT.replace(tzinfo=UTC), "2024-01-01", 5],
    "decimal": [*map(Decimal, ("NaN", "inf", "sNaN")), Decimal("1." + "0" * 299 + "1"), True, "1"],
    "float": [2**53 + 1, "1", True, float("nan"), float("inf"), b"1", None, Decimal("0.5"), 10**400],
    "int": [0.5, 2**63, -(2**63) - 1, True, "1", 2.0**63],
    "str": ["a" * 256, "ä" * 128, 1, b"x", True, "a\0b", "\ud800"],
    "text": ["a" * 32_769, "ä" * 16_385, 1],
    "time": [time(1, tzinfo=UTC), MOMENT],
    sa.Enum("low", "high"): ["other", 1],
    sa.Enum(Colour): ["RED", 1],
    sa.Integer: [2**63, 0.5],
    sa.Interval: [timedelta.max],
    sa.Numeric(10, 2): [Decimal("0.001"), Decimal(10) ** 8, Decimal("NaN"), 0.1],
    sa.String(3): ["abcd", "ää", 1],
    Lossy(50): ["abcd"],
}
WITH_ZONE = {sa.DateTime(timezone=True): [MOMENT.replace(tzinfo=UTC)]}
SHORT = {sa.Integer: [2**31, -(2**31) - 1], sa.SmallInteger: [2**15]}
REFUSED_BY = {
    "sqlite": {**WITH_ZONE, Code: ["1", "1e3", " 2 "]},
    "postgresql": {
        **SHORT,
        sa.REAL: [0.1],
        postgresql.REAL: [1e300],
        "decimal": [Decimal("1E+200000"), Decimal("1E-20000")],
    },
    "mariadb": {
        **SHORT,
        **WITH_ZONE,
        "date": [date(999, 12, 31)],
        "datetime": [datetime(1, 1, 1)],
        "decimal": [Decimal("1E+35"), Decimal("1E-31")],
        mysql.FLOAT: [0.1],
        mysql.DATETIME: [MOMENT],
        mysql.DATETIME(fsp=3): [MOMENT],
        mysql.TIME: [time(1, 2, 3, 4)],
        mysql.TINYINT: [1_000],
        mysql.BIGINT(unsigned=True): [-1],
        mysql.DOUBLE(10, 2, asdecimal=False): [1.23456],
        mysql.TIMESTAMP: [MOMENT],
        mysql.VARCHAR(10, charset="latin1"): ["é😀"],
        sa.CHAR(10): ["a "],
        sa.BINARY(4): [b"a"],
    },
}


@pytest.mark.parametrize(
    ("value_type", "value"),
    [
        (kind, value)
        for where in (REFUSED, REFUSED_BY["sqlite"])
        for kind, all in where.items()
        for value in all
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("kind", ["series", "histogram", "gauge", "set"])
def test_what_would_not_come_back_equal_is_refused(timeseries, value_type, value, kind):
    one = timeseries("sqlite://", kind, value_type=value_type)
    check_refused(one, value)
    assert one.list() == []


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_what_would_not_come_back_equal_is_refused_on_servers(timeseries, server, server_url):
    for number, (value_type, values) in enumerate([*REFUSED.items(), *REFUSED_BY[server].items()]):
        one = timeseries(server_url, "series", table_name=f"t{number}", value_type=value_type)
        for value in values:
            check_refused(one, value)
        assert one.list() == [], shown(value_type)


def check_refused(one, value):
    with pytest.raises((InvalidType, InvalidValue)):
        one.insert("a", value, timestamp=0)
    with pytest.raises((InvalidType, InvalidValue)):
        one.bulk_insert({0: {"b": [value]}})


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


@pytest.mark.parametrize("server", ["postgresql"])
def test_a_type_whose_arrays_the_driver_does_not_know(timeseries, server, server_url, sa_engine):
    with sa_engine(server_url).begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION citext")
    texts = timeseries(server_url, "series", value_type=postgresql.CITEXT())
    texts.insert("a", ["xy", "b"] * 10, timestamp=0)
    assert texts.get("a", "minute", timestamp=0) == {0: ["xy", "b"] * 10}
    assert texts.series("a", "minute", start=0, end=60) == {0: ["xy", "b"] * 10, 60: []}


@pytest.mark.parametrize("server", ["postgresql"])
def test_moments_with_a_zone_need_a_column_with_one(timeseries, server, server_url):
    moments = timeseries(server_url, "set", value_type=sa.DateTime(timezone=True))
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    moments.insert("a", [noon, noon.astimezone()], timestamp=0)
    assert moments.get("a", "minute", timestamp=0) == {0: {noon}}
    with pytest.raises(InvalidValue):
        moments.insert("a", datetime(2024, 1, 1), timestamp=0)


def test_lengths_are_kairos_own_everywhere(timeseries, server_url):
    """Bytes of UTF-8, also where columns count characters."""
    one = timeseries(server_url, "gauge", value_type="str", string_length=4)
    one.insert("ää", "ää", timestamp=0)
    for name, value in (("äää", "x"), ("x", "äää")):
        with pytest.raises(InvalidValue, match="at most 4"):
            one.insert(name, value, timestamp=0)
    long = timeseries(server_url, "gauge", table_name="long", value_type="text", text_length=200_000)
    long.insert("a", "ä" * 100_000, timestamp=0)
    assert long.get("a", "minute", timestamp=0) == {0: "ä" * 100_000}
    wide = timeseries(server_url, "gauge", table_name="wide", value_type="str", string_length=2_000)
    wide.insert("a", "x" * 2_000, timestamp=0)
    assert wide.get("a", "minute", timestamp=0) == {0: "x" * 2_000}
