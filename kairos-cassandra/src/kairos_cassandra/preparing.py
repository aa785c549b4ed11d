"""Prepared statements, and binding values to them without looking each one up."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from typing import Any

from attrs import define
from cassandra.policies import FallthroughRetryPolicy, RetryPolicy
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement

from .rounds import Request

__all__ = [
    "Once",
    "Prepared",
    "Repeatable",
    "Values",
    "batch",
    "batches",
    "far_ahead",
    "pack_int",
    "pack_long",
    "size",
]

Values = list[Any]
"""The values of a statement, serialized; None: null."""

pack_long = struct.Struct(">q").pack
pack_int = struct.Struct(">i").pack

Once = FallthroughRetryPolicy
"""Nothing is sent again: for counters."""

_TRIES = 3
_BYTES = 40_000
"""The server warns of batches from 5 KiB over several partitions, and refuses them from 50 KiB."""
_ROWS = 100
"""What a batch of one partition gains by more than this many rows is little."""


class Repeatable(RetryPolicy):  # type: ignore[misc]
    """Sends again what may be: reads, and rows that have a key of their own. Three times, on the next host."""

    def on_read_timeout(self, query: Any, *args: Any, retry_num: int = 0, **kwargs: Any) -> Any:
        """Try again."""
        return self._again(query, retry_num)

    def on_write_timeout(self, query: Any, *args: Any, retry_num: int = 0, **kwargs: Any) -> Any:
        """Try again: the same row is written."""
        return self._again(query, retry_num)

    def on_unavailable(self, query: Any, *args: Any, retry_num: int = 0, **kwargs: Any) -> Any:
        """Ask another coordinator, once: it may see more replicas."""
        return self._again(query, retry_num + _TRIES - 1)

    def on_request_error(self, query: Any, consistency: Any, error: Any, retry_num: int) -> Any:
        """Try the next host: the connection was lost, or the server is overloaded."""
        return self._again(query, retry_num)

    def _again(self, query: Any, retry_num: int) -> Any:
        if retry_num >= _TRIES:
            return self.RETHROW, None
        return self.RETRY_NEXT_HOST, None


def far_ahead() -> int:
    """Return a timestamp for what removes rows that are never written again: no clock is a day ahead."""
    return time.time_ns() // 1_000 + 86_400_000_000


@define(eq=False)
class Prepared:
    """A prepared statement."""

    statement: PreparedStatement
    writes: int = 0

    def __call__(self, *values: Any) -> Request:
        """Return a request with values of Python."""
        return Request(self.statement.bind(values), self.writes)

    def packed(self, values: Values) -> Request:
        """Return a request with serialized values."""
        bound = BoundStatement(self.statement)
        bound.values = values
        return Request(bound, self.writes)


def batches(
    kind: BatchType, prepared: Prepared, many: Sequence[Values], *, alike: bool = False
) -> list[Request]:
    """Return requests that execute a statement with many values, serialized, all of one partition.

    None is larger than the server takes without a warning, unless one row alone is. ``alike``: rows are as long as the
    first, within a few bytes.
    """
    requests = []
    start = total = 0
    one = size(many[0]) + 16 if alike else 0
    for at, values in enumerate(many):
        own = one or size(values)
        if at > start and (total + own > _BYTES or at - start >= _ROWS):
            requests.append(batch(kind, prepared, many[start:at]))
            start, total = at, 0
        total += own
    return [*requests, batch(kind, prepared, many[start:])]


def size(values: Values) -> int:
    """Return how many bytes values have."""
    return sum(len(value) for value in values if value is not None)


def batch(kind: BatchType, prepared: Prepared, many: Sequence[Values]) -> Request:
    """Return one request that executes a statement with many values, serialized; its partition is the first's."""
    bound = prepared.packed(many[0]).statement
    if len(many) == 1:
        return Request(bound, prepared.writes, size(many[0]))
    whole = BatchStatement(kind, bound.retry_policy, bound.consistency_level)
    whole.is_idempotent = bound.is_idempotent
    for values in many:
        bound.values = values  # the batch takes them, not the statement
        whole.add(bound)
    return Request(whole, len(many), len(many) * size(many[-1]))
