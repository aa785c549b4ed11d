"""Named transforms, and how a caller's transforms are called. Pure.

Percentiles interpolate linearly between closest ranks (type 7 of Hyndman and Fan, "Sample Quantiles in
Statistical Packages", 1996); variance and standard deviation are those of a population. Histograms weight each
value by its count.
"""

from __future__ import annotations

import inspect
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from itertools import accumulate
from typing import Any

from attrs import evolve, frozen

from .errors import InvalidType, InvalidValue, show
from .kinds import KIND_BY_NAME

__all__ = ["NAMES", "Transform", "named", "parse"]

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
_TEXT_NAMES = frozenset({"count", "rate", "first", "last"})
_PERCENTILE = re.compile(r"p([0-9]+(?:\.[0-9]+)?)")

Pairs = Iterable[tuple[Any, int]]


@frozen
class Transform:
    """One transform of a call: the key of its result and how it is called.

    Attributes
    ----------
    key
        The caller's name, callable or dict key.
    call
        ``call(row)``, or ``call(row, seconds)`` if it is timed.
    timed
        Whether it needs the seconds that a row lasts.
    name
        The built-in name, if it is one: what a storage may push down.
    """

    key: Any
    call: Callable[..., Any]
    timed: bool = False
    name: str | None = None


def _pairs(row: Any) -> Pairs:
    """Return the values of a row with their weights."""
    return row.items() if isinstance(row, dict) else ((value, 1) for value in row)


def _size(row: Any) -> int:
    return sum(row.values()) if isinstance(row, dict) else len(row)


def _total(row: Any) -> Any:
    return sum(value * count for value, count in row.items()) if isinstance(row, dict) else sum(row)


def _mean(row: Any) -> Any:
    return _total(row) / _size(row)


def _variance(row: Any) -> Any:
    mean = _mean(row)
    return sum((value - mean) * (value - mean) * count for value, count in _pairs(row)) / _size(row)


def _deviation(row: Any) -> Any:
    variance = _variance(row)
    return variance.sqrt() if hasattr(variance, "sqrt") else math.sqrt(variance)  # Decimal has its own root


def _percentile(row: Any, percent: float) -> Any:
    pairs = sorted(_pairs(row), key=lambda pair: pair[0])
    bounds = list(accumulate(count for _, count in pairs))
    rank = (bounds[-1] - 1) * percent / 100
    low = math.floor(rank)
    values = [
        next(v for (v, _), bound in zip(pairs, bounds, strict=True) if bound > k)
        for k in (low, math.ceil(rank))
    ]
    if values[0] == values[1]:
        return values[0]
    weight = type(values[0])(rank - low) if hasattr(values[0], "sqrt") else rank - low
    return values[0] + (values[1] - values[0]) * weight


def _rate(row: Any, seconds: int) -> Any:
    if isinstance(row, dict):
        return {value: count / seconds for value, count in row.items()}
    return _size(row) / seconds


_BY_NAME: dict[str, Callable[[Any], Any]] = {
    "mean": _mean,
    "count": _size,
    "min": min,
    "max": max,
    "sum": _total,
    "stddev": _deviation,
    "variance": _variance,
    "first": lambda row: row[0],
    "last": lambda row: row[-1],
    "range": lambda row: max(row) - min(row),
}
_BY_SIZE: dict[str, Callable[[Any], Any]] = {"count": len, "sum": sum}
"""Those that are simpler where each value stands for itself."""
_ZERO_IF_EMPTY = frozenset({"mean", "min", "max", "sum", "count", "range"})


