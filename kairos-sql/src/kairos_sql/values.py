"""``value_type``: the column that holds the values, and which values it gives back equal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.types import TypeEngine

from kairos.errors import InvalidType, InvalidValue
from kairos.storage import Values

from .decimals import DecimalText, NumericExact, canonical_decimal
from .dialects import Dialect
from .types import TextDecimal

__all__ = ["NAMES", "ColumnType", "column_type", "key_of"]

Convert = Callable[[Any], Any]

_INT64 = (-(2**63), 2**63 - 1)
_BY_PYTHON: dict[type, str] = {
    bool: "bool",
    bytes: "blob",
    date: "date",
    datetime: "datetime",
    Decimal: "decimal",
    float: "float",
    int: "int",
    str: "str",
    time: "time",
}
_GENERIC = frozenset(_BY_PYTHON) | {timedelta, UUID}
_MOMENTS = (sa.Date, sa.DateTime, sa.Time)
_SIMPLE: dict[type, type[TypeEngine[Any]]] = {
    float: sa.Float,
    int: sa.Integer,
    str: sa.String,
    bytes: sa.LargeBinary,
}
"""Families of SQLAlchemy types through which a Python value goes as it is."""

_FACTORIES: dict[str, Callable[[int, int], TypeEngine[Any]]] = {
    "blob": lambda string, text: sa.LargeBinary(text),
    "bool": lambda string, text: sa.Boolean(),
    "boolean": lambda string, text: sa.Boolean(),
    "clob": lambda string, text: sa.Text(text),
    "date": lambda string, text: sa.Date(),
    "datetime": lambda string, text: sa.DateTime(),
    "decimal": lambda string, text: sa.Numeric(),
    "float": lambda string, text: sa.Double(),
    "int": lambda string, text: sa.BigInteger(),
    "int64": lambda string, text: sa.BigInteger(),
    "integer": lambda string, text: sa.BigInteger(),
    "long": lambda string, text: sa.BigInteger(),
    "str": lambda string, text: sa.String(string),
    "string": lambda string, text: sa.String(string),
    "text": lambda string, text: sa.Text(text),
    "time": lambda string, text: sa.Time(),
    "unicode": lambda string, text: sa.Unicode(string),
}
NAMES = tuple(_FACTORIES)
"""The names that ``value_type`` takes."""

_ALLOWED = (
    f"one of {', '.join(NAMES)}; a Python type ({', '.join(sorted(kind.__name__ for kind in _BY_PYTHON))}); "
    "or a SQLAlchemy type or an instance of one"
)


@frozen
class ColumnType:
    """The type of the value column and what goes through it.

    Attributes
    ----------
    sql
        The SQLAlchemy type of the column.
    values
        What the storage declares of it.
    bind, result
        From a stored value to what the driver gets, and back; None: as it is.
    key
        What stands for a value in the keys of histograms and sets.
    """

    sql: TypeEngine[Any]
    values: Values
    bind: Convert | None
    result: Convert | None
    key: Callable[[Any], bytes]


def column_type(value_type: Any, string_length: int, text_length: int, dialect: Dialect) -> ColumnType:
    """Return the column type for the option ``value_type``, or raise an error that says what is allowed."""
    wanted = _sql_type(value_type, string_length, text_length)
    sql = dialect.adapt(wanted, string_length, text_length)
    python = _python_type(sql)
    bind: Convert | None = None
    result: Convert | None = None
    if not _is_simple(sql, python):
        bind, result = dialect.processors(sql)
        bind = None if bind is None else _plain(bind)
    own_processing = dialect.processes_values  # what SQLAlchemy executes it converts itself
    numbers = python is Decimal
    types: frozenset[type] = frozenset({Decimal, int, float} if numbers else {python})
    convert = _convert(sql, python, bind, result, dialect)
    values = Values(
        types=types,
        text=False,
        int_range=None if numbers else _INT64,
        max_bytes=_max_bytes(wanted, string_length, text_length),
        convert={} if convert is None else dict.fromkeys(types, convert),
    )
    known = python in _CANONICAL and not isinstance(sql, sa.Enum)
    key = key_of if known or bind is None else _key_of_bound(bind)
    return ColumnType(sql, values, None if own_processing else bind, None if own_processing else result, key)


def key_of(value: Any) -> bytes:
    """Return the SHA-256 that stands for a value in the keys of histograms and sets, on every database.

    It is taken of a canonical text: of the bytes themselves, of a text's UTF-8, of a float's ``repr`` (0.0 for
    -0.0), of an int's digits (``1`` and ``0`` of a bool), of a date's, time's or datetime's ISO format with
    microseconds, of a Decimal's shortest digits, of a UUID's usual form, of a timedelta's microseconds.
    """
    return sha256(_CANONICAL[type(value)](value)).digest()


def _in_utc(value: datetime) -> datetime:
    return value if value.tzinfo is None else value.astimezone(UTC)


def _key_of_bound(bind: Convert) -> Callable[[Any], bytes]:
    """Return the same for types of the caller's own: of what the driver gets."""

    def key(value: Any) -> bytes:
        sent = bind(value)
        canonical = _CANONICAL.get(type(sent))
        return sha256(bytes(sent) if canonical is None else canonical(sent)).digest()

    return key


