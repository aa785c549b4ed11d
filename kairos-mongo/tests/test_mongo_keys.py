"""Keys of histograms: every value comes back as it was, whatever the escape character is."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from bson import ObjectId
from hypothesis import example, given
from hypothesis import strategies as st

from kairos.errors import InvalidType, InvalidValue
from kairos_mongo.keys import Keys, check_escape_character

CHARACTERS = ["\uffff", "~", "d", "s", "e", ":", "1", "f", "-", "\\", "\u00e9", "\U0001f600", "^", "]", "\n"]
TEXTS = st.text(st.one_of(st.sampled_from([".", "$", *CHARACTERS]), st.characters(codec="utf-8")))
MILLISECONDS = st.datetimes().map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000))
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    TEXTS.filter(lambda text: "\0" not in text),
    st.binary(),
    st.booleans(),
    MILLISECONDS,
    st.binary(min_size=12, max_size=12).map(ObjectId),
)


@pytest.mark.parametrize("character", CHARACTERS)
@given(value=VALUES)
@example("a.b")
@example("..$$")
@example("$inc")
@example("")
@example(1e-7)
@example(-0.0)
@example(Decimal("-0E+7"))
@example(Decimal("1.50"))
@example(datetime(1, 1, 1))
@example(datetime(9999, 12, 31, 23, 59, 59, 999_000))
def test_a_value_comes_back_with_its_type_and_its_key_fits_an_update(character, value):
    keys = Keys(character, aware=False)
    key = keys.write(value)
    assert not set(".$\0") & set(key)
    back = keys.read(key)
    assert (back, type(back)) == (value, type(value))


@given(value=MILLISECONDS)
def test_aware_datetimes_come_back_aware(value):
    keys = Keys("~", aware=True)
    aware = value.replace(tzinfo=UTC)
    assert keys.read(keys.write(aware)) == aware


def test_an_instant_has_one_key_whatever_its_zone():
    keys, zone = Keys("~", aware=True), timezone(timedelta(hours=5))
    moment = datetime(2013, 6, 1, 12, tzinfo=UTC)
    assert keys.write(moment) == keys.write(moment.astimezone(zone)) == "d:1370088000000"


@given(one=VALUES, two=VALUES)
def test_different_values_have_different_keys(one, two):
    keys = Keys("e", aware=False)
    if (one, type(one)) != (two, type(two)):
        assert keys.write(one) != keys.write(two)


@pytest.mark.parametrize(
    "key", ["", "i", "5", "i:five", "z:1", "x:0", "s:a~", "s:a~x", "o:12", "d:never", "n:x"]
)
def test_a_key_of_somebody_else_is_an_error_that_shows_it(key):
    with pytest.raises(InvalidValue, match="did not write"):
        Keys("~", aware=False).read(key)


@pytest.mark.parametrize("character", ["", "ab", ".", "$", "\0", "\ud800"])
def test_an_escape_character_that_cannot_be(character):
    with pytest.raises(InvalidValue, match="one character other than"):
        check_escape_character(character)


@pytest.mark.parametrize("character", [None, b"~", 5])
def test_an_escape_character_of_another_type(character):
    with pytest.raises(InvalidType, match="one character other than"):
        check_escape_character(character)
