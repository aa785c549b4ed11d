"""A stage plugin: it marks what each stage did, so that a test sees which ones ran and in which order.

It provides stages for count timeseries, and only where the interval's name starts with "marked".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kairos.hookspecs import hookimpl

if TYPE_CHECKING:
    from kairos.reads import Plan


def marked(plan: Plan) -> bool:
    """Tell whether the plugin takes part in a read."""
    return plan.kind == "count" and plan.interval.startswith("marked")


@hookimpl
def kairos_fetch(plan: Plan) -> Callable[..., Any] | None:
    """Answer reads of "fetched" from kairos-test-mini with the range itself: bucket -> how far from its end."""
    if plan.interval != "fetched":
        return None

    def fetch(rows: Any, name: str, interval: str, first: int, last: int) -> dict[int, dict[None, int]]:
        return {i: {None: last - i} for i in range(first, last + 1)}

    return fetch


@hookimpl
def kairos_process_row(plan: Plan) -> Callable[[Any], Any] | None:
    """Multiply each row by ten."""
    return (lambda row: plan.native.process_row(row) * 10) if marked(plan) else None


@hookimpl
def kairos_condense(plan: Plan) -> Callable[[Mapping[int, Any]], Any] | None:
    """Condense natively, and add 1."""
    return (lambda rows: plan.native.condense(rows) + 1) if marked(plan) else None


@hookimpl
def kairos_join_rows(plan: Plan) -> Callable[[list[Any]], Any] | None:
    """Keep the largest of the names' rows."""
    return max if marked(plan) else None


@hookimpl
def kairos_collapse(plan: Plan) -> Callable[[Mapping[int, Any]], Any] | None:
    """Return the rows as they came, in a list."""
    return (lambda rows: list(rows.values())) if marked(plan) else None


@hookimpl
def kairos_transform(plan: Plan) -> Mapping[str, Callable[..., Any]] | None:
    """Provide "half" for every read, and "per_hour", which asks for the row's duration."""
    return {"half": lambda row: row / 2, "per_hour": lambda row, duration: row * 3600 / duration}
