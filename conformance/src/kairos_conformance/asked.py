"""What ``python -m kairos_conformance URL`` hands to the suite that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import field, frozen

__all__ = ["KIND", "Asked"]

KIND = "{kind}"
"""What stands for the kind in an option's value."""

_KEY = pytest.StashKey["Asked"]()


@frozen
class Asked:
    """What the command line asks for: a pytest plugin.

    Parameters
    ----------
    target
        The URL of the place.
    options
        Keywords for :class:`kairos.Timeseries`; ``{kind}`` in a text stands for the kind.
    """

    target: str = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Leave it where the suite looks for it."""
        config.stash[_KEY] = self

    def options_for(self, kind: str) -> Mapping[str, Any]:
        """Return the keywords for a kind.

        Examples
        --------
        >>> Asked("store://host", {"prefix": "kit-{kind}", "size": 3}).options_for("gauge")
        {'prefix': 'kit-gauge', 'size': 3}
        """
        return {
            name: value.replace(KIND, kind) if isinstance(value, str) else value
            for name, value in self.options.items()
        }

    @staticmethod
    def of(config: pytest.Config) -> Asked:
        """Return what the command line asked for."""
        return config.stash[_KEY]
