"""Timestamps: what a caller may give, and the whole second that kairos counts in."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

from .errors import InvalidType, InvalidValue, show

__all__ = ["INT64", "clock_second", "to_second"]

INT64 = 2**63
"""One more than the largest 64-bit int."""

_NUMBERS = (int, float)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALLOWED = "seconds since the epoch (an int or a finite float) or an aware datetime"


def to_second(value: Any, what: str = "timestamp") -> int:
    """Return the whole second since the epoch in which ``value`` lies (rounded down).

    Buckets start at whole seconds, so that nothing is lost. Datetimes are converted without floats.

    Parameters
    ----------
    value
        An int, a finite float or an aware datetime.
    what
        The argument's name, for the message.

    Raises
    ------
    InvalidType
        For bools, strings and other types.
    InvalidValue
        For NaN, infinities and naive datetimes.

    Examples
    --------
    >>> to_second(1.5), to_second(-0.5)
    (1, -1)
    """
    kind: type = type(value)
    if type(value) is int:
        return value
    if type(value) is float:
        if math.isfinite(value):
            return math.floor(value)
        raise InvalidValue(f"{what} must be {_ALLOWED}; got {show(value)}")
    if isinstance(value, datetime):
        if not _is_aware(value):
            raise InvalidValue(
                f"{what} must be {_ALLOWED}; got the naive {show(value)}: now is datetime.now(timezone.utc); "
                "of another time say whose clock it was, for example value.replace(tzinfo=ZoneInfo('Europe/Berlin'))"
            )
        since = value - _EPOCH
        return since.days * 86_400 + since.seconds
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = ", which is a whole day: give an instant of it" if isinstance(value, date) else ""
        raise InvalidType(f"{what} must be {_ALLOWED}; got {show(value)} ({kind.__name__}){hint}")
    return to_second(int.__int__(value) if isinstance(value, int) else float.__float__(value), what)


def _is_aware(value: datetime) -> bool:
    try:
        return value.utcoffset() is not None
    except ValueError:  # what only looks like a time, such as pandas' NaT
        return False


def clock_second(now: Any) -> int:
    """Return the second of what a ``clock`` returned: a number, since storages calculate with it."""
    if not isinstance(now, _NUMBERS):
        raise InvalidType(
            f"clock() must return seconds since the epoch, an int or a finite float; got {show(now)} "
            f"({type(now).__name__})"
        )
    return to_second(now, "clock()")
