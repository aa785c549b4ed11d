"""A backend that says which one it is: it keeps nothing, and refuses every write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kairos.hookspecs import hookimpl
from kairos.storage import Batch, Capabilities, Config, Read, Reply, Scope, Storage, Values

if TYPE_CHECKING:
    from kairos.reads import Plan


class RivalStorage(Storage):
    """Nothing in, nothing out."""

    capabilities = Capabilities(
        kinds=frozenset({"count"}),
        values=Values(types=frozenset({int}), text=False, int_range=None, max_bytes=None),
        max_name_bytes=100,
        expiry={"count": "native"},
        float_counts=False,
        checked_totals=False,
        atomic_batch=True,
        shared=False,
        custom_fetch=False,
        write_options=frozenset(),
        folds=frozenset(),
        transforms=frozenset(),
    )

    def layouts(self) -> Mapping[str, str]:
        return {}

    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        return layouts

    def forget_layouts(self, intervals: Sequence[str]) -> None:
        pass

    def write(self, batch: Batch) -> None:
        raise RuntimeError("this is the rival")

    def read(self, request: Read) -> Reply:
        return Reply({})

    def names(self, scope: Scope) -> Iterable[str]:
        return ()

    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        return None

    def delete(self, names: Sequence[str], scope: Scope) -> int:
        return 0


@hookimpl
def kairos_open(target: Any, config: Config) -> Storage | None:
    """Take rival:// and twice:// URLs."""
    if isinstance(target, str) and target.startswith(("rival://", "twice://")):
        return RivalStorage()
    return None


@hookimpl
def kairos_transform(plan: Plan) -> Mapping[str, Callable[..., Any]] | None:
    """Provide "half", which another plugin provides too, and "quarter"."""
    return {"half": lambda row: row // 2, "quarter": lambda row: row / 4}
