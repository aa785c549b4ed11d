"""Generated histories, compared call by call with the model."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from ..law import law
from ..machine import Histories, history_machine
from ..place import Place
from .base import Laws

__all__ = ["HistoryLaws"]


class HistoryLaws(Laws):
    """Everything, in any order."""

    @law(
        "In any history of calls, through two handles, every answer is the model's and no neighbour changes",
        "§2–§6",
        "What every call means",
    )
    def test_histories(self, place: Place, kind: str) -> None:
        """Walk through generated histories."""
        histories = Histories(place, kind)
        try:
            run_state_machine_as_test(history_machine(histories), settings=place.profile.settings())
        finally:
            histories.close()
