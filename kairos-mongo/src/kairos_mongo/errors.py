"""What MongoDB's refusals mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from pymongo.errors import BulkWriteError, WriteConcernError, WTimeoutError

from kairos.errors import InvalidValue, show

__all__ = ["ADVICE", "DUPLICATE_KEY", "Refused", "error_of"]

ADVICE = "use a smaller step, a resolution, or smaller values"

DUPLICATE_KEY = 11000
_BAD_VALUE = 2
_TOO_LARGE = frozenset({10334, 17419, 17420})


@frozen
class Refused:
    """What a server refused.

    Attributes
    ----------
    id
        The document that keeps what it had; None: an error of the write concern, and the write may be there.
    error
        The server's account of it.
    """

    id: str | None
    error: Mapping[str, Any]


def error_of(refused: Sequence[Refused]) -> Exception:
    """Return the error to raise: kairos' own for what MongoDB refuses a value for, else the driver's."""
    for one in refused:
        if one.id is not None:
            reason, advice = _reason(one.error["code"], one.error["errmsg"])
            if reason:
                others = sum(other.id is not None for other in refused) - 1
                also = f", and so do {others} others" if others else ""
                return InvalidValue(
                    f"{reason}: its document {show(one.id)} keeps what it had{also}; everything else of this call "
                    f"was written{advice}"
                )
    if any(one.id is not None for one in refused):
        return BulkWriteError(
            {
                "writeErrors": [one.error for one in refused if one.id is not None],
                "writeConcernErrors": [one.error for one in refused if one.id is None],
            }
        )
    error = refused[0].error
    timed_out = error.get("errInfo", {}).get("wtimeout")
    return (WTimeoutError if timed_out else WriteConcernError)(error["errmsg"], error["code"], dict(error))


def _reason(code: int, message: str) -> tuple[str, str]:
    """Return what a refusal means, and what to do about it; nothing where the driver's error says it best."""
    if code == _BAD_VALUE and "$inc" in message:
        return "a total would leave 64 bits", ""
    if code in _TOO_LARGE or (code == _BAD_VALUE and "too large" in message):
        return "a bucket would pass MongoDB's 16 MB for a document", f"; {ADVICE}"
    return "", ""
