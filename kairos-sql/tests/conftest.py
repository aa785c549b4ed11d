"""Fixtures: configurations, storages and timeseries that are closed when a test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kairos import Timeseries
from kairos.intervals import parse_intervals, parse_zone
from kairos.storage import Batch, Config, Write
from kairos_sql.plugin import kairos_open
from kairos_sql.storage import SQLStorage

INTERVALS = {"minute": {"step": 60, "steps": 5}, "hour": {"step": 3600, "resolution": 60}}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.sqlite'}"


@pytest.fixture
def config() -> Callable[..., Config]:
    """Return a function that makes what the core gives to the hook."""

    def config(kind: str, intervals: Any = INTERVALS, client_config: Any = None, **options: Any) -> Config:
        parsed = parse_intervals(intervals, parse_zone("UTC"))
        return Config(kind, parsed, dict(client_config or {}), options)

    return config


@pytest.fixture
def opened(config: Callable[..., Config]) -> Iterator[Callable[..., SQLStorage]]:
    """Return a function that opens a storage and makes it ready."""
    storages: list[SQLStorage] = []

    def opened(target: Any, kind: str = "count", **options: Any) -> SQLStorage:
        storage = kairos_open(target, config(kind, **options))
        assert storage is not None
        storages.append(storage)
        storage.ready()
        return storage

    yield opened
    for storage in storages:
        storage.close()


@pytest.fixture
def timeseries() -> Iterator[Callable[..., Timeseries]]:
    """Return a function that opens a timeseries."""
    made: list[Timeseries] = []

    def timeseries(target: Any, kind: str = "count", **options: Any) -> Timeseries:
        defaults = {"intervals": INTERVALS, "clock": lambda: 600}
        made.append(Timeseries(target, type=kind, **(defaults | options)))
        return made[-1]

    yield timeseries
    for one in made:
        one.close()


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Return a function that makes a batch of ``(interval, i, r, {name: payload})``."""

    def batch(*writes: tuple[str, int, int | None, dict[str, Any]]) -> Batch:
        return Batch([Write(interval, i, r, None, rows) for interval, i, r, rows in writes], 0.0, {})

    return batch
