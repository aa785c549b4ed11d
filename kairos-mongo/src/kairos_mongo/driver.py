"""The driver: carries out the protocol's requests with PyMongo's methods, which both of its clients have."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import ReadPreference, UpdateOne
from pymongo.asynchronous.command_cursor import AsyncCommandCursor
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, ServerSelectionTimeoutError
from pymongo.write_concern import WriteConcern

from kairos.sansio import run

from . import requests as ask
from .values import WRITES

__all__ = ["Driver"]

Document = dict[str, Any]
Steps = Generator[Any, Any, Any]

_CURSORS = (AsyncCursor, AsyncCommandCursor)
"""What has to be awaited as a whole; cursors of the other client are iterables."""

_BATCH = 10_000
"""Documents in a reply; the driver's own first batch is 101, and each further one is a round trip."""

_TOO_MUCH = 17217
"""The code where the answer to ``distinct`` would pass 16 MB; a document for each value costs twice the time."""


class Driver:
    """Sends requests to one database.

    Parameters
    ----------
    database
        With the write concern, read concern and read preference to use.
    reads
        How documents are read.
    majority
        Whether a replica set is to acknowledge writes by majority where the caller did not say.
    """

    def __init__(self, database: Any, reads: CodecOptions[Document], majority: bool) -> None:
        self._database: Any = database.with_options(codec_options=reads)  # of either client
        self._majority = majority
        self._shared = self._numbered = True
        self._collections: dict[str, Any] = {}
        self._handlers: Mapping[type, Callable[[Any], Steps]] = {
            ask.Hello: self._hello,
            ask.Indexes: self._indexes,
            ask.CreateIndex: self._create_index,
            ask.Insert: self._insert,
            ask.Update: self._update,
            ask.FindById: self._find_by_id,
            ask.Find: self._find,
            ask.Distinct: self._distinct,
            ask.Delete: self._delete,
            ask.Fetch: self._fetch,
        }

    def send(self, request: ask.Request) -> Any:
        """Carry out a request and return its answer."""
        return run(self.steps(request), _given)

    def steps(self, request: ask.Request) -> Steps:
        """Return the steps that carry a request out: each yields what PyMongo returns, and is sent the result.

        PyMongo's two clients have the same methods. What the one for asyncio returns is awaited by whoever drives
        the steps; what the other returns is the result.
        """
        return self._handlers[type(request)](request)

    def _collection(self, name: str, primary: bool = False) -> Any:
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self._database[name]
        return found.with_options(read_preference=ReadPreference.PRIMARY) if primary else found

    def _indexes(self, request: ask.Indexes) -> Steps:
        cursor = yield self._collection(request.collection).list_indexes()
        return (yield cursor.to_list())

    def _hello(self, request: ask.Hello) -> Steps:
        """Ask what the server is, and remember what follows from it."""
        database = self._database
        admin = database.client.get_database("admin", codec_options=CodecOptions[Document](tz_aware=True))
        hello = yield admin.command("hello")
        self._shared = "setName" in hello or hello.get("msg") == "isdbgrid"
        self._numbered = self._shared and database.client.options.retry_writes
        if self._majority and self._shared:
            concern = WriteConcern(**{"w": "majority", **database.write_concern.document})
            self._database = database.with_options(write_concern=concern)
        return hello

    def _create_index(self, request: ask.CreateIndex) -> Steps:
        command: Document = {"createIndexes": request.collection, "indexes": [request.index]}
        if self._shared:
            command["commitQuorum"] = "majority"  # else it waits for all members, also for one that is down
        yield self._database.command(command)

    def _insert(self, request: ask.Insert) -> Steps:
        if request.small and not self._numbered:
            return (yield from self._plainly({"insert": request.collection, "documents": request.documents}))
        insert = self._collection(request.collection).with_options(WRITES).insert_many
        return (yield from _outcome(lambda: insert(request.documents, ordered=False)))

    def _update(self, request: ask.Update) -> Steps:
        if request.small and not self._numbered:
            return (yield from self._plainly({"update": request.collection, "updates": request.updates}))
        updates = [UpdateOne(one["q"], one["u"], upsert=True) for one in request.updates]
        write = self._collection(request.collection).with_options(WRITES).bulk_write
        return (yield from _outcome(lambda: write(updates, ordered=False)))

    def _plainly(self, command: Document) -> Steps:
        """Send a write as a plain command, which costs a third less than the driver's methods.

        A plain command is never sent again. The driver's methods are, where the server numbers writes and so
        carries out a repeat once; there they are worth their price.
        """
        command["ordered"] = False
        concern = self._database.write_concern.document
        if concern:
            command["writeConcern"] = concern
        reply = yield self._database.command(command, codec_options=WRITES)
        unsure = [reply["writeConcernError"]] if "writeConcernError" in reply else ()
        return ask.Outcome(len(reply.get("upserted", ())), reply.get("writeErrors", ()), unsure)

    def _find_by_id(self, request: ask.FindById) -> Steps:
        if (
            self._database.codec_options.type_registry.codecs
        ):  # which the replies to plain commands don't go by
            return (yield self._collection(request.collection).find_one({"_id": request.id}))
        try:
            return (yield from self._find_plainly(request))
        except ServerSelectionTimeoutError:
            raise
        except AutoReconnect:
            if not self._database.client.options.retry_reads:
                raise
            return (yield from self._find_plainly(request))

    def _find_plainly(self, request: ask.FindById) -> Steps:
        """Read as a plain command, which the driver does not repeat."""
        database = self._database
        command: Document = {
            "find": request.collection,
            "filter": {"_id": request.id},
            "limit": 1,
            "singleBatch": True,
        }
        concern = database.read_concern.document
        if concern:
            command["readConcern"] = concern
        reply = yield database.command(
            command, codec_options=database.codec_options, read_preference=database.read_preference
        )
        found = reply["cursor"]["firstBatch"]
        return found[0] if found else None

    def _find(self, request: ask.Find) -> Steps:
        cursor = self._collection(request.collection, request.primary).find(
            request.filter, request.projection, sort=request.sort, limit=request.limit, batch_size=_BATCH
        )
        return (yield cursor.to_list())

    def _distinct(self, request: ask.Distinct) -> Steps:
        collection = self._collection(request.collection, request.primary)
        try:
            return (yield collection.distinct(request.field, request.filter))
        except OperationFailure as error:
            if error.code != _TOO_MUCH:
                raise
        pipeline: list[Document] = [{"$match": request.filter}, {"$group": {"_id": f"${request.field}"}}]
        cursor = yield collection.aggregate(pipeline, batchSize=_BATCH)
        return [document["_id"] for document in (yield cursor.to_list())]

    def _delete(self, request: ask.Delete) -> Steps:
        return (yield self._collection(request.collection).delete_many(request.filter)).deleted_count

    def _fetch(self, request: ask.Fetch) -> Steps:
        found = yield request.function(self._collection(request.collection), **request.keywords)
        return (yield found.to_list()) if isinstance(found, _CURSORS) else found


def _given(result: Any) -> Any:
    return result


def _outcome(write: Callable[[], Any]) -> Steps:
    """Return what became of a write through the driver's methods.

    The driver's own error would hold each refused document whole, in its message too.
    """
    try:
        result = yield write()
    except BulkWriteError as error:
        details = error.details
        refused = [{key: one[key] for key in one if key != "op"} for one in details["writeErrors"]]
        return ask.Outcome(details["nUpserted"], refused, details["writeConcernErrors"])
    return ask.Outcome(getattr(result, "upserted_count", 0), (), ())
