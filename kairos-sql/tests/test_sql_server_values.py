"""value_type on servers: each column gives back what it took, or refuses it before the write."""

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
    "float": FLOATS,
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


def shown(kind):
    return kind if isinstance(kind, str) else repr(kind)[:60]


def test_every_kind_gives_back_what_it_took(timeseries, server_url):
    """All types on one database: a fresh one for each would take minutes."""
    for number, (value_type, values) in enumerate(TYPES.items()):
        where = shown(value_type)
        options = {"value_type": value_type, "string_length": 255}
        kinds = {
            k: timeseries(server_url, k, table_name=f"t{number}{k}", **options) for k in KINDS - {"count"}
        }
        series = kinds["series"]
        series.insert("a", list(values), timestamp=0)
        series.insert("a", values[0], timestamp=0)
        back = series.get("a", "minute", timestamp=0)[0]
        assert back == [*values, values[0]], where
        assert len(set(map(type, back))) == 1, where
        assert series.get("a", "hour", timestamp=0)[0] == back, where
        series.bulk_insert({60 * k: {"b": list(values)} for k in range(10)})
        assert series.series("b", "minute", start=0, end=540) == {60 * k: values for k in range(10)}, where
        gauge = kinds["gauge"]
        for k, value in enumerate(values):
            gauge.insert("a", value, timestamp=60 * k)
            assert gauge.get("a", "minute", timestamp=60 * k) == {60 * k: value}, where
        distinct = kinds["set"]
        distinct.insert("a", list(values), timestamp=0)
        distinct.insert("a", values[0], timestamp=0)
        assert distinct.get("a", "minute", timestamp=0) == {0: set(values)}, where
        histogram = kinds["histogram"]
        histogram.insert("a", list(values), timestamp=0)
        histogram.insert("a", [values[0]] * 2, timestamp=0)
        counts = Counter([*values, values[0], values[0]])
        assert histogram.get("a", "minute", timestamp=0) == {0: counts}, where
        assert histogram.series("a", "minute", start=0, end=0, collapse=True) == {0: counts}, where
        for one in kinds.values():
            one.close()


REFUSED = {
    "int": [2**63, 0.5, "1"],
    "str": ["a" * 256, "ä" * 128, "\0", 1],
    "text": ["a" * 32_769],
    "blob": [b"x" * 32_769],
    "date": [MOMENT, "2024-01-01"],
    "datetime": [datetime(2024, 1, 1, tzinfo=UTC)],
    "time": [time(1, 2, tzinfo=UTC)],
    "decimal": [Decimal("NaN"), Decimal("Infinity")],
    sa.Integer: [2**31, -(2**31) - 1],
    sa.SmallInteger: [2**15],
    sa.Numeric(10, 2): [Decimal("0.001"), Decimal("1E+8")],
    sa.String(3): ["abcd", "ää"],
}
REFUSED_BY = {
    "postgresql": {
        sa.REAL: [0.1],
        postgresql.REAL: [1e300],
        "decimal": [Decimal("1E+200000"), Decimal("1E-20000")],
    },
    "mariadb": {
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


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_what_would_not_come_back_equal_is_refused_before_the_write(timeseries, server, server_url):
    for number, (value_type, values) in enumerate([*REFUSED.items(), *REFUSED_BY[server].items()]):
        one = timeseries(server_url, "series", table_name=f"t{number}", value_type=value_type)
        for value in values:
            with pytest.raises((InvalidValue, InvalidType)):
                one.insert("a", value, timestamp=0)
            with pytest.raises((InvalidValue, InvalidType)):
                one.bulk_insert({0: {"b": [value]}})
        assert one.list() == [], shown(value_type)


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
