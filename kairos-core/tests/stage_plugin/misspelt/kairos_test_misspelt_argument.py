"""A plugin with an argument that its hook does not have."""

from __future__ import annotations

from typing import Any

from kairos.hookspecs import hookimpl


@hookimpl
def kairos_process_row(plan: Any, row: Any) -> None:
    """Do nothing."""
