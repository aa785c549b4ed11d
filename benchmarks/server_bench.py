"""One run against an engine that is started for it: command line, cases, page in docs."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import evolve, field, frozen

import report
from cases import CASES, CLOSE_TO_BEST, Bounds, Make, Stores
from harness import AHEAD_OF_PLAIN, Case, Result, bound, measure
from kairos_engines import Engine, start

DOCS = Path(__file__).parents[1] / "docs"


def server_bounds(round_trip: float) -> dict[str, Bounds]:
    """Return a server's bounds; insert and get, a round trip each, are held to `round_trip` times the best side."""
    close = (bound(round_trip, "best"), AHEAD_OF_PLAIN)
    return {"insert": close, "get": close, "threads": (AHEAD_OF_PLAIN,)}


@frozen
class Target:
    """One engine, and the sides on it.

    Attributes
    ----------
    engine
        What `kairos_engines` calls it.
    title, text
        Of its table; the text may have `{version}`, the engine's.
    stores
        From the engine's URL to the sides.
    bounds
        case -> what kairos is held to; those of `CLOSE_TO_BEST` where it is not named.
    more
        Cases of this engine alone, by the engine's URL.
    options
        For starting it.
    """

    engine: str
    title: str
    text: str
    stores: Callable[[str], Stores]
    bounds: Mapping[str, Bounds]
    more: Mapping[str, Callable[[str], Case]] = field(factory=dict)
    options: Mapping[str, bool] = field(factory=dict)


@frozen
class Run:
    """What is wanted of a run."""

    only: str | None
    quick: bool
    sides: frozenset[str]

    def section(self, target: Target) -> Iterator[report.Section]:
        """Start the engine and measure what is wanted of it."""
        makes = [(name, make) for name, make in CASES.items() if self._wants(name)]
        more = [make for name, make in target.more.items() if self._wants(name) and not self.sides]
        if not makes and not more:
            return
        with start(target.engine, **target.options) as engine:
            stores = target.stores(engine.url)
            if self.sides:
                stores = _only(stores, self.sides)
            results = [self._measure(name, make, target, engine, stores) for name, make in makes]
            results += [self._result(make(engine.url), engine) for make in more]
            yield report.Section(target.title, target.text.format(version=engine.version), results)

    def _wants(self, name: str) -> bool:
        return self.only is None or self.only in name

    def _measure(self, name: str, make: Make, target: Target, engine: Engine, stores: Stores) -> Result:
        try:
            return self._result(make(stores, target.bounds.get(name, CLOSE_TO_BEST)), engine)
        finally:
            stores.close()

    def _result(self, case: Case, engine: Engine) -> Result:
        if not engine.nodes:
            raise SystemExit(
                f"{engine.name} must be started by this program, which pins it to a core; unset its URL"
            )
        case = evolve(case, repetitions=5) if self.quick else case
        if self.sides:
            case = evolve(case, bounds=())
        return report.shown(measure(case, [node.pid for node in engine.nodes]))


def _only(stores: Stores, sides: frozenset[str]) -> Stores:
    def chosen(makes: Mapping[str, Callable[[str], object]]) -> dict[str, Callable[[str], object]]:
        return {side: make for side, make in makes.items() if side in sides}

    more = {case: chosen(makes) for case, makes in stores.more_count_sides.items()}
    return Stores(chosen(stores.count_sides), chosen(stores.value_sides), more)  # type: ignore[arg-type]


def main(script: str, page: str, targets: Sequence[Target], versions: str) -> None:
    """Run the targets as the command line says.

    Parameters
    ----------
    script
        The program's file.
    page
        The page in docs that `--write` puts the tables into.
    targets
        The engines, a table each.
    versions
        Of the drivers.
    """
    names = [target.engine for target in targets]
    parser = argparse.ArgumentParser(
        description=f"Measure kairos against hand-written code on {', '.join(names)}."
    )
    parser.add_argument("--engine", choices=names, help="only this engine")
    parser.add_argument("--only", metavar="NAME", help="only the cases whose name contains this")
    parser.add_argument("--quick", action="store_true", help="5 repetitions of each case")
    parser.add_argument(
        "--sides", metavar="SIDE,…", default="", help="only these, such as plain,best; no bounds"
    )
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{page}")
    arguments = parser.parse_args()
    if arguments.write and (arguments.engine or arguments.only or arguments.quick or arguments.sides):
        parser.error("--write is for a whole run, without --engine, --only, --quick and --sides")
    run = Run(arguments.only, arguments.quick, frozenset(filter(None, arguments.sides.split(","))))
    wanted = [target for target in targets if arguments.engine in (None, target.engine)]
    sections = [section for target in wanted for section in run.section(target)]
    command = shlex.join(["python", f"benchmarks/{Path(script).name}", *sys.argv[1:]])
    text = report.markdown(sections, command, versions)
    print(text)
    if arguments.write:
        report.write(DOCS / page, text)
