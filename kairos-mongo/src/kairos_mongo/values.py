"""``value_type``, and which values MongoDB gives back equal. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, DecimalException
from typing import Any

from bson import Decimal128, ObjectId
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry

from kairos.errors import InvalidType, InvalidValue, show
from kairos.storage import Values

__all__ = ["MAX_NAME_BYTES", "WRITES", "reads_of", "type_of", "values_of"]

MAX_NAME_BYTES = 1024
"""The longest name: it is in each document twice."""

_MAX_BYTES = 8 * 2**20
_MAX_KEY_BYTES = 2**20  # a key of a histogram can grow fourfold when it is escaped

Document = dict[str, Any]

_HELD: frozenset[type] = frozenset({bool, bytes, datetime, Decimal128, float, int, ObjectId, str})
"""What comes back as it was, whatever other values are beside it."""

_TYPES = _HELD | {Decimal}
_BY_NAME: dict[str, type] = {
    "blob": bytes,
    "bool": bool,
    "boolean": bool,
    "clob": str,
    "datetime": datetime,
    "decimal": Decimal,
    "decimal128": Decimal128,
    "float": float,
    "int": int,
    "int64": int,
    "integer": int,
    "long": int,
    "objectid": ObjectId,
    "str": str,
    "string": str,
    "text": str,
    "unicode": str,
}

WRITES: CodecOptions[Document] = CodecOptions(
    type_registry=TypeRegistry(fallback_encoder=Decimal128), unicode_decode_error_handler="replace"
)
"""For writes: Decimals are Decimal128 there. Answers have names that the server cut, also within a character."""


class _Decimals(TypeDecoder):
    bson_type = Decimal128

    def transform_bson(self, value: Decimal128) -> Decimal:
        return value.to_decimal()


def type_of(kind: str, value_type: Any) -> type | None:
    """Return the type that the option ``value_type`` asks for, None if it is not given.

    Raises
    ------
    InvalidType, InvalidValue
        If it is none of those that MongoDB has, or not one for this kind.
    """
    if value_type is None:
        return None
    found = _BY_NAME.get(value_type) if isinstance(value_type, str) else value_type
    if not isinstance(found, type) or found not in _TYPES:
        types = ", ".join(sorted(one.__name__ for one in _TYPES))
        message = (
            f"value_type must be one of {', '.join(_BY_NAME)}, or a type: {types}; got {show(value_type)}"
        )
        raise InvalidValue(message) if isinstance(value_type, str) else InvalidType(message)
    if kind in ("histogram", "set") and found is Decimal128:
        raise InvalidValue(
            f"value_type={show(value_type)} is for series and gauges: a Decimal128 has no hash in Python, so that "
            f"a {kind} can't have it; a Decimal has one"
        )
    return found


def reads_of(codec: CodecOptions[Any], value_type: type | None) -> CodecOptions[Document]:
    """Return how documents are read: datetimes as the caller's ``codec`` says, Decimals if those were asked for."""
    registry = TypeRegistry([_Decimals()] if value_type is Decimal else None)
    return CodecOptions(tz_aware=codec.tz_aware, tzinfo=codec.tzinfo, type_registry=registry)


def values_of(kind: str, codec: CodecOptions[Any], value_type: type | None = None) -> Values:
    """Return the values that a kind takes: of one type, or with None of each type that BSON has.

    Whether datetimes are aware or naive is what ``codec`` says, since BSON keeps no zone. A Decimal128 can't be
    hashed, so that it can't be in a dict or a set. A Decimal comes back as a Decimal128 but where all are Decimals.
    """
    types = _HELD if kind in ("series", "gauge") else _HELD - {Decimal128}
    if value_type is not None:
        types = frozenset({Decimal, float, int} if value_type is Decimal else {value_type})
    aware, zone = codec.tz_aware, codec.tzinfo or UTC
    converts: dict[type, Callable[[Any], Any]] = {
        datetime: lambda value: _check_datetime(value, aware, zone),
        Decimal128: _check_decimal128,
    }
    if value_type is Decimal:
        converts = dict.fromkeys(types, _decimal)
    return Values(
        types=types,
        text=False,
        int_range=None if value_type is Decimal else (-(2**63), 2**63 - 1),
        max_bytes=_MAX_KEY_BYTES if kind == "histogram" else _MAX_BYTES,
        convert={one: convert for one, convert in converts.items() if one in types},
    )


def _decimal(value: Decimal | float) -> Decimal:
    """Return a number as the Decimal that is equal to it, if MongoDB holds that one."""
    number = Decimal(value)
    if not number.is_finite():
        raise InvalidValue(f"a Decimal value must be finite; got {show(value)}")
    try:
        Decimal128(number)
    except DecimalException:
        raise InvalidValue(
            f"MongoDB's decimals have 34 digits and exponents from -6176 to 6111: {show(value)} does not fit "
            "exactly; round it to a Decimal"
        ) from None
    return number


def _check_decimal128(value: Decimal128) -> Decimal128:
    if not value.to_decimal().is_finite():
        raise InvalidValue(f"a Decimal128 value must be finite; got {show(value)}")
    if Decimal128(str(value)) != value:
        raise InvalidValue(f"a Decimal128 value must be in its canonical encoding; got {show(value)}")
    return value


def _check_datetime(value: datetime, aware: bool, zone: tzinfo) -> datetime:
    if (value.utcoffset() is not None) is not aware:
        wanted = "aware" if aware else "naive (in UTC)"
        raise InvalidValue(
            f"a datetime value must be {wanted}, as the client's tz_aware={aware} says; got {show(value)}"
        )
    if value.microsecond % 1000:
        raise InvalidValue(
            f"a datetime value must be whole milliseconds, which is what MongoDB keeps; got {show(value)}"
        )
    if not aware:
        return value
    try:
        same = value.astimezone(UTC).astimezone(zone) == value
    except OverflowError:
        same = False
    if not same:  # year 1 or 9999 elsewhere, or the hour that comes twice, which Python finds unequal to UTC
        raise InvalidValue(f"MongoDB would not give back {show(value)} equal: convert it to UTC")
    return value
