"""Whether an answer is the model's."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from .kinds import Total
from .transforms import Near

__all__ = ["check_keys", "difference"]

TOLERANCE = Fraction(1, 10**9)


def difference(got: Any, expected: Any) -> str | None:
    """Return in words where an answer differs from the model's, or None if it is the same."""
    if isinstance(expected, Total):
        return _differs(got, expected)
    if isinstance(expected, Near):
        near = (
            isinstance(got, int | float | Fraction) and abs(got - expected.value) <= expected.allowed + 1e-300
        )
        return None if near else f"{got!r} is not near {expected.value!r}"
    if isinstance(expected, Mapping):
        return _mappings(got, expected)
    if isinstance(expected, list | tuple):
        if type(got) is not type(expected) or len(got) != len(expected):
            return f"{got!r} is not {expected!r}"
        return next(
            (f"[{i}]: {d}" for i, p in enumerate(zip(got, expected, strict=True)) if (d := difference(*p))),
            None,
        )
    if isinstance(expected, set) or expected is None:
        return None if type(got) is type(expected) and got == expected else f"{got!r} is not {expected!r}"
    return None if got == expected else f"{got!r} is not {expected!r}"


def check_keys(answer: Mapping[Any, Any]) -> None:
    """Assert that an answer's keys are ints and ascend."""
    keys = list(answer)
    assert all(type(key) is int for key in keys), f"keys are not all int: {keys}"
    assert all(a < b for a, b in pairwise(keys)), f"keys do not ascend: {keys}"


def _mappings(got: Any, expected: Mapping[Any, Any]) -> str | None:
    if not isinstance(got, dict):
        return f"{got!r} is not a dict"
    if got.keys() != expected.keys():
        missing = [key for key in expected if key not in got]
        extra = [key for key in got if key not in expected]
        return f"keys missing {missing}, keys too many {extra}"
    return next(
        (f"[{key!r}]: {d}" for key, value in expected.items() if (d := difference(got[key], value))), None
    )


def _differs(got: Any, expected: Total) -> str | None:
    """Return how a total differs: exact without floats, else within 1e-9 of the sum of sizes; whole is int."""
    if type(got) not in (int, float):
        return f"{got!r} is neither an int nor a float"
    if type(got) is float and got.is_integer():
        return f"{got!r} is a whole total, but not an int"
    allowed = Fraction(0) if expected.whole else expected.size * TOLERANCE
    if abs(Fraction(got) - expected.exact) <= allowed:
        return None
    shown = int(expected.exact) if expected.whole else float(expected.exact)
    return f"{got!r} is not {shown!r}"
