"""The stages of a read, as the model applies them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from .kinds import merge

__all__ = ["NATIVE", "Stages"]

Stage = bool | Callable[[Any], Any] | None


@frozen(kw_only=True)
class Stages:
    """Which stages a read asks for.

    Parameters
    ----------
    process_row, join_rows
        None (native) or a callable.
    condense, collapse
        None (off), True (native) or a callable.
    transform
        What goes to the call's ``transform``.
    """

    process_row: Callable[[Any], Any] | None = None
    condense: Stage = None
    join_rows: Callable[[Any], Any] | None = None
    collapse: Stage = None
    transform: Any = None

    def keywords(self, *, collapse: bool = False) -> dict[str, Any]:
        """Return the keywords of the call; ``collapse`` only for ``series``."""
        given = {
            "process_row": self.process_row,
            "condense": self.condense,
            "join_rows": self.join_rows,
            "transform": self.transform,
        }
        if collapse:
            given["collapse"] = self.collapse
        return {stage: value for stage, value in given.items() if value is not None}

    def collapsing(self) -> Stages:
        """Return the stages up to ``collapse``, which implies ``condense``."""
        return evolve(self, condense=self.condense or True)

    def joined(self, kind: str, name: Any, rows: list[Any]) -> Any:
        """Return the row of one window: of the one name, or joined over the names."""
        if isinstance(name, str):
            return rows[0]
        return merge(kind, rows) if self.join_rows is None else self.join_rows(rows)

    def condensed(self, kind: str, name: Any, held: Sequence[Mapping[int, Any]]) -> Any:
        """Return one row from each name's ``{resolution start: row}``."""
        if not callable(self.condense) and self.join_rows is None:
            return merge(
                kind, [rows[at] for at in sorted(set[int]().union(*held)) for rows in held if at in rows]
            )
        if callable(self.condense):
            return self.joined(kind, name, [self.condense(rows) for rows in held])
        return self.joined(kind, name, [merge(kind, (rows[at] for at in sorted(rows))) for rows in held])

    def collapsed(self, kind: str, rows: Mapping[int, Any]) -> Any:
        """Return one row from ``{interval start: row}``."""
        if callable(self.collapse):
            return self.collapse(rows)
        if callable(self.condense):
            return self.condense(rows)
        return merge(kind, (rows[start] for start in sorted(rows)))

    def transformed(self, named: Callable[[str], Any], row: Any) -> Any:
        """Return what ``transform`` makes of a row, given what each named transform makes of it."""

        def one(transform: Any) -> Any:
            return named(transform) if isinstance(transform, str) else transform(row)

        if self.transform is None:
            return row
        if isinstance(self.transform, Mapping):
            return {key: one(transform) for key, transform in self.transform.items()}
        if isinstance(self.transform, list | tuple | set):
            return {transform: one(transform) for transform in self.transform}
        return one(self.transform)


NATIVE = Stages()
