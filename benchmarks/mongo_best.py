"""MongoDB as fast as we can write it by hand with pymongo, for this workload and nothing else.

One raw command a collection, a collection for each interval. A bucket's name and numbers are the `_id`, which needs no
second unique index. A bulk inserts; what is there already it updates. Answers come whole in the first batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import MongoClient

from coalescing import added_up, appended
from mongo_plain import deadline
from workload import Bulk

ALL = 1_000_000
"""Documents of a first batch: more than there are."""

DUPLICATE_KEY = 11000

Document = dict[str, Any]


class Best:
    """What counts and values have in common."""

    def __init__(self, url: str, prefix: str) -> None:
        self.client: MongoClient[Document] = MongoClient(url)
        database = self.client["kairos_benchmark"]
        self.command = database.command
        self.minutes, self.hours = f"{prefix}_minute", f"{prefix}_hour"
        database[self.minutes].create_index("expire_at", expireAfterSeconds=0)

    def update(self, collection: str, updates: Sequence[Document]) -> None:
        checked(self.command({"update": collection, "updates": updates, "ordered": False}))

    def find(self, collection: str, where: Document, projection: Document) -> list[Document]:
        """Return all documents, in the order of their buckets."""
        found = self.command(
            {
                "find": collection,
                "filter": where,
                "projection": projection,
                "hint": {"_id": 1},
                "batchSize": ALL,
                "singleBatch": True,
            }
        )
        documents: list[Document] = found["cursor"]["firstBatch"]
        return documents

    def close(self) -> None:
        self.client.close()


def checked(answer: Document) -> Document:
    """Return a command's answer, or raise what a part of it says."""
    if "writeErrors" in answer:
        raise RuntimeError(answer["writeErrors"])
    return answer


def minute_id(name: str, minute: int) -> Document:
    return {"name": name, "i": minute}


def hour_id(name: str, hour: int, minute: int | None = None) -> Document:
    return {"name": name, "i": hour} if minute is None else {"name": name, "i": hour, "r": minute}


def between(name: str, first: int, last: int) -> Document:
    """Return the filter of a range: documents compare field by field, and a longer one is greater."""
    return {"_id": {"$gte": {"name": name, "i": first}, "$lt": {"name": name, "i": last + 1}}}


class BestCounts(Best):
    """Counts, a document for each bucket."""

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute = timestamp // 60
        self.update(self.minutes, (self._of_minute(name, minute, value),))
        self.update(self.hours, (self._of_hour(name, minute, value),))
        return 2

    def _of_minute(self, name: str, minute: int, total: int) -> Document:
        change = {"$inc": {"count": total}, "$setOnInsert": {"expire_at": deadline(minute)}}
        return {"q": {"_id": minute_id(name, minute)}, "u": change, "upsert": True}

    def _of_hour(self, name: str, minute: int, total: int) -> Document:
        return {
            "q": {"_id": hour_id(name, minute // 60, minute)},
            "u": {"$inc": {"count": total}},
            "upsert": True,
        }

    def bulk_insert(self, inserts: Bulk) -> int:
        by_name, stored = added_up(inserts)
        increments = [
            (name, minute, total) for name, totals in by_name.items() for minute, total in totals.items()
        ]
        deadlines = {minute: deadline(minute) for minute in {minute for _, minute, _ in increments}}
        minutes = [
            {"_id": {"name": name, "i": minute}, "count": total, "expire_at": deadlines[minute]}
            for name, minute, total in increments
        ]
        hours = [
            {"_id": {"name": name, "i": minute // 60, "r": minute}, "count": total}
            for name, minute, total in increments
        ]
        for collection, documents, update in (
            (self.minutes, minutes, self._of_minute),
            (self.hours, hours, self._of_hour),
        ):
            answer = self.command({"insert": collection, "documents": documents, "ordered": False})
            there = answer.get("writeErrors", ())
            if any(error["code"] != DUPLICATE_KEY for error in there):
                raise RuntimeError(there)
            if there:
                self.update(collection, [update(*increments[error["index"]]) for error in there])
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            found = self.find(self.minutes, {"_id": minute_id(name, minute)}, {"_id": 0, "count": 1})
            return {minute * 60: found[0]["count"] if found else 0}
        hour = timestamp // 3600
        return self.series(name, interval, end=timestamp, steps=1)[hour * 3600]  # type: ignore[no-any-return]

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        answer: dict[int, Any]
        if interval == "minute":
            last = end // 60
            first = last - steps + 1
            answer = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
            for found in self.find(
                self.minutes, between(name, first, last), {"_id": 0, "i": "$_id.i", "count": 1}
            ):
                answer[found["i"] * 60] = found["count"]
            return answer
        last = end // 3600
        first = last - steps + 1
        answer = {start: {} for start in range(first * 3600, last * 3600 + 1, 3600)}
        for found in self.find(self.hours, between(name, first, last), {"_id": 0, "r": "$_id.r", "count": 1}):
            minute = found["r"]
            answer[minute // 60 * 3600][minute * 60] = found["count"]
        return answer

    def list(self) -> list[str]:
        names = set()
        for collection in (self.minutes, self.hours):
            found = self.find(collection, {}, {"_id": 0, "name": "$_id.name"})
            names.update([document["name"] for document in found])
        return sorted(names)

    def delete(self, name: str) -> int:
        where = {"_id": {"$gte": {"name": name}, "$lt": {"name": name + "\0"}}}  # no name holds NUL
        removed = [
            checked(self.command({"delete": collection, "deletes": [{"q": where, "limit": 0}]}))["n"]
            for collection in (self.minutes, self.hours)
        ]
        return int(any(removed))


class BestValues(Best):
    """Values in arrival order, a document with a list for each bucket."""

    def bulk_insert(self, inserts: Bulk) -> int:
        by_bucket, stored = appended(inserts)
        minutes, hours = [], []
        for (name, minute), values in by_bucket.items():
            push = {"$push": {"values": {"$each": values}}}
            change = {**push, "$setOnInsert": {"expire_at": deadline(minute)}}
            minutes.append({"q": {"_id": minute_id(name, minute)}, "u": change, "upsert": True})
            hours.append({"q": {"_id": hour_id(name, minute // 60, minute)}, "u": push, "upsert": True})
        self.update(self.minutes, minutes)
        self.update(self.hours, hours)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        if interval == "minute":
            minute = timestamp // 60
            found = self.find(self.minutes, {"_id": minute_id(name, minute)}, {"_id": 0, "values": 1})
            return {minute * 60: found[0]["values"] if found else []}
        hour = timestamp // 3600
        projection = {"_id": 0, "r": "$_id.r", "values": 1}
        found = self.find(self.hours, between(name, hour, hour), projection)
        return {document["r"] * 60: document["values"] for document in found}
