"""The storage: kairos' contract on the tables of one timeseries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cassandra import ConsistencyLevel

from kairos.intervals import Interval
from kairos.storage import KINDS, Batch, Buckets, Capabilities, Read, Reply, Scope, Storage

from .catalog import Catalog
from .clusters import Shared, Target, of_session
from .data import DataTable
from .fetching import Table
from .index import Index
from .known import Memo
from .layouts import Layouts
from .preparing import Once, Prepared, Repeatable
from .reading import Reader
from .rounds import together
from .schema import make_ready, patiently, takes_far_deadlines
from .sending import Sender
from .writing import Expiry, Writer

__all__ = ["MAX_NAME_BYTES", "CassandraStorage"]

MAX_NAME_BYTES = 32_768
"""The longest name: what makes a partition's key is 65,535 bytes at most, in all."""


class CassandraStorage(Storage):
    """One timeseries in Cassandra.

    Parameters
    ----------
    target
        What to connect to, or the caller's session.
    keyspace, table_name
        Where the data is.
    data
        The table of the kind.
    counts
        How to count: ``"counter"`` or ``"log"``.
    intervals
        The configured intervals.
    consistency
        A consistency level of the driver, for every statement.
    replication
        Of the keyspace, if it is to be created.
    """

    def __init__(
        self,
        target: Target | Any,
        keyspace: str,
        table_name: str,
        data: DataTable,
        counts: str,
        intervals: Mapping[str, Interval],
        consistency: int,
        replication: dict[str, str] | None,
    ) -> None:
        self._target = target
        self._keyspace = keyspace
        self._table_name = table_name
        self._data = data
        self._intervals = intervals
        self._consistency = consistency
        self._replication = replication
        self._shared: Shared | None = None
        self._sender: Sender
        self._index: Index
        self._layouts: Layouts
        self._writer: Writer
        self._reader: Reader
        self._catalog: Catalog
        self._table: Table
        manual = ("count", "histogram") if counts == "counter" else ()
        self.capabilities = Capabilities(
            kinds=KINDS,
            values=data.column.values,
            max_name_bytes=MAX_NAME_BYTES,
            expiry={kind: "manual" if kind in manual else "native" for kind in sorted(KINDS)},
            float_counts=counts == "log",
            checked_totals=False,
            atomic_batch=False,
            shared=True,
            custom_fetch=True,
            write_options=frozenset(),
            folds=frozenset(),
            transforms=frozenset(),
        )

    def ready(self) -> None:
        """Connect, create what is missing, prepare the statements."""
        if self._shared is None:
            target = self._target
            self._shared = target.acquire() if isinstance(target, Target) else of_session(target)
        shared, data = self._shared, self._data
        make_ready(shared, self._keyspace, self._table_name, data, self._replication)
        self._sender = Sender(shared.session, shared.arguments)
        self._index = patiently(
            lambda: Index(self._prepare, self._keyspace, self._table_name, self._intervals)
        )
        patiently(lambda: data.prepare(self._prepare, self._prepare_once))
        memo = Memo()
        expiry = Expiry(not data.counters and takes_far_deadlines(shared))
        self._layouts = Layouts(self._index, memo, self._intervals, keeps=not data.counters)
        self._writer = Writer(data, self._index, memo, self._layouts, self._intervals, expiry)
        self._reader = Reader(data, self._index, memo, self._intervals)
        self._catalog = Catalog(data, self._index, memo, self._layouts, self._intervals)
        self._table = Table.of(data.name, self._sender, self._reader)

    def _prepare(self, text: str, writes: int) -> Prepared:
        return self._prepared(text, writes, Repeatable())

    def _prepare_once(self, text: str, writes: int) -> Prepared:
        return self._prepared(text, writes, Once())

    def _prepared(self, text: str, writes: int, policy: Any) -> Prepared:
        assert self._shared is not None
        statement = self._shared.prepare(text)
        statement.consistency_level = self._consistency
        statement.serial_consistency_level = ConsistencyLevel.SERIAL
        statement.retry_policy = policy
        statement.is_idempotent = isinstance(policy, Repeatable)
        return Prepared(statement, writes)

    def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        return self._sender.run(self._layouts.read()).layouts

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return self._sender.run(self._layouts.record(layouts))

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        self._sender.run(self._layouts.forget(intervals))

    def write(self, batch: Batch) -> None:
        """Store a batch."""
        self._sender.run(self._writer.write(batch))

    def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        interval, first, last = request.interval, request.first, request.last
        if request.fetch is not None:
            return self._fetch(request, request.fetch)
        read = self._reader.read
        if len(request.names) == 1:
            (name,) = request.names
            return Reply({name: self._sender.run(read(name, interval, first, last))})
        answers: list[Buckets] = self._sender.run(
            together([read(name, interval, first, last) for name in request.names])
        )
        return Reply(dict(zip(request.names, answers, strict=True)))

    def _fetch(self, request: Read, fetch: Any) -> Reply:
        assert self._shared is not None
        session, buckets = self._shared.session, request.buckets()
        return Reply(
            {name: fetch(session, self._table, name, request.interval, buckets) for name in request.names}
        )

    def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return self._sender.run(self._catalog.names(scope))

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return self._sender.run(self._catalog.span(name, interval, at_least))

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        return self._sender.run(self._catalog.delete(names, scope))

    def delete_all(self, scope: Scope) -> int:
        """Remove all names' data, and the recorded layouts, of the intervals of ``scope``; count the names."""
        return self._sender.run(self._catalog.delete_all(scope))

    def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        """Remove dead buckets; only where rows are counters."""
        if not self._data.counters:
            super().expire(scope, names)
        self._sender.run(self._catalog.expire(scope, names))

    def close(self) -> None:
        """Release the session of a URL."""
        shared, self._shared = self._shared, None
        if shared is not None and isinstance(self._target, Target):
            self._target.release(shared)
