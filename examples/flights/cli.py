"""The command: load, show, reconcile."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from . import charts, source
from .load import load
from .reconcile import Check, read_source, reconcile
from .store import open_store

__all__ = ["main"]

SHOWN = 10
"""Differences that are printed for each check."""


def main(arguments: Sequence[str] | None = None, console: Console | None = None) -> int:
    """Run the command; return 0, or 1 if a number differs from the source, or 2 if there is no source."""
    options = _parse(arguments)
    console = console or _console()
    try:
        names = source.airlines()
    except source.SourceMissing as missing:
        console.print(str(missing), markup=False)
        return 2
    with open_store(options.url) as store:
        if options.fresh:
            store.clear()
        started = time.perf_counter()
        if store.is_empty():
            load(store, options.months, console)
            console.print(f"Loaded in {time.perf_counter() - started:.1f} s.\n")
        else:
            console.print("Already loaded, nothing is added; --fresh deletes and loads again.\n")
        if options.charts:
            charts.show(store, names, console)
            console.print()
        return _report(reconcile(store, read_source(options.months)), console)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="flights", description=__doc__)
    parser.add_argument(
        "--url", default="sqlite:///flights.sqlite", help="where to keep the year (%(default)s)"
    )
    parser.add_argument(
        "--months",
        type=int,
        nargs="+",
        choices=range(1, 13),
        default=range(1, 13),
        metavar="N",
        help="some months only",
    )
    parser.add_argument("--fresh", action="store_true", help="delete what was loaded before, and load again")
    parser.add_argument("--no-charts", dest="charts", action="store_false", help="load and reconcile only")
    return parser.parse_args(arguments)


def _console() -> Console:
    """Return a console of 80 to 100 columns, 90 where the output goes to a file."""
    console = Console(highlight=False)
    console.width = min(max(console.width, 80), 100) if console.is_terminal else 90
    return console


def _report(checks: Sequence[Check], console: Console) -> int:
    """Print the table of the checks and, last, what differs; return the exit code."""
    table = Table(title="Against the source", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("what", no_wrap=True)
    table.add_column("numbers", justify="right")
    table.add_column("total", justify="right")
    table.add_column("")
    for check in checks:
        verdict = "ok" if check.ok else f"[bold red]{len(check.differences):,} DIFFER"
        table.add_row(check.what, f"{check.compared:,}", check.total, verdict)
    console.print(table)
    wrong = [check for check in checks if not check.ok]
    if not wrong:
        console.print(f"All {sum(check.compared for check in checks):,} numbers are those of the source.")
        return 0
    for check in wrong:
        console.print(f"\n{check.what}:", style="bold red")
        for which, expected, actual in check.differences[:SHOWN]:
            console.print(f"  {which}: the source says {expected}, kairos says {actual}", markup=False)
        if len(check.differences) > SHOWN:
            console.print(f"  and {len(check.differences) - SHOWN:,} more")
    console.print(
        "\nThe store does not hold what the source says. If a load was broken off, or other months were "
        "loaded, --fresh loads again.",
        style="bold red",
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
