"""The closing table: law × kind → held, Unsupported as declared, not applicable, FAILED."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .kinds import KINDS
from .law import Outcome

__all__ = ["table"]

COLUMNS = (*KINDS, "any")
WIDTH = 12
_WORST = ("FAILED", "skipped", "Unsupported", "n/a", "held")


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Return the lines of one subclass's table."""
    rows: dict[tuple[str, str], dict[str, list[Outcome]]] = {}
    for outcome in outcomes:
        cells = rows.setdefault((outcome.paragraph, outcome.sentence), {})
        cells.setdefault(outcome.kind, []).append(outcome)
    yield "".join(column.ljust(WIDTH) for column in COLUMNS) + "law"
    for (paragraph, sentence), cells in sorted(rows.items()):
        verdicts = (_verdict(cells.get(column, ())).ljust(WIDTH) for column in COLUMNS)
        yield f"{''.join(verdicts)}{paragraph} {sentence}"
    yield _summary(rows)


def _verdict(outcomes: Iterable[Outcome]) -> str:
    found = {outcome.verdict for outcome in outcomes}
    return next((verdict for verdict in _WORST if verdict in found), "-")


def _summary(rows: dict[tuple[str, str], dict[str, list[Outcome]]]) -> str:
    cells = [outcomes for row in rows.values() for outcomes in row.values()]
    counts = {verdict: sum(_verdict(outcomes) == verdict for outcomes in cells) for verdict in _WORST}
    undeclared = sorted({name for outcomes in cells for outcome in outcomes for name in outcome.undeclared})
    words = [f"{counts['held']} held", f"{counts['Unsupported']} Unsupported as declared"]
    if undeclared:
        words[-1] += f" ({', '.join(undeclared)})"
    why = sorted({reason for outcomes in cells for outcome in outcomes for reason in outcome.inapplicable})
    words += [f"{counts['n/a']} not applicable ({', '.join(why)})"] if why else []
    words += [f"{counts['skipped']} skipped"] if counts["skipped"] else []
    return f"{len(rows)} laws: {', '.join(words)}, {counts['FAILED']} FAILED"
