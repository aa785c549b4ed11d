"""The pytest plugin: the fixtures `engine` and `own_engine`, and a loud list of the engines that were left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from .catalogue import kind, launch, start
from .engine import Engine
from .sources import Missing

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

FIXTURES = ("engine", "own_engine")
LEFT_OUT = "kairos_engine_left_out"

Start = Callable[..., Engine]

_LEFT_OUT = pytest.StashKey[dict[str, str]]()
_MISSING = pytest.StashKey[dict[str, str]]()
_SEEN = pytest.StashKey[list[tuple[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that tests with servers get, and the collector of what was left out."""
    config.addinivalue_line("markers", "slow: not part of the quick loop")
    config.addinivalue_line("markers", "engine: needs a server; given to every test that asks for one")
    config.stash[_LEFT_OUT] = {}
    config.stash[_MISSING] = {}
    config.stash[_SEEN] = []
    config.pluginmanager.register(_Collector(config), "kairos-engines-left-out")


@pytest.hookimpl(tryfirst=True)  # before -m deselects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a server."""
    for item in items:
        if any(name in FIXTURES for name in getattr(item, "fixturenames", ())):
            item.add_marker("engine")
            item.add_marker("slow")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start an engine by name, once per process and options; all stop when the session ends."""
    running: dict[str, Engine] = {}

    def get(name: str, **options: Any) -> Engine:
        key = f"{name} {sorted(options.items())}"
        if key not in running:
            running[key] = _or_skip(request.config, name, key, lambda: start(name, **options))
        return running[key]

    yield get
    for one in running.values():
        one.stop()


@pytest.fixture
def own_engine(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start an engine by name for this test alone, which may kill its nodes; it stops after the test."""
    running: list[Engine] = []

    def get(name: str, **options: Any) -> Engine:
        known = kind(name)
        key = f"{name} {sorted(options.items())}"
        running.append(_or_skip(request.config, name, key, lambda: launch(name, known, options)))
        return running[-1]

    yield get
    for one in running:
        one.stop()


def _or_skip(config: pytest.Config, name: str, key: str, make: Callable[[], Engine]) -> Engine:
    """Return the engine; where it is missing the test is skipped, and fails where CI is set."""
    missing = config.stash[_MISSING]  # a registry that is away is asked once
    if key not in missing:
        try:
            return make()
        except Missing as error:
            missing[key] = str(error)
    config.stash[_SEEN].append((name, missing[key]))
    reason = f"engine {name}: {missing[key]}"
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI leaves no engine out)", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Write what was left out on the report, in a form that travels between xdist's processes."""
    report: Any = yield
    seen = item.config.stash[_SEEN]
    report.user_properties.extend((LEFT_OUT, list(pair)) for pair in seen)
    seen.clear()
    return report


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """List the engines that were left out."""
    left_out = terminalreporter.config.stash[_LEFT_OUT]
    if left_out:
        terminalreporter.section("engines LEFT OUT: what needs them was not tested", red=True)
        for name, reason in sorted(left_out.items()):
            terminalreporter.write_line(f"{name}: {reason}", red=True)


class _Collector:
    """Collects the engines left out from reports, also those that xdist's workers send."""

    def __init__(self, config: pytest.Config) -> None:
        self._left_out = config.stash[_LEFT_OUT]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note them."""
        properties: Any = report.user_properties
        self._left_out.update(value for name, value in properties if name == LEFT_OUT)
