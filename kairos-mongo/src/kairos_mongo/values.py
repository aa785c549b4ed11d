"""Which values MongoDB gives back equal. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from bson import Decimal128, ObjectId
from bson.codec_options import CodecOptions

from kairos.errors import InvalidValue, show
from kairos.storage import Values

__all__ = ["MAX_NAME_BYTES", "values_of"]

MAX_NAME_BYTES = 1024
"""The longest name: it is in each document twice."""

_MAX_BYTES = 8 * 2**20
_MAX_KEY_BYTES = 2**20  # a key of a histogram can grow fourfold when it is escaped


def values_of(kind: str, codec: CodecOptions[Any]) -> Values:
    """Return the values that a kind takes.

    Whether datetimes are aware or naive is what ``codec`` says, since BSON keeps no zone. A Decimal128 can't be
    hashed, so that it can't be in a dict or a set.
    """
    types = {int, float, str, bytes, bool, datetime, ObjectId}
    if kind in ("series", "gauge"):
        types.add(Decimal128)
    aware, zone = codec.tz_aware, codec.tzinfo or UTC
    converts: dict[type, Callable[[Any], Any]] = {datetime: lambda value: _check_datetime(value, aware, zone)}
    if kind in ("series", "gauge"):
        converts[Decimal128] = _check_decimal
    return Values(
        types=frozenset(types),
        text=False,
        int_range=(-(2**63), 2**63 - 1),
        max_bytes=_MAX_KEY_BYTES if kind == "histogram" else _MAX_BYTES,
        convert=converts,
    )


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
