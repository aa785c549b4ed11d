"""Values as text of SQL: elements of PostgreSQL's arrays, literals of MariaDB's and MySQL's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import is_
from typing import Any
from uuid import UUID

__all__ = ["elements", "literal", "literals"]

_QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"'})
_ONE = timedelta(microseconds=1)


def _quoted(value: str) -> str:
    return f'"{value.translate(_QUOTED)}"'


_ELEMENTS: dict[type, Callable[[Any], str]] = {
    bool: str,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
    date: date.isoformat,
    datetime: lambda value: f'"{value.isoformat(" ")}"',
    Decimal: str,
    float: float.__repr__,
    int: int.__repr__,
    str: _quoted,
    time: lambda value: f'"{value.isoformat()}"',
    timedelta: lambda value: f'"{value // _ONE} microseconds"',
    UUID: str,
}


def elements(values: Sequence[Any]) -> list[str]:
    r"""Return the elements of a PostgreSQL array's text; all values are of one type.

    Examples
    --------
    >>> elements((1, 2)), elements(('a"b', "c"))
    (['1', '2'], ['"a\\"b"', '"c"'])
    """
    return list(map(_ELEMENTS[type(values[0])], values)) if values else []


_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;/@+=()-]*").fullmatch
"""Text that is the same in any character set and SQL mode."""


def _text_literal(value: str) -> str:
    return _short_literal(value) if len(value) < 256 else _any_literal(value)


def _any_literal(value: str) -> str:
    return f"'{value}'" if _PLAIN(value) else f"_utf8mb4 X'{value.encode().hex()}'"


_short_literal = lru_cache(4_096)(_any_literal)


def _float_literal(value: float) -> str:
    text = repr(value)
    return text if "e" in text else f"{text}e0"


_LITERALS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "1" if value else "0",
    bytes: lambda value: f"X'{value.hex()}'",
    date: lambda value: f"'{value.isoformat()}'",
    datetime: lambda value: f"'{value.isoformat(' ')}'",
    Decimal: lambda value: f"{value:f}",
    float: _float_literal,
    int: int.__repr__,
    str: _text_literal,
    time: lambda value: f"'{value.isoformat()}'",
}


def literal(value: Any) -> str:
    """Return a literal of MariaDB and MySQL, the same in every SQL mode and with every connection's character set.

    Examples
    --------
    >>> literal("home"), literal("a'b"), literal(b"x"), literal(0.5), literal(3)
    ("'home'", "_utf8mb4 X'612762'", "X'78'", '0.5e0', '3')
    """
    return _LITERALS[type(value)](value)


def literals(values: Sequence[Any]) -> list[str]:
    """Return literals of values of one type; one that comes again and again is made once."""
    if values[0] is values[-1] and len(values) > 2 and all(map(is_, values, values[1:])):
        return [literal(values[0])] * len(values)
    if type(values[0]) is float:
        return [text if "e" in text else text + "e0" for text in map(repr, values)]
    return list(map(_LITERALS[type(values[0])], values))
