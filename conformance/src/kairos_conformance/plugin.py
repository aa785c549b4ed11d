"""The pytest plugin: profiles, laws that name themselves when they fail, and the closing table."""

from __future__ import annotations

from collections.abc import Generator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from .kinds import KINDS
from .law import INAPPLICABLE, MARKER, UNDECLARED, Outcome, law_of, where
from .profiles import PROFILES, VARIABLE
from .report import table

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from .place import Place

pytest.register_assert_rewrite("kairos_conformance.laws", "kairos_conformance.comparing")

LAW = "kairos_law"

_OUTCOMES = pytest.StashKey[list[Outcome]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--kairos-profile`` and ``--kairos-kind``."""
    group = parser.getgroup("kairos conformance")
    group.addoption(
        "--kairos-kind",
        choices=KINDS,
        action="append",
        default=[],
        help="only the laws for this kind, and those that are about none (may be repeated)",
    )
    group.addoption(
        "--kairos-profile",
        choices=tuple(PROFILES),
        default=None,
        help=f"how long the kit tries (default: the environment's {VARIABLE}, else quick)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the collector of outcomes."""
    config.addinivalue_line("markers", MARKER)
    config.stash[_OUTCOMES] = []
    config.pluginmanager.register(_Collector(config), "kairos-conformance-outcomes")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Write the law on the item, in a form that travels with its report (also between xdist's processes)."""
    law = law_of(item)
    if law is not None:
        suite = item.nodeid.rsplit("::", 1)[0]
        item.user_properties.append((LAW, [suite, *law[:2], _kind(item)]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the simplest laws come first, and leave out those for kinds that nobody asked for."""
    for start, end in _suites(items):
        items[start:end] = sorted(items[start:end], key=_group)
    kinds = config.getoption("--kairos-kind")
    if kinds:
        dropped = [item for item in items if law_of(item) and _kind(item) not in (*kinds, "any")]
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]


def _suites(items: list[pytest.Item]) -> list[tuple[int, int]]:
    """Return the stretches of items that are laws of one subclass."""
    found = []
    for suite, stretch in groupby(enumerate(items), lambda pair: law_of(pair[1]) and pair[1].parent):
        if suite:
            numbers = [number for number, _ in stretch]
            found.append((numbers[0], numbers[-1] + 1))
    return found


def _group(item: pytest.Item) -> int:
    """Return where the law's group stands among the bases of its suite."""
    function: Any = getattr(item, "originalname", item.name)
    groups: tuple[type, ...] = item.cls.__mro__  # type: ignore[attr-defined]
    return next(number for number, group in enumerate(groups) if function in vars(group))


def _kind(item: pytest.Item) -> str:
    """Return the kind that a law's test is about, or ``"any"``."""
    return str(getattr(getattr(item, "callspec", None), "params", {}).get("kind", "any"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a failing law name itself in words."""
    report: Any = yield
    law = law_of(item)
    if law is not None and report.failed:
        sentence, paragraph, heading = law
        report.sections.append(("kairos law", f"{sentence}\n{where(paragraph, heading)}"))
        place = getattr(item, "funcargs", {}).get("place")
        if report.when == "call" and place is not None:
            report.sections.append(("kairos script", _script(place)))
    return report


def _script(place: Place) -> str:
    """Return what reproduces a law's failure."""
    from .reproduction import reproduction

    try:
        script = reproduction(place)
    except Exception as error:
        return f"# no script: {type(error).__name__}: {error}"
    return script or "# no script: calls in a row, pasted into a file, don't show this one"


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print one table per subclass of the suite."""
    outcomes = terminalreporter.config.stash[_OUTCOMES]
    for suite in sorted({outcome.suite for outcome in outcomes}):
        terminalreporter.section(f"kairos conformance: {suite}")
        for line in table(outcome for outcome in outcomes if outcome.suite == suite):
            terminalreporter.write_line(line, red="FAILED" in line and "0 FAILED" not in line)


class _Collector:
    """Collects outcomes from reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._outcomes = config.stash[_OUTCOMES]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the verdict of a law's call, or of a setup or teardown that went wrong."""
        if report.when != "call" and not report.failed and not report.skipped:
            return
        properties = [(str(name), value) for name, value in report.user_properties]
        law: Any = next((value for name, value in properties if name == LAW), None)
        if law is None:
            return
        suite, sentence, paragraph, kind = law
        undeclared = tuple(str(value) for name, value in properties if name == UNDECLARED)
        verdict = "FAILED" if report.failed else "skipped" if report.skipped else "held"
        if verdict == "held" and undeclared:
            verdict = "Unsupported"
        why = tuple(str(value) for name, value in properties if name == INAPPLICABLE)
        if verdict == "held" and why:
            verdict = "n/a"
        self._outcomes.append(Outcome(suite, sentence, paragraph, kind, verdict, undeclared, why))
