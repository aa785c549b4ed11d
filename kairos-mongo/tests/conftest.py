"""Fixtures: configurations, fresh databases of a real server, and timeseries that are closed when a test ends."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from pymongo import MongoClient, monitoring
from pymongo.database import Database

from kairos import Timeseries
from kairos.intervals import parse_intervals, parse_zone
from kairos.storage import Config

INTERVALS = {"minute": {"step": 60, "steps": 5}, "hour": {"step": 3600, "resolution": 60}}

FORGOTTEN = "unclosed <socket"

_numbers = count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the kit cancel calls that are just connecting: PyMongo forgets to close their sockets (PYTHON-5867)."""
    for item in items:
        if _cancels(item):
            item.add_marker(pytest.mark.filterwarnings(f"ignore:{FORGOTTEN}:ResourceWarning"))


@pytest.fixture(autouse=True)
def collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collect these sockets at the test's end, that no other test pays for them."""
    yield
    if _cancels(request.node):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", FORGOTTEN, ResourceWarning)
            gc.collect()


def _cancels(item: Any) -> bool:
    return getattr(item, "originalname", None) == "test_cancelling"


@pytest.fixture(scope="session")
def primary() -> Callable[[Any], Any]:
    """Return a function that gives the node that is the primary, once there is one."""

    def primary(engine: Any) -> Any:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for node in engine.nodes:
                if node.running:
                    with MongoClient[Any](node.host, node.port, directConnection=True) as client:
                        if client.admin.command("hello")["isWritablePrimary"]:
                            return node
            time.sleep(0.1)
        raise AssertionError("no primary within 60 seconds")

    return primary


@pytest.fixture
def config() -> Callable[..., Config]:
    """Return a function that makes what the core gives to the hook."""

    def config(
        kind: str = "count", intervals: Any = INTERVALS, client_config: Any = None, **options: Any
    ) -> Config:
        parsed = parse_intervals(intervals, parse_zone("UTC"))
        return Config(kind, parsed, dict(client_config or {}), options)

    return config


@pytest.fixture
def url(engine: Any) -> str:
    """Return the URL of a fresh database on a server that is in no set."""
    return engine("mongo").url.replace("/kairos", f"/test{next(_numbers)}")


@pytest.fixture
def database(url: str) -> Iterator[Database[Any]]:
    """Return that database, to look at raw documents."""
    with MongoClient[Any](url) as client:
        yield client.get_default_database()


class Commands(monitoring.CommandListener):
    """Notes the commands that a client sends: give it to ``client_config["event_listeners"]``."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass

    def named(self, *names: str) -> list[Any]:
        """Return the commands of these names."""
        return [command for command in self.sent if next(iter(command)) in names]


@pytest.fixture
def commands() -> Commands:
    """Return what notes commands."""
    return Commands()


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
