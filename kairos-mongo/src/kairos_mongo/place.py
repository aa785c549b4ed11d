"""Where a timeseries' documents are, and how one is found. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field
from bson import MaxKey

from kairos.errors import InvalidValue, show
from kairos.intervals import Interval

__all__ = ["INDEX", "LAYOUTS", "TTL_INDEX", "Place", "expire_at", "offset_of", "portions"]

LAYOUTS = "kairos_layouts"
"""The collection of the recorded layouts, one in each database."""

INDEX: Mapping[str, Any] = {
    "name": "kairos",
    "key": {"kind": 1, "name": 1, "interval": 1, "resolution": 1},
}
TTL_INDEX: Mapping[str, Any] = {
    "name": "kairos_expire_at",
    "key": {"expire_at": 1},
    "expireAfterSeconds": 0,
    "partialFilterExpression": {  # a collection may hold documents of somebody else's
        "expire_at": {"$type": "date"},
        "kind": {"$type": "string"},
        "name": {"$type": "string"},
        "interval": {"$type": "number"},
    },
}

_MAX_NAMESPACE = 255
_NAMES_AT_ONCE = 1000

_EPOCH = datetime(1970, 1, 1)
_LAST = int((datetime.max - _EPOCH).total_seconds())
_NEVER = MaxKey()
_SLACK = 600


def offset_of(now: float, ahead: float) -> int:
    """Return by how much the server's clock is ahead of the caller's, in whole minutes.

    ``ahead`` is by how much it is ahead of this machine's. Whole minutes, so that a clock that is right gives a
    bucket the same ``expire_at`` with each write, and its entry in the index stays where it is.
    """
    return round((time.time() + ahead - now) / 60) * 60


def expire_at(deadline: int | None, offset: int) -> datetime | MaxKey:
    """Return when MongoDB may remove a bucket: some minutes after its deadline by the caller's clock.

    ``MaxKey``, later than every date, is never: it stays when another handle, with fewer ``steps``, writes too.
    """
    if deadline is None:
        return _NEVER
    second = deadline + offset + _SLACK
    return _EPOCH + timedelta(seconds=second) if second < _LAST else _NEVER


@define
class Place:
    """The documents of one timeseries.

    Attributes
    ----------
    kind
        The kind of the timeseries.
    collections
        Interval name -> collection name.
    expiring
        Collections of the intervals whose buckets die.
    """

    kind: str
    collections: Mapping[str, str]
    expiring: frozenset[str]
    _prefix: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._prefix = f"{self.kind}:"

    @classmethod
    def of(cls, kind: str, intervals: Mapping[str, Interval], prefix: str, database: str) -> Place:
        """Return the place for these intervals, or raise InvalidValue for a name that no collection can have."""
        collections = {name: _collection(prefix, name, database) for name in intervals}
        expiring = frozenset(collections[name] for name, own in intervals.items() if own.steps is not None)
        return cls(kind, collections, expiring)

    def id(self, name: str, i: int, r: int | None) -> str:
        """Return the ``_id`` of a bucket's document.

        A name may hold colons, a kind and a number don't: no two buckets have one ``_id``.
        """
        prefix, suffix = self.id_parts(i, r)
        return f"{prefix}{name}{suffix}"

    def id_parts(self, i: int, r: int | None) -> tuple[str, str]:
        """Return what stands before and behind the name in the ``_id`` of a bucket's document."""
        return self._prefix, f":{i}:" if r is None else f":{i}:{r}"

    def filter(
        self, names: Sequence[str] | None = None, first: int | None = None, last: int | None = None
    ) -> dict[str, Any]:
        """Return a filter for names (None: all) and a range of buckets, both ends included (None: no end)."""
        found: dict[str, Any] = {"kind": self.kind}
        if names is not None:
            found["name"] = names[0] if len(names) == 1 else {"$in": list(names)}
        if first is not None and first == last:
            found["interval"] = first
        elif first is not None or last is not None:
            ends = {"$gte": first, "$lte": last}
            found["interval"] = {end: i for end, i in ends.items() if i is not None}
        return found

    def layout_id(self, interval: str) -> str:
        """Return the ``_id`` of an interval's layout."""
        return f"{self._prefix}{self.collections[interval]}"


def portions(names: Sequence[str]) -> list[Sequence[str]]:
    """Return names in portions that fit a query."""
    return [names[start : start + _NAMES_AT_ONCE] for start in range(0, len(names), _NAMES_AT_ONCE)]


def _collection(prefix: str, interval: str, database: str) -> str:
    name = prefix + interval
    what = f"interval {show(interval)}: its collection {show(name)}"
    if "$" in name or name.startswith(("system.", ".")) or name.endswith("."):
        raise InvalidValue(
            f"{what} must not contain '$', start with 'system.', or start or end with a dot; choose another name "
            "or prefix"
        )
    if ".." in name or ".system." in name:
        raise InvalidValue(f"{what} must not contain '..' or '.system.', which MongoDB keeps for itself")
    if name == LAYOUTS:
        raise InvalidValue(f"{what} is kairos' own collection of layouts; choose another name or prefix")
    size = len(f"{database}.{name}".encode())
    if size > _MAX_NAMESPACE:
        raise InvalidValue(
            f"{what} must be at most {_MAX_NAMESPACE} bytes of UTF-8 together with the name of the database; got {size}"
        )
    return name
