"""What the kit runs in other processes, and how it starts them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from itertools import cycle
from multiprocessing import get_all_start_methods, get_context
from typing import Any

import kairos

__all__ = ["begin", "context", "open_and_write", "write", "write_bulk", "write_for_ever"]


def write(
    target: Any, arguments: Mapping[str, Any], name: str, values: list[Any], moment: float, asyncio_: bool
) -> int:
    """Insert values one by one; return how many calls were acknowledged."""
    return _write(target, arguments, [(name, value, moment) for value in values], [], asyncio_)


def write_bulk(
    target: Any, arguments: Mapping[str, Any], name: str, values: list[Any], moment: float, asyncio_: bool
) -> int:
    """Insert values in calls of three; return how many calls were acknowledged."""
    bulks = [{moment: {name: [value, value], name + "b": [value]}} for value in values]
    return _write(target, arguments, [], bulks, asyncio_)


def _write(
    target: Any, arguments: Mapping[str, Any], inserts: list[Any], bulks: list[Any], asyncio_: bool
) -> int:
    async def both() -> None:
        async with kairos.AsyncTimeseries(target, **arguments) as handle:
            for insert in inserts:
                await handle.insert(*insert)
            for bulk in bulks:
                await handle.bulk_insert(bulk)

    if asyncio_:
        asyncio.run(both())
    else:
        with kairos.Timeseries(target, **arguments) as handle:
            for insert in inserts:
                handle.insert(*insert)
            for bulk in bulks:
                handle.bulk_insert(bulk)
    return len(inserts) + len(bulks)


_barriers: list[Any] = []


def context() -> Any:
    """Return how processes are started: where it can be, from one that has imported everything and is no thread's."""
    methods = get_all_start_methods()
    found: Any = get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        found.set_forkserver_preload(["__main__", __name__])
    return found


def begin(environment: Mapping[str, str], barrier: Any) -> None:
    """Take over the environment of who asks, and keep the barrier at which the processes of a pool meet."""
    os.environ.update(environment)
    _barriers.append(barrier)


def open_and_write(target: Any, arguments: Mapping[str, Any], name: str, value: Any) -> None:
    """Wait for the other processes of the pool, then open and write."""
    _barriers[-1].wait(120)
    with kairos.Timeseries(target, **arguments) as handle:
        handle.insert(name, value)


def write_for_ever(
    target: Any,
    arguments: Mapping[str, Any],
    name: str,
    values: Sequence[Any],
    moment: float,
    environment: Mapping[str, str],
    acknowledged: Any,
) -> None:
    """Write to two names at once, value after value, until killed; send a byte for each call that returned."""
    os.environ.update(environment)
    with kairos.Timeseries(target, **arguments) as handle:
        for value in cycle(values):
            handle.bulk_insert({moment: {name: [value], name + "b": [value]}})
            acknowledged.send_bytes(b".")
