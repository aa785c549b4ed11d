"""Every exception that kairos raises.

Each derives from :class:`KairosError` and from the builtin that a caller would catch. Errors of the
drivers (``redis``, ``sqlalchemy``, …) pass through unchanged.
"""

from __future__ import annotations

__all__ = [
    "AmbiguousBackend",
    "BackendNotFound",
    "Closed",
    "InvalidType",
    "InvalidValue",
    "KairosError",
    "SchemaMismatch",
    "UnknownInterval",
    "Unsupported",
    "show",
]

_LONGEST = 200


def show(value: object) -> str:
    """Return a value as messages show it: its repr, cut if it is long."""
    try:
        text = repr(value)
    except Exception:  # an int of too many digits, or a repr that is broken
        return f"<{type(value).__name__} that cannot be shown>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class KairosError(Exception):
    """The base of all errors that kairos raises itself."""


class InvalidType(KairosError, TypeError):
    """An argument has the wrong type; the message shows it and names the types allowed."""


class InvalidValue(KairosError, ValueError):
    """An argument has the wrong value; the message shows it and says what is allowed."""


class UnknownInterval(KairosError, KeyError):
    """A read names an interval that this timeseries does not configure."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return Exception.__str__(self)


class Closed(KairosError, RuntimeError):
    """The timeseries has been closed."""


class Unsupported(KairosError, NotImplementedError):
    """The backend does not declare the capability that this call needs; nothing was written."""


class BackendNotFound(KairosError, ImportError):
    """No installed backend takes the target; the message says what to install."""


class AmbiguousBackend(KairosError, ValueError):
    """Two installed plugins take the target; choose one with ``backend="name"``."""


class SchemaMismatch(KairosError, ValueError):
    """The place holds data of another kind, step, resolution or zone than this timeseries asks for."""
