"""Real servers for kairos' tests, benchmarks and developers: Redis, MongoDB, SQL, Cassandra and others."""

from __future__ import annotations

from .catalogue import KINDS, Off, start
from .engine import Certificates, Engine
from .node import Died, Node
from .proxy import Proxy
from .sources import Missing

__all__ = ["KINDS", "Certificates", "Died", "Engine", "Missing", "Node", "Off", "Proxy", "start"]
