"""Intervals: parsing what the caller configures, and the retention and resolution of one interval. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import frozen

from .errors import InvalidType, InvalidValue, SchemaMismatch, show
from .steps import UNITS, Gregorian, Relative, Step

__all__ = ["FORMAT", "Interval", "check_layout", "parse_intervals", "parse_zone"]

FORMAT = 1
"""The version of the layout that this core writes."""

_SPANS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400, "m": 30 * 86_400, "y": 365 * 86_400}
_SECONDS = (
    dict.fromkeys(("s", "sec", "second", "seconds"), 1)
    | dict.fromkeys(("min", "minute", "minutes", "minutely"), 60)
    | dict.fromkeys(("hour", "hours", "hourly"), 3_600)
)
"""What is no step, and what may be meant by it."""
_ALLOWED_STEP = (
    "a whole number of seconds >= 1 (an int, a string of digits or a timedelta), a short form such as '30d' "
    "(h, d, w, m = 30 days, y = 365 days) or one of daily, weekly, monthly, yearly"
)
_KEYS = ("step", "steps", "resolution")


@frozen(eq=False)
class Interval:
    """One configured interval.

    Attributes
    ----------
    name
        The caller's name for it.
    step
        How it cuts time.
    steps
        How many buckets are kept; None: all.
    resolution
        How each bucket is cut again; None: not at all.
    zone
        The timeseries' zone.
    """

    name: str
    step: Step
    steps: int | None
    resolution: Step | None
    zone: ZoneInfo

    @property
    def layout(self) -> str:
        """What a place records of this interval, as JSON."""
        gregorian = isinstance(self.step, Gregorian) or isinstance(self.resolution, Gregorian)
        return json.dumps(
            {
                "format": FORMAT,
                "step": self.step.text,
                "resolution": None if self.resolution is None else self.resolution.text,
                "tz": self.zone.key if gregorian else None,
            }
        )

    def deadline(self, bucket: int) -> int | None:
        """Return the second from which a bucket is dead; None: never."""
        if self.steps is None:
            return None
        first_later = self.step.shift(bucket, self.steps)
        return None if first_later is None else self.step.start(first_later)

    def first_live(self, now: int) -> int | None:
        """Return the oldest bucket that is live at ``now``; None: every bucket is."""
        if self.steps is None:
            return None
        return self.step.shift(self.step.bucket(now), 1 - self.steps)

    def copies(self, bucket: int, count: int) -> list[int]:
        """Return ``bucket`` and the ``count`` buckets after it (before it, if negative)."""
        if not count:
            return [bucket]
        ordinal = self.step.ordinal(bucket)
        sign = 1 if count > 0 else -1
        self.step.at(ordinal + count)  # the furthest is checked first
        return [self.step.at(ordinal + offset) for offset in range(0, count + sign, sign)]

    def resolutions(self, bucket: int) -> Sequence[int]:
        """List the resolution buckets that can lie in a bucket."""
        if self.resolution is None:
            return ()
        first = self.resolution.nearest(self.step.start(bucket))
        return self.resolution.buckets(first, self.resolution.nearest(self.step.end(bucket) - 1))

    def window(self, bucket: int, resolution: int) -> tuple[int, int]:
        """Return start and duration, in seconds, of the row of a resolution bucket, cut by the interval's edges."""
        assert self.resolution is not None
        start, end = self.resolution.start(resolution), self.resolution.end(resolution)
        left, right = self.step.start(bucket), self.step.end(bucket)
        if left <= start and end <= right:
            return start, self.resolution.duration(resolution)
        return max(start, left), min(end, right) - max(start, left)


def check_layout(interval: str, recorded: str, wanted: str) -> None:
    """Raise SchemaMismatch if a place was written with another step, resolution or zone."""
    if recorded == wanted:
        return
    try:
        theirs = json.loads(recorded)
    except ValueError:
        theirs = None
    ours = json.loads(wanted)
    if theirs != ours:
        raise SchemaMismatch(
            f"interval {show(interval)}: this place was written with {_describe(theirs, recorded)}; "
            f"this timeseries asks for {_describe(ours, wanted)}: use another interval name or another place "
            "(by the backend's option for it: prefix= or table_name=; or a database of its own), or remove the "
            "data with delete_all() of a timeseries that fits it"
        )


def _describe(layout: Any, text: str) -> str:
    if not isinstance(layout, dict):
        return f"the unknown layout {show(text)}"
    zone = f", tz {layout['tz']}" if layout.get("tz") else ""
    return f"step {layout.get('step')}, resolution {layout.get('resolution')}{zone}, format {layout.get('format')}"


