"""What the five kinds do with values, written from SEMANTICS §3 and §5 alone."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from attrs import frozen

__all__ = ["KINDS", "Total", "empty", "merge", "row_of"]

KINDS = ("series", "histogram", "count", "gauge", "set")


@frozen
class Total:
    """A count as the model knows it: its exact sum, and how far a store's float arithmetic may be off.

    Parameters
    ----------
    exact
        The exact sum of the increments.
    size
        The sum of their sizes.
    whole
        True if every increment was an int (or a whole float up to 2**53): then the total is exact.
    """

    exact: Fraction = Fraction(0)
    size: Fraction = Fraction(0)
    whole: bool = True

    def __add__(self, other: Total | int) -> Total:
        if isinstance(other, int):
            other = Total(Fraction(other), Fraction(abs(other)))
        return Total(self.exact + other.exact, self.size + other.size, self.whole and other.whole)

    __radd__ = __add__

    @classmethod
    def of(cls, increment: float) -> Total:
        """Return the total of one increment."""
        exact = Fraction(increment)
        whole = isinstance(increment, int) or (exact.denominator == 1 and abs(exact) <= 2**53)
        return cls(exact, abs(exact), whole)


def empty(kind: str) -> Any:
    """Return a fresh empty row."""
    return {"series": [], "histogram": {}, "count": 0, "gauge": None, "set": set()}[kind]


def row_of(kind: str, values: Iterable[Any]) -> Any:
    """Return the row that the values of one bucket make, in the order in which they were written."""
    row = empty(kind)
    for value in values:
        if kind == "series":
            row.append(value)
        elif kind == "histogram":
            row[value] = row.get(value, 0) + 1
        elif kind == "count":
            row += Total.of(value)
        elif kind == "gauge":
            row = value
        else:
            row.add(value)
    return row


def merge(kind: str, rows: Iterable[Any]) -> Any:
    """Return the native merge of rows, given by time and then by name."""
    result = empty(kind)
    for row in rows:
        if kind == "series":
            result += row
        elif kind == "histogram":
            for value, n in row.items():
                result[value] = result.get(value, 0) + n
        elif kind == "count":
            result += row
        elif kind == "gauge":
            result = result if row is None else row
        else:
            result |= row
    return result
