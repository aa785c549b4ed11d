"""Time series in the database that you already run.

``Timeseries`` records what happens over time (series, histograms, counts, gauges and sets) in buckets of
seconds, days, weeks, months or years, and reads them back merged and transformed. Backends are plugins.
"""

from .aio import AsyncTimeseries
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
