"""Time series in Redis or Valkey: the Redis backend of kairos."""

from .adopting import adopt
from .errors import NotAcknowledged

__all__ = ["NotAcknowledged", "adopt"]
