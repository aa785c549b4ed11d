"""What a law did, call by call, so that a failure can be told as a script."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

from attrs import Factory, define, evolve, frozen

__all__ = ["Call", "Log", "Opening", "Recorded"]


@frozen
class Opening:
    """A handle that was opened, or that was to be.

    Parameters
    ----------
    handle
        Its number.
    api
        ``"Timeseries"``, ``"AsyncTimeseries"``, ``"open_storage"`` or ``"DrivenStorage"``.
    keywords
        Its arguments, without target and clock.
    now
        What the kit's clock showed; None: it is on a clock of its own.
    """

    handle: int
    api: str
    keywords: dict[str, Any]
    now: float | None


@define
class Call:
    """One call of a handle; ``items`` is how many were taken of a walk, ``now`` what the clock showed."""

    handle: int
    method: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    now: float | None
    items: int | None = None


@define
class Log:
    """The calls of one law.

    Attributes
    ----------
    events
        Openings and calls, in order.
    own
        A script that the law itself gives, where calls one after the other don't show what it is about.
    differed
        The last call whose answer was not the model's, and that answer: of all the examples that failed, the
        one that is told.
    """

    events: list[Opening | Call] = Factory(list)
    own: list[str] | None = None
    differed: tuple[Opening | Call, Any] | None = None
    _handles: int = 0

    def begin(self) -> None:
        """Start with nothing."""
        self.events, self.own, self.differed = [], None, None

    def differs(self, expected: Any) -> None:
        """Note that the last call should have given something else."""
        if self.events:
            self.differed = self.events[-1], expected

    def opening(self, api: str, keywords: dict[str, Any], clock: Any) -> int:
        """Note that a handle is opened; return its number."""
        self._handles += 1
        self.events.append(Opening(self._handles, api, dict(keywords), getattr(clock, "now", None)))
        return self._handles


@define(eq=False)
class Recorded:
    """A :class:`kairos.Timeseries`, or a :class:`kairos.storage.Storage`, that notes its calls."""

    own: Any
    log: Log
    handle: int
    clock: Any = None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.own, name)
        if not callable(found):
            return found

        def call(*args: Any, **keywords: Any) -> Any:
            self._note(name, args, keywords)
            return found(*args, **keywords)

        return call

    def write(self, batch: Any) -> None:
        """Write, and note it with copies: a law may change the payloads afterwards."""
        writes = [evolve(write, rows={n: copy(p) for n, p in write.rows.items()}) for write in batch.writes]
        self._note("write", (evolve(batch, writes=writes),), {})
        self.own.write(batch)

    def iterate(self, *args: Any, **keywords: Any) -> Iterator[tuple[int, Any]]:
        """Walk, and note how far, and what the clock showed at the first item."""
        items = self.own.iterate(*args, **keywords)
        return self._walk(items, Call(self.handle, "iterate", args, keywords, None, 0))

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, *_: object) -> None:
        self._note("close", (), {})
        self.own.close()

    def _note(self, method: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        args = tuple(list(arg) if type(arg) is list else arg for arg in args)
        self.log.events.append(Call(self.handle, method, args, keywords, getattr(self.clock, "now", None)))

    def _walk(self, items: Iterator[tuple[int, Any]], call: Call) -> Iterator[tuple[int, Any]]:
        call.now = getattr(self.clock, "now", None)
        self.log.events.append(call)
        for item in items:
            call.items = (call.items or 0) + 1
            yield item
        call.items = None
