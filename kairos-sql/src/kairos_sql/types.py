"""Column types that hold exactly what a database's own would not."""

from __future__ import annotations

import struct
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import VARBINARY, BigInteger, Enum, SmallInteger, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from .decimals import canonical_decimal, check_decimal

__all__ = ["BinaryText", "Microseconds", "TextDecimal", "bits", "is_exact", "plain_enum", "single"]

_EXACT: dict[type, frozenset[type[TypeEngine[Any]]]] = {
    float: frozenset({sa.Double, sa.DOUBLE, sa.DOUBLE_PRECISION}),
    bytes: frozenset({sa.LargeBinary, sa.BLOB}),
    int: frozenset({sa.BigInteger, sa.BIGINT}),
    str: frozenset({sa.String, sa.VARCHAR, sa.Unicode, sa.Text, sa.TEXT, sa.UnicodeText}),
}
"""Types of columns that hold every value of a Python type that is not too long."""


class BinaryText(TypeDecorator[str]):
    """Text as its UTF-8, in a VARBINARY column: what is not the same byte for byte is another text.

    MariaDB and MySQL have no collation in common that compares like this.
    """

    impl = VARBINARY
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        """Return the text's UTF-8."""
        return value.encode() if isinstance(value, str) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Return the text."""
        return None if value is None else bytes(value).decode()


class Microseconds(TypeDecorator[timedelta]):
    """A timedelta as microseconds in a BIGINT column, where the database has no type for it."""

    impl = BigInteger
    cache_ok = True
    _ONE = timedelta(microseconds=1)

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        """Return the microseconds."""
        return None if value is None else value // self._ONE

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        """Return the timedelta."""
        return None if value is None else timedelta(microseconds=value)

    @property
    def python_type(self) -> type[timedelta]:
        """Return timedelta."""
        return timedelta


class TextDecimal(TypeDecorator[Decimal]):
    """A Decimal as its canonical text in a VARCHAR column.

    Parameters
    ----------
    length
        The longest text.
    precision, scale
        The most digits, in all and after the point; None: any.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int, precision: int | None = None, scale: int | None = None) -> None:
        super().__init__(length)
        self.length = length
        self.precision = precision
        self.scale = scale

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return the text."""
        return None if value is None else canonical_decimal(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Read the text."""
        return None if value is None else Decimal(value)

    @property
    def python_type(self) -> type[Decimal]:
        """Return Decimal."""
        return Decimal

    def check(self, value: Decimal | float) -> Decimal:
        """Return the Decimal that is equal to ``value``, or raise if the column would not give it back."""
        return check_decimal(value, self.length, self.precision, self.scale)


def bits(sql: TypeEngine[Any]) -> int:
    """Return how many bits the integers of a column have."""
    return 64 if isinstance(sql, BigInteger) else 16 if isinstance(sql, SmallInteger) else 32


def single(value: float) -> float:
    """Return what a column of 32 bits gives back for a float."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return float("inf")


def plain_enum(sql: Enum) -> TypeEngine[Any]:
    """Return an Enum that is text in the database, not a type of its own."""
    plain: TypeEngine[Any] = sql.adapt(Enum, native_enum=False)  # type: ignore[no-untyped-call]
    return plain


def is_exact(sql: TypeEngine[Any], python: type) -> bool:
    """Whether a column of just this type of SQLAlchemy's gives back every value of a Python type."""
    return type(sql) in _EXACT.get(python, ()) and not getattr(sql, "collation", None)
