"""The memory backend under another's declaration: what a right backend with these capabilities would answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from kairos import hookimpl
from kairos.memory import MemoryStorage, Store
from kairos.storage import Capabilities, Config, Scope, Storage

__all__ = ["Reference"]


@define(eq=False)
class Reference:
    """A place in memory; the target of a timeseries that declares what another backend declares."""

    declared: Mapping[str, Capabilities]
    store: Store = field(init=False, factory=Store)


class ReferenceStorage(MemoryStorage):
    """Rows in memory, with the capabilities of another backend; it transforms nothing itself."""

    def __init__(self, reference: Reference, kind: str) -> None:
        super().__init__(reference.store, kind)
        self.capabilities = evolve(reference.declared[kind], transforms=frozenset())

    def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        """Remove buckets below the first live ones, as a backend with manual expiry does."""
        if self.capabilities.expiry[self.kind] == "native":
            return super().expire(scope, names)
        with self.store._lock:
            for interval, first in scope.items():
                for name, own in self.place.rows.get(interval, {}).items():
                    if names is None or name in names:
                        for i in [i for i in own if first is not None and i < first]:
                            del own[i]
        return None


@hookimpl
def kairos_open(target: Any, config: Config) -> Storage | None:
    """Open a reference."""
    return ReferenceStorage(target, config.kind) if isinstance(target, Reference) else None
