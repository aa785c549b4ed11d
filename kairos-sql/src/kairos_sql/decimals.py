"""A column type that holds a Decimal exactly, where the database has none that does."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.types import UserDefinedType

from kairos.errors import InvalidValue

__all__ = ["DecimalText", "NumericExact", "canonical_decimal", "check_decimal"]


def canonical_decimal(value: Decimal) -> str:
    """Return the one text of all Decimals that are equal to a finite ``value``; every digit is kept.

    Examples
    --------
    >>> canonical_decimal(Decimal("1.500")), canonical_decimal(Decimal("-0")), canonical_decimal(Decimal("1000"))
    ('1.5', '0', '1E+3')
    """
    return str(_shortest(value))


def _shortest(value: Decimal) -> Decimal:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise InvalidValue(f"a Decimal value must be finite; got {value!r}")
    if not any(digits):
        return Decimal(0)
    end = len(digits)
    while digits[end - 1] == 0:  # not Decimal.normalize(): that rounds to the context's precision
        end -= 1
    return Decimal((sign, digits[:end], exponent + len(digits) - end))


class DecimalText(UserDefinedType[Decimal]):
    """A Decimal as its canonical text, in a column that the schema shows as ``DECIMAL_TEXT(length)``.

    SQLite gives such a column TEXT affinity: nothing goes through a float.

    Parameters
    ----------
    length
        The longest text.
    precision, scale
        The most digits, in all and after the point, as those of ``Numeric``; None: any.
    """

    cache_ok = True

    def __init__(self, length: int, precision: int | None = None, scale: int | None = None) -> None:
        self.length = length
        self.precision = precision
        self.scale = scale

    @property
    def python_type(self) -> type[Decimal]:
        """Return Decimal."""
        return Decimal

    def get_col_spec(self, **kw: Any) -> str:
        """Return the type's name in DDL."""
        return f"DECIMAL_TEXT({self.length})"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Return what makes the text."""
        return canonical_decimal

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str], Decimal]:
        """Return what reads the text."""
        return Decimal

    def check(self, value: Decimal | float) -> Decimal:
        """Return the Decimal that is equal to ``value``, or raise if the column would not give it back."""
        return check_decimal(value, self.length, self.precision, self.scale)


class NumericExact(UserDefinedType[Decimal]):
    """A Decimal in a NUMERIC column, which takes only what it gives back equal.

    Parameters
    ----------
    length
        The longest canonical text of a value.
    precision, scale
        Of the column; None: a NUMERIC without them.
    most_digits, most_places
        How many digits the database has before and after the point, at most.
    """

    cache_ok = True

    def __init__(
        self,
        length: int,
        precision: int | None = None,
        scale: int | None = None,
        most_digits: int = 0,
        most_places: int = 0,
    ) -> None:
        self.length = length
        self.precision = precision
        self.scale = scale
        self.most_digits = most_digits
        self.most_places = most_places

    @property
    def python_type(self) -> type[Decimal]:
        """Return Decimal."""
        return Decimal

    def get_col_spec(self, **kw: Any) -> str:
        """Return the type's name in DDL."""
        return "NUMERIC" if self.precision is None else f"NUMERIC({self.precision}, {self.scale or 0})"

    def check(self, value: Decimal | float) -> Decimal:
        """Return the Decimal that is equal to ``value``, or raise if the column would not give it back."""
        exact = check_decimal(value, self.length, self.precision, self.scale)
        shortest = _shortest(exact)
        exponent = shortest.as_tuple().exponent
        assert isinstance(exponent, int)
        digits = shortest.adjusted() + 1 if shortest else 1
        if self.precision is None and (digits > self.most_digits or -exponent > self.most_places):
            raise InvalidValue(
                f"a Decimal value must have at most {self.most_digits} digits before the point and "
                f"{self.most_places} after it here; got {value!r}"
            )
        return exact


def check_decimal(value: Decimal | float, length: int, precision: int | None, scale: int | None) -> Decimal:
    """Return the Decimal that is equal to ``value``, or raise if it is longer or has more digits than is said."""
    exact = value if type(value) is Decimal else Decimal(value)
    shortest = _shortest(exact)
    size = len(str(shortest))
    if size > length:
        raise InvalidValue(f"a Decimal value must be at most {length} characters here; got {size}: {value!r}")
    exponent = shortest.as_tuple().exponent
    assert isinstance(exponent, int)
    if precision is not None:
        places = scale or 0
        if -exponent > places or (shortest and shortest.adjusted() >= precision - places):
            raise InvalidValue(f"a Decimal value must fit Numeric({precision}, {places}) here; got {value!r}")
    elif scale is not None and -exponent > scale:
        raise InvalidValue(
            f"a Decimal value must have at most {scale} digits after the point here; got {value!r}"
        )
    return exact
