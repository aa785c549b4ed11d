"""The hook specifications. Hooks say *who*; :mod:`kairos.storage` says *how*.

A backend implements ``kairos_open`` (and ``kairos_open_async``); a stage plugin any of the others. Stage hooks
are providers: each is asked once per read with the :class:`~kairos.stages.Plan` and hands over a callable, or
returns None to decline. The plugin manager is never met per bucket or row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .reads import Plan
    from .storage import AsyncStorage, Config, Storage

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("kairos")
hookimpl = pluggy.HookimplMarker("kairos")


@hookspec(firstresult=True)
def kairos_open(target: Any, config: Config) -> Storage | None:
    """Return a storage for a URL or a live client, without I/O; None: not mine."""


@hookspec(firstresult=True)
def kairos_open_async(target: Any, config: Config) -> AsyncStorage | None:
    """Return an asyncio storage for a URL or a live async client, without I/O; None: not mine.

    That a backend implements this hook is its declaration of asyncio.
    """


@hookspec(firstresult=True)
def kairos_fetch(plan: Plan) -> Callable[..., Any] | None:
    """Return the ``fetch`` stage for this read, called as the backend documents."""


@hookspec(firstresult=True)
def kairos_process_row(plan: Plan) -> Callable[[Any], Any] | None:
    """Return the ``process_row`` stage: ``f(row) -> row``, in place of the native one (``read_func`` included)."""


@hookspec(firstresult=True)
def kairos_condense(plan: Plan) -> Callable[[Mapping[int, Any]], Any] | None:
    """Return the ``condense`` stage: ``f({resolution start: row}) -> row``."""


@hookspec(firstresult=True)
def kairos_join_rows(plan: Plan) -> Callable[[list[Any]], Any] | None:
    """Return the ``join_rows`` stage: ``f([row of each name]) -> row``."""


@hookspec(firstresult=True)
def kairos_collapse(plan: Plan) -> Callable[[Mapping[int, Any]], Any] | None:
    """Return the ``collapse`` stage: ``f({interval start: row}) -> row``."""


@hookspec
def kairos_transform(plan: Plan) -> Mapping[str, Callable[..., Any]] | None:
    """Return named transforms: ``{name: f(row) or f(row, duration_seconds)}``.

    All plugins' names are taken together; a name that two plugins provide is an error of the call that asks
    for it.
    """
