"""The marker that makes a test a law."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from attrs import frozen

__all__ = ["MARKER", "SEMANTICS", "UNDECLARED", "Outcome", "law", "law_of", "laws_of"]

MARKER = "law(sentence, paragraph): what a kairos backend is held to, and where SEMANTICS says so"

SEMANTICS = "docs/conformance.md"

UNDECLARED = "kairos_undeclared"
"""The property of a test that saw an undeclared capability refused."""

F = TypeVar("F", bound=Callable[..., Any])


@frozen
class Outcome:
    """One law's outcome for one kind, on one subclass of the suite.

    Parameters
    ----------
    suite
        The subclass's node id.
    sentence, paragraph
        The law.
    kind
        The kind, or ``"any"`` for a law that is not about one.
    verdict
        ``"held"``, ``"Unsupported"`` (as declared), ``"FAILED"`` or ``"skipped"``.
    undeclared
        The capabilities that were found undeclared, and refused.
    """

    suite: str
    sentence: str
    paragraph: str
    kind: str
    verdict: str
    undeclared: tuple[str, ...]


def law(sentence: str, paragraph: str) -> Callable[[F], F]:
    """Mark a test method as a law: one sentence in words, and its paragraph of SEMANTICS."""
    marker: Callable[[F], F] = pytest.mark.law(sentence, paragraph)
    return marker


def laws_of(suite: type) -> list[tuple[str, str, str]]:
    """Return (paragraph, sentence, test) of each law of a suite, in the order of the paragraphs.

    Examples
    --------
    >>> class Laws:
    ...     @law("Nothing is lost", "§3")
    ...     def test_nothing_is_lost(self): ...
    >>> laws_of(Laws)
    [('§3', 'Nothing is lost', 'test_nothing_is_lost')]
    """
    found = []
    for name in dir(suite):
        for mark in getattr(getattr(suite, name), "pytestmark", ()):
            if mark.name == "law":
                sentence, paragraph = mark.args
                found.append((paragraph, sentence, name))
    return sorted(found)


def law_of(item: pytest.Item) -> tuple[str, str] | None:
    """Return a test's sentence and paragraph, or None if it is no law."""
    marker = item.get_closest_marker("law")
    return None if marker is None else (str(marker.args[0]), str(marker.args[1]))
