"""Times at the edges of buckets, and clocks that the kit turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, frozen
from hypothesis import strategies as st

from .configurations import Configuration, Interval

__all__ = ["Clock", "Moment", "moments", "ticks"]

EDGES = ("start", "start-1", "start+1", "middle", "end-1")
FORMS = ("int", "float", "half", "utc", "local")


@define
class Clock:
    """A clock that stands still until it is turned."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self.now


@frozen
class Moment:
    """A time, given by where it lies among the buckets of an interval.

    Parameters
    ----------
    interval
        Which interval, modulo their number.
    back
        How many buckets before the clock's (negative: after); ``"steps"`` counts from the oldest live bucket.
    edge
        Where in the bucket.
    form
        How the timestamp is given.
    near
        ``"now"`` or ``"epoch"``, from which buckets are counted.
    """

    interval: int
    back: int
    near: str
    edge: str
    form: str

    def timestamp(self, configuration: Configuration, now: float) -> Any:
        """Return the timestamp to give to a call."""
        second, zone = self.second(configuration, now), ZoneInfo(configuration.tz)
        if self.form in ("float", "half"):
            return second + (0.5 if self.form == "half" else 0.0)
        if self.form == "int":
            return second
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second, microseconds=999_999)
        return moment.astimezone(zone if self.form == "local" else UTC)

    def second(self, configuration: Configuration, now: float) -> int:
        """Return the time's whole second."""
        every = list(configuration.intervals.values())
        interval = every[self.interval % len(every)]
        step = interval.step
        back = self.back + (interval.steps or 0) if self.near == "oldest" else self.back
        bucket = step.after(step.bucket(0 if self.near == "epoch" else int(now // 1)), -back)
        start, end = step.start(bucket), step.end(bucket)
        places = {"start": start, "start-1": start - 1, "start+1": start + 1, "middle": (start + end) // 2}
        return places.get(self.edge, end - 1)


def moments() -> st.SearchStrategy[Moment | None]:
    """Return a strategy of times: mostly near now, some near the retention's edge, some in 1970; None is now."""
    near = st.sampled_from(("now", "now", "oldest", "epoch"))
    some = st.builds(
        Moment,
        interval=st.integers(0, 1),
        back=st.integers(-2, 2),
        near=near,
        edge=st.sampled_from(EDGES),
        form=st.sampled_from(FORMS),
    )
    return st.one_of(some, some, some, st.none())


def ticks(interval: Interval, now: float) -> list[float]:
    """Return the times near which something changes next: one second before a bucket's start, and at it."""
    step = interval.step
    begins = [step.start(step.after(step.bucket(int(now // 1)), n)) for n in (1, 2, 3)]
    return [moment for begin in begins for moment in (begin - 1, begin, begin + 0.5) if moment >= now]
