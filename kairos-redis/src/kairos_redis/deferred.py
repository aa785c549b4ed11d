"""Writes that are queued on the caller's pipeline, and not executed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from kairos.errors import InvalidType, show
from kairos.storage import Batch

from .chunks import chunks
from .connections import Command
from .layouts import Layouts
from .writing import Writer

__all__ = ["Deferred"]

FRESH = 1.0
"""For how many seconds the records that were read before one queued write serve the next: it is done later anyway."""


@define
class Deferred:
    """The write option ``pipeline=``.

    Parameters
    ----------
    layouts
        The records of the place.
    writer
        What gives the commands.
    clock
        Monotonic seconds.
    pipelines
        The pipelines of redis-py that are taken.
    """

    layouts: Layouts
    writer: Writer
    clock: Callable[[], float]
    pipelines: tuple[type, ...]
    _until: float = field(init=False, default=0.0)

    def known(self) -> Mapping[str, str] | None:
        """Return the records, if they were read a moment ago for another queued write."""
        return dict(self.layouts.known) if self.clock() < self._until else None

    def record(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Queue the records that are missing, as far as is known; return those that are there."""
        pipeline = self._pipeline(options)
        known = self.layouts.known
        _queue(pipeline, self.layouts.commands({n: text for n, text in layouts.items() if n not in known}))
        _queue(pipeline, self.layouts.steps_commands())
        if self.clock() >= self._until:
            self._until = self.clock() + FRESH
        found = {name: known[name] for name in layouts if name in known}
        self.layouts.expect(found)
        return found

    def forget(self) -> None:
        """Read the records anew before the next queued write."""
        self._until = 0.0

    def write(self, batch: Batch) -> None:
        """Queue a batch."""
        pipeline = self._pipeline(batch.options)
        for chunk in chunks(batch.writes, self.writer.codec):
            _queue(pipeline, self.writer.plain(chunk, batch.now, seen=False))

    def _pipeline(self, options: Mapping[str, Any]) -> Any:
        pipeline = options["pipeline"]
        if isinstance(pipeline, self.pipelines):
            return pipeline
        module = "redis.asyncio" if self.pipelines[0].__module__.startswith("redis.asyncio") else "redis"
        raise InvalidType(
            f"pipeline must be a pipeline of a {module}.Redis or a RedisCluster; "
            f"got {show(pipeline)} ({type(pipeline).__name__})"
        )


def _queue(pipeline: Any, commands: list[Command]) -> None:
    queue = getattr(pipeline, "pipeline_execute_command", pipeline.execute_command)
    for name, *arguments in commands:
        queue(name.decode(), *arguments)
