"""Bars, sparklines and shades out of Unicode blocks. Pure; length and shade carry the meaning, never colour."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

__all__ = ["SHADES", "bar", "columns", "shade", "sparkline", "stacked"]

_LEFT = " ▏▎▍▌▋▊▉█"  # eighths of a cell, from the left
_LOWER = " ▁▂▃▄▅▆▇█"  # eighths of a cell, from below
SHADES = "·░▒▓█"


def bar(value: float, top: float, width: int) -> str:
    """Return a bar that is ``width`` cells long for ``top``, in steps of an eighth; what is not 0 is seen."""
    eighths = round(8 * width * value / top) if top > 0 else 0
    eighths = max(eighths, 1) if value > 0 else 0
    return "█" * (eighths // 8) + _LEFT[eighths % 8].strip()


def stacked(parts: Sequence[float], top: float, width: int, fills: Sequence[str]) -> list[str]:
    """Return one piece for each part of a bar; the pieces are as long together as the bar of their sum."""
    edges = [0]
    total = 0.0
    for part in parts:
        total += part
        edges.append(round(width * total / top) if top > 0 else 0)
    return [fill * (end - start) for fill, start, end in zip(fills, edges, edges[1:], strict=False)]


def sparkline(values: Sequence[float]) -> str:
    """Return one cell for each value, from the lowest to the highest of them."""
    if not values:
        return ""
    low, high = min(values), max(values)
    spread = (high - low) or 1
    return "".join(_LOWER[1 + round(7 * (value - low) / spread)] for value in values)


def columns(values: Sequence[float], height: int) -> list[str]:
    """Return a column chart, top line first, one cell for each value; it stands on 0 and cuts what is below."""
    top = max(values, default=0)
    eighths = [round(8 * height * max(value, 0) / top) if top > 0 else 0 for value in values]
    return [
        "".join(_LOWER[min(max(each - 8 * line, 0), 8)] for each in eighths)
        for line in reversed(range(height))
    ]


def shade(value: float, bounds: Sequence[float]) -> str:
    """Return one of five shades: the lightest below the first of four bounds, the darkest from the last on."""
    return SHADES[bisect_right(bounds, value)]
