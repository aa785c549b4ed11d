"""MongoDB as a competent developer writes it: a collection for each interval, upserts one by one or by `bulk_write`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, MongoClient, UpdateOne

from workload import INTERVALS, Bulk

KEPT = INTERVALS["minute"]["step"] * INTERVALS["minute"]["steps"]


def deadline(minute: int) -> datetime:
    """Return when a minute may be removed."""
    return datetime.fromtimestamp(minute * 60 + KEPT, UTC)


class Plain:
    """What counts and values have in common."""

    def __init__(self, url: str, prefix: str) -> None:
        self.client: MongoClient[dict[str, Any]] = MongoClient(url)
        self.database = self.client["kairos_benchmark"]
        self.minutes, self.hours = (self.database[f"{prefix}_{interval}"] for interval in ("minute", "hour"))
        for collection in (self.minutes, self.hours):
            key = [("name", ASCENDING), ("interval", ASCENDING), ("resolution", ASCENDING)]
            collection.create_index(key, unique=True)
        self.minutes.create_index("expire_at", expireAfterSeconds=0)

    def upserts(self, name: str, minute: int, change: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Return the filters and the updates of the two buckets of a minute."""
        return (
            {"name": name, "interval": minute, "resolution": None},
            {**change, "$set": {"expire_at": deadline(minute)}},
            {"name": name, "interval": minute // 60, "resolution": minute},
            change,
        )

    def close(self) -> None:
        self.client.close()


class PlainCounts(Plain):
    """Counts, a document for each bucket."""

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, of_minute, hour, of_hour = self.upserts(name, timestamp // 60, {"$inc": {"value": value}})
        self.minutes.update_one(minute, of_minute, upsert=True)
        self.hours.update_one(hour, of_hour, upsert=True)
        return 2

    def bulk_insert(self, inserts: Bulk) -> int:
        totals: dict[tuple[str, int], int] = {}
        stored = 0
        for timestamp, by_name in inserts.items():
            for name, values in by_name.items():
                key = (name, timestamp // 60)
                totals[key] = totals.get(key, 0) + sum(values)
                stored += 2 * len(values)
        minutes, hours = [], []
        for (name, number), total in totals.items():
            minute, of_minute, hour, of_hour = self.upserts(name, number, {"$inc": {"value": total}})
            minutes.append(UpdateOne(minute, of_minute, upsert=True))
            hours.append(UpdateOne(hour, of_hour, upsert=True))
        self.minutes.bulk_write(minutes, ordered=False)
        self.hours.bulk_write(hours, ordered=False)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            found = self.minutes.find_one({"name": name, "interval": minute})
            return {minute * 60: found["value"] if found else 0}
        hour = timestamp // 3600
        return self.series(name, interval, end=timestamp, steps=1)[hour * 3600]  # type: ignore[no-any-return]

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        step = 60 if interval == "minute" else 3600
        last = end // step
        first = last - steps + 1
        where = {"name": name, "interval": {"$gte": first, "$lte": last}}
        answer: dict[int, Any]
        if interval == "minute":
            answer = {minute * step: 0 for minute in range(first, last + 1)}
            for document in self.minutes.find(where).sort("interval"):
                answer[document["interval"] * step] = document["value"]
        else:
            answer = {hour * step: {} for hour in range(first, last + 1)}
            for document in self.hours.find(where).sort([("interval", ASCENDING), ("resolution", ASCENDING)]):
                answer[document["interval"] * step][document["resolution"] * 60] = document["value"]
        return answer

    def list(self) -> list[str]:
        return sorted({*self.minutes.distinct("name"), *self.hours.distinct("name")})

    def delete(self, name: str) -> int:
        found = [
            collection.delete_many({"name": name}).deleted_count for collection in (self.minutes, self.hours)
        ]
        return int(any(found))


class PlainValues(Plain):
    """Values in arrival order, a document with a list for each bucket."""

    def bulk_insert(self, inserts: Bulk) -> int:
        stored = 0
        minutes, hours = [], []
        for timestamp, by_name in inserts.items():
            for name, values in by_name.items():
                push = {"$push": {"value": {"$each": list(values)}}}
                minute, of_minute, hour, of_hour = self.upserts(name, timestamp // 60, push)
                minutes.append(UpdateOne(minute, of_minute, upsert=True))
                hours.append(UpdateOne(hour, of_hour, upsert=True))
                stored += 2 * len(values)
        self.minutes.bulk_write(minutes)
        self.hours.bulk_write(hours)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        if interval == "minute":
            minute = timestamp // 60
            found = self.minutes.find_one({"name": name, "interval": minute})
            return {minute * 60: found["value"] if found else []}
        where = {"name": name, "interval": timestamp // 3600}
        return {
            found["resolution"] * 60: found["value"] for found in self.hours.find(where).sort("resolution")
        }
