"""What the protocol asks of the driver: each is one round trip, except where a cursor needs more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, frozen

__all__ = [
    "CreateIndex",
    "Delete",
    "Distinct",
    "Fetch",
    "Find",
    "FindById",
    "Hello",
    "Indexes",
    "Insert",
    "Outcome",
    "Request",
    "Update",
]


@define
class Outcome:
    """The answer to an insert or an update.

    Attributes
    ----------
    created
        How many updates made a new document.
    refused
        What the server says of the writes that it did not carry out: their ``index``, ``code`` and ``errmsg``.
    unsure
        What it says of its write concern, where that was not reached.
    """

    created: int
    refused: Sequence[Mapping[str, Any]]
    unsure: Sequence[Mapping[str, Any]]


@frozen
class Hello:
    """Ask the server what it is. Answer: its reply to the command ``hello``, with aware datetimes."""


@frozen
class Indexes:
    """List a collection's indexes. Answer: their documents."""

    collection: str


@frozen
class CreateIndex:
    """Create an index, given as the command ``createIndexes`` takes it."""

    collection: str
    index: Mapping[str, Any]


@define
class Insert:
    """Insert documents, in any order. Answer: an :class:`Outcome`.

    Attributes
    ----------
    small
        Whether they are known to fit one command.
    """

    collection: str
    documents: Sequence[dict[str, Any]]
    small: bool


@define
class Update:
    """Send updates of distinct documents, in any order, as the command ``update`` takes them.

    Answer: an :class:`Outcome`.

    Attributes
    ----------
    small
        Whether they are known to fit one command.
    """

    collection: str
    updates: Sequence[Mapping[str, Any]]
    small: bool


@define
class FindById:
    """Read one document. Answer: it, or None."""

    collection: str
    id: str


@define
class Find:
    """Read documents. Answer: a list of them.

    Attributes
    ----------
    primary
        Whether only the primary may answer, whatever the caller's read preference is.
    """

    collection: str
    filter: Mapping[str, Any]
    projection: Mapping[str, Any]
    sort: Sequence[tuple[str, int]] | None = None
    limit: int = 0
    primary: bool = False


@frozen
class Distinct:
    """Read the distinct values of a field. Answer: a list of them.

    Attributes
    ----------
    primary
        Whether only the primary may answer, whatever the caller's read preference is.
    """

    collection: str
    filter: Mapping[str, Any]
    field: str
    primary: bool = False


@frozen
class Delete:
    """Delete documents. Answer: how many there were."""

    collection: str
    filter: Mapping[str, Any]


@frozen
class Fetch:
    """Call the caller's own fetch with a collection and keywords. Answer: what it returns, cursors as lists."""

    collection: str
    function: Callable[..., Any]
    keywords: Mapping[str, Any]


Request = Hello | Indexes | CreateIndex | Insert | Update | FindById | Find | Distinct | Delete | Fetch
