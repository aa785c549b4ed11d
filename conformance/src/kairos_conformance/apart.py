"""How the command opens a place: as it is, or, where that refuses a second kind, with a place in it for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from attrs import evolve

import kairos
from kairos.errors import InvalidType, InvalidValue, KairosError, SchemaMismatch
from kairos.plugins import redact

from .asked import KIND, Asked
from .kinds import KINDS
from .law import NOW
from .names import fresh_tag
from .values import takes

__all__ = ["CannotOpen", "opened_apart"]

APART = ("prefix", "table_name", "collection", "namespace")
"""Options that name a place within a target, as backends call them."""


class CannotOpen(Exception):
    """The place can't be tried."""


def opened_apart(asked: Asked) -> Mapping[str, Any]:
    """Return the options with which all kinds can be opened: those that are asked for, and one that keeps kinds apart.

    Raises
    ------
    CannotOpen
        If the place can't be opened at all, or takes one kind only and no option that is known to keep kinds apart.
    """
    try:
        if _holds_all_kinds(asked):
            return asked.options
        for name in APART:
            apart = evolve(asked, options={**asked.options, name: f"kit_{KIND}"})
            try:
                if name not in asked.options and _holds_all_kinds(apart):
                    print(f"The place refuses a second kind: each kind is tried with {name}='kit_KIND'.")
                    return apart.options
            except (InvalidType, InvalidValue):
                continue  # no option of this backend, or no value for it
    except (KairosError, OSError) as error:
        raise CannotOpen(
            f"{redact(asked.target)} can't be opened: {type(error).__name__}: {error}"
        ) from error
    raise CannotOpen(
        f"{redact(asked.target)} refuses a second kind: give each kind a place of its own, with an option in whose"
        f" value {KIND} stands for the kind: -o NAME=kit_{KIND}"
    )


def _holds_all_kinds(asked: Asked) -> bool:
    """Open and write each kind; return whether none is refused for another one's sake.

    What else goes wrong with a write is for the laws to say.
    """
    tag = fresh_tag()
    with ExitStack() as stack:
        for kind in KINDS:
            keywords = {"intervals": {"kit_declares": {"step": 1}}, **asked.options_for(kind)}
            try:
                handle = kairos.Timeseries(asked.target, type=kind, **keywords)
            except SchemaMismatch:
                return False
            stack.callback(handle.close)
            try:
                handle.insert(tag, 1 if kind == "count" else _value(handle), NOW)
                stack.callback(handle.delete_all)  # of this one interval; also that it was ever there
            except SchemaMismatch:
                return False
            except Exception:
                continue
    return True


def _value(handle: kairos.Timeseries) -> Any:
    """Return a value that the timeseries takes."""
    values = handle.capabilities.values
    return next((value for value in ("1", b"1") if takes(values, value)), 1)
