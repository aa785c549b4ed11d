"""Measure kairos against hand-written code: `python benchmarks/bench_figures.py --help`."""

from __future__ import annotations

import argparse
import shlex
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attrs import evolve

import import_cost
import iterate_memory
import kairos_sides
import memory_cases
import report
import sqlite_cases
import stages_cases
from harness import Case, Result, measure

FIGURES = Path(__file__).parents[1] / "docs" / "figures.md"

SQLITE = """\
A file in WAL mode with `PRAGMA synchronous = {synchronous}`, as kairos opens it, on all sides. *Plain* is
[what a competent developer writes](../benchmarks/sqlite_plain.py) with SQLAlchemy Core, *best*
[the fastest code that we could write by hand](../benchmarks/sqlite_best.py) with the `sqlite3` module, for these two
intervals and unchecked. Bulk figures are of the whole call."""
MEMORY = """\
*Bare* is [the same in bare dictionaries](../benchmarks/memory_bare.py), unchecked.
Processor time: nothing waits here."""
STAGES = """\
From a storage's reply of 10⁶ rows to the answer of `series`, beside
[a hand loop](../benchmarks/stages_cases.py) over the same reply. Processor time."""
ITERATE = (
    "What `iterate` adds at its peak (tracemalloc) while it goes through 10⁶ buckets, beside 10⁵ buckets."
)
IMPORT = "In a new interpreter, less its start. No driver is imported (asserted)."


class Run:
    """One run: what is wanted of it."""

    def __init__(self, only: str | None, quick: bool, cpu: bool, folder: Path) -> None:
        self.only, self.quick, self.cpu, self.folder = only, quick, cpu, folder

    def wants(self, name: str) -> bool:
        return self.only is None or self.only in name

    def cases(self, cases: Mapping[str, Callable[..., Case]], *arguments: Any) -> Iterator[Result]:
        """Measure the wanted cases; each is set up just before."""
        for name, make in cases.items():
            if self.wants(name):
                case = make(*arguments)
                case = evolve(case, computing=case.computing or self.cpu)
                yield report.shown(measure(evolve(case, repetitions=5) if self.quick else case))

    def sqlite(self) -> tuple[int, list[Result]]:
        synchronous = kairos_sides.synchronous(self.folder / "synchronous.sqlite")
        stores = sqlite_cases.all_stores(self.folder, synchronous)
        results = []
        try:
            for result in self.cases(sqlite_cases.all_cases(self.folder, synchronous), stores):
                results.append(result)
                stores.close()
        finally:
            stores.close()
        return synchronous, results

    def iterate(self) -> list[Result]:
        wanted = [target for target in ("memory", "sqlite") if self.wants(f"iterate-{target}")]
        return [report.shown(iterate_memory.measure(target, self.folder)) for target in wanted]

    def imports(self) -> list[Result]:
        if not self.wants("import"):
            return []
        import_cost.assert_no_driver()
        return [report.shown(import_cost.measure(15 if self.quick else 31))]

    def sections(self) -> list[report.Section]:
        synchronous, sqlite = self.sqlite()
        text = SQLITE.format(synchronous=("OFF", "NORMAL", "FULL", "EXTRA")[synchronous])
        sections = [
            report.Section("SQLite", text, sqlite),
            report.Section("memory://", MEMORY, list(self.cases(memory_cases.CASES))),
            report.Section("The stages of a read", STAGES, list(self.cases(stages_cases.CASES))),
            report.Section("Memory of iterate", ITERATE, self.iterate()),
            report.Section("import kairos", IMPORT, self.imports()),
        ]
        return [section for section in sections if section.results]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="only the cases whose name contains this")
    parser.add_argument("--quick", action="store_true", help="5 repetitions of each case")
    parser.add_argument("--cpu", action="store_true", help="processor time: for profiling on a busy machine")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{FIGURES.name}")
    arguments = parser.parse_args()
    if arguments.write and (arguments.only or arguments.quick or arguments.cpu):
        parser.error("--write is for a whole run, without --only, --quick and --cpu")
    with tempfile.TemporaryDirectory(prefix="kairos-benchmarks-") as folder:
        sections = Run(arguments.only, arguments.quick, arguments.cpu, Path(folder)).sections()
    versions = f"SQLite {sqlite3.sqlite_version}, SQLAlchemy {version('sqlalchemy')}"
    command = shlex.join(["python", "benchmarks/bench_figures.py", *sys.argv[1:]])
    text = report.markdown(sections, command, versions)
    print(text)
    if arguments.write:
        report.write(FIGURES, text)


if __name__ == "__main__":
    main()
