"""An engine: the nodes that together are one database, and its URL."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from pathlib import Path
from typing import Self

from attrs import define, field, frozen

from .node import Node, Place


@frozen
class Certificates:
    """Files (PEM) of a throw-away authority and of a certificate for localhost and 127.0.0.1."""

    ca: Path
    cert: Path
    key: Path


@define(eq=False)
class Engine:
    """A running engine; ``with`` stops it in the end.

    Attributes
    ----------
    name
        What it was started as.
    version
        What the server says; "unknown" for a developer's own that was not asked.
    url
        Where kairos, or the driver, connects.
    nodes
        Its processes; empty for a developer's own engine.
    origin
        Where the program comes from.
    socket
        The path of its Unix socket, where it has one.
    tls_url, certificates
        The URL that speaks TLS and the files to use with it, where it was started with ``tls=True``.
    """

    name: str
    url: str
    version: str = "unknown"
    nodes: tuple[Node, ...] = ()
    origin: str = ""
    socket: Path | None = None
    tls_url: str | None = None
    certificates: Certificates | None = None
    _place: Place | None = None
    _create: Callable[[str, str | None], str] | None = None
    _stopped: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        _RUNNING.add(self)

    def database(self, name: str, charset: str | None = None) -> str:
        """Create a database and return its URL; one of this name that is there is dropped first.

        Parameters
        ----------
        name
            Letters, digits and underscores.
        charset
            For MySQL and MariaDB, "utf8mb4" where it is not given.

        Raises
        ------
        TypeError
            The engine has no databases of SQL.
        ValueError
            The name has other characters.
        """
        if self._create is None:
            raise TypeError(f"{self.name} has no databases to create: postgresql, mariadb and mysql have")
        for word in (name, charset or "utf8mb4"):
            if not word.isascii() or not word.replace("_", "a").isalnum():
                raise ValueError(f"{word!r}: only ASCII letters, digits and underscores are allowed")
        return self._create(name, charset)

    def stop(self) -> None:
        """End every node, without care for its data, and remove its directory."""
        if self._stopped:
            return
        self._stopped = True
        _RUNNING.discard(self)
        for node in self.nodes:
            node.begin_end()
        for node in self.nodes:
            node.end()
        if self._place is not None:
            self._place.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


_RUNNING: set[Engine] = set()


@atexit.register
def stop_all() -> None:
    """Stop every engine of this process."""
    for engine in list(_RUNNING):
        engine.stop()
