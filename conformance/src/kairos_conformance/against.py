"""The suite that ``python -m kairos_conformance URL`` runs: its target comes from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from .asked import Asked
from .suite import Suite

__all__ = ["TestBackend"]


class TestBackend(Suite):
    """The suite, on what the command line names."""

    asked: ClassVar[Asked]

    @classmethod
    def options_for(cls, kind: str) -> Mapping[str, Any]:
        """Give the command line's options, as they are for a kind."""
        return cls.asked.options_for(kind)

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, request: pytest.FixtureRequest) -> Any:
        """Give the command line's URL, and its options."""
        cls.asked = Asked.of(request.config)
        return cls.asked.target
