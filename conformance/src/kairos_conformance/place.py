"""What the laws know about the backend under test: how to open it, and what it declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from attrs import Factory, define, evolve

import kairos
from kairos.errors import BackendNotFound, InvalidType, Unsupported
from kairos.plugins import open_storage
from kairos.storage import Capabilities, Storage

from .configurations import Configuration
from .driving import Driven, DrivenStorage, Loop
from .model import Model
from .moments import Clock
from .pair import Pair
from .profiles import Profile
from .recording import Log, Recorded
from .values import Pool, increments, pool, takes

__all__ = ["SIDES", "Place"]

SIDES = ("sync", "asyncio")


@define
class Place:
    """One backend's place, for one class of laws.

    Parameters
    ----------
    target
        What the author's fixture gave.
    options_for
        kind -> keywords for :class:`kairos.Timeseries`.
    profile
        How long to try.
    async_target
        What :class:`kairos.AsyncTimeseries` opens; None: the backend can't be held to the laws on that side.
    side
        Which of the two façades the laws use: ``"sync"`` or ``"asyncio"``.
    loop
        The event loop of the asyncio side.
    log
        What the law did.
    chosen
        The sides that the suite asks for.
    driverless
        Whether the asyncio side lacks a driver, which is an extra of the backend's that is not installed.
    """

    target: Any
    options_for: Callable[[str], Mapping[str, Any]]
    profile: Profile
    async_target: Any = None
    side: str = "sync"
    loop: Loop = Factory(Loop)
    log: Log = Factory(Log)
    chosen: tuple[str, ...] = SIDES
    driverless: bool = False
    _capabilities: dict[str, Capabilities] = Factory(dict)
    _sides: tuple[str, ...] = ()

    def on(self, side: str) -> Place:
        """Return the same place, to be used on a side; generated laws try less on the second one."""
        profile = self.profile if side == "sync" else self.profile.second()
        return self if side == self.side else evolve(self, side=side, profile=profile)

    def backend_sides(self) -> tuple[str, ...]:
        """Return the sides that the backend has: that ``kairos_open_async`` exists is the declaration."""
        if not self._sides:
            self._sides = SIDES if self._opens_for_asyncio() else SIDES[:1]
        return self._sides

    def sides(self) -> tuple[str, ...]:
        """Return the sides that the laws are tried on: those that the backend has and the suite asks for."""
        if self.chosen == SIDES[:1]:
            return self.chosen  # nothing is opened to find out
        sides = tuple(side for side in self.backend_sides() if side in self.chosen)
        assert sides, f"the suite asks for {self.chosen}; the backend has {self.backend_sides()}"
        return sides

    def _opens_for_asyncio(self) -> bool:
        if self.async_target is None:
            return False
        try:
            self.on("asyncio").opened("count", {"kit_declares": {"step": 1}}).close()
        except Unsupported:
            return False
        except BackendNotFound:
            self.driverless = True
            return False
        except InvalidType:
            if isinstance(self.target, str):
                raise
            return False  # a live client of the sync driver, and the suite gives no async_target
        return True

    @contextmanager
    def open(
        self,
        kind: str,
        intervals: Mapping[str, Any],
        *,
        tz: str = "UTC",
        clock: Callable[[], float] | None = None,
        **more: Any,
    ) -> Iterator[kairos.Timeseries]:
        """Open a timeseries for the length of a ``with``."""
        handle = self.opened(kind, intervals, tz=tz, clock=clock, **more)
        try:
            yield handle
        finally:
            handle.close()

    def opened(
        self,
        kind: str,
        intervals: Mapping[str, Any],
        *,
        tz: str = "UTC",
        clock: Callable[[], float] | None = None,
        defaults: bool = False,
        **more: Any,
    ) -> kairos.Timeseries:
        """Open a timeseries that the caller closes; on the asyncio side one that is driven.

        With ``defaults`` neither the kind nor the zone is said.
        """
        said = {} if defaults else {"type": kind, "tz": tz}
        keywords: dict[str, Any] = {"intervals": intervals, **said, **self.options_for(kind), **more}
        api = "Timeseries" if self.side == "sync" else "AsyncTimeseries"
        number = self.log.opening(api, keywords, clock)
        if clock is not None:
            keywords["clock"] = clock
        own = (
            kairos.Timeseries(self.target, **keywords)
            if self.side == "sync"
            else Driven(self.loop, self.async_target, **keywords)
        )
        return cast(kairos.Timeseries, Recorded(own, self.log, number, clock))

    def asynchronous(
        self, kind: str, intervals: Mapping[str, Any], *, clock: Callable[[], float] | None = None
    ) -> kairos.AsyncTimeseries:
        """Return an :class:`kairos.AsyncTimeseries` that is not open yet, for the loop's own coroutines."""
        more = {} if clock is None else {"clock": clock}
        keywords = {"type": kind, "intervals": intervals, **self.options_for(kind), **more}
        return kairos.AsyncTimeseries(self.async_target, **keywords)

    @contextmanager
    def through(
        self, target: Any, kind: str, intervals: Mapping[str, Any], clock: Clock
    ) -> Iterator[kairos.Timeseries]:
        """Open a timeseries at another target of the same place: through a proxy."""
        keywords = {"type": kind, "intervals": intervals, **self.options_for(kind)}
        with kairos.Timeseries(target, clock=clock, **keywords) as handle:
            yield handle

    @contextmanager
    def storage(self, kind: str, intervals: Mapping[str, Any]) -> Iterator[Storage]:
        """Open the bare storage, as the core sees it."""
        options = dict(self.options_for(kind))
        known: dict[str, Any] = {
            key: options.pop(key) for key in ("client_config", "backend") if key in options
        }
        for key in ("plugins", "read_func", "write_func"):
            options.pop(key, None)
        keywords: dict[str, Any] = {"kind": kind, "intervals": intervals, "options": options, **known}
        api = "open_storage" if self.side == "sync" else "DrivenStorage"
        number = self.log.opening(api, keywords, None)
        own = (
            open_storage(self.target, **keywords)
            if self.side == "sync"
            else DrivenStorage(self.loop, self.async_target, **keywords)
        )
        storage = cast(Storage, Recorded(own, self.log, number))
        try:
            yield storage
        finally:
            storage.close()

    def capabilities(self, kind: str) -> Capabilities:
        """Return what the backend declares for a kind."""
        if kind not in self._capabilities:
            with self.open(kind, {"kit_declares": {"step": 1}}) as handle:
                self._capabilities[kind] = handle.capabilities
        return self._capabilities[kind]

    def native(self, kind: str) -> bool:
        """Return whether dead buckets of a kind vanish by themselves."""
        return self.capabilities(kind).expiry[kind] == "native"

    def pool(self, kind: str) -> Pool:
        """Return values to write: of a count, increments."""
        capabilities = self.capabilities(kind)
        if kind == "count":
            numbers = increments(capabilities.float_counts)
            return Pool(numbers, numbers)
        return pool(capabilities.values)

    def model(self, kind: str, configuration: Configuration) -> Model:
        """Return a model without data."""
        text = self.capabilities(kind).values.text and kind != "count"
        return Model(kind, configuration, self.native(kind), text)

    @contextmanager
    def pair(self, kind: str, configuration: Configuration, clock: Clock, **more: Any) -> Iterator[Pair]:
        """Open a timeseries with its model for the length of a ``with``."""
        pair = self.paired(kind, configuration, clock, **more)
        try:
            yield pair
        finally:
            pair.close()

    def paired(self, kind: str, configuration: Configuration, clock: Clock, **more: Any) -> Pair:
        """Open a timeseries with its model; the caller closes it."""
        specs = {name: dict(spec) for name, spec in configuration.specs.items()}
        handle = self.opened(kind, specs, tz=configuration.tz, clock=clock, **more)
        model = self.model(kind, configuration)
        model.read_func, model.write_func = more.get("read_func"), more.get("write_func")
        return Pair(handle, model, clock, self.log)

    def samples(self, kind: str, n: int) -> list[Any]:
        """Return n values to write that read back distinct (numbers, where the backend takes them)."""
        if kind == "count":
            return list(range(1, n + 1))
        values = self.capabilities(kind).values
        candidates = (
            *range(1, n + 1),
            *(f"v{i}" for i in range(n)),
            *(b"v%d" % i for i in range(n)),
            *self.pool(kind).all,
        )
        fitting: list[Any] = []
        for value in candidates:
            if takes(values, value) and value not in fitting:
                fitting.append(value)
        return (fitting * n)[:n]
