"""Help for authors of storages that keep one value per bucket. Pure.

A row here is what :meth:`kairos.storage.Storage.read` returns; ``dumps`` and ``loads`` write it as JSON, with
bytes, non-string keys and sets tagged, so that it comes back ``==``.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

from .kinds import KIND_BY_NAME

__all__ = ["add", "dumps", "loads", "merge"]


def add(kind: str, row: Any, payload: Any) -> Any:
    """Return ``row`` with a write's payload added; ``row`` is None where there is no data, and may be changed.

    A total of a count may come back as a whole float: ``kairos.kinds.whole`` makes it an int for a reply.

    Raises
    ------
    InvalidValue
        If a count would pass 64 bits (ints) or the range of a float.

    Examples
    --------
    >>> add("series", ["a"], ["b"]), add("count", None, 2), add("histogram", {1: 1}, {1: 2})
    (['a', 'b'], 2, {1: 3})
    """
    rules = KIND_BY_NAME[kind]
    added = rules.add(row, payload)
    rules.check(row, payload, added)
    return added


def merge(kind: str, rows: Iterable[Any]) -> Any:
    """Merge rows in the order given, as native ``condense``, ``join_rows`` and ``collapse`` do."""
    return KIND_BY_NAME[kind].merge(rows)


def _pack(value: Any) -> Any:
    return {"b": b64encode(value).decode()} if isinstance(value, bytes) else value


def _unpack(value: Any) -> Any:
    return b64decode(value["b"]) if isinstance(value, dict) else value


def dumps(kind: str, row: Any) -> bytes:
    """Return a row of int, float, str, bytes and bool values as JSON.

    Examples
    --------
    >>> dumps("histogram", {b"x": 2})
    b'[[{"b": "eA=="}, 2]]'
    """
    plain: Any
    if kind == "histogram":
        plain = [[_pack(value), count] for value, count in row.items()]
    elif kind in ("series", "set"):
        plain = [_pack(value) for value in row]
    else:
        plain = _pack(row)
    return json.dumps(plain, allow_nan=False).encode()


def loads(kind: str, data: bytes) -> Any:
    """Return the row that :func:`dumps` wrote; a count's total may be a whole float, as it was."""
    plain = json.loads(data)
    if kind == "histogram":
        return {_unpack(value): count for value, count in plain}
    if kind == "series":
        return [_unpack(value) for value in plain]
    if kind == "set":
        return {_unpack(value) for value in plain}
    return _unpack(plain)
