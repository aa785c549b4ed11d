"""A timeseries under test beside the model of it: every call goes to both, and the answers are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from attrs import define, evolve

import kairos

from .comparing import check_keys, difference
from .model import Model
from .moments import Clock
from .recording import Log
from .stages import NATIVE, Stages

__all__ = ["Pair"]


@define
class Pair:
    """A handle, the model of its place, the clock of both, and the log of what is called."""

    handle: kairos.Timeseries
    model: Model
    clock: Clock
    log: Log

    def insert(self, name: str, value: Any, timestamp: Any = None, copies: int = 0) -> None:
        """Write one value, or a collection of them."""
        expected = self.model.insert(name, value, timestamp, copies, self.clock.now)
        written = self.handle.insert(name, value, timestamp, copies)
        assert (written.stored, written.dropped) == expected, (
            f"{written}; (stored, dropped) should be {expected}"
        )

    def bulk_insert(self, data: Mapping[Any, Mapping[str, Any]], copies: int = 0) -> None:
        """Write many values at once."""
        expected = self.model.bulk_insert(data, copies, self.clock.now)
        written = self.handle.bulk_insert(data, intervals=copies)
        assert (written.stored, written.dropped) == expected, (
            f"{written}; (stored, dropped) should be {expected}"
        )

    def get(self, name: Any, interval: str, timestamp: Any = None, stages: Stages = NATIVE) -> None:
        """Compare one bucket."""
        expected = self.model.get(name, interval, timestamp, self.clock.now, stages)
        self.same(self.handle.get(name, interval, timestamp=timestamp, **stages.keywords()), expected)

    def series(
        self,
        name: Any,
        interval: str,
        start: Any = None,
        end: Any = None,
        steps: int | None = None,
        stages: Stages = NATIVE,
    ) -> None:
        """Compare a range."""
        expected = self.model.series(name, interval, start, end, steps, self.clock.now, stages)
        keywords = stages.keywords(collapse=True)
        got = self.handle.series(name, interval, start=start, end=end, steps=steps, **keywords)
        self.same(got, expected)
        if self.model.configuration.intervals[interval].resolution and stages == NATIVE:
            for nested in got.values():
                check_keys(nested)

    def iterate(self, name: Any, interval: str, stages: Stages = NATIVE, items: int = 40) -> None:
        """Compare the first items of a walk: what lies between two points can be years."""
        stages = evolve(stages, collapse=None)
        expected = list(islice(self.model.iterate(name, interval, self.clock.now, stages), items))
        got = list(islice(self.handle.iterate(name, interval, **stages.keywords()), items))
        assert [at for at, _ in got] == [at for at, _ in expected], "iterate gave other starts than the model"
        self.same(dict(got), dict(expected))

    def listed(self, tag: str) -> None:
        """Compare the names with a tag in them."""
        listed = self.handle.list()
        assert listed == sorted(set(listed)), "list() is not sorted, or has a name twice"
        got, expected = [name for name in listed if tag in name], self.model.listed(self.clock.now)
        assert got == expected, f"list() has {got}; the model says {expected}"

    def properties(self, name: str) -> None:
        """Compare a name's first and last buckets."""
        got, expected = self.handle.properties(name), self.model.properties(name, self.clock.now)
        assert got == expected, f"properties() gave {got}; the model says {expected}"

    def delete(self, name: str) -> None:
        """Delete a name."""
        expected = self.model.delete(name, self.clock.now)
        got = self.handle.delete(name)
        assert got == expected, f"delete() removed {got} names; the model says {expected}"

    def expire(self, name: str | None = None) -> None:
        """Expire a name, or all of them; see that a backend with native expiry refuses."""
        if not self.model.native:
            self.model.expire(name, self.clock.now)
            self.handle.expire(name)
            return
        try:
            self.handle.expire(name)
        except NotImplementedError:
            return
        raise AssertionError("expire() did not raise, although expiry is declared native")

    def check(self, names: Iterable[str]) -> None:
        """Compare everything that is known of some names."""
        for name in names:
            self.properties(name)
            for interval in self.model.configuration.intervals:
                self.iterate(name, interval)
                self.iterate(name, interval, Stages(condense=True))

    def close(self) -> None:
        """Close the handle."""
        self.handle.close()

    def same(self, got: Any, expected: Any) -> None:
        """Assert that an answer is the expected one, with ascending keys."""
        differs = difference(got, expected)
        if differs is not None:
            self.log.differs(expected)
        assert differs is None, f"{differs}; all of it: {got!r}; the model says {expected!r}"
        check_keys(got)
