"""What the two façades share: everything but I/O. Pure."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, field

from .errors import Closed, InvalidType, Unsupported, show
from .intervals import Interval, check_layout, parse_intervals, parse_zone
from .kinds import KIND_BY_NAME
from .plugins import Opened, StagePlugins, make_config, redact, stage_plugins
from .reads import Reader
from .stages import NO_STAGES, STAGES, Call
from .storage import Capabilities, Config
from .writes import Writer

__all__ = ["UNSET", "Handle", "Settings", "stage_call"]


@define(repr=False)
class Settings:
    """The checked arguments of a timeseries' construction."""

    target: Any
    kind: str
    zone: ZoneInfo
    intervals: Mapping[str, Interval]
    read_func: Callable[[Any], Any] | None
    write_func: Callable[[Any], Any] | None
    clock: Callable[[], float]
    config: Config
    backend: str | None
    plugins: StagePlugins | None

    def __str__(self) -> str:
        return f"{self.kind} in {redact(self.target)}, intervals {', '.join(map(show, self.intervals))}"

    @classmethod
    def check(
        cls,
        target: Any,
        kind: Any,
        intervals: Any,
        read_func: Any,
        write_func: Any,
        tz: Any,
        clock: Any,
        client_config: Any,
        backend: Any,
        plugins: Any,
        options: Mapping[str, Any],
    ) -> Settings:
        """Raise for the first argument that is wrong."""
        zone = parse_zone(tz)
        parsed = parse_intervals(intervals, zone)
        config = make_config(target, kind, parsed, client_config, backend, options)
        for what, function in (("read_func", read_func), ("write_func", write_func)):
            if function is not None and not callable(function):
                raise InvalidType(f"{what} must be a callable or None; got {show(function)}")
        if not callable(clock):
            raise InvalidType(
                f"clock must be a callable that returns seconds since the epoch; got {show(clock)}"
            )
        if not isinstance(plugins, bool):
            raise InvalidType(f"plugins must be True or False; got {show(plugins)}")
        return cls(
            target,
            kind,
            zone,
            parsed,
            read_func,
            write_func,
            clock,
            config,
            backend,
            stage_plugins() if plugins else None,
        )


@define(repr=False)
class Handle:
    """An open timeseries without its storage: plans writes and reads."""

    settings: Settings
    backend: str
    capabilities: Capabilities
    writer: Writer = field(init=False)
    reader: Reader = field(init=False)
    layouts: Mapping[str, str] = field(init=False)
    epoch: int = field(init=False, default=0)  # how often this handle has begun or ended a delete_all
    recorded: int | None = field(init=False, default=None)  # the epoch in which it has recorded the layouts

    @classmethod
    def of(cls, settings: Settings, opened: Opened) -> Handle:
        """Return the handle of an opened storage."""
        return cls(settings, opened.backend, opened.storage.capabilities)

    def __attrs_post_init__(self) -> None:
        settings, capabilities = self.settings, self.capabilities
        rules = KIND_BY_NAME[settings.kind]
        self.writer = Writer(rules, tuple(settings.intervals.values()), capabilities, settings.write_func)
        self.reader = Reader(
            rules, settings.intervals, capabilities, settings.read_func, settings.plugins, self.backend
        )
        self.layouts = {name: interval.layout for name, interval in settings.intervals.items()}

    def __str__(self) -> str:
        return str(self.settings)

    def check_layouts(self, recorded: Mapping[str, str]) -> None:
        """Raise SchemaMismatch if a configured interval was written with another layout."""
        for name, interval in self.settings.intervals.items():
            if name in recorded:
                check_layout(name, recorded[name], interval.layout)

    def starts(self, interval: str, span: tuple[int, int]) -> dict[str, int]:
        """Return what :meth:`kairos.Timeseries.properties` shows of a span of buckets."""
        start = self.settings.intervals[interval].step.start
        return {"first": start(span[0]), "last": start(span[1])}

    def check_expire(self) -> None:
        """Raise Unsupported where the engine removes dead buckets itself."""
        if self.capabilities.expiry[self.settings.kind] == "native":
            raise Unsupported(
                f"expire() is for backends with manual expiry: {self.backend} hides dead buckets of a "
                f"{self.settings.kind} from their deadline on, and removes them itself"
            )

    def providers(self, interval: Any, call: Call) -> dict[str, Any]:
        """Return who provides each stage of a ``get`` of an interval, for :meth:`kairos.Timeseries.plan`."""
        call.check()
        plan = self.reader.plan(interval)
        plugins, kind = self.settings.plugins, f"kind {self.settings.kind}"
        found: dict[str, Any] = {}
        for stage in STAGES[:-1]:
            plugin = None if plugins is None else plugins.provider(stage, plan)
            if callable(getattr(call, stage)):
                found[stage] = "call"
            elif plugin is not None:
                found[stage] = f"plugin {plugin}"
            else:
                found[stage] = f"backend {self.backend}" if stage == "fetch" else kind
        if call.collapse is True and callable(call.condense):
            found["collapse"] = "call"
        plugged = () if plugins is None else plugins.transforms(plan)
        found["transform"] = dict.fromkeys(plan.native.transforms, kind) | dict.fromkeys(plugged, "plugin")
        return found


def closed() -> Closed:
    """Return the error of every call after ``close()``."""
    return Closed("this timeseries is closed; make a new one")


UNSET: Any = object()


def insert_value(kind: str, value: Any) -> Any:
    """Return the value of an ``insert``: 1 if a count gives none."""
    if value is not UNSET:
        return value
    if kind == "count":
        return 1
    raise InvalidType(f"insert() of a {kind} needs a value; only a count has a default, 1")


def stage_call(
    transform: Any, fetch: Any, process_row: Any, condense: Any, join_rows: Any, collapse: Any, condensed: Any
) -> Call:
    """Return the stages that a call gives; ``condensed`` is the old name of ``condense``."""
    if condensed is not UNSET:
        if condense is not None:
            raise InvalidType("condensed is the old name of condense: pass one of them, not both")
        warnings.warn("condensed= is deprecated; use condense=", DeprecationWarning, stacklevel=3)
        condense = condensed
    if (
        transform is None
        and fetch is None
        and process_row is None
        and condense is None
        and join_rows is None
        and collapse is None
    ):
        return NO_STAGES
    return Call(transform, fetch, process_row, condense, join_rows, collapse)
