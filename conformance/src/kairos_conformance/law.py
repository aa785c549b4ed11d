"""The marker that makes a test a law."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import pytest
from attrs import frozen

from .configurations import utc
from .moments import Clock
from .names import fresh_tag

__all__ = [
    "INAPPLICABLE",
    "MARKER",
    "NOW",
    "UNDECLARED",
    "Absent",
    "Outcome",
    "law",
    "law_of",
    "laws_of",
    "link",
    "page",
    "where",
]

MARKER = (
    "law(sentence, paragraph, heading): what a kairos backend is held to, and where the documentation says so"
)

NOW = utc(2013, 6, 1, 12)
"""Where the laws' clock starts: a minute, an hour and a day in June begin near it."""

UNDECLARED = "kairos_undeclared"
"""The property of a test that saw an undeclared capability refused."""

FRESH: Mapping[str, Callable[[], Any]] = {"clock": lambda: Clock(NOW), "tag": fresh_tag}
"""Fixtures that each side gets anew."""

INAPPLICABLE = "kairos_inapplicable"
"""The property of a test that can't be tried here: an embedded store has no server to restart."""

F = TypeVar("F", bound=Callable[..., Any])


class Absent:
    """What a fixture gives in place of something that isn't there; a law that asks for it is not tried.

    Parameters
    ----------
    request
        The fixture's, of the law's test: the test notes it, so that the closing table says so.
    note
        :data:`INAPPLICABLE` or :data:`UNDECLARED`.
    what
        Why it can't be tried, or the capability.
    """

    def __init__(self, request: pytest.FixtureRequest, note: str, what: str) -> None:
        request.node.user_properties.append((note, what))


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
        ``"held"``, ``"Unsupported"`` (as declared), ``"n/a"`` (not applicable), ``"FAILED"`` or ``"skipped"``.
    undeclared
        The capabilities that were found undeclared, and refused.
    inapplicable
        Why it could not be tried.
    """

    suite: str
    sentence: str
    paragraph: str
    kind: str
    verdict: str
    undeclared: tuple[str, ...]
    inapplicable: tuple[str, ...]


def law(sentence: str, paragraph: str, heading: str, *, once: bool = False) -> Callable[[F], F]:
    """Mark a test method as a law: one sentence in words, and its paragraph.

    ``paragraph`` is a section of SEMANTICS or ``"contract"``, ``heading`` the heading under which the documentation
    says it: in docs/semantics.md or docs/storage-contract.md.

    The law is tried on each side that the backend has: with :class:`kairos.Timeseries`, and with
    :class:`kairos.AsyncTimeseries`; ``once`` is for a law that chooses for itself.
    """

    def decorate(test: F) -> F:
        @wraps(test)
        def on_each_side(self: Any, place: Any, **given: Any) -> None:
            if any(isinstance(value, Absent) for value in given.values()):
                return
            for number, side in enumerate(place.sides()[: 1 if once else None]):
                if number and not place.profile.on_second(test.__name__, given.get("kind")):
                    continue
                if number:
                    given |= {name: new() for name, new in FRESH.items() if name in given}
                place.log.begin()
                place.loop.rest()
                try:
                    test(self, place=place.on(side), **given)
                except BaseException as error:
                    if number:
                        error.add_note("This is on the asyncio side; on the sync side the law held.")
                    raise

        marked: F = pytest.mark.law(sentence, paragraph, heading)(on_each_side)
        return marked

    return decorate


def laws_of(suite: type) -> list[tuple[str, str, str, str]]:
    """Return (paragraph, sentence, test, heading) of each law of a suite, in the order of the paragraphs.

    Examples
    --------
    >>> class Laws:
    ...     @law("Nothing is lost", "§3", "Several writers")
    ...     def test_nothing_is_lost(self): ...
    >>> laws_of(Laws)
    [('§3', 'Nothing is lost', 'test_nothing_is_lost', 'Several writers')]
    """
    found = []
    for name in dir(suite):
        for mark in getattr(getattr(suite, name), "pytestmark", ()):
            if mark.name == "law":
                sentence, paragraph, heading = mark.args
                found.append((paragraph, sentence, name, heading))
    return sorted(found)


def link(paragraph: str, heading: str) -> str:
    """Return where the documentation says what a law holds a backend to.

    Examples
    --------
    >>> link("§3", "Several writers")
    'docs/semantics.md#several-writers'
    """
    page = "storage-contract" if paragraph == "contract" else "semantics"
    return f"docs/{page}.md#{heading.lower().replace(' ', '-')}"


def page(name: str) -> Path:
    """Return where a page of the documentation lies on this machine: in the package, or in its checkout."""
    here = Path(__file__).resolve()
    folders = (here.parent / "docs", here.parents[3] / "docs")
    return next((folder / name for folder in folders if (folder / name).is_file()), Path("docs", name))


def where(paragraph: str, heading: str) -> str:
    """Return where a reader finds what a law holds a backend to: the section, its heading, and ``path:line``."""
    name = "storage-contract.md" if paragraph == "contract" else "semantics.md"
    found, line = page(name), 1
    if found.is_file():
        headings = [text.lstrip("#").strip() for text in found.read_text("utf-8").splitlines()]
        line = headings.index(heading) + 1
    return f"{paragraph} {heading}: {found}:{line}"


def law_of(item: pytest.Item) -> tuple[str, str, str] | None:
    """Return a test's sentence, paragraph and heading, or None if it is no law."""
    marker = item.get_closest_marker("law")
    if marker is None:
        return None
    sentence, paragraph, heading = map(str, marker.args)
    return sentence, paragraph, heading
