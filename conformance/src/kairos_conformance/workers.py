"""What the kit runs in other processes: functions that can be pickled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kairos

__all__ = ["write", "write_bulk"]


def write(target: Any, arguments: Mapping[str, Any], name: str, values: list[Any], moment: float) -> int:
    """Insert values one by one; return how many calls were acknowledged."""
    with kairos.Timeseries(target, **arguments) as handle:
        for value in values:
            handle.insert(name, value, moment)
    return len(values)


def write_bulk(target: Any, arguments: Mapping[str, Any], name: str, values: list[Any], moment: float) -> int:
    """Insert values in calls of three; return how many calls were acknowledged."""
    with kairos.Timeseries(target, **arguments) as handle:
        for value in values:
            handle.bulk_insert({moment: {name: [value, value], name + "b": [value]}})
    return len(values)
