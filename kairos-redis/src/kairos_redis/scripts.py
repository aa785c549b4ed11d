"""The Lua scripts, and the texts that a server is sent when it does not know them (``NOSCRIPT``)."""

from __future__ import annotations

import re
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

__all__ = ["DELETE", "INDEX", "SEVERAL", "SINGLE", "TEXTS", "WRITE", "refuses_scripts"]

TEXTS: dict[bytes, bytes] = {}
"""Digest, as ``EVALSHA`` takes it -> text."""


def _script(*parts: str) -> bytes:
    text = b"\n".join(files(__package__).joinpath("lua", f"{part}.lua").read_bytes() for part in parts)
    digest = sha1(text, usedforsecurity=False).hexdigest().encode()
    TEXTS[digest] = text
    return digest


WRITE = {kind: _script(kind, "write") for kind in ("histogram", "count", "gauge")} | {
    kind: _script(kind, "collection", "write") for kind in ("series", "set")
}
"""Kind -> the script that stores a chunk of a batch."""

INDEX = _script("index")
"""The script that adds to one index key."""

SINGLE = _script("single")
"""The script that adds names with one bucket to the index."""

SEVERAL = _script("several")
"""The script that takes them away, when they have the form of names with several."""

DELETE = _script("delete")
"""The script that removes buckets."""


def refuses_scripts(reply: Any) -> bool:
    """Return whether a server answers that it takes no scripts from this user; then nothing was carried out."""
    if not isinstance(reply, ResponseError):
        return False
    command = re.search(r"[`'](evalsha|eval|script\|load|script)[`']", str(reply).lower())
    return command is not None and (
        isinstance(reply, NoPermissionError) or "unknown command" in str(reply).lower()
    )
