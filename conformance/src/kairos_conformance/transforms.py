"""The named transforms, written from SEMANTICS §5 alone."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import Any

from attrs import frozen

from .kinds import Total

__all__ = ["NAMES", "Near", "named", "names_for"]

NAMES = (
    "mean",
    "count",
    "min",
    "max",
    "sum",
    "rate",
    "median",
    "stddev",
    "variance",
    "first",
    "last",
    "range",
)
"""The fixed names; ``pN`` comes on top."""

_ZERO = {"mean", "min", "max", "sum", "count", "range", "rate"}
_TEXT = ("count", "rate", "first", "last")


@frozen
class Near:
    """A number that a correct answer is near to."""

    value: float
    allowed: float


def names_for(kind: str, *, numeric: bool) -> tuple[str, ...]:
    """Return the names that are no error on rows of a kind (with values that are numbers, or may be anything)."""
    if kind in ("count", "gauge"):
        return (*NAMES, "p50", "p99.9")
    names = (*NAMES, "p0", "p25", "p99.9", "p100") if numeric else _TEXT
    return tuple(name for name in names if kind == "series" or name not in ("first", "last"))


def named(name: str, kind: str, row: Any, seconds: int) -> Any:
    """Return what a named transform gives for a row that lasts ``seconds``."""
    if kind == "gauge":
        return row
    if kind == "count":
        return _per_second(row, seconds) if name == "rate" else row
    if name == "rate" and kind == "histogram":
        return {value: _per_second(n, seconds) for value, n in row.items()}
    if name == "count":
        return sum(row.values()) if kind == "histogram" else len(row)
    if name == "rate":
        return _per_second(len(row), seconds)
    if not row:
        return 0 if name in _ZERO else None
    if name in ("first", "last"):
        return row[0 if name == "first" else -1]
    return _statistic(name, _expanded(kind, row))


def _expanded(kind: str, row: Any) -> list[Any]:
    if kind == "histogram":
        return sorted(value for value, n in row.items() for _ in range(n))
    return sorted(row)


def _statistic(name: str, values: list[Any]) -> Any:
    """Return a statistic of at least one value, given ascending."""
    low, high = values[0], values[-1]
    if name in ("min", "max"):
        return low if name == "min" else high
    exact = [Fraction(value) for value in values]
    size = float(sum(abs(value) for value in exact)) or 1.0
    total, largest = sum(exact), float(max(abs(exact[0]), abs(exact[-1])))
    mean = total / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    if name == "sum":
        return Near(float(total), 1e-9 * size)
    if name == "mean":
        return Near(float(mean), 1e-9 * size)
    if name == "variance":
        return Near(float(variance), 1e-6 * largest**2)
    if name == "stddev":
        return Near(sqrt(variance), 1e-6 * largest)
    if name == "range":
        return Near(float(exact[-1] - exact[0]), 1e-9 * size)
    return Near(float(_quantile(exact, "50" if name == "median" else name[1:])), 1e-9 * size)


def _quantile(values: list[Fraction], percent: str) -> Fraction:
    position = (len(values) - 1) * Fraction(percent) / 100
    below = int(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (position - below)


def _per_second(amount: Total | int, seconds: int) -> Near:
    if isinstance(amount, Total):
        return Near(float(amount.exact / seconds), 1e-9 * float(amount.size / seconds))
    return Near(amount / seconds, 1e-9 * abs(amount / seconds))
