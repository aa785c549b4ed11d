"""What ``python -m kairos_conformance URL`` hands to the suite that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import field, frozen

__all__ = ["Asked"]

_KEY = pytest.StashKey["Asked"]()


@frozen
class Asked:
    """What the command line asks for: a pytest plugin.

    Parameters
    ----------
    target
        The URL of the place.
    options
        Keywords for :class:`kairos.Timeseries`.
    """

    target: str = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Leave it where the suite looks for it."""
        config.stash[_KEY] = self

    @staticmethod
    def of(config: pytest.Config) -> Asked:
        """Return what the command line asked for."""
        return config.stash[_KEY]
