"""The caller's own ``fetch``: ``fetch(handle, key)`` queues one command on a pipeline of redis-py's."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from itertools import islice
from typing import Any

import redis
from attrs import frozen

from kairos.errors import InvalidType, show
from kairos.storage import Buckets, Read

from .kinds import KINDS, text
from .reading import AT_ONCE, Reader
from .requests import Request

__all__ = ["Fetch", "check_queued", "fetch_rows", "fetched"]


@frozen
class Fetch:
    """Let the caller's fetch queue a command for each key, on one pipeline. Answer: the replies."""

    function: Callable[..., Any]
    keys: Sequence[str]


def fetch_rows(reader: Reader, request: Read) -> Generator[Request | Fetch, list[Any], dict[str, Buckets]]:
    """Return what the caller's fetch gives for the data keys of a range; None and what is empty is no data."""
    assert request.fetch is not None
    found: dict[str, Buckets] = {name: {} for name in request.names}
    cells = iter((yield from reader.cells(request)))
    while some := list(islice(cells, AT_ONCE)):
        fetch = Fetch(request.fetch, [reader.key(request.interval, cell).decode() for cell in some])
        try:
            replies = yield fetch
        except redis.ConnectionError:  # to read once more does no harm
            replies = yield fetch
        for (name, i, r), reply in zip(some, replies, strict=True):
            if reply is not None and reply not in ([], {}, set()):
                found[name].setdefault(i, {})[r] = _row(reader.place.kind, reply)
    return found


def fetched(pipeline: Any, fetch: Fetch) -> list[Any]:
    """Carry a fetch out on a pipeline."""
    with pipeline:
        for number, key in enumerate(fetch.keys, 1):
            fetch.function(pipeline, key)
            check_queued(pipeline, key, number)
        replies: list[Any] = pipeline.execute()
        return replies


def check_queued(pipeline: Any, key: str, number: int) -> None:
    """Raise unless a pipeline holds so many commands, the last one for this key."""
    if len(pipeline) != number:
        raise InvalidType(
            f"fetch(handle, key) must queue exactly one command on the handle; for {show(key)} it queued "
            f"{len(pipeline) - number + 1}"
        )


def _row(kind: str, reply: Any) -> Any:
    """Return a reply as the rows of its kind are: text, numbers for totals and counts."""
    if isinstance(reply, list):
        return list(map(text, reply))
    if isinstance(reply, set):
        return set(map(text, reply))
    if isinstance(reply, dict):
        pairs = {text(value): text(times) for value, times in reply.items()}
        return {value: _number(times) for value, times in pairs.items()} if kind == "histogram" else pairs
    return (
        KINDS[kind].row(reply.encode() if isinstance(reply, str) else reply)
        if kind == "count"
        else text(reply)
    )


def _number(times: Any) -> Any:
    try:
        return int(times)
    except (TypeError, ValueError):
        return times
