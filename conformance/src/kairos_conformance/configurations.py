"""The family of interval configurations that every history law walks through.

Creating tables for each Hypothesis example is not affordable, so the kit opens each of these once per kind and
test class and gives each example names of its own. Interval names are unique over the family, because an
interval has one step per place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import field, frozen

from .calendar import Ruler, ruler

__all__ = ["CONFIGURATIONS", "Configuration", "Interval", "utc"]


def utc(*parts: int) -> int:
    """Return the second since the epoch of a date and time in UTC."""
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


@frozen
class Interval:
    """One interval, as the model sees it."""

    name: str
    step: Ruler
    resolution: Ruler | None
    steps: int | None


@frozen
class Configuration:
    """Interval specifications as the caller gives them, a zone, and instants where something happens in it."""

    title: str
    tz: str
    specs: Mapping[str, Mapping[str, Any]]
    anchors: tuple[int, ...] = ()
    intervals: Mapping[str, Interval] = field(init=False, repr=False)

    @intervals.default
    def _parsed(self) -> Mapping[str, Interval]:
        return {name: _interval(name, spec, self.tz) for name, spec in self.specs.items()}

    def neighbour(self) -> Configuration:
        """Return a configuration whose interval names look like this one's, with other steps."""
        specs: dict[str, Mapping[str, Any]] = {}
        for name in self.specs:
            specs[name.upper()] = {"step": 45}
            specs[name + "x"] = {"step": 5, "steps": 1_000_000, "resolution": 1}
            specs[name[:-1]] = {"step": "monthly", "resolution": "daily"}
        return Configuration(f"neighbour of {self.title}", self.tz, specs)


def _interval(name: str, spec: Mapping[str, Any], tz: str) -> Interval:
    step, finer = ruler(spec["step"], tz), spec.get("resolution")
    resolution = None if finer is None else ruler(finer, tz)
    return Interval(name, step, None if resolution == step else resolution, spec.get("steps"))


CONFIGURATIONS: tuple[Configuration, ...] = (
    Configuration(
        "whole seconds, for ever",
        "UTC",
        {"kit_ever": {"step": 60}, "kit_ever_fine": {"step": "1h", "resolution": 600}},
        (0, utc(2013, 6, 1, 12), 2**31, -(2**31)),
    ),
    Configuration(
        "whole seconds, kept",
        "UTC",
        {
            "kit_kept": {"step": "3600", "steps": 3},
            "kit_kept_fine": {"step": timedelta(hours=2), "steps": 2, "resolution": 1800},
        },
        (0, 3_600 * 3, utc(2013, 6, 1, 12)),
    ),
    Configuration(
        "a resolution that does not divide its step",
        "Europe/London",
        {
            "kit_cut": {"step": 1000, "steps": 4, "resolution": 300},
            "kit_cut_ever": {"step": 700, "resolution": 400},
        },
        (0, utc(2013, 6, 1, 12)),
    ),
    Configuration(
        "days and years in UTC",
        "UTC",
        {
            "kit_utc_day": {"step": "daily", "steps": 2},
            "kit_utc_year": {"step": "yearly", "resolution": "monthly", "steps": 2},
        },
        (0, utc(2000, 2, 29), utc(2001, 1, 1)),
    ),
    Configuration(
        "New York days in hours, months in days",
        "America/New_York",
        {
            "kit_ny_day": {"step": "daily", "steps": 3, "resolution": 3600},
            "kit_ny_month": {"step": "monthly", "resolution": "daily"},
        },
        (utc(2013, 3, 10, 7), utc(2013, 11, 3, 6), utc(2013, 1, 1, 5)),
    ),
    Configuration(
        "New York weeks, cut at the year's ends",
        "America/New_York",
        {
            "kit_ny_week": {"step": "weekly", "steps": 2, "resolution": "daily"},
            "kit_ny_year": {"step": "yearly", "resolution": "weekly"},
        },
        (utc(2012, 1, 1, 5), utc(2013, 1, 1, 5), utc(2000, 12, 31, 5), utc(2013, 3, 10, 7)),
    ),
    Configuration(
        "Kolkata days in hours that half an hour cuts",
        "Asia/Kolkata",
        {
            "kit_in_day": {"step": "daily", "steps": 2, "resolution": 86_400},
            "kit_in_hour": {"step": "daily", "resolution": "1h"},
        },
        (0, utc(2013, 5, 31, 18, 30), utc(1945, 10, 14, 17, 30)),
    ),
    Configuration(
        "Apia, without its 30th of December 2011",
        "Pacific/Apia",
        {
            "kit_ws_day": {"step": "daily", "steps": 3},
            "kit_ws_week": {"step": "weekly", "resolution": "daily"},
        },
        (utc(2011, 12, 30, 10), utc(2011, 12, 29, 10), utc(2012, 1, 1, 10)),
    ),
    Configuration(
        "Havana, where a day can start at one o'clock",
        "America/Havana",
        {
            "kit_cu_day": {"step": "daily", "steps": 2, "resolution": 1800},
            "kit_cu_month": {"step": "monthly", "steps": 2, "resolution": "weekly"},
        },
        (utc(2013, 3, 10, 5), utc(2013, 11, 3, 5), utc(2013, 9, 1, 4)),
    ),
    Configuration(
        "Casablanca, whose summer time pauses in Ramadan",
        "Africa/Casablanca",
        {
            "kit_ma_day": {"step": "daily", "steps": 4},
            "kit_ma_week": {"step": "weekly", "steps": 3, "resolution": "daily"},
        },
        (utc(2021, 4, 11, 2), utc(2021, 5, 16, 2), utc(2021, 1, 1)),
    ),
    Configuration(
        "Lord Howe, which moves by half an hour",
        "Australia/Lord_Howe",
        {
            "kit_lh_day": {"step": "daily", "steps": 2, "resolution": 3600},
            "kit_lh_year": {"step": "yearly", "steps": 1, "resolution": "30d"},
        },
        (utc(2013, 4, 6, 15), utc(2013, 10, 5, 15, 30), utc(2012, 12, 31, 13)),
    ),
    Configuration(
        "seven-day spans in St. John's days, whose clocks went back over midnight",
        "America/St_Johns",
        {
            "kit_nf_span": {"step": "7d", "steps": 2, "resolution": "daily"},
            "kit_nf_day": {"step": "daily", "steps": 2, "resolution": 600},
        },
        (utc(2006, 10, 29, 2, 31), utc(2006, 4, 2, 3, 31), 0),
    ),
)
