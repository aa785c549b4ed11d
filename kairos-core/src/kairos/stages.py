"""The stages of a read: who provides each, bound once per call. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

from attrs import define, field, frozen

from . import transforms
from .errors import InvalidType, InvalidValue, Unsupported, show
from .kinds import KindRules
from .storage import Capabilities

__all__ = ["NO_STAGES", "STAGES", "Binder", "Call", "Native", "Plan", "StageProviders", "Stages"]

STAGES = ("fetch", "process_row", "condense", "join_rows", "collapse", "transform")


@frozen
class Native:
    """The stages that the kind itself provides, for plugins to wrap.

    Attributes
    ----------
    process_row
        ``f(row) -> row``, ``read_func`` included.
    condense, collapse
        ``f({start: row}) -> row``.
    join_rows
        ``f([row]) -> row``.
    transforms
        Named transforms: ``f(row, duration_seconds)``.
    """

    process_row: Callable[[Any], Any]
    condense: Callable[[Mapping[int, Any]], Any]
    join_rows: Callable[[list[Any]], Any]
    collapse: Callable[[Mapping[int, Any]], Any]
    transforms: Mapping[str, Callable[[Any, int], Any]]


@frozen
class Plan:
    """What a stage plugin is asked about: one read, before it happens.

    Attributes
    ----------
    backend
        The backend's distribution, such as ``"kairos-core"``.
    kind
        The kind of the timeseries.
    call
        ``"get"``, ``"series"`` or ``"iterate"``.
    names
        The names that are read.
    interval
        The interval's name.
    native
        The kind's own stages.
    """

    backend: str
    kind: str
    call: str
    names: tuple[str, ...]
    interval: str
    native: Native


@frozen
class Call:
    """The stages that a call gives by keyword."""

    transform: Any = None
    fetch: Any = None
    process_row: Any = None
    condense: Any = None
    join_rows: Any = None
    collapse: Any = None

    def check(self) -> None:
        """Raise InvalidType for a stage that is neither None, a bool nor a callable."""
        for stage in STAGES[:-1]:
            value = getattr(self, stage)
            if value is not None and value is not True and value is not False and not callable(value):
                raise InvalidType(f"{stage} must be a callable, True, False or None; got {show(value)}")


NO_STAGES = Call()


class StageProviders(Protocol):
    """What the plugins offer, as reads see it."""

    def provides(self, stage: str) -> bool:
        """Return whether any plugin implements the stage's hook."""

    def stage(self, stage: str, plan: Plan) -> Callable[..., Any] | None:
        """Return the callable of the first plugin that takes the read."""

    def transforms(self, plan: Plan) -> Mapping[str, Callable[..., Any] | None]:
        """Return all plugins' named transforms; None stands for a name that two provide."""


@frozen
class Stages:
    """The stages of one call, bound.

    ``process_row`` is None where rows are shown as they come; ``condense`` and ``collapse`` are None where the
    call does not ask for them. ``timed`` tells whether a transform needs the duration; ``native`` holds the
    stages that are the kind's own.
    """

    fetch: Callable[..., Any] | None
    process_row: Callable[[Any], Any] | None
    condense: Callable[[Mapping[int, Any]], Any] | None
    join_rows: Callable[[list[Any]], Any]
    collapse: Callable[[Mapping[int, Any]], Any] | None
    transforms: tuple[transforms.Transform, ...] | None
    single: bool
    timed: bool
    native: frozenset[str]


@define
class Binder:
    """Binds the stages of one timeseries' reads: the call's keyword, then plugins, then the kind's own."""

    rules: KindRules
    capabilities: Capabilities
    read_func: Callable[[Any], Any] | None
    plugins: StageProviders | None
    backend: str
    native: Native = field(init=False)
    plain: Stages = field(init=False)
    _reader: Callable[[Any], Any] | None = field(init=False)
    _plugged: frozenset[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._reader = self.rules.reader(self.read_func)
        merge = self.rules.merge
        merge_values = lambda rows: merge(rows.values())  # noqa: E731
        self.native = Native(
            self._reader or (lambda row: row),
            merge_values,
            merge,
            merge_values,
            _native_transforms(self.rules.name),
        )
        plugins = self.plugins
        self._plugged = frozenset(s for s in STAGES if plugins is not None and plugins.provides(s))
        self.plain = Stages(
            None,
            self._reader,
            None,
            merge,
            None,
            None,
            True,
            False,
            frozenset({"process_row", "condense", "join_rows", "collapse"}),
        )

    def bind(self, call: str, names: tuple[str, ...], interval: str, given: Call, resolved: bool) -> Stages:
        """Return the stages of a call; ``resolved`` tells whether the interval has a resolution."""
        if given is NO_STAGES and not self._plugged:
            return self.plain
        given.check()
        plan = Plan(self.backend, self.rules.name, call, names, interval, self.native)
        native = set(self.plain.native)

        def choose(stage: str, keyword: Any, own: Any) -> Any:
            found = keyword if callable(keyword) else None
            if found is None and stage in self._plugged:
                assert self.plugins is not None
                found = self.plugins.stage(stage, plan)
                if found is not None and not callable(found):
                    raise InvalidType(
                        f"a plugin gave {show(found)} for {stage}; it must give a callable or None"
                    )
            if found is None:
                return own
            native.discard(stage)
            return found

        fetch = choose("fetch", given.fetch, None)
        if fetch is not None and not self.capabilities.custom_fetch:
            raise Unsupported("this backend does not let the fetch stage be replaced")
        process_row = choose("process_row", given.process_row, self._reader)
        join_rows = choose("join_rows", given.join_rows, self.rules.merge)
        collapses = given.collapse is not None and given.collapse is not False
        condenses = collapses or (given.condense is not None and given.condense is not False)
        condense = collapse = None
        if condenses and (resolved or given.collapse is True):
            condense = choose("condense", given.condense, self.native.condense)
        if collapses:
            by_condense = given.collapse is True and callable(given.condense)
            collapse = choose("collapse", given.condense if by_condense else given.collapse, None)
            if collapse is None and "condense" in native:
                collapse = self.native.collapse
            elif collapse is None:  # a plugin's condense collapses, too
                collapse = condense
                native.discard("collapse")
        if not resolved:
            condense = None
        parsed = None
        single = True
        if given.transform is not None:
            text = self.capabilities.values.text and self.read_func is None and "process_row" in native
            items, single = transforms.parse(
                self.rules.name, given.transform, lambda: self._named(plan), text
            )
            parsed = tuple(items)
        timed = parsed is not None and any(transform.timed for transform in parsed)
        return Stages(
            fetch, process_row, condense, join_rows, collapse, parsed, single, timed, frozenset(native)
        )

    def _named(self, plan: Plan) -> Mapping[str, Callable[..., Any] | None]:
        if "transform" not in self._plugged:
            return {}
        assert self.plugins is not None
        return self.plugins.transforms(plan)


@cache
def _native_transforms(kind: str) -> Mapping[str, Callable[[Any, int], Any]]:
    """Return the built-in transforms of a kind as ``f(row, duration_seconds)``."""
    found: dict[str, Callable[[Any, int], Any]] = {}
    for name in transforms.NAMES:
        try:
            transform = transforms.named(kind, name)
        except InvalidValue:
            continue
        assert transform is not None
        found[name] = transform.call if transform.timed else _ignoring_seconds(transform.call)
    return found


def _ignoring_seconds(call: Callable[[Any], Any]) -> Callable[[Any, int], Any]:
    return lambda row, seconds: call(row)
