"""The protocol: kairos' contract as requests to the driver and what their answers mean. No I/O.

Generators yield one request per round trip and are sent its answer (``kairos.sansio``), so that a client that
waits and one of asyncio share all of this.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from kairos.errors import InvalidType, SchemaMismatch, show
from kairos.sansio import StorageProtocol
from kairos.storage import Batch, Buckets, Read, Reply, Scope

from . import requests as ask
from .errors import Refused, error_of
from .kinds import KindDocuments
from .place import INDEX, LAYOUTS, TTL_INDEX, Place, portions
from .writing import Steps, Writing, upsert

__all__ = ["MARKS", "Protocol"]

MARKS = ("escape_character", "value_type")
"""Options that the record of a layout holds, where they tell what is written."""

_BY_INTERVAL = (("interval", 1), ("resolution", 1))
_BY_NAME = (("name", 1),)

_KEYS, _MORE_KEYS = 500, 10_000
"""Keys of the index that a list of names looks at first, and then at once."""


class Protocol(StorageProtocol):
    """The protocol of one timeseries.

    Parameters
    ----------
    place
        Where its documents are.
    documents
        How its kind is kept.
    marks
        The options that whoever opens the place must give as well, by name: of :data:`MARKS`.
    """

    def __init__(self, place: Place, documents: KindDocuments, marks: Mapping[str, str]) -> None:
        self._place = place
        self._documents = documents
        self._marks = marks
        self._fields = {"_id": 0} | dict.fromkeys(documents.fields, 1)
        self._writing = Writing(place, documents)
        self._ahead = 0.0

    def ready(self) -> Steps[None]:
        """Look at the server's clock, and create the indexes that are missing.

        A failure to create one warns, since nothing but speed and tidiness needs them.
        """
        hello = yield ask.Hello()
        self._ahead = hello["localTime"].timestamp() - time.time()
        for collection in self._place.collections.values():
            try:
                there = yield ask.Indexes(collection)
            except OperationFailure:  # it takes a right of its own to see them
                there = ()
            if any("collation" in index for index in there if index["name"] == "_id_"):
                raise SchemaMismatch(
                    f"the collection {show(collection)} was created with a collation, by which MongoDB would take "
                    "different names for one: choose another prefix, or create it without"
                )
            wanted = [INDEX] if collection not in self._place.expiring else [INDEX, TTL_INDEX]
            for index in wanted:
                if any(_serves(one, index) for one in there):
                    continue
                try:
                    yield ask.CreateIndex(collection, index)
                except PyMongoError as error:
                    _warn(index, collection, error)

    def layouts(self) -> Steps[dict[str, str]]:
        """Return the recorded layouts of the configured intervals."""
        ids = {self._place.layout_id(interval): interval for interval in self._place.collections}
        fields = {"layout": 1} | dict.fromkeys(MARKS, 1)
        found = yield ask.Find(LAYOUTS, {"_id": {"$in": list(ids)}}, fields, primary=True)
        for record in found:
            for option in MARKS:
                recorded, given = record.get(option), self._marks.get(option)
                if recorded != given:
                    raise SchemaMismatch(
                        f"interval {show(ids[record['_id']])} was written with {option} {show(recorded)}; "
                        f"got {show(given)}: open it with the same, or choose another prefix"
                    )
        return {ids[record["_id"]]: record["layout"] for record in found}

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Steps[dict[str, str]]:
        """Record layouts that are not there yet."""
        updates = []
        for interval, layout in layouts.items():
            record = {
                "kind": self._place.kind,
                "collection": self._place.collections[interval],
                "layout": layout,
                **self._marks,
            }
            identity = {"_id": self._place.layout_id(interval)}
            updates.append({"q": identity, "u": {"$setOnInsert": record}, "upsert": True})
        refused: list[Refused] = []
        yield from upsert(LAYOUTS, updates, True, refused)
        if refused:
            raise error_of(refused)
        recorded = yield from self.layouts()
        return {interval: recorded[interval] for interval in layouts if interval in recorded}

    def forget_layouts(self, intervals: Sequence[str]) -> Steps[None]:
        """Remove recorded layouts."""
        yield ask.Delete(LAYOUTS, {"_id": {"$in": list(map(self._place.layout_id, intervals))}})

    def write(self, batch: Batch) -> Steps[None]:
        """Upsert one document for each name and bucket."""
        return self._writing.write(batch, self._ahead)

    def read(self, request: Read) -> Steps[Reply]:
        """Return the rows of a range."""
        if request.fetch is not None:
            return (yield from self._fetch(request, request.fetch))
        collection, row = self._place.collections[request.interval], self._documents.row
        first, last = request.first, request.last
        flat, alone = request.resolutions is None, len(request.names) == 1
        if flat and alone and first == last:
            (name,) = request.names
            document = yield ask.FindById(collection, self._place.id(name, first, None))
            return Reply({} if document is None else {name: {first: {None: row(document)}}})
        fields = self._fields | {"interval": 1}
        if not alone:
            fields["name"] = 1
        if not flat:
            fields["resolution"] = 1
        buckets: Buckets = {}
        data: dict[str, Buckets] = {request.names[0]: buckets} if alone else {}
        for some in portions(request.names):
            found = yield ask.Find(collection, self._place.filter(some, first, last), fields)
            for document in found:
                if not alone:
                    buckets = data.setdefault(document["name"], {})
                i = int(document["interval"])
                if flat:
                    buckets[i] = {None: row(document)}
                else:
                    buckets.setdefault(i, {})[int(document["resolution"])] = row(document)
        return Reply(data)

    def _fetch(self, request: Read, fetch: Callable[..., Any]) -> Steps[Reply]:
        """Ask the caller's own fetch, name by name."""
        collection, row = self._place.collections[request.interval], self._documents.row
        one = request.first == request.last and request.resolutions is None
        data: dict[str, Buckets] = {}
        for name in request.names:
            keywords = {
                "spec": self._place.filter([name], request.first, request.last),
                "sort": None if one else list(_BY_INTERVAL),
                "method": "find_one" if one else "find",
            }
            found = yield ask.Fetch(collection, fetch, keywords)
            records = [found] if one and found is not None else found or ()
            if not isinstance(records, Iterable):
                raise _misshapen(one, found)
            for record in records:
                try:
                    i = request.first if one else int(record["interval"])
                    r = None if one else _plain(record.get("resolution"))
                    value = row(record)
                except (KeyError, TypeError, AttributeError) as error:
                    raise _misshapen(one, record) from error
                data.setdefault(name, {}).setdefault(i, {})[r] = value
        return Reply(data)

    def names(self, scope: Scope, *, primary: bool = False) -> Steps[set[str]]:
        """Return the names with data; as the primary knows them, or as the caller's read preference says."""
        found: set[str] = set()
        for interval, first in scope.items():
            yield from self._add_names(found, self._place.collections[interval], first, primary)
        return found

    def _add_names(self, found: set[str], collection: str, first: int | None, primary: bool) -> Steps[None]:
        """Read the names of a collection.

        MongoDB skips from name to name at the price of three keys of the index: where names have a bucket or two it
        is better to read all keys. Which it is shows as they come.
        """
        where, fields = self._place.filter(first=first), {"_id": 0, "name": 1}
        limit = _KEYS
        while True:
            keys = yield ask.Find(collection, where, fields, _BY_NAME, limit, primary)
            some = {key["name"] for key in keys}
            found |= some
            if len(keys) < limit:
                return
            where["name"] = {"$gt": keys[-1]["name"]}
            if 2 * len(some) < limit:
                found.update((yield ask.Distinct(collection, where, "name", primary)))
                return
            limit = _MORE_KEYS

    def span(self, name: str, interval: str, at_least: int | None) -> Steps[tuple[int, int] | None]:
        """Return the first and last bucket with data."""
        collection, where = self._place.collections[interval], self._place.filter([name], at_least)
        ends = []
        for direction in (1, -1):
            sort = [("interval", direction)]
            found = yield ask.Find(collection, where, {"_id": 0, "interval": 1}, sort, limit=1)
            if not found:
                return None
            ends.append(int(found[0]["interval"]))
        return ends[0], ends[1]

    def delete(self, names: Sequence[str], scope: Scope) -> Steps[int]:
        """Remove names."""
        live: set[str] = set()
        everlasting_first = sorted(scope.items(), key=lambda item: item[1] is not None)
        for some in portions(names):
            for interval, first in everlasting_first:
                collection, where = self._place.collections[interval], self._place.filter(some)
                if len(some) == 1 and first is None:
                    if (yield ask.Delete(collection, where)):
                        live.update(some)
                    continue
                if not live.issuperset(some):  # else it is known how many there were
                    lives = self._place.filter(some, first)
                    live.update((yield ask.Distinct(collection, lives, "name", primary=True)))
                yield ask.Delete(collection, where)
        return len(live)

    def delete_all(self, scope: Scope) -> Steps[int]:
        """Remove all names at once."""
        live = yield from self.names(scope, primary=True)
        for interval in scope:
            yield ask.Delete(self._place.collections[interval], self._place.filter())
        yield from self.forget_layouts(tuple(scope))
        return len(live)


def _warn(index: Mapping[str, Any], collection: str, error: Exception) -> None:
    """Say at the caller's line that an index is missing, and what that means."""
    so = "MongoDB will not remove dead buckets" if index is TTL_INDEX else "reads will be slow"
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] in ("kairos", __package__):
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"the index {index['key']} of the collection {show(collection)} could not be created, so that {so}: {error}",
        RuntimeWarning,
        stacklevel=level,
    )


def _serves(index: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether an index that is there does what one that is wanted would."""
    keys = list(index["key"].items())
    if wanted is TTL_INDEX:
        return keys == list(wanted["key"].items()) and "expireAfterSeconds" in index
    return (
        keys[: len(wanted["key"])] == list(wanted["key"].items()) and "partialFilterExpression" not in index
    )


def _misshapen(one: bool, found: Any) -> InvalidType:
    wanted = "a record with value, or None" if one else "records with value, interval and resolution"
    return InvalidType(f"fetch must return {wanted}; got {show(found)}")


def _plain(number: int | None) -> int | None:
    return None if number is None else int(number)
