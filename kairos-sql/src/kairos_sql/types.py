"""Column types that hold exactly what a database's own would not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

__all__ = ["BinaryText", "Microseconds"]


class BinaryText(TypeDecorator[str]):
    """Text as its UTF-8, in a VARBINARY column: what is not the same byte for byte is another text.

    MariaDB and MySQL have no collation in common that compares like this.
    """

    impl = mysql.VARBINARY
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
