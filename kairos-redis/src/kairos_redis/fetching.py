"""The caller's own ``fetch``: ``fetch(handle, key)`` queues one command on a pipeline of redis-py's."""

from __future__ import annotations

from itertools import islice
from typing import Any

import redis

from kairos.errors import InvalidType, show
from kairos.sansio import run
from kairos.storage import Buckets, Read

from .kinds import KINDS, text
from .links import Link
from .reading import AT_ONCE, Reader

__all__ = ["fetch_rows"]


def fetch_rows(reader: Reader, link: Link, request: Read) -> dict[str, Buckets]:
    """Return what the caller's fetch gives for the data keys of a range; None and what is empty is no data."""
    assert request.fetch is not None
    found: dict[str, Buckets] = {name: {} for name in request.names}
    cells = iter(run(reader.cells(request), link.send))
    while some := list(islice(cells, AT_ONCE)):
        keys = [reader.key(request.interval, cell).decode() for cell in some]
        try:
            replies = _execute(link, request.fetch, keys)
        except redis.ConnectionError:  # to read once more does no harm
            replies = _execute(link, request.fetch, keys)
        for (name, i, r), reply in zip(some, replies, strict=True):
            if reply is not None and reply not in ([], {}, set()):
                found[name].setdefault(i, {})[r] = _row(reader.place.kind, reply)
    return found


def _execute(link: Link, fetch: Any, keys: list[str]) -> list[Any]:
    with link.pipeline() as pipeline:
        for number, key in enumerate(keys, 1):
            fetch(pipeline, key)
            if len(pipeline) != number:
                raise InvalidType(
                    f"fetch(handle, key) must queue exactly one command on the handle; for {show(key)} it queued "
                    f"{len(pipeline) - number + 1}"
                )
        replies: list[Any] = pipeline.execute()
        return replies


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
