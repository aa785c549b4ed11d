"""What kairos-redis raises itself; errors of the driver pass through."""

from __future__ import annotations

from kairos.errors import KairosError

__all__ = ["NotAcknowledged"]


class NotAcknowledged(KairosError, TimeoutError):
    """A write was stored by the master, and fewer replicas than ``wait=`` asks for confirmed it in time."""
