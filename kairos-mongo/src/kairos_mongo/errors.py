"""What MongoDB's refusals mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure

from kairos.errors import InvalidValue, show

__all__ = ["explained", "not_created"]

_DUPLICATE_KEY = 11000
_BAD_VALUE = 2
_TOO_LARGE = frozenset({10334, 17419, 17420})

_ADVICE = "use a smaller step, a resolution, or smaller values"


def not_created(error: Exception) -> list[int] | None:
    """Return the positions of documents that were there when they were to be created, if that is all there was."""
    if not isinstance(error, BulkWriteError) or error.details.get("writeConcernErrors"):
        return None
    refused: Sequence[Mapping[str, Any]] = error.details.get("writeErrors") or ()
    return (
        [one["index"] for one in refused] if all(one["code"] == _DUPLICATE_KEY for one in refused) else None
    )


def explained(error: Exception, ids: Sequence[str]) -> Exception:
    """Return the error to raise: kairos' own for what MongoDB refuses a value for, else the driver's.

    ``ids`` are of the documents that were to be written, in their order.
    """
    if isinstance(error, BulkWriteError):
        refused: Sequence[Mapping[str, Any]] = error.details.get("writeErrors") or ()
        for one in refused:
            kept = f"its document {show(ids[one['index']])} keeps what it had"
            if len(ids) > 1:
                kept += f" ({len(ids) - len(refused)} other documents of this call were written)"
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
