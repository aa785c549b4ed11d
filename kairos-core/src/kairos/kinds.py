"""The five kinds of timeseries: what a row is, how writes are coalesced and how rows are merged. Pure.

A sixth kind would touch this room, and the backends that take it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import InvalidType, InvalidValue, Unsupported, show
from .times import INT64

__all__ = ["KIND_BY_NAME", "KindRules", "increment", "whole"]


def whole(total: float) -> float:
    """Return a total as an int if it is whole."""
    return int(total) if type(total) is float and total.is_integer() else total


def increment(value: Any, float_counts: bool) -> float:
    """Return a checked increment: an int within 64 bits, or a finite float that is not a small whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidType(
            f"an increment of a count must be an int or a finite float; got {show(value)} ({type(value).__name__})"
        )
    if isinstance(value, int):
        number = int.__int__(value)
        if -INT64 <= number < INT64:
            return number
        raise InvalidValue(f"an increment of a count must be within 64 bits; got {show(value)}")
    fraction = float.__float__(value)
    if not math.isfinite(fraction):
        raise InvalidValue(f"an increment of a count must be an int or a finite float; got {show(value)}")
    if fraction.is_integer() and abs(fraction) <= 2**53:
        return int(fraction)
    if not float_counts:
        raise Unsupported(
            f"this backend counts in whole numbers only; got {show(value)}: round it, or count in a smaller unit"
        )
    return fraction


class KindRules(ABC):
    """What sets one kind apart."""

    name: str
    """The kind's name."""

    collects: bool
    """Whether a row is a collection of values: what named transforms calculate with."""

    @abstractmethod
    def empty(self) -> Any:
        """Return the row of a bucket without data."""

    @abstractmethod
    def merge(self, rows: Iterable[Any]) -> Any:
        """Merge rows, given in time order: the native ``condense``, ``join_rows`` and ``collapse``."""

    @abstractmethod
    def reader(self, read_func: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        """Return the native ``process_row``; None if it changes nothing."""

    @abstractmethod
    def coalesce(self, values: list[Any]) -> Any:
        """Return the payload for checked values of one name, in arrival order."""

    @abstractmethod
    def add(self, row: Any, payload: Any) -> Any:
        """Return a row, or an earlier payload, with a payload added.

        ``row`` is None where there is none yet, and may be changed; ``payload`` stays as it is.
        """

    def check(self, row: Any, payload: Any, added: Any) -> None:
        """Raise InvalidValue if ``added``, the sum of the others, is a row that no storage may hold."""
        return


class _Series(KindRules):
    name = "series"
    collects = True

    def empty(self) -> list[Any]:
        return []

    def merge(self, rows: Iterable[list[Any]]) -> list[Any]:
        merged: list[Any] = []
        for row in rows:
            merged += row
        return merged

    def reader(self, read_func: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        return None if read_func is None else lambda row: [read_func(value) for value in row]

    def coalesce(self, values: list[Any]) -> list[Any]:
        return values

    def add(self, row: Any, payload: list[Any]) -> list[Any]:
        if row is None:
            return list(payload)
        row.extend(payload)
        return row  # type: ignore[no-any-return]


def _add_counts(total: dict[Any, int], counts: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    for value, count in counts:
        total[value] = total.get(value, 0) + count
    return total


class _Histogram(KindRules):
    name = "histogram"
    collects = True

    def empty(self) -> dict[Any, int]:
        return {}

    def merge(self, rows: Iterable[Mapping[Any, int]]) -> dict[Any, int]:
        merged: dict[Any, int] = {}
        for row in rows:
            _add_counts(merged, row.items())
        return merged

    def reader(self, read_func: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        if read_func is None:
            return None
        return lambda row: _add_counts({}, ((read_func(value), count) for value, count in row.items()))

    def coalesce(self, values: list[Any]) -> dict[Any, int]:
        counts: dict[Any, int] = {}
        for value in values:
            counts[value] = counts.get(value, 0) + 1
        return counts

    def add(self, row: Any, payload: dict[Any, int]) -> dict[Any, int]:
        return dict(payload) if row is None else _add_counts(row, payload.items())


class _Count(KindRules):
    name = "count"
    collects = False

    def empty(self) -> int:
        return 0

    def merge(self, rows: Iterable[float]) -> float:
        exact, inexact = 0, 0.0
        for row in rows:
            if type(row) is float:
                inexact += row
            else:
                exact += row  # type: ignore[assignment]
        if not inexact:
            return exact
        inexact = whole(inexact)
        return whole(exact + inexact) if abs(exact) < INT64 or type(inexact) is int else exact + int(inexact)

    def reader(self, read_func: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        return None  # read_func sees values, not totals

    def coalesce(self, values: list[float]) -> float:
        return sum(values)

    def add(self, row: Any, payload: float) -> float:
        return payload if row is None else row + payload

    def check(self, row: float | None, payload: float, added: float) -> None:
        if type(added) is int:
            if not -INT64 <= added < INT64:
                raise InvalidValue(
                    f"a count must stay within 64 bits; {show(row)} + {show(payload)} would not"
                )
        elif not math.isfinite(added):
            raise InvalidValue(f"a count must stay finite; {show(row)} + {show(payload)} would not")


class _Gauge(KindRules):
    name = "gauge"
    collects = False

    def empty(self) -> None:
        return None

    def merge(self, rows: Iterable[Any]) -> Any:
        latest = None
        for row in rows:
            if row is not None:
                latest = row
        return latest

    def reader(self, read_func: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        return None if read_func is None else lambda row: None if row is None else read_func(row)

    def coalesce(self, values: list[Any]) -> Any:
        return values[-1]

    def add(self, row: Any, payload: Any) -> Any:
        return payload


class _Set(KindRules):
    name = "set"
    collects = True

    def empty(self) -> set[Any]:
        return set()

    def merge(self, rows: Iterable[set[Any]]) -> set[Any]:
        return set().union(*rows)

    def reader(self, read_func: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        return None if read_func is None else lambda row: {read_func(value) for value in row}

    def coalesce(self, values: list[Any]) -> set[Any]:
        return set(values)

    def add(self, row: Any, payload: set[Any]) -> set[Any]:
        if row is None:
            return set(payload)
        row.update(payload)
        return row  # type: ignore[no-any-return]


KIND_BY_NAME: dict[str, KindRules] = {
    rules.name: rules for rules in (_Series(), _Histogram(), _Count(), _Gauge(), _Set())
}
"""The rules of each kind."""
