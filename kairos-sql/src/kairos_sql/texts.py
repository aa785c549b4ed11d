"""Values as text of SQL: elements of PostgreSQL's arrays, literals of MariaDB's and MySQL's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

__all__ = ["array_text", "literal"]

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


def array_text(values: Sequence[Any]) -> str:
    r"""Return a PostgreSQL array's text; all values are of one type.

    Examples
    --------
    >>> array_text((1, 2)), array_text(('a"b', "c"))
    ('{1,2}', '{"a\\"b","c"}')
    """
    first = values[0]
    if type(first) is str:
        known: dict[str, str] = {}
        for value in values:
            if value not in known:
                known[value] = _quoted(value)
        return "{" + ",".join([known[value] for value in values]) + "}"
    return "{" + ",".join(map(_ELEMENTS[type(first)], values)) + "}"


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
    """Return literals of values of one type."""
    return list(map(_LITERALS[type(values[0])], values)) if values else []
