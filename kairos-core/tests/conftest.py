"""Fixtures of the core's tests: a clock that stands still, places in memory, a backend with limits."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from kairos import Timeseries, plugins
from kairos.memory import CAPABILITIES, Store
from kairos.storage import Values

BACKEND = Path(__file__).parent / "limited_backend"

TEXT = Values(types=frozenset({int, float, str}), text=True, int_range=None, max_bytes=None)


@pytest.fixture
def now() -> list[float]:
    """The clock of every timeseries in a test: ``now[0]`` seconds since the epoch."""
    return [600.0]


@pytest.fixture
def make(now: list[float]) -> Iterator[Callable[..., Timeseries]]:
    """Return a function that makes timeseries in one place of the test's own."""
    place, made = Store(), []

    def make(kind: str = "series", *, target: Any = place, **options: Any) -> Timeseries:
        defaults: dict[str, Any] = {"intervals": {"m": {"step": 60}}, "clock": lambda: now[0]}
        options = defaults | options
        made.append(Timeseries(target, type=kind, **options))
        return made[-1]

    yield make
    for timeseries in made:
        timeseries.close()


@pytest.fixture(scope="session")
def limited() -> Iterator[Callable[..., Any]]:
    """Return a function that makes a client of the backend in ``limited_backend/``, with capabilities changed."""
    sys.path.insert(0, str(BACKEND))
    plugins._found.cache_clear()  # entry points are looked up once per process
    module = importlib.import_module("kairos_test_limited")

    def place(**changes: Any) -> Any:
        if changes.pop("text", False):
            changes["values"] = TEXT
        return module.Place(attrs.evolve(CAPABILITIES, **changes))

    yield place
    sys.path.remove(str(BACKEND))
    del sys.modules["kairos_test_limited"]
    plugins._found.cache_clear()


@pytest.fixture(params=["folds", "no folds"])
def reading(
    request: pytest.FixtureRequest, make: Callable[..., Timeseries], limited: Callable[..., Any]
) -> Callable[..., Timeseries]:
    """``make``, in a place that merges rows and transforms them itself, and in one that leaves that to the core."""
    place = limited() if request.param == "folds" else limited(folds=frozenset(), transforms=frozenset())

    def reading(kind: str = "series", **options: Any) -> Timeseries:
        return make(kind, **({"target": place} | options))

    return reading
