"""The keys of histograms: a value as the name of a field, tagged with its type and escaped. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId

from kairos.errors import InvalidType, InvalidValue, show

__all__ = ["Keys", "check_escape_character"]

_EPOCH = datetime(1970, 1, 1)
_AWARE_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def _milliseconds(value: datetime) -> int:
    """Return what BSON keeps of a datetime: milliseconds since the epoch; a naive one is in UTC."""
    return (value - (_EPOCH if value.tzinfo is None else _AWARE_EPOCH)) // _MILLISECOND


def check_escape_character(character: Any) -> str:
    """Return the option ``escape_character``, or raise an error that says what is allowed."""
    allowed = "escape_character must be one character other than '.', '$', NUL and a surrogate"
    if not isinstance(character, str):
        raise InvalidType(f"{allowed}; got {show(character)} ({type(character).__name__})")
    if len(character) != 1 or character in ".$\0" or "\ud800" <= character <= "\udfff":
        raise InvalidValue(f"{allowed}; got {show(character)}")
    return str.__str__(character)


class Keys:
    r"""Writes values as names of fields, and reads them back.

    ``i:5 f:2.5 n:1.50 s:text b:1 x:00ff d:1370088000000 o:51a9…``: int, float, Decimal, str, bool, bytes in
    hexadecimal, datetime in milliseconds since the epoch, ObjectId. ``.``, ``$`` and the escape character become the
    escape character with ``d``, ``s`` or ``e`` behind it, since updates take a dot for a path.

    Parameters
    ----------
    escape_character
        One character.
    aware
        Whether datetimes are aware.

    Examples
    --------
    >>> keys = Keys("~", aware=False)
    >>> [keys.write(value) for value in (5, 2.5, "a.b", True, b"\x00")]
    ['i:5', 'f:2~d5', 's:a~db', 'b:1', 'x:00']
    >>> [keys.read(key) for key in ("i:5", "f:2~d5", "s:a~db", "b:1", "x:00")]
    [5, 2.5, 'a.b', True, b'\x00']
    """

    def __init__(self, escape_character: str, aware: bool) -> None:
        self._escape_character = escape_character
        self._special = frozenset({".", "$", escape_character})
        codes = {".": "d", "$": "s", escape_character: "e"}
        self._codes = str.maketrans({character: escape_character + code for character, code in codes.items()})
        self._escaped = re.compile(f"{re.escape(escape_character)}(.?)", re.DOTALL)
        self._characters = {code: character for character, code in codes.items()}
        self._epoch = _AWARE_EPOCH if aware else _EPOCH
        escape = self._escape
        self._writers: Mapping[type, Callable[[Any], str]] = {
            int: lambda value: f"i:{escape(str(value))}",
            float: lambda value: f"f:{escape(repr(value))}",
            Decimal: lambda value: f"n:{escape(str(value))}",
            str: lambda value: f"s:{escape(value)}",
            bool: lambda value: f"b:{escape(str(int(value)))}",
            bytes: lambda value: f"x:{escape(value.hex())}",
            datetime: lambda value: f"d:{escape(str(_milliseconds(value)))}",
            ObjectId: lambda value: f"o:{escape(str(value))}",
        }
        self._readers: Mapping[str, Callable[[str], Any]] = {
            "i:": int,
            "f:": float,
            "n:": Decimal,
            "s:": str,
            "b:": lambda text: text == "1",
            "x:": bytes.fromhex,
            "d:": lambda text: self._epoch + int(text) * _MILLISECOND,
            "o:": ObjectId,
        }

    def write(self, value: Any) -> str:
        """Return the key of a checked value."""
        return self._writers[type(value)](value)

    def read(self, key: str) -> Any:
        """Return the value of a key.

        Raises
        ------
        InvalidValue
            If kairos did not write it.
        """
        try:
            text = key[2:]
            return self._readers[key[:2]](self._unescape(text) if self._escape_character in text else text)
        except (LookupError, ValueError, ArithmeticError, InvalidId) as error:
            raise InvalidValue(
                f"a histogram holds the key {show(key)}, which kairos did not write with the escape_character "
                f"{show(self._escape_character)}"
            ) from error

    def _escape(self, text: str) -> str:
        return text if self._special.isdisjoint(text) else text.translate(self._codes)

    def _unescape(self, text: str) -> str:
        return self._escaped.sub(lambda found: self._characters[found[1]], text)
