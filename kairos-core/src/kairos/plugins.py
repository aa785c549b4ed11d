"""Discovery: which installed plugin takes a target, and which plugins add stages.

Backends are found by the *key* of an entry point, without importing any other: ``kairos.schemes`` (name: a URL
scheme, or ``*`` to be asked when nobody else takes one) and ``kairos.clients`` (name: the top-level package of a
client's class). Stage plugins are the entry points of ``kairos.plugins``; all are loaded at the first
:class:`~kairos.Timeseries`. pluggy's own loader would let one broken plugin stop all, and drop a duplicate in
silence.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from importlib.resources import files
from types import FrameType
from typing import Any

import pluggy
from attrs import frozen

from . import hookspecs
from .errors import AmbiguousBackend, BackendNotFound, InvalidType, InvalidValue, Unsupported, show
from .intervals import parse_intervals, parse_zone
from .stages import STAGES, Plan
from .storage import KINDS, AsyncStorage, Config, Storage

__all__ = ["Opened", "StagePlugins", "open_storage", "redact", "resolve", "stage_plugins"]

_SCHEMES, _CLIENTS, _STAGES = "kairos.schemes", "kairos.clients", "kairos.plugins"

_broken: dict[str, str] = {}  # plugin -> the error of its import, for BackendNotFound


def redact(target: Any) -> str:
    """Return a target as it may be shown: without what may hold the password of a URL."""
    if not isinstance(target, str):
        return show(target)
    hidden = re.sub(r"^([^:/@]*://)?.*@", r"\1***@", target, flags=re.DOTALL)
    return show(re.sub(r"\?.*", "?***", hidden, flags=re.DOTALL))


@frozen
class Opened:
    """A storage and who provides it."""

    storage: Any
    backend: str


@cache
def _found(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return a group's entry points by key, each distribution's once."""
    by_key: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for point in entry_points(group=group):
        by_key.setdefault(point.name, {}).setdefault((_dist(point), point.value), point)
    return {key: tuple(points.values()) for key, points in by_key.items()}


