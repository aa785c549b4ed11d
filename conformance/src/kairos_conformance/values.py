"""Which values a storage takes, by its declaration, and pools of those that are easily got wrong."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

from attrs import frozen

from kairos.errors import KairosError

__all__ = ["INCREMENTS", "Pool", "increments", "pool", "takes"]

NUMBERS: tuple[Any, ...] = (
    *(0, 1, 2, -1, 5, 127, 128, 255, 256, -129, 1000, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, -(2**53)),
    *(0.5, 1.0, -2.25, 0.1, 1e10, 1e-7, 5e-324, 123456.789),
)
LARGE: tuple[Any, ...] = (2**63 - 1, -(2**63), 2**63, 2**53 + 1, 1e300, 1.7976931348623157e308)
OTHERS: tuple[Any, ...] = (
    *("", "a", "A", "a ", "a\u0301", "\u00e1", "1", "1.0", "True", "None", "\U0001f600", "x" * 200),
    *("'; DROP TABLE x; --", "%s", "\n", "\uffff", "[1]", '{"a": 1}', "\x01", " ", "$a.b"),
    *(b"", b"a", b"\x00\xff", b"\xf0\x9f", bytes(range(256)), True, False),
    *(date(2013, 2, 28), date(1, 1, 1), datetime(2013, 12, 31, 23, 59, 59, 999_000), datetime(1969, 7, 20)),
    *(time(23, 59, 58), Decimal("1.50"), Decimal("-12345.678"), ip_address("10.0.0.1")),
)

INCREMENTS = (1, 2, -1, 5, 1.0, 0, -3, 2**31, 2**40, -(2**50), 2**53, 0.0)
FRACTIONS = (0.5, -0.25, 0.1, 1e-9, 2.0**60, 123456.789, -0.1, 1e15)


@frozen
class Pool:
    """Values that a storage takes: those that transforms can calculate with, and all of them."""

    numeric: tuple[Any, ...]
    all: tuple[Any, ...]


def takes(values: Any, value: Any) -> bool:
    """Return whether a storage that declares ``values`` takes ``value``, from SEMANTICS §3.

    Parameters
    ----------
    values
        A :class:`kairos.storage.Values`.
    value
        Any value without NaN, infinity, NUL or lone surrogate.
    """
    kind = _held_as(values, value)
    if kind is None:
        return False
    if kind is int and values.int_range is not None:
        low, high = values.int_range
        if not low <= int(value) <= high:
            return False
    if isinstance(value, str | bytes) and values.max_bytes is not None:
        size = len(value.encode() if isinstance(value, str) else value)
        if size > values.max_bytes:
            return False
    convert = values.convert.get(kind)
    if convert is not None:
        try:
            return bool(convert(value) == value)
        except KairosError:
            return False
    return True


def _held_as(values: Any, value: Any) -> type | None:
    """Return the declared type that holds ``value``, or None."""
    if isinstance(value, bool):
        return bool if bool in values.types and not values.text else None
    own = next((t for t in type(value).__mro__ if t in values.types), None)
    if own is not None and not (own is date and isinstance(value, datetime)):
        return own
    if isinstance(value, int) and float in values.types and abs(value) < 2**1000 and float(value) == value:
        return float
    if isinstance(value, float) and int in values.types and value.is_integer():
        return int
    if isinstance(value, int | float) and Decimal in values.types:
        return Decimal
    return None


def pool(values: Any) -> Pool:
    """Return the values, of those that the kit tries, that a storage takes."""
    numbers = tuple(value for value in NUMBERS if takes(values, value))
    rest = tuple(value for value in (*LARGE, *OTHERS) if takes(values, value))
    return Pool(numbers, numbers + rest)


def increments(float_counts: bool) -> tuple[Any, ...]:
    """Return increments of a count that a storage takes."""
    return INCREMENTS + FRACTIONS if float_counts else INCREMENTS
