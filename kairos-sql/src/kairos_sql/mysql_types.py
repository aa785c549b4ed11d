"""Which columns of MariaDB and MySQL hold which values exactly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from .decimals import NumericExact
from .types import Microseconds, bits, plain_enum, single

__all__ = ["adapt", "keeps_bound", "table_options"]

_LONGEST_VARCHAR = 4_000
"""Of all columns of a row 65,535 bytes are VARCHARs at most; longer ones are TEXT."""


def table_options(name: str) -> Mapping[str, Any]:
    """Return keywords of a Table whose columns of text have a character set that has any text."""
    return {
        f"{name}_engine": "InnoDB",
        f"{name}_default_charset": "utf8mb4",
        f"{name}_collate": "utf8mb4_bin",
    }


def adapt(sql: TypeEngine[Any], string_length: int, text_length: int) -> TypeEngine[Any]:
    """Return types that are exact here, and have the lengths that these servers want."""
    if type(sql) is sa.Float:
        return sa.Double()
    if isinstance(sql, sa.Enum) and sql.native_enum:
        return plain_enum(sql)
    if type(sql) in (sa.String, sa.Unicode):
        length: int = sql.length or string_length  # type: ignore[attr-defined]
        return type(sql)(length) if length <= _LONGEST_VARCHAR else sa.Text(length)  # type: ignore[call-arg]
    if type(sql) in (sa.Text, sa.UnicodeText, sa.LargeBinary) and not sql.length:  # type: ignore[attr-defined]
        return type(sql)(text_length)  # type: ignore[call-arg]
    if type(sql) is sa.DateTime:
        return mysql.DATETIME(fsp=6)
    if type(sql) is sa.Time:
        return mysql.TIME(fsp=6)
    if type(sql) is sa.Interval:
        return Microseconds()
    if isinstance(sql, sa.Numeric) and not isinstance(sql, sa.Float) and sql.asdecimal:
        if sql.precision is None:
            return NumericExact(string_length, 65, 30)
        return NumericExact(string_length, sql.precision, sql.scale)
    return sql


def keeps_bound(sql: TypeEngine[Any], bound: Any) -> bool:
    """Whether the column has room for a value of a known type."""
    while isinstance(sql, sa.types.TypeDecorator):
        sql = sql.impl_instance
    if isinstance(bound, bool):
        return isinstance(sql, sa.Boolean)
    if isinstance(bound, int):
        return isinstance(sql, sa.Integer | sa.Boolean) and _fits(sql, bound)
    if isinstance(bound, float):
        if getattr(sql, "scale", None) is not None:
            return False
        double = isinstance(sql, sa.Double | sa.REAL)
        return double or (isinstance(sql, sa.Float) and single(bound) == bound)
    if isinstance(bound, datetime):
        own = isinstance(sql, sa.DateTime) and not isinstance(sql, sa.TIMESTAMP)  # which goes through a zone
        return own and bound.year >= 1000 and _is_kept(sql, bound)
    if isinstance(bound, time):
        return isinstance(sql, sa.Time) and _is_kept(sql, bound)
    if isinstance(bound, date):
        return isinstance(sql, sa.Date) and bound.year >= 1000
    if isinstance(bound, str):
        return _has_room(sql, bound)
    if isinstance(bound, bytes) and isinstance(sql, sa.BINARY):  # which pads
        return len(bound) == (sql.length or 1)
    return isinstance(bound, bytes | Decimal)


def _has_room(sql: TypeEngine[Any], text: str) -> bool:
    length = getattr(sql, "length", None)
    if length is not None and len(text) > length:
        return False
    if isinstance(sql, sa.CHAR | sa.NCHAR) and text.endswith(" "):  # which is cut
        return False
    charset = getattr(sql, "charset", None) or getattr(sql, "collation", None) or "utf8mb4"
    return charset.startswith("utf8mb4") or text.isascii()


def _fits(sql: TypeEngine[Any], number: int) -> bool:
    size = bits(sql)
    if isinstance(sql, mysql.TINYINT | mysql.MEDIUMINT):
        size = 8 if isinstance(sql, mysql.TINYINT) else 24
    low: int = 0 if getattr(sql, "unsigned", False) else -(2 ** (size - 1))
    return bool(low <= number < low + 2**size)


def _is_kept(sql: TypeEngine[Any], moment: datetime | time) -> bool:
    """Whether a column has enough digits for the seconds, and there is no zone."""
    digits: int = getattr(sql, "fsp", None) or 0
    return moment.tzinfo is None and moment.microsecond % 10 ** (6 - digits) == 0
