"""The keys of a place. Pure.

Data keys are those of kairos 0.10, byte for byte: ``prefix + name:interval:bucket``, with resolution a set of
resolution buckets there, and the data under ``…:resolution_bucket``. No two rows share a key: read from the end, a key
is ``interval:bucket`` or ``interval:bucket:resolution_bucket``; buckets are numbers, and an interval's name is none and
has no ``:``. What comes before is the name, whatever it holds.

Keys of the index hold a NUL, which no name does. Those of names, and the layouts, are on one node of a cluster.
"""

from __future__ import annotations

import math
import re
from secrets import token_bytes
from typing import Any

from attrs import define, field, frozen

from kairos.errors import InvalidType, InvalidValue, show
from kairos.intervals import Interval

__all__ = ["IntervalKeys", "Place", "check_interval", "check_prefix"]

DELETED = b"3600"
"""For how many seconds a cluster knows that something was deleted: far longer than a write takes."""


@frozen(kw_only=True)
class IntervalKeys:
    """The keys of one interval of a place.

    Attributes
    ----------
    interval
        The interval.
    name
        Its name, in bytes.
    infix
        What stands between a name and a bucket.
    names
        The key of the sorted set of names with several buckets, scored by the last.
    singles
        The key of the sorted set of names with one bucket, scored by it.
    buckets
        The beginning of the keys of sorted sets of buckets; a name follows.
    record
        What the place records of it: the kind and the layout.
    resolved
        Whether it has a resolution.
    """

    interval: Interval
    name: bytes
    infix: bytes
    names: bytes
    singles: bytes
    buckets: bytes
    record: bytes
    resolved: bool

    @property
    def by_name(self) -> tuple[bytes, bytes]:
        """The keys of both sets of names."""
        return self.names, self.singles

    @property
    def keeps(self) -> float:
        """How long it keeps a bucket, in seconds, about."""
        steps = self.interval.steps
        return math.inf if steps is None else steps * self.interval.step.nominal

    @property
    def steps(self) -> int:
        """How many buckets it keeps; 0: all."""
        return self.interval.steps or 0


@define
class Place:
    """Where a timeseries lies in Redis.

    Parameters
    ----------
    prefix
        What every key begins with.
    kind
        The kind.
    intervals
        The configured intervals.
    """

    prefix: bytes
    kind: str
    intervals: dict[str, IntervalKeys]
    layouts: bytes = field(init=False)
    deleted: bytes = field(init=False)
    """On a cluster: holds something new after each delete, for a while."""
    nothing: bytes = field(init=False)
    """Never there."""
    version: int = field(init=False, default=0)
    """How often :attr:`intervals` has changed."""

    def __attrs_post_init__(self) -> None:
        self.layouts = _together(self.prefix, b"layouts")
        self.deleted = _together(self.prefix, b"deleted")
        self.nothing = _together(self.prefix, b"nothing")

    @classmethod
    def of(cls, prefix: str, kind: str, intervals: Any) -> Place:
        """Return the place of a configuration."""
        start = prefix.encode()
        found = {}
        for interval in intervals.values():
            name = interval.name.encode()
            found[interval.name] = IntervalKeys(
                interval=interval,
                name=name,
                infix=b":%b:" % name,
                names=b"%b:%b" % (_together(start, b"names"), name),
                singles=b"%b:%b" % (_together(start, b"singles"), name),
                buckets=b"%b\0buckets:%b:" % (start, name),
                record=b"%b %b" % (kind.encode(), interval.layout.encode()),
                resolved=interval.resolution is not None,
            )
        return cls(start, kind, found)

    def check_together(self) -> None:
        """Raise InvalidValue if a Cluster would spread the index: a ``{`` in the prefix begins its tag."""
        _, opened, rest = self.prefix.partition(b"{")
        tag, closed, _ = rest.partition(b"}")
        if opened and not (tag and closed):
            raise InvalidValue(
                "on a Cluster a prefix with '{' must have a hash tag, such as '{app}hits', or no brace; "
                f"got {show(self.prefix.decode())}"
            )

    def start(self, name: str, interval: IntervalKeys) -> bytes:
        """Return the beginning of the keys of a name in an interval; a bucket follows."""
        return b"%b%b%b" % (self.prefix, name.encode(), interval.infix)

    def mark(self) -> tuple[bytes, ...]:
        """Return the command that tells writers on a cluster that something was deleted."""
        return (b"SET", self.deleted, token_bytes(8), b"EX", DELETED)


def _together(prefix: bytes, what: bytes) -> bytes:
    """Return a key of a place that lies on one node of a cluster with its other such keys, by its hash tag."""
    return b"%b\0%b{%b}" % (prefix, what, prefix or b"kairos")


def check_interval(name: str) -> str:
    """Return the name of an interval that can stand in a key."""
    if ":" in name or re.fullmatch(r"-?[0-9]+", name):
        raise InvalidValue(
            f"interval {show(name)}: in Redis an interval's name must have no ':' and not be a number: "
            "keys are name:interval:bucket"
        )
    return name


def check_prefix(prefix: Any) -> str:
    """Return the prefix with its ``:``."""
    if not isinstance(prefix, str):
        raise InvalidType(f"prefix must be a str; got {show(prefix)} ({type(prefix).__name__})")
    if "\0" in prefix or any("\ud800" <= character <= "\udfff" for character in prefix):
        raise InvalidValue(f"prefix must be a str without NUL and lone surrogates; got {show(prefix)}")
    prefix = str.__str__(prefix)
    return prefix if not prefix or prefix.endswith(":") else f"{prefix}:"
