"""What one writes by hand for asyncio, on the same drivers: the best sides' statements, awaited.

Servers get a pool of ten connections; SQLite one connection, on which calls take turns.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiosqlite
import asyncmy
import psycopg
import redis.asyncio
from pymongo import AsyncMongoClient
from sqlalchemy import make_url

import mariadb_best
import mongo_best
import postgresql_best
import redis_best
import sqlite_best
from coalescing import added_up
from mongo_plain import deadline
from redis_plain import KEPT, NAMES
from workload import Bulk

CONNECTIONS = 10


class Hand(Protocol):
    """The methods of `kairos.AsyncTimeseries` that are measured."""

    async def insert(self, name: str, value: int, timestamp: int) -> Any: ...

    async def bulk_insert(self, inserts: Bulk) -> Any: ...

    async def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]: ...

    async def close(self) -> None: ...


class Redis:
    """redis.asyncio: a script for a write, one MGET for a read."""

    async def open(self, url: str, place: str) -> Redis:
        # 100 coroutines wait for a connection: the plain pool would raise
        pool = redis.asyncio.BlockingConnectionPool.from_url(url, max_connections=50)
        self.client = redis.asyncio.Redis.from_pool(pool)
        self.prefix = f"{place}:"
        self.names = self.prefix + NAMES
        self.add = await self.client.script_load(redis_best.ADD)
        self.add_many = await self.client.script_load(redis_best.ADD_MANY)
        return self

    async def insert(self, name: str, value: int, timestamp: int) -> None:
        minute, hour = timestamp // 60, timestamp // 3600
        prefix = self.prefix
        hour_key = f"{prefix}{name}:hour:{hour}"
        keys = (f"{prefix}{name}:minute:{minute}", f"{hour_key}:{minute}", hour_key)
        index = (f"{prefix}\0minute\0{name}", f"{prefix}\0hour\0{name}", self.names)
        await self.client.evalsha(self.add, 6, *keys, *index, value, KEPT, minute, hour, name)

    async def bulk_insert(self, inserts: Bulk) -> None:
        items = list(added_up(inserts)[0].items())
        for first in range(0, len(items), redis_best.NAMES_A_CALL):
            totals = json.dumps(dict(items[first : first + redis_best.NAMES_A_CALL]))
            await self.client.evalsha(self.add_many, 1, self.names, self.prefix, KEPT, totals)

    async def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        last = end // 60
        minutes = range(last - steps + 1, last + 1)
        stem = f"{self.prefix}{name}:minute:"
        found = await self.client.mget([f"{stem}{minute}" for minute in minutes])
        return {60 * minute: int(count or 0) for minute, count in zip(minutes, found, strict=True)}

    async def close(self) -> None:
        await self.client.aclose()
        await self.client.connection_pool.disconnect()


class Mongo:
    """PyMongo's asynchronous client: raw commands, as the best side has them."""

    async def open(self, url: str, place: str) -> Mongo:
        self.client: AsyncMongoClient[Any] = AsyncMongoClient(url)
        self.command = self.client["kairos_benchmark"].command
        self.minutes, self.hours = f"{place}_minute", f"{place}_hour"
        await self.client["kairos_benchmark"][self.minutes].create_index("expire_at", expireAfterSeconds=0)
        return self

    async def insert(self, name: str, value: int, timestamp: int) -> None:
        minute = timestamp // 60
        await self._update(self.minutes, [self._of_minute(name, minute, value)])
        await self._update(self.hours, [self._of_hour(name, minute, value)])

    async def _update(self, collection: str, updates: list[Any]) -> None:
        mongo_best.checked(await self.command({"update": collection, "updates": updates, "ordered": False}))

    def _of_minute(self, name: str, minute: int, total: int) -> dict[str, Any]:
        change = {"$inc": {"count": total}, "$setOnInsert": {"expire_at": deadline(minute)}}
        return {"q": {"_id": mongo_best.minute_id(name, minute)}, "u": change, "upsert": True}

    def _of_hour(self, name: str, minute: int, total: int) -> dict[str, Any]:
        change = {"$inc": {"count": total}}
        return {"q": {"_id": mongo_best.hour_id(name, minute // 60, minute)}, "u": change, "upsert": True}

    async def bulk_insert(self, inserts: Bulk) -> None:
        increments = [
            (name, minute, total)
            for name, totals in added_up(inserts)[0].items()
            for minute, total in totals.items()
        ]
        minutes = [
            {"_id": {"name": name, "i": minute}, "count": total, "expire_at": deadline(minute)}
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
            answer = await self.command({"insert": collection, "documents": documents, "ordered": False})
            if there := answer.get("writeErrors", ()):
                await self._update(collection, [update(*increments[error["index"]]) for error in there])

    async def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        last = end // 60
        first = last - steps + 1
        answer = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
        found = await self.command(
            {
                "find": self.minutes,
                "filter": mongo_best.between(name, first, last),
                "projection": {"_id": 0, "i": "$_id.i", "count": 1},
                "hint": {"_id": 1},
                "batchSize": mongo_best.ALL,
                "singleBatch": True,
            }
        )
        for document in found["cursor"]["firstBatch"]:
            answer[document["i"] * 60] = document["count"]
        return answer

    async def close(self) -> None:
        await self.client.close()


class Pool:
    """Ten connections, each lent to one call at a time."""

    def __init__(self, connections: list[Any]) -> None:
        self.connections = connections
        self._free: asyncio.LifoQueue[Any] = asyncio.LifoQueue()
        for connection in connections:
            self._free.put_nowait(connection)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        connection = await self._free.get()
        try:
            yield connection
        finally:
            self._free.put_nowait(connection)


class PostgreSQL:
    """psycopg's asynchronous connections, prepared statements in autocommit."""

    async def open(self, url: str, place: str) -> PostgreSQL:
        conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        connect = psycopg.AsyncConnection.connect
        self.pool = Pool(
            [await connect(conninfo, autocommit=True, prepare_threshold=0) for _ in range(CONNECTIONS)]
        )
        await self._rows(postgresql_best.COUNTS.format(table=place), ())
        self._upsert = postgresql_best.UPSERT.format(table=place)
        self._upsert_many = postgresql_best.UPSERT_MANY.format(table=place)
        self._series = postgresql_best.SERIES_MINUTE.format(table=place)
        return self

    async def _rows(self, statement: Any, parameters: tuple[Any, ...]) -> Any:
        async with self.pool.one() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(statement, parameters)
            return await cursor.fetchone() if cursor.description else None

    async def insert(self, name: str, value: int, timestamp: int) -> None:
        minute, hour = timestamp // 60, timestamp // 3600
        await self._rows(self._upsert, (name, minute, value, name, hour, minute, value))

    async def bulk_insert(self, inserts: Bulk) -> None:
        by_name, _ = added_up(inserts)
        rows = [
            (name, minute, total)
            for name, totals in sorted(by_name.items())
            for minute, total in sorted(totals.items())
        ]
        array = postgresql_best.array
        names = array(postgresql_best.quoted(name) for name, _, _ in rows)
        minutes = array(str(minute) for _, minute, _ in rows)
        counts = array(str(total) for _, _, total in rows)
        await self._rows(self._upsert_many, (names, minutes, counts))

    async def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        last = end // 60
        first = last - steps + 1
        answer = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
        starts, counts = await self._rows(self._series, (name, first, last))
        answer.update(zip(starts or (), counts or (), strict=True))
        return answer

    async def close(self) -> None:
        for connection in self.pool.connections:
            await connection.close()


class MariaDB:
    """asyncmy, text statements in autocommit."""

    async def open(self, url: str, place: str) -> MariaDB:
        at = make_url(url)
        options = {"host": at.host, "port": at.port, "user": at.username, "password": at.password or ""}
        self.pool = Pool(
            [
                await asyncmy.connect(**options, database=at.database, autocommit=True)
                for _ in range(CONNECTIONS)
            ]
        )
        self.table = place
        await self._rows(mariadb_best.COUNTS.format(table=place))
        return self

    async def _rows(self, statement: str) -> Any:
        async with self.pool.one() as connection, connection.cursor() as cursor:
            await cursor.execute(statement)
            return await cursor.fetchall() if cursor.description else None

    async def _upsert(self, increments: list[tuple[str, int, int]]) -> None:
        rows = [
            f"('{name}',0,{minute},0,{total}),('{name}',1,{minute // 60},{minute},{total})"
            for name, minute, total in increments
        ]
        await self._rows(
            f"INSERT INTO {self.table} VALUES {','.join(rows)} ON DUPLICATE KEY UPDATE count=count+VALUES(count)"
        )

    async def insert(self, name: str, value: int, timestamp: int) -> None:
        await self._upsert([(name, timestamp // 60, value)])

    async def bulk_insert(self, inserts: Bulk) -> None:
        by_name, _ = added_up(inserts)
        await self._upsert(
            [
                (name, minute, total)
                for name, totals in sorted(by_name.items())
                for minute, total in sorted(totals.items())
            ]
        )

    async def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        last = end // 60
        first = last - steps + 1
        answer = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
        rows = await self._rows(
            f"SELECT i * 60, count FROM {self.table} WHERE name = '{name}' AND `interval` = 0 "
            f"AND i BETWEEN {first} AND {last}"
        )
        answer.update(rows)
        return answer

    async def close(self) -> None:
        for connection in self.pool.connections:
            await connection.ensure_closed()


class SQLite:
    """aiosqlite: one connection in autocommit; a bulk is a transaction."""

    async def open(self, url: str, place: str) -> SQLite:
        path = f"{make_url(url).database}_{place}"
        self.connection = await aiosqlite.connect(path, isolation_level=None)
        await self.connection.execute("PRAGMA journal_mode = WAL")
        await self.connection.execute("PRAGMA synchronous = FULL")
        await self.connection.execute(sqlite_best.COUNTS)
        self.lock = asyncio.Lock()
        return self

    async def insert(self, name: str, value: int, timestamp: int) -> None:
        async with self.lock:
            await self.connection.execute(
                sqlite_best.UPSERT, (name, timestamp // 60, timestamp // 3600, value)
            )

    async def bulk_insert(self, inserts: Bulk) -> None:
        by_name, _ = added_up(inserts)
        rows = [
            (name, minute, minute // 60, total)
            for name, totals in sorted(by_name.items())
            for minute, total in sorted(totals.items())
        ]
        async with self.lock:
            await self.connection.execute("BEGIN IMMEDIATE")
            await self.connection.executemany(sqlite_best.UPSERT, rows)
            await self.connection.execute("COMMIT")

    async def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        last = end // 60
        first = last - steps + 1
        answer = dict.fromkeys(range(first * 60, last * 60 + 1, 60), 0)
        found = await self.connection.execute_fetchall(sqlite_best.SERIES_MINUTE, (name, first, last))
        answer.update(found)  # type: ignore[arg-type]
        return answer

    async def close(self) -> None:
        await self.connection.close()


HANDS: dict[str, type[Redis | Mongo | PostgreSQL | MariaDB | SQLite]] = {
    "redis": Redis,
    "mongo": Mongo,
    "postgresql": PostgreSQL,
    "mariadb": MariaDB,
    "sqlite": SQLite,
}
