"""What MongoDB would not give back equal is refused before it is written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from bson import Decimal128, ObjectId
from bson.codec_options import CodecOptions

from kairos import SchemaMismatch
from kairos.errors import InvalidType, InvalidValue
from kairos.storage import Batch, Write
from kairos.values import list_checker
from kairos_mongo import requests as ask
from kairos_mongo.plugin import kairos_open
from kairos_mongo.values import type_of, values_of

NAIVE, AWARE = CodecOptions(), CodecOptions(tz_aware=True)
NEW_YORK = ZoneInfo("America/New_York")


def check(value, kind="series", codec=NAIVE, value_type=None):
    return list_checker(values_of(kind, codec, type_of(kind, value_type)))([value])[0]


@pytest.mark.parametrize(
    "value",
    [
        1,
        -(2**63),
        0.5,
        "text",
        b"\x00",
        True,
        ObjectId("6b059a285fe860a8ef082cd9"),
        datetime(2013, 6, 1, 12, 0, 0, 1000),
        Decimal128("1.50"),
    ],
)
def test_values_that_come_back_equal(value):
    assert check(value) is value


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, float("nan"), "a\0b", "\ud800", "x" * (8 * 2**20 + 1)]
)
def test_values_out_of_range(value):
    with pytest.raises(InvalidValue):
        check(value)


@pytest.mark.parametrize("value", [{}, object(), 1j, timedelta(1), None])
def test_types_that_are_not_kept(value):
    with pytest.raises(InvalidType):
        check(value)


def test_microseconds_are_refused():
    with pytest.raises(InvalidValue, match="whole milliseconds"):
        check(datetime(2013, 6, 1, 12, 0, 0, 1))


def test_datetimes_are_naive_or_aware_as_the_client_reads_them():
    aware = datetime(2013, 6, 1, 12, tzinfo=NEW_YORK)
    with pytest.raises(InvalidValue, match=r"naive .* tz_aware=False"):
        check(aware)
    with pytest.raises(InvalidValue, match=r"aware, .* tz_aware=True"):
        check(datetime(2013, 6, 1, 12), codec=AWARE)
    assert check(aware, codec=AWARE) == aware


@pytest.mark.parametrize(
    "value",
    [
        datetime(1, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")),
        datetime(9999, 12, 31, 23, tzinfo=NEW_YORK),
        datetime(2013, 11, 3, 1, 30, tzinfo=NEW_YORK),  # comes twice: Python finds it unequal to any UTC
    ],
)
def test_aware_datetimes_that_utc_would_not_equal(value):
    with pytest.raises(InvalidValue, match="convert it to UTC"):
        check(value, codec=AWARE)


def test_the_zone_of_the_client_decides_what_is_equal():
    codec = CodecOptions(tz_aware=True, tzinfo=NEW_YORK)
    ambiguous = datetime(2013, 11, 3, 1, 30, tzinfo=NEW_YORK)
    assert check(ambiguous, codec=codec) is ambiguous


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_decimals_that_are_not_finite(text):
    with pytest.raises(InvalidValue, match="finite"):
        check(Decimal128(text))


@pytest.mark.parametrize("kind", ["histogram", "set"])
def test_a_decimal_cannot_be_in_a_set_or_be_a_key_since_it_has_no_hash(kind):
    with pytest.raises(InvalidType, match="Decimal128"):
        check(Decimal128("1.5"), kind)


def test_aware_datetimes_in_utc_are_taken():
    value = datetime(2013, 11, 3, 5, 30, tzinfo=UTC)
    assert check(value, codec=AWARE) is value


# value_type


@pytest.mark.parametrize(
    ("value_type", "given", "stored"),
    [
        ("float", 5, 5.0),
        (float, 5, 5.0),
        ("int", 5.0, 5),
        (int, 2**63 - 1, 2**63 - 1),
        ("str", "a", "a"),
        ("blob", b"a", b"a"),
        (bool, True, True),
        ("objectid", ObjectId("6b059a285fe860a8ef082cd9"), ObjectId("6b059a285fe860a8ef082cd9")),
        (datetime, datetime(2013, 6, 1), datetime(2013, 6, 1)),
        (Decimal128, Decimal128("1.50"), Decimal128("1.50")),
        ("decimal", Decimal("1.50"), Decimal("1.50")),
        (Decimal, -(2**63), Decimal(-(2**63))),
        (Decimal, 2.5, Decimal("2.5")),
    ],
)
@pytest.mark.parametrize("kind", ["series", "gauge", "histogram", "set"])
def test_value_type_is_the_type_of_all_values(url, database, timeseries, kind, value_type, given, stored):
    if kind in ("histogram", "set") and type(given) is Decimal128:
        with pytest.raises(InvalidValue, match=f"series and gauges.*a {kind} can't have it"):
            timeseries(url, kind, value_type=value_type)
        return
    handle = timeseries(url, kind, value_type=value_type)
    handle.insert("n", given)
    found = handle.get("n", "minute")[600]
    (one,) = [found] if kind == "gauge" else found
    assert (one, type(one)) == (stored, type(stored))
    refused = "text" if type(stored) is not str else 1
    with pytest.raises(InvalidType, match=rf"must be .*\b{type(stored).__name__}\b.* on this backend"):
        handle.insert("n", refused)
    assert database.minute.count_documents({}) == 1


@pytest.mark.parametrize(
    ("value_type", "error"),
    [
        ("date", InvalidValue),
        ("", InvalidValue),
        (dict, InvalidType),
        (5, InvalidType),
        ([float], InvalidType),
    ],
)
def test_a_value_type_that_mongodb_does_not_have(config, value_type, error):
    with pytest.raises(error, match=r"value_type must be one of blob, .*objectid.*, or a type: Decimal, "):
        kairos_open("mongodb://localhost", config("series", value_type=value_type))


def test_value_type_says_nothing_of_increments(url, timeseries):
    counts = timeseries(url, "count", value_type="str")
    counts.insert("n", [1, 0.5])
    assert counts.get("n", "minute") == {600: 1.5}


@pytest.mark.parametrize("kind", ["series", "gauge", "histogram", "set"])
def test_a_place_keeps_the_value_type_that_it_was_first_written_with(url, timeseries, kind):
    floats = timeseries(url, kind, value_type="float")
    unwritten = timeseries(url, kind, value_type="str")
    floats.insert("n", 2)
    for other, shown in ((None, "None"), (Decimal, "'decimal'")):
        with pytest.raises(SchemaMismatch, match=f"written with value_type 'float'; got {shown}"):
            timeseries(url, kind, value_type=other)
    with pytest.raises(SchemaMismatch, match="written with value_type 'float'; got 'str'"):
        unwritten.insert("n", "text")
    timeseries(url, kind, value_type=float).insert("n", 0.5)
    timeseries(url, kind, prefix="other.", value_type="str").insert("n", "text")


def test_a_value_type_where_each_kept_its_own_before(url, timeseries):
    timeseries(url, "series").insert("n", ["text", 1])
    with pytest.raises(SchemaMismatch, match="written with value_type None; got 'float'"):
        timeseries(url, "series", value_type=float)


# Decimals


@pytest.mark.parametrize("value", ["1.50", "-0.0", "9" * 34, "1E-6176", "9.9E+6144", "1E+6144", "0E-7000"])
def test_decimals_of_python(url, timeseries, value):
    number = Decimal(value)
    for kind in ("series", "gauge", "histogram", "set"):
        handle = timeseries(url, kind, value_type="decimal")
        handle.insert("n", number)
        handle.insert("n", number)
        row = handle.get("n", "minute")[600]
        one = {"series": [number] * 2, "gauge": number, "histogram": {number: 2}, "set": {number}}[kind]
        assert row == one
        kept = [row] if kind == "gauge" else row
        assert {type(one) for one in kept} == {Decimal}


def test_decimals_that_are_equal_are_one_value(url, timeseries):
    values = [Decimal("1.5"), Decimal("1.50"), 1.5, 1, Decimal("1.000")]
    histogram, distinct = (timeseries(url, kind, value_type=Decimal) for kind in ("histogram", "set"))
    for value in values:
        histogram.insert("n", value)
        distinct.insert("n", value)
    assert histogram.get("n", "minute") == {600: {Decimal("1.5"): 3, Decimal(1): 2}}
    assert distinct.get("n", "minute") == {600: {Decimal("1.5"), Decimal(1)}}


@pytest.mark.parametrize("many", [30, 300])
def test_decimals_in_bulk_are_like_single_ones(url, database, timeseries, many):
    """Inserts, upserts, and unions of sets by a pipeline."""
    names = [f"n{number:03}" for number in range(60)]
    values = [Decimal(number) / 4 for number in range(many)]
    for kind, row in (("series", values * 2), ("set", set(values))):
        handle = timeseries(url, kind, value_type=Decimal)
        for _ in range(2):
            handle.bulk_insert({600: dict.fromkeys(names, values)})
        assert handle.get(names[7], "minute") == {600: row}
        stored = database.minute.find_one({"kind": kind})["value"]
        assert set(map(type, stored)) == {Decimal128}


@pytest.mark.parametrize(
    "value", [Decimal("9" * 35), Decimal("1E+6145"), Decimal("1E-6177"), 0.1, 10**40 + 1]
)
def test_decimals_that_mongodb_has_not(value):
    with pytest.raises(InvalidValue, match=r"34 digits .* round it"):
        check(value, value_type="decimal")


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), float("inf")])
def test_a_decimal_is_finite(value):
    with pytest.raises(InvalidValue, match="finite"):
        check(value, value_type="decimal")


def test_a_decimal_that_is_not_asked_for_is_refused():
    with pytest.raises(InvalidType, match="must be Decimal128"):
        check(Decimal("1.5"))


def test_decimals_that_are_worth_a_look_at_their_bytes(config):
    protocol = kairos_open("mongodb://h", config("series", value_type=Decimal)).protocol
    batch = Batch([Write("minute", 10, None, 900, {"n": [Decimal("1.5")] * 330_000})], 600.0, {})
    assert isinstance(next(protocol.write(batch)), ask.Update)
