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

    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, request: pytest.FixtureRequest) -> Any:
        """Give the command line's URL, and its options."""
        asked = Asked.of(request.config)
        cls.options = asked.options
        return asked.target
