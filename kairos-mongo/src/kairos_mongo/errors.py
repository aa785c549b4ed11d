"""What MongoDB's refusals mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from pymongo.errors import BulkWriteError, WriteConcernError, WTimeoutError

from kairos.errors import InvalidValue, show

__all__ = ["ADVICE", "DUPLICATE_KEY", "Refused", "concern_error", "error_of"]

ADVICE = "use a smaller step, a resolution, or smaller values"

DUPLICATE_KEY = 11000
_BAD_VALUE = 2
_TOO_LARGE = frozenset({10334, 17419, 17420})


@frozen
class Refused:
    """A write that the server did not carry out.

    Attributes
    ----------
    id
        The document that keeps what it had.
    error
        The server's account of it.
    """

    id: str
    error: Mapping[str, Any]


def error_of(refused: Sequence[Refused]) -> Exception:
    """Return the error to raise: kairos' own for what MongoDB refuses a value for, else the driver's."""
    for one in refused:
        reason, advice = _reason(one.error["code"], one.error["errmsg"])
        if reason:
            also = f", and so do {len(refused) - 1} others" if len(refused) > 1 else ""
            return InvalidValue(
                f"{reason}: its document {show(one.id)} keeps what it had{also}; everything else of this call was "
                f"written{advice}"
            )
    return BulkWriteError({"writeErrors": [one.error for one in refused], "writeConcernErrors": []})


def concern_error(error: Mapping[str, Any]) -> WriteConcernError:
    """Return the driver's error for a write that is there, but not acknowledged as was asked."""
    timed_out = error.get("errInfo", {}).get("wtimeout")
    return (WTimeoutError if timed_out else WriteConcernError)(error["errmsg"], error["code"], dict(error))


def _reason(code: int, message: str) -> tuple[str, str]:
    """Return what a refusal means, and what to do about it; nothing where the driver's error says it best."""
    if code == _BAD_VALUE and "$inc" in message:
        return "a total would leave 64 bits", ""
    if code in _TOO_LARGE or (code == _BAD_VALUE and "too large" in message):
        return "a bucket would pass MongoDB's 16 MB for a document", f"; {ADVICE}"
    return "", ""
