"""A plugin with a hook that does not exist."""

from __future__ import annotations

from typing import Any

from kairos.hookspecs import hookimpl


@hookimpl
def kairos_process_rows(plan: Any) -> None:
    """Do nothing."""
