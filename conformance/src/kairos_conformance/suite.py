"""The suite: one class to subclass, one fixture to give."""

from __future__ import annotations

from .laws.asynchronous import AsyncioLaws
from .laws.capabilities import CapabilityLaws
from .laws.concurrency import ConcurrencyLaws
from .laws.construction import ConstructionLaws
from .laws.counts import CountLaws
from .laws.faults import FaultLaws
from .laws.histories import HistoryLaws
from .laws.metadata import MetadataLaws
from .laws.reading import ReadingLaws
from .laws.retention import RetentionLaws
from .laws.storage import StorageLaws
from .laws.times import TimeLaws
from .laws.transforms import TransformLaws
from .laws.values import ValueLaws
from .laws.writing import WritingLaws

__all__ = ["Suite"]


class Suite(
    StorageLaws,
    CapabilityLaws,
    ConstructionLaws,
    TimeLaws,
    WritingLaws,
    ValueLaws,
    CountLaws,
    RetentionLaws,
    ReadingLaws,
    TransformLaws,
    MetadataLaws,
    ConcurrencyLaws,
    AsyncioLaws,
    FaultLaws,
    HistoryLaws,
):
    """What every kairos backend is held to.

    Subclass it in a test module, with a class-scoped fixture ``target`` that gives a URL or a live client of a
    place that the suite may fill; name the class ``Test…``. Options of the timeseries go to :attr:`options` (or
    :meth:`options_for`, where kinds need different ones).

    Examples
    --------
    >>> import pytest
    >>> class TestMine(Suite):
    ...     options = {"plugins": False}
    ...
    ...     @pytest.fixture(scope="class")
    ...     @classmethod
    ...     def target(cls):
    ...         yield "memory://kit"
    """
