"""How a batch is written: as inserts and upserts of one document for each name and bucket. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from bson import encode

from kairos.errors import InvalidValue, show
from kairos.storage import Batch, Write

from . import requests as ask
from .errors import ADVICE, DUPLICATE_KEY, Refused, concern_error, error_of
from .kinds import KindDocuments
from .place import Place, expire_at, offset_of
from .values import WRITES

__all__ = ["Steps", "Writing", "upsert"]

Result = TypeVar("Result")
Steps = Generator[ask.Request, Any, Result]

Document = dict[str, Any]

_BUCKET = ("kind", "name", "interval", "resolution")
_BY_ID = itemgetter("_id")

_MANY = 50
"""Documents of a collection that are worth a try to insert them first."""

_AT_ONCE = 5_000
"""Documents in one request."""

_EACH = 2_400
"""Bytes of what goes with a payload, at most: the longest name twice, numbers, operators."""

_COMMAND = 15 * 2**20
"""What fits one plain command: 5,000 counts with the longest names do."""

_RACES = 10
"""How often an update that lost the race to create a document is sent again."""

_MOST_BYTES = 16 * 2**20 - 8 * 2**10
"""Of one document's update: 16 MB, less what goes with the values."""


class Writing:
    """Writes the batches of one timeseries.

    Parameters
    ----------
    place
        Where its documents are.
    documents
        How its kind is kept.
    """

    def __init__(self, place: Place, documents: KindDocuments) -> None:
        self._place = place
        self._documents = documents
        self._written: set[str] = set()  # collections where the last bulk found most of its documents

    def write(self, batch: Batch, ahead: float) -> Steps[None]:
        """Upsert one document for each name and bucket.

        What MongoDB refuses for single documents is raised when all others have been written; a write concern that
        is not reached is raised at once. ``ahead`` is by how many seconds the server's clock is ahead of this
        machine's.
        """
        offset = offset_of(batch.now, ahead)
        by_collection: dict[str, tuple[list[Document], list[int]]] = {}
        measured: dict[int, list[int]] = {}  # intervals share their rows
        for write in batch.writes:
            documents, sizes = by_collection.setdefault(self._place.collections[write.interval], ([], []))
            some, size = self._new(write, offset, measured)
            documents += some
            sizes.append(size)
        refused: list[Refused] = []
        for collection, (documents, sizes) in by_collection.items():
            if len(documents) < _MANY:
                yield from self._upsert(collection, documents, sum(sizes), refused)
                continue
            documents.sort(key=_BY_ID)  # neighbours in an index are written at less cost
            for start in range(0, len(documents), _AT_ONCE):
                yield from self._write_many(
                    collection, documents[start : start + _AT_ONCE], sum(sizes), refused
                )
        if refused:
            raise error_of(refused)

    def _new(self, write: Write, offset: int, measured: dict[int, list[int]]) -> tuple[list[Document], int]:
        """Return the documents that a write makes where there are none, and how many bytes its payloads take."""
        place, kind, own = self._place, self._place.kind, self._documents
        i, r, end, rows = write.i, write.r, expire_at(write.deadline, offset), write.rows
        prefix, suffix = place.id_parts(i, r)
        documents: list[Document] = [
            {
                "_id": f"{prefix}{name}{suffix}",
                "kind": kind,
                "name": name,
                "interval": i,
                "resolution": r,
                "expire_at": end,
                "value": payload,
            }
            for name, payload in rows.items()
        ]
        own.begin(documents)
        if own.numbers:
            return documents, 0
        sizes = measured.get(id(rows))
        if sizes is None:
            sizes = measured[id(rows)] = [own.size(payload) for payload in rows.values()]
        for document, size in zip(documents, sizes, strict=True):
            if size > _COMMAND:
                _check_size(document["name"], own.change(document))
        return documents, sum(sizes)

    def _upsert(
        self, collection: str, documents: Sequence[Document], size: int, refused: list[Refused]
    ) -> Steps[int]:
        """Add to documents what new ones would hold, and make those that are missing; return how many were."""
        own, updates = self._documents, []
        for document in documents:
            bucket = {key: document[key] for key in _BUCKET}
            end, union = document["expire_at"], own.union(document)
            update: Any
            if union is None:
                update = own.change(document)
                update["$max"] = {"expire_at": end}
                update["$setOnInsert"] = bucket
            else:
                update = [{"$set": {key: {"$literal": value} for key, value in bucket.items()}}]
                update[0]["$set"] |= {"value": union, "expire_at": {"$max": ["$expire_at", end]}}
            updates.append({"q": {"_id": document["_id"]}, "u": update, "upsert": True})
        return (yield from upsert(collection, updates, _fit_a_command(len(updates), size), refused))

    def _write_many(
        self, collection: str, documents: Sequence[Document], size: int, refused: list[Refused]
    ) -> Steps[None]:
        """Insert documents and update those that were there: to make one by an upsert costs six times as much.

        Where most were there, the next many are upserted at once, until most of them are new again.
        """
        if collection in self._written:
            if 2 * (yield from self._upsert(collection, documents, size, refused)) > len(documents):
                self._written.discard(collection)
            return
        outcome: ask.Outcome = yield ask.Insert(collection, documents, _fit_a_command(len(documents), size))
        there = _sorted_out(outcome, list(map(_BY_ID, documents)), refused)
        if there:
            if 2 * len(there) > len(documents):
                self._written.add(collection)
            yield from self._upsert(collection, [documents[position] for position in there], size, refused)


def upsert(
    collection: str, updates: Sequence[Mapping[str, Any]], small: bool, refused: list[Refused]
) -> Steps[int]:
    """Send updates; send those again that lost the race to create a document, which MongoDB did not carry out.

    Return how many made a new document, and add to ``refused`` what MongoDB does not take.
    """
    created = 0
    for left in range(_RACES, -1, -1):
        ids = [update["q"]["_id"] for update in updates]
        outcome: ask.Outcome = yield ask.Update(collection, updates, small)
        created += outcome.created
        lost = _sorted_out(outcome, ids, refused, races=left > 0)
        if not lost:
            break
        updates = [updates[position] for position in lost]
    return created


def _sorted_out(
    outcome: ask.Outcome, ids: Sequence[str], refused: list[Refused], *, races: bool = True
) -> list[int]:
    """Return the positions of documents that were there when they were to be created; the rest is refused."""
    there = []
    for error in outcome.refused:
        if races and error["code"] == DUPLICATE_KEY:
            there.append(error["index"])
        else:
            refused.append(Refused(ids[error["index"]], error))
    if outcome.unsure:  # the next ones would wait as long
        raise concern_error(outcome.unsure[0]) from (error_of(refused) if refused else None)
    return there


def _fit_a_command(documents: int, size: int) -> bool:
    return _EACH * documents + size <= _COMMAND


def _check_size(name: str, change: Mapping[str, Any]) -> None:
    if len(encode(change, codec_options=WRITES)) > _MOST_BYTES:
        raise InvalidValue(
            f"the values for one bucket of {show(name)} would pass MongoDB's 16 MB for a document: nothing was "
            f"written; {ADVICE}"
        )
