"""``value_type``, and which values MongoDB gives back equal. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from bson import Decimal128, ObjectId
from bson.codec_options import CodecOptions

from kairos.errors import InvalidType, InvalidValue, show
from kairos.storage import Values

__all__ = ["MAX_NAME_BYTES", "NAMES", "values_of"]

MAX_NAME_BYTES = 1024
"""The longest name: it is in each document twice."""

_MAX_BYTES = 8 * 2**20
_MAX_KEY_BYTES = 2**20  # a key of a histogram can grow fourfold when it is escaped


_TYPES: frozenset[type] = frozenset({bool, bytes, datetime, Decimal128, float, int, ObjectId, str})
_BY_NAME: dict[str, type] = {
    "blob": bytes,
    "bool": bool,
    "boolean": bool,
    "clob": str,
    "datetime": datetime,
    "decimal": Decimal128,
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
NAMES = tuple(_BY_NAME)
"""The names that ``value_type`` takes."""


def values_of(kind: str, codec: CodecOptions[Any], value_type: Any = None) -> Values:
    """Return the values that a kind takes: of the option ``value_type``, or with None of each type that BSON has.

    Whether datetimes are aware or naive is what ``codec`` says, since BSON keeps no zone. A Decimal128 can't be
    hashed, so that it can't be in a dict or a set.

    Raises
    ------
    InvalidType, InvalidValue
        If ``value_type`` is none of those, or not one for this kind.
    """
    types = _TYPES if kind in ("series", "gauge") else _TYPES - {Decimal128}
    if value_type is not None:
        types = frozenset({_type_of(value_type)})
        if kind in ("histogram", "set") and Decimal128 in types:
            raise InvalidValue(
                f"value_type={show(value_type)} is for series and gauges: a Decimal128 has no hash in Python, so that "
                f"a {kind} can't have it"
            )
    aware, zone = codec.tz_aware, codec.tzinfo or UTC
    converts: dict[type, Callable[[Any], Any]] = {
        datetime: lambda value: _check_datetime(value, aware, zone),
        Decimal128: _check_decimal,
    }
    return Values(
        types=types,
        text=False,
        int_range=(-(2**63), 2**63 - 1),
        max_bytes=_MAX_KEY_BYTES if kind == "histogram" else _MAX_BYTES,
        convert={one: convert for one, convert in converts.items() if one in types},
    )


def _type_of(value_type: Any) -> type:
    found = value_type if isinstance(value_type, type) else None
    if isinstance(value_type, str):
        found = _BY_NAME.get(value_type)
    if found in _TYPES:
        return found
    types = ", ".join(sorted(one.__name__ for one in _TYPES))
    message = f"value_type must be one of {', '.join(NAMES)}, or a type: {types}; got {show(value_type)}"
    raise InvalidValue(message) if isinstance(value_type, str) else InvalidType(message)


def _check_decimal(value: Decimal128) -> Decimal128:
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
