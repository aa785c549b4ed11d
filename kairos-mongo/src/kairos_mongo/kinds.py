"""What each kind keeps in the field ``value``: the update that adds to it, and the row that it is. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from bson.int64 import Int64

from .keys import Keys

__all__ = ["KindDocuments", "kind_documents"]

Document = Mapping[str, Any]


_EACH = 100
"""Values that ``$addToSet`` takes one by one; it compares each with all that are there, ``$setUnion`` sorts."""

_DOCUMENT = 15 * 2**20
_OVERHEAD = 48  # bytes of a number or a datetime in an array or as a key, at most
_ESCAPED = 5  # bytes of a character as part of a key, at most
_SIZED = frozenset({str, bytes})


class KindDocuments(ABC):
    """How one kind is kept."""

    fields: ClassVar[tuple[str, ...]] = ("value",)
    """The fields that :meth:`row` looks at."""

    numbers: ClassVar[bool] = False
    """Whether a payload is a number, so that thousands fit a message."""

    @abstractmethod
    def change(self, payload: Any) -> dict[str, Any]:
        """Return the update that adds a payload to a document, or to none."""

    def union(self, payload: Any) -> dict[str, Any] | None:
        """Return the expression that gives ``value`` with a payload added, where that beats :meth:`change`."""
        return None

    @abstractmethod
    def start(self, payload: Any) -> dict[str, Any]:
        """Return the fields of a new document that has this payload alone: those that :meth:`change` would make."""

    @abstractmethod
    def row(self, document: Document) -> Any:
        """Return the row of a document."""

    def alone(self, payload: Any) -> bool:
        """Return whether a payload is a single value."""
        return len(payload) == 1

    def bulky(self, payload: Any) -> bool:
        """Return whether a payload might be too much for one document, by a look at its values."""
        if len(payload) == 1:
            return False
        size = _OVERHEAD * len(payload)
        if not _SIZED.isdisjoint(map(type, payload)):
            size += sum(_ESCAPED * len(value) for value in payload if type(value) in _SIZED)
        return size > _DOCUMENT


def _plain(value: Any) -> Any:
    """Return a value as kairos takes it: the driver reads 64-bit integers as a subclass of int."""
    return int(value) if type(value) is Int64 else value


class _Series(KindDocuments):
    def change(self, payload: list[Any]) -> dict[str, Any]:
        return {"$push": {"value": payload[0] if len(payload) == 1 else {"$each": payload}}}

    def start(self, payload: list[Any]) -> dict[str, Any]:
        return {"value": payload}

    def row(self, document: Document) -> list[Any]:
        values: list[Any] = document["value"]
        return list(map(_plain, values)) if Int64 in set(map(type, values)) else values


class _Set(KindDocuments):
    def change(self, payload: set[Any]) -> dict[str, Any]:
        return {"$addToSet": {"value": {"$each": list(payload)}}}

    def union(self, payload: set[Any]) -> dict[str, Any] | None:
        if len(payload) <= _EACH:
            return None
        return {"$setUnion": [{"$ifNull": ["$value", []]}, {"$literal": list(payload)}]}

    def start(self, payload: set[Any]) -> dict[str, Any]:
        return {"value": list(payload)}

    def row(self, document: Document) -> set[Any]:
        return set(map(_plain, document["value"]))


class _Gauge(KindDocuments):
    def change(self, payload: Any) -> dict[str, Any]:
        return {"$set": {"value": payload}}

    def start(self, payload: Any) -> dict[str, Any]:
        return {"value": payload}

    def alone(self, payload: Any) -> bool:
        return True

    def bulky(self, payload: Any) -> bool:
        return False

    def row(self, document: Document) -> Any:
        return _plain(document["value"])


class _Count(KindDocuments):
    """Whole increments and others apart: 2**53 + 1 and 0.5 in one number would be rounded."""

    fields = ("value", "fraction")
    numbers = True

    def change(self, payload: float) -> dict[str, Any]:
        if type(payload) is int:
            return {"$inc": {"value": payload}}
        return {"$inc": {"value": 0, "fraction": payload}}

    def start(self, payload: float) -> dict[str, Any]:
        return {"value": payload} if type(payload) is int else {"value": 0, "fraction": payload}

    def alone(self, payload: float) -> bool:
        return True

    def bulky(self, payload: float) -> bool:
        return False

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
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def change(self, payload: Mapping[Any, int]) -> dict[str, Any]:
        write = self._keys.write
        return {"$inc": {f"value.{write(value)}": count for value, count in payload.items()}}

    def start(self, payload: Mapping[Any, int]) -> dict[str, Any]:
        write = self._keys.write
        return {"value": {write(value): count for value, count in payload.items()}}

    def row(self, document: Document) -> dict[Any, int]:
        row: dict[Any, int] = {}
        read = self._keys.read
        for key, count in document["value"].items():
            value = read(key)  # keys of two types can be equal: 1, 1.0, True
            row[value] = row.get(value, 0) + int(count)
        return row


def kind_documents(kind: str, keys: Keys) -> KindDocuments:
    """Return how a kind is kept."""
    if kind == "histogram":
        return _Histogram(keys)
    plain: Mapping[str, type[KindDocuments]] = {
        "series": _Series,
        "count": _Count,
        "gauge": _Gauge,
        "set": _Set,
    }
    return plain[kind]()
