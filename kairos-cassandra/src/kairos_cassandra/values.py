"""``value_type``: the type of the value column, and which values it gives back equal."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from attrs import frozen

from kairos.errors import InvalidType, InvalidValue, show
from kairos.storage import Values

__all__ = ["NAMES", "ColumnType", "column_type"]

_INT64 = (-(2**63), 2**63 - 1)
_VARINT = (-(2**4095), 2**4095 - 1)
_KEY_BYTES = 60_000
"""The longest value of a set or histogram: all clustering columns together take 65,535 bytes."""
_VALUE_BYTES = 1 << 20
"""The longest value of a series or gauge; a mutation takes 8 MiB or more, as the server is configured."""
_DIGITS, _EXPONENT = 1_000, 6_144

_CQL_BY_NAME = {
    "ascii": "ascii",
    "bigint": "bigint",
    "blob": "blob",
    "boolean": "boolean",
    "decimal": "decimal",
    "double": "double",
    "float": "double",
    "inet": "inet",
    "int": "bigint",
    "int64": "bigint",
    "integer": "bigint",
    "long": "varint",
    "str": "text",
    "string": "text",
    "text": "text",
    "unicode": "text",
    "varint": "varint",
}
NAMES = tuple(_CQL_BY_NAME)
"""The names that ``value_type`` takes."""

_NAME_BY_PYTHON: dict[type, str] = {
    bool: "boolean",
    bytes: "blob",
    Decimal: "decimal",
    float: "float",
    int: "int",
    IPv4Address: "inet",
    IPv6Address: "inet",
    str: "str",
}


@frozen
class ColumnType:
    """The type of the value column.

    Attributes
    ----------
    cql
        Its name in CQL.
    values
        What the storage declares of it.
    bind, result
        From a stored value to what the driver takes, and back; None: as it is.
    """

    cql: str
    values: Values
    bind: Callable[[Any], Any] | None
    result: Callable[[Any], Any] | None


def column_type(value_type: Any, kind: str) -> ColumnType:
    """Return the column type for the option ``value_type``, or raise an error that says what is allowed."""
    name = _NAME_BY_PYTHON.get(value_type) if isinstance(value_type, type) else value_type
    if not isinstance(name, str) or name not in _CQL_BY_NAME:
        python = ", ".join(sorted(kind.__name__ for kind in _NAME_BY_PYTHON))
        message = f"value_type must be one of {', '.join(NAMES)}, or a Python type: {python}; got {show(value_type)}"
        raise InvalidValue(message) if isinstance(value_type, str) else InvalidType(message)
    cql = _CQL_BY_NAME[name]
    types, int_range, convert = _RULES[cql]
    max_bytes = _KEY_BYTES if kind in ("set", "histogram") else _VALUE_BYTES
    converts = {} if convert is None else dict.fromkeys(types, convert)
    values = Values(types=types, text=False, int_range=int_range, max_bytes=max_bytes, convert=converts)
    inet = cql == "inet"
    return ColumnType(cql, values, str if inet else None, ip_address if inet else None)


def _ascii(value: Any) -> Any:
    if not value.isascii():
        raise InvalidValue(f"a value of value_type ascii must be ASCII text; got {show(value)}; use text")
    return value


def _decimal(value: Any) -> Decimal:
    number = Decimal(value)
    if not number.is_finite():
        raise InvalidValue(f"a Decimal value must be finite; got {show(value)}")
    digits, exponent = number.as_tuple().digits, number.as_tuple().exponent
    if len(digits) > _DIGITS or not isinstance(exponent, int) or abs(exponent) > _EXPONENT:
        raise InvalidValue(
            f"a Decimal value must have at most {_DIGITS} digits and an exponent within {_EXPONENT}; got {show(value)}"
        )
    return number


def _address(value: Any) -> Any:
    if getattr(value, "scope_id", None) is not None:
        raise InvalidValue(f"an inet column would not give back the scope of {show(value)}: leave it out")
    return value


_RULES: dict[str, tuple[frozenset[type], tuple[int, int] | None, Callable[[Any], Any] | None]] = {
    "ascii": (frozenset({str}), None, _ascii),
    "bigint": (frozenset({int}), _INT64, None),
    "blob": (frozenset({bytes}), None, None),
    "boolean": (frozenset({bool}), None, None),
    "decimal": (frozenset({Decimal, int, float}), _VARINT, _decimal),
    "double": (frozenset({float}), None, None),
    "inet": (frozenset({IPv4Address, IPv6Address}), None, _address),
    "text": (frozenset({str}), None, None),
    "varint": (frozenset({int}), _VARINT, None),
}
