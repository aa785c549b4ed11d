"""The driver: carries out the protocol's requests with PyMongo. All I/O is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import ReadPreference, UpdateOne
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.database import Database
from pymongo.errors import AutoReconnect, BulkWriteError, WriteConcernError, WTimeoutError
from pymongo.write_concern import WriteConcern

from . import requests as ask

__all__ = ["Driver"]

Document = dict[str, Any]

_BATCH = 10_000
"""Documents in a reply; the driver's own first batch is 101, and each further one is a round trip."""


class Driver:
    """Sends requests to one database.

    Parameters
    ----------
    database
        With the write concern, read concern and read preference to use.
    majority
        Whether a replica set is to acknowledge writes by majority where the caller did not say.
    """

    def __init__(self, database: Database[Any], majority: bool) -> None:
        codec: CodecOptions[Document] = CodecOptions(
            tz_aware=database.codec_options.tz_aware, tzinfo=database.codec_options.tzinfo
        )
        self._database: Database[Document] = database.with_options(codec_options=codec)
        self._majority = majority
        self._numbered = True
        self._collections: dict[str, Collection[Document]] = {}
        self._handlers: Mapping[type, Callable[[Any], Any]] = {
            ask.Indexes: self._indexes,
            ask.CreateIndex: self._create_index,
            ask.Insert: self._insert,
            ask.Update: self._update,
            ask.FindById: self._find_by_id,
            ask.Find: self._find,
            ask.Group: self._group,
            ask.Delete: self._delete,
            ask.Fetch: self._fetch,
        }

    def ready(self) -> None:
        """Connect, and see what the server is."""
        database = self._database
        hello = database.client.admin.command("hello")
        shared = "setName" in hello or hello.get("msg") == "isdbgrid"
        self._numbered = shared and database.client.options.retry_writes
        if self._majority and shared:
            concern = WriteConcern(**{"w": "majority", **database.write_concern.document})
            self._database = database.with_options(write_concern=concern)

    def send(self, request: ask.Request) -> Any:
        """Carry out a request and return its answer."""
        return self._handlers[type(request)](request)

    def _collection(self, name: str) -> Collection[Document]:
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self._database[name]
        return found

    def _indexes(self, request: ask.Indexes) -> list[Any]:
        return list(self._collection(request.collection).list_indexes())

    def _create_index(self, request: ask.CreateIndex) -> None:
        self._database.command({"createIndexes": request.collection, "indexes": [request.index]})

    def _insert(self, request: ask.Insert) -> None:
        if request.small and not self._numbered:
            self._command({"insert": request.collection, "documents": request.documents})
        else:
            self._collection(request.collection).insert_many(request.documents, ordered=False)

    def _update(self, request: ask.Update) -> int:
        if request.small and not self._numbered:
            reply = self._command({"update": request.collection, "updates": request.updates})
            return len(reply.get("upserted", ()))
        updates = [UpdateOne(one["q"], one["u"], upsert=True) for one in request.updates]
        return self._collection(request.collection).bulk_write(updates, ordered=False).upserted_count

    def _command(self, command: Document) -> Document:
        """Send a write as a plain command, which costs a third less than the driver's methods.

        A plain command is never sent again. The driver's methods are, where the server numbers writes and so
        carries out a repeat once; there they are worth their price.
        """
        command["ordered"] = False
        concern = self._database.write_concern.document
        if concern:
            command["writeConcern"] = concern
        reply = self._database.command(command)
        if "writeErrors" in reply:
            raise BulkWriteError({"writeErrors": reply["writeErrors"], "writeConcernErrors": []})
        if "writeConcernError" in reply:
            error = reply["writeConcernError"]
            timed_out = error.get("errInfo", {}).get("wtimeout")
            raise (WTimeoutError if timed_out else WriteConcernError)(error["errmsg"], error["code"], error)
        return reply

    def _find_by_id(self, request: ask.FindById) -> Any:
        database, identity = self._database, {"_id": request.id}
        command: Document = {"find": request.collection, "filter": identity, "limit": 1, "singleBatch": True}
        concern = database.read_concern.document
        if concern:
            command["readConcern"] = concern
        try:
            reply = database.command(
                command, codec_options=database.codec_options, read_preference=database.read_preference
            )
        except AutoReconnect:  # the driver's own way waits for another server, if it may
            return self._collection(request.collection).find_one(identity)
        found = reply["cursor"]["firstBatch"]
        return found[0] if found else None

    def _find(self, request: ask.Find) -> list[Document]:
        collection = self._collection(request.collection)
        if request.primary:
            collection = collection.with_options(read_preference=ReadPreference.PRIMARY)
        cursor = collection.find(
            request.filter, request.projection, sort=request.sort, limit=request.limit, batch_size=_BATCH
        )
        return cursor.to_list()

    def _group(self, request: ask.Group) -> list[Any]:
        pipeline: list[Document] = [{"$match": request.filter}, {"$group": {"_id": f"${request.field}"}}]
        cursor = self._collection(request.collection).aggregate(pipeline, batchSize=_BATCH)
        return [document["_id"] for document in cursor.to_list()]

    def _delete(self, request: ask.Delete) -> int:
        return self._collection(request.collection).delete_many(request.filter).deleted_count

    def _fetch(self, request: ask.Fetch) -> Any:
        found = request.function(self._collection(request.collection), **request.keywords)
        return list(found) if isinstance(found, Cursor) else found
