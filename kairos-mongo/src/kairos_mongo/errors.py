"""What MongoDB's refusals mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure

from kairos.errors import InvalidValue, show

__all__ = ["explained", "not_upserted"]

_DUPLICATE_KEY = 11000
_BAD_VALUE = 2
_TOO_LARGE = frozenset({10334, 17419, 17420})

_ADVICE = "use a smaller step, a resolution, or smaller values"


def not_upserted(error: BulkWriteError) -> list[int] | None:
    """Return the positions of updates that lost the race to create their documents, if that is all there was."""
    details = error.details
    refused: Sequence[Mapping[str, Any]] = details.get("writeErrors") or ()
    if details.get("writeConcernErrors") or any(one["code"] != _DUPLICATE_KEY for one in refused):
        return None
    return [one["index"] for one in refused]


def explained(error: Exception, updates: Sequence[Mapping[str, Any]]) -> Exception:
    """Return the error to raise: kairos' own for what MongoDB refuses a value for, else the driver's."""
    if isinstance(error, BulkWriteError):
        refused: Sequence[Mapping[str, Any]] = error.details.get("writeErrors") or ()
        for one in refused:
            bucket, rest = updates[one["index"]]["q"]["_id"], len(updates) - len(refused)
            kept = f"its document {show(bucket)} keeps what it had"
            if len(updates) > 1:
                kept += f" ({rest} other documents of this call were written)"
            if one["code"] == _BAD_VALUE and "$inc" in one["errmsg"]:
                return InvalidValue(f"a total would leave 64 bits: {kept}")
            if one["code"] in _TOO_LARGE:
                return InvalidValue(f"a bucket would pass MongoDB's 16 MB for a document: {kept}; {_ADVICE}")
    too_large = isinstance(error, DocumentTooLarge)
    if too_large or (isinstance(error, OperationFailure) and error.code in _TOO_LARGE):
        return InvalidValue(
            f"the values for one bucket pass MongoDB's 16 MB for a document: it keeps what it had; {_ADVICE}"
        )
    return error
