"""Redis as a competent developer writes it: one pipeline a call; on a Cluster the same code with its client.

A bucket is a string (count) or a list (values), an hour's buckets stand in a set, and sorted sets are the index: the
buckets of a name and interval by number, the names by their latest deadline.
"""

from __future__ import annotations

from typing import Any

from workload import INTERVALS, Bulk

NAMES = "\0names"
KEPT = INTERVALS["minute"]["step"] * INTERVALS["minute"]["steps"]
"""How long a minute lives, in seconds, from now: longer than kairos has it, at most by a minute."""


class Plain:
    """What counts and values have in common."""

    def __init__(self, client: Any, prefix: str) -> None:
        self.client = client
        self.prefix = f"{prefix}:"

    def minute_key(self, name: str, minute: int) -> str:
        return f"{self.prefix}{name}:minute:{minute}"

    def hour_key(self, name: str, hour: int) -> str:
        return f"{self.prefix}{name}:hour:{hour}"

    def index_key(self, name: str, interval: str) -> str:
        return f"{self.prefix}\0{interval}\0{name}"

    def mark(self, pipeline: Any, name: str, minute: int, hour: int) -> None:
        """Queue the index and the time to live of two buckets."""
        pipeline.expire(self.minute_key(name, minute), KEPT)
        pipeline.sadd(self.hour_key(name, hour), minute)
        pipeline.zadd(self.index_key(name, "minute"), {str(minute): minute})
        pipeline.expire(self.index_key(name, "minute"), KEPT)
        pipeline.zadd(self.index_key(name, "hour"), {str(hour): hour})
        pipeline.zadd(self.prefix + NAMES, {name: "+inf"})

    def close(self) -> None:
        self.client.close()


class PlainCounts(Plain):
    """Counts, a string for each bucket."""

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, hour = timestamp // 60, timestamp // 3600
        with self.client.pipeline(transaction=False) as pipeline:
            self.add(pipeline, name, minute, hour, value)
            pipeline.execute()
        return 2

    def add(self, pipeline: Any, name: str, minute: int, hour: int, value: int) -> None:
        pipeline.incrby(self.minute_key(name, minute), value)
        pipeline.incrby(f"{self.hour_key(name, hour)}:{minute}", value)
        self.mark(pipeline, name, minute, hour)

    def bulk_insert(self, inserts: Bulk) -> int:
        totals: dict[tuple[str, int, int], int] = {}
        stored = 0
        for timestamp, by_name in inserts.items():
            for name, values in by_name.items():
                key = (name, timestamp // 60, timestamp // 3600)
                totals[key] = totals.get(key, 0) + sum(values)
                stored += 2 * len(values)
        with self.client.pipeline(transaction=False) as pipeline:
            for (name, minute, hour), total in totals.items():
                self.add(pipeline, name, minute, hour, total)
            pipeline.execute()
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            return {minute * 60: int(self.client.get(self.minute_key(name, minute)) or 0)}
        hour = timestamp // 3600
        return self.series(name, interval, end=timestamp, steps=1)[hour * 3600]  # type: ignore[no-any-return]

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        step = 60 if interval == "minute" else 3600
        numbers = range(end // step - steps + 1, end // step + 1)
        with self.client.pipeline(transaction=False) as pipeline:
            if interval == "minute":
                for minute in numbers:
                    pipeline.get(self.minute_key(name, minute))
                found = pipeline.execute()
                return {minute * 60: int(count or 0) for minute, count in zip(numbers, found, strict=True)}
            for hour in numbers:
                pipeline.smembers(self.hour_key(name, hour))
            minutes = [sorted(map(int, members)) for members in pipeline.execute()]
        with self.client.pipeline(transaction=False) as pipeline:
            for hour, members in zip(numbers, minutes, strict=True):
                for minute in members:
                    pipeline.get(f"{self.hour_key(name, hour)}:{minute}")
            counts = iter(pipeline.execute())
        return {
            hour * 3600: {minute * 60: int(next(counts)) for minute in members}
            for hour, members in zip(numbers, minutes, strict=True)
        }

    def list(self) -> list[str]:
        return sorted(name.decode() for name in self.client.zrange(self.prefix + NAMES, 0, -1))

    def delete(self, name: str) -> int:
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.zrange(self.index_key(name, "minute"), 0, -1)
            pipeline.zrange(self.index_key(name, "hour"), 0, -1)
            minutes, hours = ([int(number) for number in numbers] for numbers in pipeline.execute())
        with self.client.pipeline(transaction=False) as pipeline:
            for hour in hours:
                pipeline.smembers(self.hour_key(name, hour))
            resolutions = pipeline.execute() if hours else []
        with self.client.pipeline(transaction=False) as pipeline:
            for minute in minutes:
                pipeline.delete(self.minute_key(name, minute))
            for hour, members in zip(hours, resolutions, strict=True):
                for member in members:
                    pipeline.delete(f"{self.hour_key(name, hour)}:{int(member)}")
                pipeline.delete(self.hour_key(name, hour))
            pipeline.delete(self.index_key(name, "minute"))
            pipeline.delete(self.index_key(name, "hour"))
            pipeline.zrem(self.prefix + NAMES, name)
            return int(pipeline.execute()[-1])


class PlainValues(Plain):
    """Values in arrival order, a list for each bucket."""

    def bulk_insert(self, inserts: Bulk) -> int:
        stored = 0
        with self.client.pipeline(transaction=False) as pipeline:
            for timestamp, by_name in inserts.items():
                minute, hour = timestamp // 60, timestamp // 3600
                for name, values in by_name.items():
                    for value in values:
                        pipeline.rpush(self.minute_key(name, minute), value)
                        pipeline.rpush(f"{self.hour_key(name, hour)}:{minute}", value)
                    self.mark(pipeline, name, minute, hour)
                    stored += 2 * len(values)
            pipeline.execute()
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        minute, hour = timestamp // 60, timestamp // 3600
        if interval == "minute":
            return {
                minute * 60: [
                    float(value) for value in self.client.lrange(self.minute_key(name, minute), 0, -1)
                ]
            }
        minutes = sorted(map(int, self.client.smembers(self.hour_key(name, hour))))
        keys = [f"{self.hour_key(name, hour)}:{minute}" for minute in minutes]
        with self.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.lrange(key, 0, -1)
            found = pipeline.execute()
        return {
            minute * 60: [float(value) for value in values]
            for minute, values in zip(minutes, found, strict=True)
        }
