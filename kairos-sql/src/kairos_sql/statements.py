"""Statements of SQLAlchemy Core, compiled once to text and sent by the driver's own cursor."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from attrs import define, frozen
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

__all__ = ["Compiled", "Lazy", "Prepared", "bound", "compile_statement", "is_plain", "literal_one", "prepare"]


def bound(name: str) -> sa.BindParameter[Any]:
    """Return a parameter."""
    return sa.bindparam(name)


_PLAIN = re.compile(r"[A-Za-z0-9 _.-]+").fullmatch


def is_plain(text: str) -> bool:
    """Whether a text reads the same in quotes, whatever a database is set to."""
    return _PLAIN(text) is not None


def literal_one() -> sa.ColumnElement[int]:
    """Return a 1 that is written into the statement."""
    return sa.literal_column("1")


class Prepared(Protocol):
    """A statement that is ready to be sent."""

    def run(self, cursor: Any, values: tuple[Any, ...]) -> Any:
        """Send it with values for its parameters, and return the cursor."""


@frozen
class Compiled:
    """A compiled statement.

    Attributes
    ----------
    text
        The SQL, with the driver's positional parameters.
    constants, order
        Where the parameters are not those of :func:`prepare` in their order: values that the statement itself
        brings, and the positions of all parameters in (given values, constants).
    """

    text: str
    constants: tuple[Any, ...]
    order: tuple[int, ...] | None

    def arguments(self, values: tuple[Any, ...]) -> Sequence[Any]:
        """Return the parameters for values given in the order of :func:`prepare`."""
        if self.order is None:
            return values
        known = values + self.constants
        return [known[position] for position in self.order]

    def run(self, cursor: Any, values: tuple[Any, ...]) -> Any:
        """Send it with values for its parameters, and return the cursor."""
        cursor.execute(self.text, self.arguments(values))
        return cursor


@define(slots=False)
class Lazy:
    """A statement that is compiled when it is first sent: most timeseries send but some of theirs."""

    _make: Callable[[], Prepared]

    def run(self, cursor: Any, values: tuple[Any, ...]) -> Any:
        """Compile it, and be the compiled one from now on."""
        prepared = self._make()
        self.run = prepared.run  # type: ignore[method-assign]
        return prepared.run(cursor, values)


def compile_statement(statement: ClauseElement, dialect: Dialect, *names: str) -> tuple[Any, Compiled]:
    """Return SQLAlchemy's own compiled object, and the statement for parameters in the order of ``names``."""
    compiled: Any = statement.compile(dialect=dialect)
    positions: list[str] = compiled.positiontup
    constants = {name: value for name, value in compiled.params.items() if name not in names}
    known = [*names, *constants]
    order = tuple(known.index(name) for name in positions)
    as_given = order == tuple(range(len(names)))
    return compiled, Compiled(str(compiled), tuple(constants.values()), None if as_given else order)


def prepare(statement: ClauseElement, dialect: Dialect, *names: str) -> Compiled:
    """Compile a statement whose bound parameters will be given in the order of ``names``."""
    return compile_statement(statement, dialect, *names)[1]
