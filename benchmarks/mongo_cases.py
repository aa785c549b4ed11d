"""MongoDB: the sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kairos_sides
from cases import Stores
from mongo_best import BestCounts, BestValues
from mongo_plain import PlainCounts, PlainValues


def mongo_stores(url: str) -> Stores:
    """Return the sides; the server acknowledges a write before its journal is on the disk."""
    at = f"{url}{'&' if '?' in url else '?'}w=1"
    return Stores(
        {
            "plain": _opener(PlainCounts, at),
            "best": _opener(BestCounts, at),
            "kairos": kairos_sides.server_counts(at, "prefix"),
        },
        {
            "plain": _opener(PlainValues, at),
            "best": _opener(BestValues, at),
            "kairos": kairos_sides.server_values(at, "prefix", value_type="float"),
        },
    )


def _opener(make: Callable[[str, str], Any], url: str) -> Callable[[str], Any]:
    return lambda place: make(url, place)
