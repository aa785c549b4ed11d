"""Cutting a batch into parts for one script call each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kairos.storage import Write

from .kinds import KindCodec

__all__ = ["chunks"]

KEYS = 2_000
"""How many data keys one script call writes: a longer one would block the server for others."""

ITEMS = 10_000
"""How many values one script call adds, about."""


def chunks(writes: Sequence[Write], codec: KindCodec) -> Iterator[Sequence[Write]]:
    """Cut a batch into parts that are short enough for one script call, each with few names and all their buckets.

    Writes that share their rows still do in each part: what is sent of them is sent once.
    """
    distinct = {id(write.rows): write.rows for write in writes}
    sizes = {at: codec.sizes(rows.values()) for at, rows in distinct.items()}
    keys = sum([len(write.rows) for write in writes])
    size = sum([sizes[id(write.rows)] for write in writes])
    if keys <= KEYS and size <= ITEMS:
        yield writes
        return
    rows = writes[0].rows
    if len(rows) == len(distinct) == 1 and len(writes) <= KEYS:  # long values of one name
        ((name, row),) = rows.items()
        for part in _parts(row, codec, ITEMS // len(writes) + 1):
            own = {name: part}
            yield [_with_rows(write, own) for write in writes]
        return
    share = max(keys / KEYS, size / ITEMS)
    names = rows.keys()
    alike = all(other.keys() == names for other in distinct.values())
    for chunk in _alike(writes, distinct, share) if alike else _by_name(writes, share):
        if sum([len(write.rows) for write in chunk]) <= 2 * KEYS and (
            sum([codec.sizes(write.rows.values()) for write in chunk]) <= 2 * ITEMS
        ):
            yield chunk
        else:
            yield from _cut(chunk, codec)


def _alike(
    writes: Sequence[Write], distinct: Mapping[int, Mapping[str, Any]], share: float
) -> Iterator[list[Write]]:
    """Cut writes that all have the same names."""
    names = list(writes[0].rows)
    length = max(1, int(len(names) / share))
    for start in range(0, len(names), length):
        some = names[start : start + length]
        parts = {at: {name: rows[name] for name in some} for at, rows in distinct.items()}
        yield [_with_rows(write, parts[id(write.rows)]) for write in writes]


def _by_name(writes: Sequence[Write], share: float) -> Iterator[list[Write]]:
    """Cut writes that have some names in common, or none."""
    by_name: dict[str, list[int]] = {}
    for at, write in enumerate(writes):
        for name in write.rows:
            by_name.setdefault(name, []).append(at)
    names = list(by_name)
    length = max(1, int(len(names) / share))
    for start in range(0, len(names), length):
        parts: dict[int, dict[str, Any]] = {}
        for name in names[start : start + length]:
            for at in by_name[name]:
                parts.setdefault(at, {})[name] = writes[at].rows[name]
        yield [_with_rows(writes[at], parts[at]) for at in sorted(parts)]


def _cut(writes: Sequence[Write], codec: KindCodec) -> Iterator[list[Write]]:
    """Cut writes of a few names wherever a part is full."""
    chunk: list[Write] = []
    keys = items = 0
    for write in writes:
        rows: dict[str, Any] = {}
        for name, row in write.rows.items():
            for part in _parts(row, codec):
                size = codec.size(part)
                if keys and (keys >= KEYS or items + size > ITEMS or name in rows):
                    if rows:
                        chunk.append(_with_rows(write, rows))
                    yield chunk
                    chunk, rows, keys, items = [], {}, 0, 0
                rows[name] = part
                keys += 1
                items += size
        if rows:
            chunk.append(_with_rows(write, rows))
    if chunk:
        yield chunk


def _with_rows(write: Write, rows: Mapping[str, Any]) -> Write:
    return Write(write.interval, write.i, write.r, write.deadline, rows)


def _parts(row: Any, codec: KindCodec, most: int = ITEMS) -> Iterator[Any]:
    """Cut a payload that is long into some that are not."""
    if isinstance(row, str) or codec.size(row) <= most:
        yield row
        return
    if isinstance(row, dict):
        pairs = list(row.items())
        for at in range(0, len(pairs), most // 2 + 1):
            yield dict(pairs[at : at + most // 2 + 1])
        return
    values = list(row)
    for at in range(0, len(values), most):
        yield values[at : at + most]
