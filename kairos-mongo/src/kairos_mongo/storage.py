"""The storage: the protocol, driven by PyMongo's client that waits."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pymongo import MongoClient

from kairos.sansio import run
from kairos.storage import KINDS, Batch, Capabilities, Read, Reply, Scope, Storage, Values

from .driver import Driver
from .protocol import Protocol
from .requests import Request
from .values import MAX_NAME_BYTES

__all__ = ["MongoStorage", "capabilities_of"]

Result = TypeVar("Result")


def capabilities_of(values: Values) -> Capabilities:
    """Return what a storage in MongoDB can do."""
    return Capabilities(
        kinds=KINDS,
        values=values,
        max_name_bytes=MAX_NAME_BYTES,
        expiry=dict.fromkeys(KINDS, "native"),
        float_counts=True,
        checked_totals=True,
        atomic_batch=False,
        shared=True,
        custom_fetch=True,
        write_options=frozenset(),
        folds=frozenset(),
        transforms=frozenset(),
    )


class MongoStorage(Storage):
    """One timeseries in a MongoDB database.

    Parameters
    ----------
    protocol
        What to ask.
    driver
        Who asks.
    values
        The values that this timeseries takes.
    client
        The client to close; None if it is the caller's.
    """

    def __init__(
        self, protocol: Protocol, driver: Driver, values: Values, client: MongoClient[Any] | None
    ) -> None:
        self._protocol = protocol
        self._driver = driver
        self._client = client
        self.capabilities = capabilities_of(values)

    def _run(self, protocol: Generator[Request, Any, Result]) -> Result:
        return run(protocol, self._driver.send)

    def ready(self) -> None:
        """Connect, and create the indexes that are missing."""
        self._run(self._protocol.ready())

    def layouts(self) -> Mapping[str, str]:
        """Return the recorded layouts."""
        return self._run(self._protocol.layouts())

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Record layouts that are not there yet."""
        return self._run(self._protocol.record_layouts(layouts))

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove recorded layouts."""
        self._run(self._protocol.forget_layouts(intervals))

    def write(self, batch: Batch) -> None:
        """Store a batch."""
        self._run(self._protocol.write(batch))

    def read(self, request: Read) -> Reply:
        """Return the rows of a range."""
        return self._run(self._protocol.read(request))

    def names(self, scope: Scope) -> Iterable[str]:
        """Return the names with data."""
        return self._run(self._protocol.names(scope))

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket with data."""
        return self._run(self._protocol.span(name, interval, at_least))

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove names."""
        return self._run(self._protocol.delete(names, scope))

    def delete_all(self, scope: Scope) -> int:
        """Remove all names at once."""
        return self._run(self._protocol.delete_all(scope))

    def close(self) -> None:
        """Close the client that the URL made."""
        if self._client is not None:
            self._client.close()