def parse_zone(tz: Any) -> ZoneInfo:
    """Return the zone for a name of the IANA database or a :class:`zoneinfo.ZoneInfo` that has one."""
    if isinstance(tz, ZoneInfo) and tz.key:
        return tz
    if not isinstance(tz, str):
        raise InvalidType(
            f"tz must be the name of an IANA time zone or a ZoneInfo with a key; got {show(tz)}"
        )
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue(
            f"tz must be the name of an IANA time zone, such as 'Europe/Berlin'; got {show(tz)}"
        ) from None


def parse_step(value: Any, zone: ZoneInfo, what: str) -> Step:
    """Return the step for what a caller gives as ``step`` or ``resolution``."""
    if isinstance(value, str):
        if value in UNITS:
            return Gregorian(UNITS[value], zone)
        match = re.fullmatch(r"([0-9]+)([hdwmy]?)", value)
        if not match:
            meant = re.fullmatch(r"([1-9][0-9]{0,8})? ?([a-z]+)", value.lower())
            seconds = _SECONDS.get(meant[2]) if meant else None
            hint = f"; did you mean {int(meant[1] or 1) * seconds}?" if meant and seconds else ""
            raise InvalidValue(f"{what} must be {_ALLOWED_STEP}; got {show(value)}{hint}")
        digits = match[1].lstrip("0")
        seconds = int(digits[:20] or 0) * _SPANS.get(match[2], 1)  # 20 digits are too many already
    elif isinstance(value, timedelta):
        if value.microseconds:
            raise InvalidValue(
                f"{what} must be {_ALLOWED_STEP}; got {show(value)}, which is no whole number of seconds"
            )
        seconds = value.days * 86_400 + value.seconds
    elif isinstance(value, int) and not isinstance(value, bool):
        seconds = int.__int__(value)
    else:
        raise InvalidType(f"{what} must be {_ALLOWED_STEP}; got {show(value)} ({type(value).__name__})")
    if not 1 <= seconds < 2**63:
        raise InvalidValue(f"{what} must be {_ALLOWED_STEP}, below 2**63; got {show(value)}")
    return Relative(seconds)


def parse_intervals(intervals: Any, zone: ZoneInfo) -> dict[str, Interval]:
    """Return the intervals of a timeseries; errors name the interval and the field.

    Examples
    --------
    >>> parse_intervals({"hour": {"step": "1h", "resolution": 60}}, ZoneInfo("UTC"))["hour"].step
    Relative(seconds=3600)
    """
    shape = "a mapping of interval names to {'step': …, 'steps': …, 'resolution': …}"
    if not isinstance(intervals, Mapping):
        raise InvalidType(f"intervals must be {shape}; got {show(intervals)} ({type(intervals).__name__})")
    if not intervals:
        raise InvalidValue(f"intervals must be {shape}, with at least one; got an empty one")
    return {
        check_interval_name(name): _parse_interval(name, config, zone) for name, config in intervals.items()
    }


def check_interval_name(name: Any) -> str:
    """Return a valid interval name."""
    if not isinstance(name, str):
        raise InvalidType(f"interval {show(name)}: its name must be a str; got {type(name).__name__}")
    if not name or "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise InvalidValue(
            f"interval {show(name)}: its name must be a non-empty str without NUL and lone surrogates"
        )
    return str.__str__(name)


def _parse_interval(name: str, config: Any, zone: ZoneInfo) -> Interval:
    if not isinstance(config, Mapping):
        raise InvalidType(
            f"interval {show(name)}: must be a mapping with 'step'; got {show(config)} ({type(config).__name__})"
        )
    for key in config:
        if key not in _KEYS:
            raise InvalidValue(
                f"interval {show(name)}: unknown key {show(key)}; allowed are step, steps, resolution"
            )
    if config.get("step") is None:
        raise InvalidValue(f"interval {show(name)}: step is missing; it must be {_ALLOWED_STEP}")
    step = parse_step(config["step"], zone, f"interval {show(name)}: step")
    steps = config.get("steps")
    if steps is not None:
        if isinstance(steps, bool) or not isinstance(steps, int):
            raise InvalidType(
                f"interval {show(name)}: steps must be an int >= 1, or None to keep every bucket; "
                f"got {show(steps)} ({type(steps).__name__})"
            )
        if steps < 1:
            raise InvalidValue(
                f"interval {show(name)}: steps must be an int >= 1, or None to keep every bucket; got {show(steps)}"
            )
        steps = int.__int__(steps)
    resolution = None
    if config.get("resolution") is not None:
        resolution = parse_step(config["resolution"], zone, f"interval {show(name)}: resolution")
        if resolution.nominal > step.nominal:
            raise InvalidValue(
                f"interval {show(name)}: resolution must not be longer than step; "
                f"got resolution {show(config['resolution'])} ({resolution.nominal} s) "
                f"and step {show(config['step'])} ({step.nominal} s)"
            )
        if type(resolution) is type(step) and resolution.text == step.text:
            resolution = None
    return Interval(name, step, steps, resolution, zone)
