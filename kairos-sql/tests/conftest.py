"""Fixtures: configurations, storages and timeseries that are closed when a test ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

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


SERVERS = {
    "postgresql": ("postgresql", "postgresql+psycopg"),
    "mariadb": ("mariadb", "mysql+pymysql"),
    "mariadb mysqlclient": ("mariadb", "mysql+mysqldb"),
    "mysql": ("mysql", "mysql+pymysql"),
    "mysql mysqlclient": ("mysql", "mysql+mysqldb"),
}
"""Server and driver -> the engine's name and the scheme of its URL."""

_numbers = count()


@pytest.fixture
def database(engine: Callable[..., Any]) -> Callable[..., str]:
    """Return a function that makes a fresh database on a server of :data:`SERVERS`, and returns its URL."""

    def database(server: str, **options: Any) -> str:
        name, scheme = SERVERS[server]
        url = sa.make_url(engine(name).database(f"kairos_sql_{os.getpid()}_{next(_numbers)}", **options))
        return url.set(drivername=scheme).render_as_string(hide_password=False)

    return database


@pytest.fixture(params=["postgresql", "mariadb mysqlclient", "mysql"])
def server(request: pytest.FixtureRequest) -> str:
    """Each server and each driver; tests that need each pair are parametrized with :data:`SERVERS`."""
    return str(request.param)


@pytest.fixture(params=SERVERS)
def pair_url(request: pytest.FixtureRequest, database: Callable[..., str]) -> str:
    """Return the URL of a fresh database on each server, with each of its drivers."""
    return database(str(request.param))


@pytest.fixture
def server_url(server: str, database: Callable[..., str]) -> str:
    """Return the URL of a fresh database on each server."""
    return database(server)


@pytest.fixture
def sa_engine() -> Iterator[Callable[..., sa.Engine]]:
    """Return a function that makes an engine, disposed of at the end."""
    engines: list[sa.Engine] = []

    def sa_engine(*arguments: Any, **options: Any) -> sa.Engine:
        engines.append(sa.create_engine(*arguments, **options))
        return engines[-1]

    yield sa_engine
    for one in engines:
        one.dispose()
