"""Figures as markdown tables, on stdout and between the markers of a page in docs."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Sequence
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


def markdown(sections: Sequence[Section], command: str, versions: str) -> str:
    """Return all tables; `versions` are those of engine and driver."""
    parts = [
        f"Made by `{command}` with Python {platform.python_version()}, {versions} on {platform.system()} "
        f"{platform.machine()}. Figures are medians; the machine is shared and noisy: only ratios matter. Ratios are "
        "of the medians, in brackets the median of the ratios within each repetition."
    ]
    for section in sections:
        parts += [f"## {section.title}", section.text, table(section.results)]
    return "\n\n".join(parts)


def table(results: Sequence[Result]) -> str:
    """Return one table; the sides other than kairos are those of its rows."""
    others = list(dict.fromkeys(side for result in results for side in result.times if side != "kairos"))
    others.sort(key=lambda side: side == "best")  # plain, best, kairos
    by = sorted(others, key=lambda side: side != "best")  # kairos / best, plain / kairos
    ratios = ["plain / kairos" if side == "plain" else f"kairos / {side}" for side in by]
    header = ["", *others, "kairos", *ratios, "bound", ""]
    lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 3) + "|---|---|"]
    for result in results:
        unit = result.case.unit
        cells = [result.case.name]
        cells += [_figure(result.medians.get(side), unit) for side in (*others, "kairos")]
        cells += [_ratio(result, side) for side in by]
        cells.append(", ".join(bound.text(unit) for bound in result.case.bounds))
        cells.append(f"**MISSED**: {', '.join(result.missed)}" if result.missed else "held")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shown(result: Result) -> Result:
    """Print a result as soon as it is known."""
    medians = ", ".join(f"{side} {median:.3g}" for side, median in result.medians.items())
    verdict = f"MISSED {', '.join(result.missed)}" if result.missed else "held"
    ratios = ((side, result.ratio(side)) for side in result.medians if side != "kairos")
    ratio = "".join(f", kairos / {side} {ratio:.2f}" for side, ratio in ratios if ratio is not None)
    print(f"{result.case.name}: {medians} {result.case.unit}{ratio}: {verdict}", file=sys.stderr, flush=True)
    return result


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _ratio(result: Result, of: str) -> str:
    ratio, paired = result.ratio(of), result.paired_ratio(of)
    if ratio is None or paired is None:
        return ""
    if of == "plain":
        ratio, paired = 1 / ratio, 1 / paired  # how many times as fast
    return f"{ratio:.2f} ({paired:.2f})"


def write(path: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    page = path.read_text("utf-8")
    found = re.subn(
        f"(?s){re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{text}\n\n{END}", page
    )
    if found[1] != 1:
        raise SystemExit(f"{path} must have one {BEGIN} … {END}")
    path.write_text(found[0], "utf-8")
