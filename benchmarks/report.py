"""Figures as markdown tables, on stdout and between the markers of docs/figures.md."""

from __future__ import annotations

import platform
import re
import sqlite3
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

from harness import Result

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@frozen
class Section:
    """One table: a title, what it says, and its rows."""

    title: str
    text: str
    results: Sequence[Result]


def markdown(sections: Sequence[Section], command: str) -> str:
    """Return all tables."""
    parts = [
        f"Made by `{command}` with Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, SQLAlchemy "
        f"{version('sqlalchemy')} on {platform.system()} {platform.machine()}. Figures are medians; the machine is "
        "shared and noisy: only ratios matter. Ratios are of the medians, in brackets the median of the ratios "
        "within each repetition."
    ]
    for section in sections:
        parts += [f"## {section.title}", section.text, table(section.results)]
    return "\n\n".join(parts)


def table(results: Sequence[Result]) -> str:
    """Return one table; the sides other than kairos are those of its rows."""
    others = list(dict.fromkeys(side for result in results for side in result.times if side != "kairos"))
    others.sort(key=lambda side: side == "best")  # plain, best, kairos
    by = sorted(others, key=lambda side: side != "best")  # kairos/best, kairos/plain
    header = ["", *others, "kairos", *(f"kairos / {side}" for side in by), "bound", ""]
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 3) + "|---|---|"]
    for result in results:
        unit = result.case.unit
        cells = [result.case.name]
        cells += [f"{_figure(result.medians[side])} {unit}" for side in (*others, "kairos")]
        cells += [_ratio(result, side) for side in by]
        cells.append(", ".join(bound.text(unit) for bound in result.case.bounds))
        cells.append("held" if result.held else "**missed**")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(result: Result, of: str) -> str:
    ratio, paired = result.ratio(of), result.paired_ratio(of)
    return "" if ratio is None or paired is None else f"{ratio:.2f} ({paired:.2f})"


def write(path: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    page = path.read_text("utf-8")
    found = re.subn(
        f"(?s){re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{text}\n\n{END}", page
    )
    if found[1] != 1:
        raise SystemExit(f"{path} must have one {BEGIN} … {END}")
    path.write_text(found[0], "utf-8")
