"""How a batch is written: as inserts and upserts of one document for each name and bucket. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from bson import encode

from kairos.errors import InvalidValue, show
from kairos.storage import Batch

from . import requests as ask
from .errors import ADVICE, DUPLICATE_KEY, Refused, concern_error, error_of
from .kinds import KindDocuments
from .place import Place, expire_at, offset_of

__all__ = ["Steps", "Writing", "upsert"]

Result = TypeVar("Result")
Steps = Generator[ask.Request, Any, Result]

Cell = tuple[str, str, int, int | None, Any, Any]
"""What is written to one document: its ``_id``, name, bucket, resolution bucket, ``expire_at``, payload."""

_BY_ID = itemgetter(0)

_MANY = 50
"""Documents of a collection that are worth a try to insert them first."""

_AT_ONCE = 5_000
"""Documents in one request: those of counts, at most 2.4 KB each with the longest names, fit one command of 16 MB."""

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
        place, documents, offset = self._place, self._documents, offset_of(batch.now, ahead)
        by_collection: dict[str, list[Cell]] = {}
        for write in batch.writes:
            cells = by_collection.setdefault(place.collections[write.interval], [])
            i, r, end = write.i, write.r, expire_at(write.deadline, offset)
            for name, payload in write.rows.items():
                if documents.bulky(payload):
                    _check_size(name, documents.change(payload))
                cells.append((place.id(name, i, r), name, i, r, end, payload))
        refused: list[Refused] = []
        for collection, every in by_collection.items():
            if len(every) < _MANY:
                yield from self._upsert(collection, every, refused)
                continue
            every.sort(key=_BY_ID)  # neighbours in an index are written at less cost
            for start in range(0, len(every), _AT_ONCE):
                yield from self._write_many(collection, every[start : start + _AT_ONCE], refused)
        if refused:
            raise error_of(refused)

    def _upsert(self, collection: str, cells: Sequence[Cell], refused: list[Refused]) -> Steps[int]:
        """Update documents, and make those that are missing; return how many were."""
        kind, documents = self._place.kind, self._documents
        updates = []
        for id, name, i, r, end, payload in cells:
            bucket = {"kind": kind, "name": name, "interval": i, "resolution": r}
            union = documents.union(payload)
            update: Any
            if union is None:
                update = documents.change(payload)
                update["$max"] = {"expire_at": end}
                update["$setOnInsert"] = bucket
            else:
                update = [{"$set": {key: {"$literal": value} for key, value in bucket.items()}}]
                update[0]["$set"] |= {"value": union, "expire_at": {"$max": ["$expire_at", end]}}
            updates.append({"q": {"_id": id}, "u": update, "upsert": True})
        small = documents.numbers or (len(cells) == 1 and documents.alone(cells[0][-1]))
        return (yield from upsert(collection, updates, small, refused))

    def _write_many(self, collection: str, cells: Sequence[Cell], refused: list[Refused]) -> Steps[None]:
        """Insert documents and update those that were there: to make one by an upsert costs six times as much.

        Where most were there, the next many are upserted at once, until most of them are new again.
        """
        if collection in self._written:
            if 2 * (yield from self._upsert(collection, cells, refused)) > len(cells):
                self._written.discard(collection)
            return
        kind, start = self._place.kind, self._documents.start
        documents: list[dict[str, Any]] = [
            {
                "_id": id,
                "kind": kind,
                "name": name,
                "interval": i,
                "resolution": r,
                "expire_at": end,
                **start(payload),
            }
            for id, name, i, r, end, payload in cells
        ]
        outcome: ask.Outcome = yield ask.Insert(collection, documents, self._documents.numbers)
        there = _sorted_out(outcome, [cell[0] for cell in cells], refused)
        if there:
            if 2 * len(there) > len(cells):
                self._written.add(collection)
            yield from self._upsert(collection, [cells[position] for position in there], refused)


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


def _check_size(name: str, change: Mapping[str, Any]) -> None:
    if len(encode(change)) > _MOST_BYTES:
        raise InvalidValue(
            f"the values for one bucket of {show(name)} would pass MongoDB's 16 MB for a document: nothing was "
            f"written; {ADVICE}"
        )