_CANONICAL: dict[type, Callable[[Any], bytes]] = {
    bool: lambda value: b"1" if value else b"0",
    bytes: lambda value: value,
    date: lambda value: value.isoformat().encode(),
    datetime: lambda value: _in_utc(value).isoformat(" ", "microseconds").encode(),
    Decimal: lambda value: canonical_decimal(value).encode(),
    float: lambda value: repr(value + 0.0).encode(),
    int: lambda value: str(value).encode(),
    str: str.encode,
    time: lambda value: value.isoformat("microseconds").encode(),
    timedelta: lambda value: str(value // timedelta(microseconds=1)).encode(),
    UUID: lambda value: str(value).encode(),
}


def _sql_type(value_type: Any, string_length: int, text_length: int) -> TypeEngine[Any]:
    if isinstance(value_type, type) and value_type in _BY_PYTHON:
        value_type = _BY_PYTHON[value_type]
    if isinstance(value_type, str):
        if value_type not in _FACTORIES:
            raise InvalidValue(f"value_type must be {_ALLOWED}; got {value_type!r}")
        return _FACTORIES[value_type](string_length, text_length)
    if isinstance(value_type, TypeEngine):
        return value_type
    if isinstance(value_type, type) and issubclass(value_type, TypeEngine):
        try:
            return value_type()
        except TypeError as error:
            raise InvalidType(
                f"value_type {value_type.__name__}: pass an instance; it needs arguments: {error}"
            ) from error
    raise InvalidType(f"value_type must be {_ALLOWED}; got {value_type!r}")


def _python_type(sql: TypeEngine[Any]) -> type:
    as_decimal: bool | None = getattr(sql, "asdecimal", None)
    wrapped = isinstance(sql, sa.types.TypeDecorator)  # what it gives back is looked at value by value
    if not wrapped and as_decimal is not None and as_decimal is isinstance(sql, sa.Float):
        raise InvalidValue(
            f"value_type {sql!r}: a binary column read as Decimal, or a decimal column read as float, does not give "
            "values back equal; use Double for float or Numeric(precision, scale) for Decimal"
        )
    try:
        python = sql.python_type
    except NotImplementedError:
        python = object
    if python in _GENERIC or isinstance(sql, sa.Enum):
        return python
    what = "an unknown Python type (define the property python_type)" if python is object else python.__name__
    raise InvalidValue(
        f"value_type {sql!r} holds {what}; kairos keeps values of "
        f"{', '.join(sorted(kind.__name__ for kind in _GENERIC))} and of Enum types"
    )


def _is_simple(sql: TypeEngine[Any], python: type) -> bool:
    family = _SIMPLE.get(python)
    own = type(sql).__module__.startswith("sqlalchemy.")
    return own and family is not None and isinstance(sql, family) and not isinstance(sql, sa.Enum)


def _max_bytes(sql: TypeEngine[Any], string_length: int, text_length: int) -> int | None:
    own: int | None = getattr(sql, "length", None)
    if isinstance(sql, sa.LargeBinary | sa.Text):
        return own or text_length
    return own or string_length


def _convert(
    sql: TypeEngine[Any], python: type, bind: Convert | None, result: Convert | None, dialect: Dialect
) -> Convert | None:
    if isinstance(sql, DecimalText | NumericExact | TextDecimal):
        return sql.check
    if (
        type(sql) is sa.Boolean
        or (type(sql) is sa.Date and dialect.any_date)
        or (bind is None and result is None and dialect.keeps(sql, python))
    ):
        return None
    if type(sql) in (sa.DateTime, sa.Time) and not sql.timezone:  # type: ignore[attr-defined]
        return _refuse_zone
    if dialect.exact_moments and type(sql).__module__.startswith("sqlalchemy.") and isinstance(sql, _MOMENTS):
        return _check_bound(sql, dialect)
    return _round_trip(sql, bind, result, dialect)


def _refuse_zone(value: datetime | time) -> datetime | time:
    if value.tzinfo is not None:
        raise InvalidValue(
            f"this column would not give back the time zone of {value!r}: convert it to UTC and drop tzinfo, "
            "for example with write_func"
        )
    return value


def _check_bound(sql: TypeEngine[Any], dialect: Dialect) -> Convert:
    """Return a check of values that the driver gets, and gives back, as they are."""

    def convert(value: Any) -> Any:
        if not dialect.keeps_bound(sql, value):
            raise InvalidValue(f"value_type {sql!r} would not give back {value!r}")
        return value

    return convert


def _plain(bind: Convert) -> Convert:
    """Return a processor that gives the driver values of the base types, as they are written into statements."""

    def convert(value: Any) -> Any:
        sent = bind(value)
        if type(sent) in _CANONICAL:
            return sent
        sent = getattr(sent, "obj", sent)  # psycopg wraps bytes
        bases: tuple[Callable[[Any], Any], ...] = (int, float, str, bytes)
        base = next((kind for kind in bases if isinstance(sent, kind)), None)  # type: ignore[arg-type]
        return sent if base is None else base(sent)

    return convert


def _round_trip(
    sql: TypeEngine[Any], bind: Convert | None, result: Convert | None, dialect: Dialect
) -> Convert:
    """Return a check that sends each value through the type, for types whose behaviour is not known beforehand."""

    def convert(value: Any) -> Any:
        if isinstance(value, Decimal) and not value.is_finite():
            raise InvalidValue(f"a Decimal value must be finite; got {value!r}")
        try:
            bound = value if bind is None else bind(value)
            back = bound if result is None else result(bound)
            same = bool(back == value) and dialect.keeps_bound(sql, bound)
        except Exception as error:  # whatever the type raises, the value is not one of its own
            raise InvalidValue(f"value_type {sql!r} does not take {value!r}: {error}") from error
        if not same:
            raise InvalidValue(f"value_type {sql!r} would give back {back!r} for {value!r}")
        return value

    return convert