def _dist(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("kairos")
    manager.add_hookspecs(hookspecs)
    return manager


@cache
def _manager_of(point: EntryPoint) -> pluggy.PluginManager | None:
    """Return a manager that knows this one plugin; None if it can't be imported or does not fit the hooks."""
    manager = _new_manager()
    try:
        manager.register(point.load(), name=point.name)
        manager.check_pending()
    except (Exception, SystemExit) as error:
        _broken[f"{_dist(point)} ({point.value})"] = f"{type(error).__name__}: {error}"
        return None
    return manager


def _normal(name: str) -> str:
    """Return a distribution's name as the packaging standards compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _warn(message: str) -> None:
    """Warn at the first line of the stack that is not kairos' own."""
    frame: FrameType | None = sys._getframe()
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith(f"{__package__}."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)


def _candidates(target: Any) -> tuple[str, list[tuple[EntryPoint, ...]]]:
    """Return how a target is called, and the entry points for each of its keys, the nearest first."""
    if isinstance(target, str):
        scheme, separator, _ = target.partition("://")
        if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
            file = target.removeprefix("sqlite:")
            is_file = re.fullmatch(r"[^:@]+\.(sqlite3?|db)", file)
            hint = f"; a file of SQLite is sqlite:///{file}" if is_file else ""
            return f"target {redact(target)}, which is not a URL (scheme://…){hint}", []
        keys = [scheme.lower(), scheme.lower().partition("+")[0], "*"]
        points = _found(_SCHEMES)
        what = f"scheme {show(scheme)}"
    else:
        keys = [cls.__module__.partition(".")[0] for cls in type(target).__mro__ if cls is not object]
        points = _found(_CLIENTS)
        if target is None:
            return "target None: it must be a URL or a client of a database", []
        what = f"client of type {type(target).__module__}.{type(target).__qualname__}"
    return what, [points[key] for key in dict.fromkeys(keys) if key in points]


def resolve(target: Any, config: Config, backend: str | None, *, asynchronous: bool = False) -> Opened:
    """Return the storage of the backend that takes ``target``, not yet ready.

    Raises
    ------
    BackendNotFound
        If nobody takes it.
    AmbiguousBackend
        If two plugins do, and ``backend`` does not say which.
    Unsupported
        If asyncio is wanted and the backend does not do it.
    """
    what, by_key = _candidates(target)
    sync_only: str | None = None
    for points in by_key:
        if backend is not None:
            points = tuple(point for point in points if _normal(_dist(point)) == _normal(backend))
        if len(points) > 1:
            names = ", ".join(sorted(_dist(point) for point in points))
            raise AmbiguousBackend(
                f"{what} is taken by several plugins: {names}; choose one with backend='{_dist(points[0])}'"
            )
        for point in points:
            manager = _manager_of(point)
            if manager is None:
                continue
            if asynchronous and not manager.hook.kairos_open_async.get_hookimpls():
                if sync_only is None and (
                    point.name != "*"  # who takes any scheme has to be asked
                    or manager.hook.kairos_open(target=target, config=config.copy()) is not None
                ):
                    sync_only = _dist(point)
                continue
            hooks = (manager.hook.kairos_open_async, manager.hook.kairos_open)
            ours, other = hooks if asynchronous else hooks[::-1]
            own = config.copy()
            storage = ours(target=target, config=own)
            if storage is not None:
                own.refuse_unasked(_dist(point))
                return Opened(storage, _dist(point))
            if not isinstance(target, str) and other(target=target, config=config.copy()) is not None:
                right, wrong = ("Timeseries", "AsyncTimeseries")[:: 1 if asynchronous else -1]
                raise InvalidType(f"{wrong} does not take a {what}: use {right}, or another client")
    if sync_only is not None:
        raise Unsupported(f"the backend {sync_only} does not do asyncio; use Timeseries")
    raise BackendNotFound(_advice(target, what, by_key, backend))


def _advice(target: Any, what: str, by_key: list[tuple[EntryPoint, ...]], backend: str | None) -> str:
    """Return what to tell a caller whose target nobody takes."""
    from difflib import get_close_matches  # for this error alone

    hints = json.loads(files(__package__).joinpath("hints.json").read_text())
    if isinstance(target, str):
        scheme = target.partition("://")[0].lower()
        package = hints["schemes"].get(scheme) or hints["schemes"].get(scheme.partition("+")[0])
    else:
        modules = [cls.__module__.partition(".")[0] for cls in type(target).__mro__]
        package = next((hints["clients"][name] for name in modules if name in hints["clients"]), None)
    takers = [f"{_dist(point)} ({point.value})" for points in by_key for point in points]
    failed = [plugin for plugin in takers if plugin in _broken]
    if failed:
        lines = [
            f"the backend for the {what} is installed but failed to import: {failed[0]}: {_broken[failed[0]]}"
        ]
    elif backend is not None:
        lines = [f"backend {show(backend)} does not take the {what}"]
    else:
        lines = [f"no installed backend takes the {what}"]
    if package is not None and not failed and not _installed(package):
        lines.append(f"install one that does: pip install {package}")
    by_scheme = {key: points for key, points in _found(_SCHEMES).items() if key != "*"}
    if isinstance(target, str) and "://" in target and package is None and not failed:
        near = get_close_matches(scheme, [*by_scheme, *hints["schemes"]], 1)
        for other in near:
            if other != scheme:
                lines.append(f"did you mean {other}://?")
                package = hints["schemes"].get(other)
                if package is not None and not _installed(package):
                    lines.append(f"install one that does: pip install {package}")
    schemes = [f"{key} ({', '.join(map(_dist, points))})" for key, points in by_scheme.items()]
    lines.append(f"installed schemes: {', '.join(sorted(schemes)) or 'none'}")
    lines += [f"failed to import: {p}: {error}" for p, error in sorted(_broken.items()) if p not in failed]
    return "; ".join(lines)


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


class StagePlugins:
    """The installed stage plugins."""

    def __init__(self) -> None:
        self._manager = _new_manager()
        for key, points in _found(_STAGES).items():
            owners = ", ".join(sorted(map(_dist, points)))
            if len(points) > 1:
                _warn(f"kairos plugin {show(key)} is provided by {owners}; none is used")
                continue
            manager = _manager_of(points[0])
            if manager is None:
                error = _broken[f"{owners} ({points[0].value})"]
                _warn(f"kairos plugin {show(key)} of {owners} is not used: {error}")
                continue
            for plugin in manager.get_plugins():
                if not self._manager.is_registered(plugin):
                    self._manager.register(plugin, name=key)
        self._provided = {s for s in STAGES if getattr(self._manager.hook, f"kairos_{s}").get_hookimpls()}

    def provides(self, stage: str) -> bool:
        """Return whether any plugin implements the stage's hook."""
        return stage in self._provided

    def stage(self, stage: str, plan: Plan) -> Callable[..., Any] | None:
        """Return the callable of the first plugin that takes the read."""
        found: Callable[..., Any] | None = getattr(self._manager.hook, f"kairos_{stage}")(plan=plan)
        return found

    def provider(self, stage: str, plan: Plan) -> str | None:
        """Return the name of the plugin whose callable :meth:`stage` returns."""
        plugins = [impl.plugin for impl in getattr(self._manager.hook, f"kairos_{stage}").get_hookimpls()]
        for plugin in reversed(plugins):
            others = [other for other in self._manager.get_plugins() if other is not plugin]
            if self._manager.subset_hook_caller(f"kairos_{stage}", others)(plan=plan) is not None:
                return self._manager.get_name(plugin)
        return None

    def transforms(self, plan: Plan) -> Mapping[str, Callable[..., Any] | None]:
        """Return all plugins' named transforms; None stands for a name that two provide."""
        together: dict[str, Callable[..., Any] | None] = {}
        for found in self._manager.hook.kairos_transform(plan=plan):
            if not isinstance(found, Mapping):
                raise InvalidType(
                    f"a plugin gave {show(found)} for transform; it must give a mapping or None"
                )
            for name, function in found.items():
                together[name] = None if name in together else function
        return together


@cache
def stage_plugins() -> StagePlugins:
    """Return the installed stage plugins, loaded once."""
    _warn_of_old_kairos()
    return StagePlugins()


def _warn_of_old_kairos() -> None:
    if _installed("kairos"):
        _warn(
            f"the distribution kairos {version('kairos')} writes the same import package as kairos-core; "
            "uninstall it (pip uninstall kairos) and install kairos-core again"
        )


def open_storage(
    target: Any,
    *,
    kind: str,
    intervals: Mapping[str, Any],
    tz: Any = "UTC",
    options: Mapping[str, Any] | None = None,
    client_config: Mapping[str, Any] | None = None,
    backend: str | None = None,
) -> Storage:
    """Return a ready storage, as a :class:`~kairos.Timeseries` would open it: for tools and conformance tests."""
    parsed = parse_intervals(intervals, parse_zone(tz))
    config = make_config(target, kind, parsed, client_config, backend, options or {})
    storage: Storage = open_checked(target, config, backend).storage
    storage.ready()
    return storage


def make_config(
    target: Any,
    kind: Any,
    intervals: Mapping[str, Any],
    client_config: Any,
    backend: Any,
    options: Mapping[str, Any],
) -> Config:
    """Return the checked configuration of a timeseries."""
    if not isinstance(kind, str) or kind not in KINDS:
        error = InvalidValue if isinstance(kind, str) else InvalidType
        raise error(f"type must be one of {', '.join(sorted(KINDS))}; got {show(kind)}")
    if backend is not None and not isinstance(backend, str):
        raise InvalidType(
            f"backend must be the name of an installed distribution, or None; got {show(backend)}"
        )
    if client_config is not None and not isinstance(client_config, Mapping):
        raise InvalidType(
            f"client_config must be a mapping of keywords for the driver; got a {type(client_config).__name__}"
        )
    if client_config and not isinstance(target, str):
        raise InvalidValue(
            "client_config goes to the driver's constructor, and the target is a client already: "
            "configure the client itself, or pass a URL"
        )
    return Config(kind, intervals, dict(client_config or {}), options)  # type: ignore[arg-type]


def open_checked(target: Any, config: Config, backend: str | None, *, asynchronous: bool = False) -> Opened:
    """Return a storage that takes all that was asked for, not yet ready."""
    opened = resolve(target, config, backend, asynchronous=asynchronous)
    expected = AsyncStorage if asynchronous else Storage
    if not isinstance(opened.storage, expected):
        raise InvalidType(
            f"the backend {opened.backend} gave a {type(opened.storage).__name__}, which is no {expected.__name__}"
        )
    if config.kind not in opened.storage.capabilities.kinds:
        raise Unsupported(f"the backend {opened.backend} does not take type {show(config.kind)}")
    return opened
