"""Which columns of PostgreSQL hold which values exactly."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from .decimals import NumericExact
from .types import bits, plain_enum, single

__all__ = ["adapt", "keeps_bound"]

_DIGITS, _PLACES = 131_072, 16_383
"""How many digits a NUMERIC has before and after the point, at most."""

_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""Between these a moment with a zone can be shown in any zone."""


def adapt(sql: TypeEngine[Any], string_length: int) -> TypeEngine[Any]:
    """Return types that are exact, and need no type of their own in the database."""
    if type(sql) is sa.Float:
        return sa.Double()
    if type(sql) in (sa.Text, sa.UnicodeText):
        return sa.Text(collation=sql.collation)  # type: ignore[attr-defined]
    if isinstance(sql, sa.Enum) and sql.native_enum:
        return plain_enum(sql)
    if isinstance(sql, sa.Numeric) and not isinstance(sql, sa.Float) and sql.asdecimal:
        return NumericExact(string_length, sql.precision, sql.scale, _DIGITS, _PLACES)
    return sql


def keeps_bound(sql: TypeEngine[Any], bound: Any) -> bool:
    """Whether the column has room for a value of a known type."""
    while isinstance(sql, sa.types.TypeDecorator):
        sql = sql.impl_instance
    if isinstance(bound, bool):
        return isinstance(sql, sa.Boolean)
    if isinstance(bound, int):
        return isinstance(sql, sa.Integer) and abs(2 * bound + 1) < 2 ** bits(sql)
    if isinstance(bound, float):
        short = isinstance(sql, sa.REAL) or (isinstance(sql, sa.Float) and (sql.precision or 53) <= 24)
        return isinstance(sql, sa.Float) and (not short or single(bound) == bound)
    if isinstance(bound, datetime):
        zone = bound.tzinfo is not None
        fits = (
            isinstance(sql, sa.DateTime) and zone == bool(sql.timezone) and _is_kept(sql, bound.microsecond)
        )
        return fits and (not zone or _FIRST <= bound <= _LAST)
    if isinstance(bound, time):
        plain = isinstance(sql, sa.Time) and bound.tzinfo is None and not sql.timezone
        return plain and _is_kept(sql, bound.microsecond)
    if isinstance(bound, timedelta):
        whole = getattr(sql, "fields", None) is None and _is_kept(sql, bound.microseconds)
        return whole and abs(bound) < timedelta(days=106_751_991)  # microseconds in 64 bits
    if isinstance(bound, str):
        length = getattr(sql, "length", None)
        if isinstance(sql, sa.CHAR | sa.NCHAR):  # which pad
            return len(bound) == (length or 1)
        return "\0" not in bound and (length is None or len(bound) <= length)
    return isinstance(bound, bytes | date | Decimal | UUID)


def _is_kept(sql: TypeEngine[Any], microseconds: int) -> bool:
    """Whether a column has enough digits for the seconds."""
    digits = getattr(sql, "precision", None)
    if digits is None:
        digits = getattr(sql, "second_precision", None)
    return digits is None or microseconds % 10 ** (6 - min(digits, 6)) == 0
