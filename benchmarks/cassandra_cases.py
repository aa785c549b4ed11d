"""Cassandra, one node: the sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kairos_sides
from cases import Stores
from cassandra_best import BestCounts, BestValues
from cassandra_plain import PlainCounts, PlainValues


def cassandra_stores(url: str) -> Stores:
    """Return the sides; kairos counts in counter columns."""
    return Stores(
        {
            "plain": _opener(PlainCounts, url),
            "best": _opener(BestCounts, url),
            "kairos": kairos_sides.server_counts(url, "table_name"),
        },
        {
            "plain": _opener(PlainValues, url),
            "best": _opener(BestValues, url),
            "kairos": kairos_sides.server_values(url, "table_name"),
        },
    )


def _opener(make: Callable[[str, str], Any], url: str) -> Callable[[str], Any]:
    return lambda place: make(url, place)
