"""Rows on their way to a table: grouped by interval and name, sorted by key, one for each key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import isfinite
from operator import le, lt
from typing import Any, Protocol

import sqlalchemy as sa

from kairos.errors import InvalidValue
from kairos.storage import Batch

__all__ = [
    "Change",
    "Columns",
    "Groups",
    "Memo",
    "Rows",
    "Statement",
    "Store",
    "Writer",
    "by_columns",
    "by_group",
    "go_on",
    "pieces",
    "without_fractions",
]

Statement = tuple[str, Any]
"""SQL and its parameters."""

Store = Callable[[Any, Callable[[], None]], None]
"""Given a cursor, and what to call before the commit."""

Groups = dict[tuple[str, str], list[Any]]
"""(interval, name) -> the other columns of all its rows, one after another."""

Columns = list[tuple[tuple[str, str], list[Sequence[Any]]]]
"""The same as columns, in the order of the key; groups may share a column, which then is one object."""

Change = Callable[[Any, Any], Any]
"""From a column's present and offered values to its new one: of SQL's expressions, and of numbers alike."""

Row = tuple[Any, ...]


class Rows(Protocol):
    """What a writer asks of a kind: see :class:`kairos_sql.kinds.KindTable`."""

    rest: Callable[[], None]
    """To be called between two parts of long work: on an event loop others run then."""

    def groups(self, batches: Sequence[Batch]) -> Groups:
        """Return the rows of batches; of several for one key the last is the latest."""

    def bound(self, values: Iterable[Any]) -> Iterable[Any]:
        """Return values as the driver gets them."""

    def columns(self, batches: Sequence[Batch]) -> Columns | None:
        """Return the rows as sorted columns, if they can be had without a look at each."""

    def few(self, batches: Sequence[Batch], most: int) -> list[Any] | None:
        """Return all columns of all rows, one after another, if they are few and that is fast."""


class Writer(Protocol):
    """Stores rows in one table."""

    def write(self, kind: Rows, batches: Sequence[Batch]) -> Statement | Store:
        """Return the one statement that stores batches, or what stores them in a transaction."""


def go_on() -> None:
    """Rest where there is no event loop: nobody is to be let run."""


def by_group(
    groups: Groups, width: int, key: int, changes: Mapping[int, Change] | None
) -> list[tuple[tuple[str, str], list[Row]]]:
    """Return groups and their rows, sorted by the whole key, so that no two writers wait for each other in a circle.

    Parameters
    ----------
    groups
        The rows.
    width, key
        How many columns a row has beside the group's two, and how many of them belong to the key.
    changes
        Position -> how an offered value changes the present one where a key occurs twice; None: it does not occur,
        or its rows are to stay apart, in their order.
    """
    found = []
    for group in sorted(groups):
        rows = list(zip(*[iter(groups[group])] * width, strict=True))
        if changes is not None:
            rows = _one_each(rows, key, changes)
        if len(rows) > 1:
            rows.sort(key=lambda row: row[:key])
        found.append((group, rows))
    return found


def by_columns(
    kind: Rows, batches: Sequence[Batch], width: int, key: int, changes: Mapping[int, Change] | None
) -> Columns:
    """Return rows as :func:`by_group` does, a group's as columns; what is sorted already costs little."""
    regular = kind.columns(batches)
    if regular is not None:
        return regular
    groups = kind.groups(batches)
    found: Columns = []
    for group in sorted(groups):
        flat = groups[group]
        columns: list[Sequence[Any]] = [flat[at::width] for at in range(width)]
        if changes is not None or not _ascends(columns[:key]):
            ((_, rows),) = by_group({group: flat}, width, key, changes)
            columns = list(zip(*rows, strict=True))
        found.append((group, columns))
    return found


class Memo:
    """Makes texts of columns, those of a column that groups share once.

    Parameters
    ----------
    make
        From a column to its texts.
    """

    def __init__(self, make: Callable[[Sequence[Any]], list[str]]) -> None:
        self._make = make
        self._made: dict[int, tuple[Sequence[Any], list[str]]] = {}

    def of(self, column: Sequence[Any]) -> list[str]:
        """Return the texts of a column."""
        known = self._made.get(id(column))
        if known is None:  # with the column itself: its number must stay its own
            known = self._made[id(column)] = (column, self._make(column))
        return known[1]


def without_fractions(found: Columns) -> bool:
    """Whether the last column is 0 in all rows."""
    return not any(map(any, {id(columns[-1]): columns[-1] for _, columns in found}.values()))


def _ascends(keys: Sequence[Sequence[Any]]) -> bool:
    first = keys[0]
    if len(first) < 2 or all(map(lt, first, first[1:])):
        return True
    whole = list(zip(*keys, strict=True))
    return all(map(le, whole, whole[1:]))


def _one_each(rows: list[Row], key: int, changes: Mapping[int, Change]) -> list[Row]:
    """Return one row for each key: a statement cannot change a row twice."""
    known: dict[Row, Row] = {}
    for row in rows:
        place = row[:key]
        there = known.get(place)
        if there is not None:
            row = tuple(
                _in_range(changes[at](old, new)) if at in changes else old
                for at, (old, new) in enumerate(zip(there, row, strict=True))
            )
        known[place] = row
    return list(known.values())


def _in_range(value: Any) -> Any:
    """Return a sum, or raise as the database would: those who share a commit are then stored one by one."""
    if (type(value) is int and not -(2**63) <= value < 2**63) or (
        type(value) is float and not isfinite(value)
    ):
        raise InvalidValue(
            "a total would leave 64 bits (or the range of a float): nothing of this call was stored"
        )
    return value


def pieces(count: int, most: int) -> Iterable[tuple[int, int]]:
    """Yield (start, size) of the statements for so many rows."""
    for start in range(0, count, most):
        yield start, min(most, count - start)


def flatten(rows: Iterable[Row]) -> list[Any]:
    """Return the columns of all rows, one after another."""
    return list(chain.from_iterable(rows))


def positions(table: sa.Table, changes: Mapping[str, Change]) -> dict[int, Change]:
    """Return the same changes by position in a row, the group's two columns left out."""
    names = [c.name for c in table.columns][2:]
    return {names.index(name): change for name, change in changes.items()}
