"""Time series in the database that you already run.

``Timeseries`` records what happens over time (series, histograms, counts, gauges and sets) in buckets of
seconds, days, weeks, months or years, and reads them back merged and transformed. Backends are plugins.
"""

from typing import TYPE_CHECKING, Any

from .errors import (
    AmbiguousBackend,
    BackendNotFound,
    Closed,
    InvalidType,
    InvalidValue,
    KairosError,
    SchemaMismatch,
    UnknownInterval,
    Unsupported,
)
from .hookspecs import hookimpl
from .timeseries import Timeseries
from .writes import Written

if TYPE_CHECKING:
    from .aio import AsyncTimeseries

__all__ = [
    "AmbiguousBackend",
    "AsyncTimeseries",
    "BackendNotFound",
    "Closed",
    "InvalidType",
    "InvalidValue",
    "KairosError",
    "SchemaMismatch",
    "Timeseries",
    "UnknownInterval",
    "Unsupported",
    "Written",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    """Import ``AsyncTimeseries`` when it is asked for: asyncio costs more than the rest of this package."""
    if name == "AsyncTimeseries":
        from .aio import AsyncTimeseries

        return AsyncTimeseries
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
