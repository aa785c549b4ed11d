"""What each kind keeps in the field ``value``: the update that adds to it, and the row that it is. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bson.int64 import Int64

from .keys import Keys

__all__ = ["KindDocuments", "kind_documents"]

Document = Mapping[str, Any]

_EACH = 100
"""Values that ``$addToSet`` takes one by one; it compares each with all that are there, ``$setUnion`` sorts."""

_OVERHEAD = 48  # bytes of a number or a datetime in an array or as a key, at most
_ESCAPED = 5  # bytes of a character as part of a key, at most
_SIZED = frozenset({str, bytes})


class KindDocuments(ABC):
    """How one kind is kept.

    Parameters
    ----------
    types
        The types of its values: what needs no look is not looked at.
    """

    fields: ClassVar[tuple[str, ...]] = ("value",)
    """The fields that :meth:`row` looks at."""

    numbers: ClassVar[bool] = False
    """Whether a payload is a number, of no size that counts."""

    def __init__(self, types: frozenset[type]) -> None:
        self._sized = types & _SIZED
        self._ints = int in types

    @abstractmethod
    def change(self, new: Document) -> dict[str, Any]:
        """Return the update that adds what a new document holds to one that is there, or to none."""

    def union(self, new: Document) -> dict[str, Any] | None:
        """Return the expression that gives ``value`` with that added, where it beats :meth:`change`."""
        return None

    def begin(self, documents: Sequence[dict[str, Any]]) -> None:
        """Turn documents that hold a payload in ``value`` into new ones, which hold it as MongoDB does."""
        return None

    @abstractmethod
    def row(self, document: Document) -> Any:
        """Return the row of a document."""

    def size(self, payload: Any) -> int:
        """Return how many bytes a payload takes, at most, by a look at its values."""
        size = _OVERHEAD * len(payload)
        if self._sized and self._sized & set(map(type, payload)):
            size += sum(_ESCAPED * len(value) for value in payload if type(value) in _SIZED)
        return size


def _plain(value: Any) -> Any:
    """Return a value as kairos takes it: the driver reads 64-bit integers as a subclass of int."""
    return int(value) if type(value) is Int64 else value


class _Series(KindDocuments):
    def change(self, new: Document) -> dict[str, Any]:
        values = new["value"]
        return {"$push": {"value": values[0] if len(values) == 1 else {"$each": values}}}

    def row(self, document: Document) -> list[Any]:
        values: list[Any] = document["value"]
        return list(map(_plain, values)) if self._ints and Int64 in set(map(type, values)) else values


class _Set(KindDocuments):
    def change(self, new: Document) -> dict[str, Any]:
        return {"$addToSet": {"value": {"$each": new["value"]}}}

    def union(self, new: Document) -> dict[str, Any] | None:
        values = new["value"]
        if len(values) <= _EACH:
            return None
        return {"$setUnion": [{"$ifNull": ["$value", []]}, {"$literal": values}]}

    def begin(self, documents: Sequence[dict[str, Any]]) -> None:
        for document in documents:
            document["value"] = list(document["value"])

    def row(self, document: Document) -> set[Any]:
        values = document["value"]
        return set(map(_plain, values) if self._ints else values)


class _Gauge(KindDocuments):
    def change(self, new: Document) -> dict[str, Any]:
        return {"$set": {"value": new["value"]}}

    def size(self, payload: Any) -> int:
        return super().size((payload,))

    def row(self, document: Document) -> Any:
        return _plain(document["value"])


class _Count(KindDocuments):
    """Whole increments and others apart: 2**53 + 1 and 0.5 in one number would be rounded."""

    fields = ("value", "fraction")
    numbers = True

    def change(self, new: Document) -> dict[str, Any]:
        return {"$inc": {field: new[field] for field in self.fields if field in new}}

    def begin(self, documents: Sequence[dict[str, Any]]) -> None:
        for document in [one for one in documents if type(one["value"]) is float]:
            document["fraction"], document["value"] = document["value"], 0

    def size(self, payload: float) -> int:
        return 0

    def row(self, document: Document) -> float:
        value, fraction = document["value"], document.get("fraction")
        if fraction is None and type(value) is not float:
            return int(value)
        part = float(fraction or 0)
        if type(value) is float:  # as somebody may have written by hand
            value, part = 0, value + part
        if part.is_integer():
            return int(value) + int(part)
        total: float = value + part
        return int(total) if total.is_integer() else total


class _Histogram(KindDocuments):
    def __init__(self, types: frozenset[type], keys: Keys) -> None:
        super().__init__(types)
        self._keys = keys

    def change(self, new: Document) -> dict[str, Any]:
        return {"$inc": {f"value.{key}": count for key, count in new["value"].items()}}

    def begin(self, documents: Sequence[dict[str, Any]]) -> None:
        write = self._keys.write
        for document in documents:
            document["value"] = {write(value): count for value, count in document["value"].items()}

    def row(self, document: Document) -> dict[Any, int]:
        row: dict[Any, int] = {}
        read = self._keys.read
        for key, count in document["value"].items():
            value = read(key)  # keys of two types can be equal: 1, 1.0, True
            row[value] = row.get(value, 0) + int(count)
        return row


def kind_documents(kind: str, types: frozenset[type], keys: Keys) -> KindDocuments:
    """Return how a kind is kept."""
    if kind == "histogram":
        return _Histogram(types, keys)
    plain: Mapping[str, type[KindDocuments]] = {
        "series": _Series,
        "count": _Count,
        "gauge": _Gauge,
        "set": _Set,
    }
    return plain[kind](types)
