"""What the kit runs in other processes: functions that can be pickled, and a script that can be killed."""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import Mapping
from typing import Any

import kairos

__all__ = ["killable", "meet_at", "open_and_write", "write", "write_bulk"]


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


def meet_at(barrier: Any) -> None:
    """Keep the barrier at which this process meets the others of its pool."""
    _barriers.append(barrier)


def open_and_write(target: Any, arguments: Mapping[str, Any], name: str, value: Any) -> None:
    """Wait for the other processes of the pool, then open and write."""
    _barriers[-1].wait(120)
    with kairos.Timeseries(target, **arguments) as handle:
        handle.insert(name, value)


def killable(target: str, arguments: Mapping[str, Any], name: str, moment: float) -> str:
    """Return a script that writes two names at once, for ever, and prints a line for each call that returned."""
    return f"""
import pickle, sys
sys.path[:0] = {[path for path in sys.path if path]!r}
from kairos import Timeseries
with Timeseries({target!r}, **pickle.loads({pickle.dumps(dict(arguments))!r})) as handle:
    while True:
        handle.bulk_insert({{{moment!r}: {{{name!r}: [1], {name + "b"!r}: [1]}}}})
        print(flush=True)
"""
