"""What decides what a kairos backend is.

Subclass :class:`Suite`, give the fixture ``target``, and run pytest:

>>> import pytest
>>> from kairos_conformance import Suite
>>> class TestMine(Suite):
...     @pytest.fixture(scope="class")
...     @classmethod
...     def target(cls):
...         yield "memory://kit"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .suite import Suite

__all__ = ["Suite"]


def __getattr__(name: str) -> Any:
    """Import the suite at first use: pytest loads this package in every run, also of other projects."""
    if name == "Suite":
        from .suite import Suite

        return Suite
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
