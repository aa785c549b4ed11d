"""The storage: the protocol, driven by PyMongo's client that waits."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient

from kairos.sansio import ProtocolStorage
from kairos.storage import KINDS, Capabilities, Values

from .driver import Driver
from .protocol import Protocol
from .requests import Request
from .values import MAX_NAME_BYTES

__all__ = ["MongoStorage", "capabilities_of"]


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


class MongoStorage(ProtocolStorage):
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
        self.protocol = protocol
        self._driver = driver
        self._client = client
        self.capabilities = capabilities_of(values)

    def send(self, request: Request) -> Any:
        """Carry a request out."""
        return self._driver.send(request)

    def close(self) -> None:
        """Close the client that the URL made."""
        if self._client is not None:
            self._client.close()
