"""Names and numbers that the tables have in common."""

from __future__ import annotations

__all__ = ["INTERVAL_LENGTH", "LAYOUTS", "NO_RESOLUTION"]

LAYOUTS = "kairos_layouts"
"""The table of layouts."""

INTERVAL_LENGTH = 255
"""The longest name of an interval, in bytes of UTF-8."""

NO_RESOLUTION = -(2**63)
"""What column ``r`` holds where an interval has no resolution."""
