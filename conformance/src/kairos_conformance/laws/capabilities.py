"""§9: what a backend declares."""

from __future__ import annotations

from typing import Any

import pytest

from kairos.errors import Unsupported

from ..kinds import KINDS
from ..law import law
from ..moments import Clock
from ..place import Place
from .base import BOTH, Laws, Undeclared, opening

__all__ = ["CapabilityLaws"]


class FetchCalledError(Exception):
    """What the kit's fetch raises, to be seen on its way up."""


def fetch(*_: Any, **__: Any) -> Any:
    """Show that it was called."""
    raise FetchCalledError


class CapabilityLaws(Laws):
    """What a backend declares."""

    @law(
        "Every backend has all five kinds, and declares each field of its capabilities",
        "§1, §9",
        "Capabilities",
    )
    def test_declaration(self, place: Place, kind: str) -> None:
        """Look at the declaration."""
        place.log.own = [
            "from kairos import Timeseries",
            f"declared = {opening(place, kind, repr({'minute': {'step': 60}}))}.capabilities",
            "assert len(declared.kinds) == 5 and declared.max_name_bytes >= 200, declared",
            f"assert declared.expiry[{kind!r}] in ('native', 'manual'), declared",
            "assert declared.folds <= {'resolution', 'name', 'interval'}, declared",
        ]
        declared = place.capabilities(kind)
        assert set(declared.kinds) >= set(KINDS)
        assert declared.expiry[kind] in ("native", "manual")
        assert declared.max_name_bytes >= 200, "names of 200 bytes are not too much to ask"
        assert declared.folds <= {"resolution", "name", "interval"}
        assert place.samples(kind, 1), "no value that the kit tries is taken"
        for field in ("float_counts", "checked_totals", "atomic_batch", "shared", "custom_fetch"):
            assert isinstance(getattr(declared, field), bool), f"{field} is not a bool"

    @law(
        "A custom fetch is called, and its errors pass through; undeclared, it is Unsupported",
        "§5, §9",
        "Stages",
    )
    def test_custom_fetch(
        self, place: Place, kind: str, clock: Clock, tag: str, undeclared: Undeclared
    ) -> None:
        """Give a fetch that raises to every read."""
        declared = place.capabilities(kind).custom_fetch
        expected = FetchCalledError if declared else Unsupported
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            handle.insert(tag, place.samples(kind, 1)[0])
            for interval in BOTH.specs:
                with pytest.raises(expected):
                    handle.get(tag, interval, fetch=fetch)
                with pytest.raises(expected):
                    handle.series(tag, interval, fetch=fetch)
                with pytest.raises(expected):
                    list(handle.iterate(tag, interval, fetch=fetch))
            handle.delete(tag)
        if not declared:
            undeclared("custom_fetch")