@lru_cache(maxsize=1024)
def named(kind: str, name: str) -> Transform | None:
    """Return the built-in transform ``name`` of a kind; None if there is none.

    Raises
    ------
    InvalidValue
        For ``first`` and ``last`` of a histogram or set, which have no order.
    """
    percentile = _PERCENTILE.fullmatch(name)
    if name not in NAMES and not (percentile and float(percentile[1]) <= 100):
        return None
    if not KIND_BY_NAME[kind].collects:  # the row is the answer
        if kind == "count" and name == "rate":
            return Transform(name, operator.truediv, True, name)
        return Transform(name, lambda row: row, False, name)
    if name in ("first", "last") and kind != "series":
        raise InvalidValue(
            f"transform {show(name)} needs an order, which a {kind} does not keep; use a series"
        )
    if name == "rate":
        return Transform(name, _rate, True, name)
    function = _BY_NAME.get(name) or partial(_percentile, percent=float(percentile[1]) if percentile else 50)
    if kind != "histogram":
        function = _BY_SIZE.get(name, function)
    empty = 0 if name in _ZERO_IF_EMPTY else None
    return Transform(name, lambda row: function(row) if row else empty, False, name)


def _custom(key: Any, function: Callable[..., Any]) -> Transform:
    """Return the transform of a caller's function, which gets the duration only if it asks for it."""
    try:
        takes = _takes_duration(function)
    except TypeError:  # not hashable
        takes = _takes_duration.__wrapped__(function)
    if takes == "keyword":
        return Transform(key, lambda row, seconds: function(row, duration=seconds), True)
    return Transform(key, function, takes == "second")


@lru_cache(maxsize=1024)
def _takes_duration(function: Callable[..., Any]) -> str | None:
    """Return how a function takes the duration: as its second parameter, by keyword, or not at all."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some builtins have no signature
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len([p for p in positional if p.default is p.empty]) == 2:
        return "second"
    by_name = [p for p in parameters[1:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return "keyword" if any(p.name == "duration" for p in by_name) else None


def parse(
    kind: str, transform: Any, plugged: Callable[[], Mapping[str, Callable[..., Any] | None]], text: bool
) -> tuple[list[Transform], bool]:
    """Return the transforms that a caller's ``transform`` asks for, and whether there is just one, unkeyed.

    Parameters
    ----------
    kind
        The kind of the timeseries.
    transform
        A name, a callable, a list, tuple or set of them, or a dict of them.
    plugged
        Gives the transforms that plugins add, asked for at most once, and only if there is a name.
    text
        Whether rows hold text that nothing converts: then only some names work.
    """
    if isinstance(transform, Mapping):
        items, single = list(transform.items()), False
    elif isinstance(transform, list | tuple | set | frozenset):
        items, single = [(item, item) for item in transform], False
    else:
        items, single = [(transform, transform)], True
    plugins: Mapping[str, Callable[..., Any] | None] = {}
    if any(isinstance(item, str) for _, item in items):
        plugins = plugged()
    return [_parse_one(kind, key, item, plugins, text) for key, item in items], single


def _parse_one(
    kind: str, key: Any, item: Any, plugins: Mapping[str, Callable[..., Any] | None], text: bool
) -> Transform:
    if isinstance(item, str):
        if item in plugins:
            plugged = plugins[item]
            if plugged is None:
                raise InvalidValue(
                    f"transform {show(item)} is provided by two plugins; "
                    "turn plugins off with plugins=False, or uninstall one"
                )
            return _custom(key, plugged)
        call = named(kind, item)
        if call is None:
            known = ", ".join((*NAMES, "pN (N from 0 to 100)", *sorted(plugins)))
            raise InvalidValue(f"unknown transform {show(item)}; known are {known}")
        if text and KIND_BY_NAME[kind].collects and item not in _TEXT_NAMES:
            raise InvalidValue(
                f"transform {show(item)} needs numbers, and this backend gives back text: pass read_func, "
                "for example read_func=float, when you make the Timeseries"
            )
        return evolve(call, key=key)
    if callable(item):
        return _custom(key, item)
    raise InvalidType(
        "transform must be a name, a callable, a list, tuple or set of them, or a dict of them; "
        f"got {show(item)} ({type(item).__name__})"
    )
