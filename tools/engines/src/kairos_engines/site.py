"""What an engine is built on: a program, a place on the machine, and the nodes so far."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field, frozen

from .engine import Certificates, Engine
from .node import Node, Place
from .sources import Missing, Program, Source

OPENSSL = """\
[req]
distinguished_name = name
x509_extensions = authority
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1
"""
Word = str | Path | int  # of a command line


@define
class Site:
    """Where one engine is built; `clear` takes down what a failed build left."""

    name: str
    program: Program
    place: Place = field(init=False)
    nodes: list[Node] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.place = Place(self.name)

    def node(
        self,
        role: str,
        port: int,
        directory: Path,
        command: Sequence[Word],
        ask: Callable[[], str],
        *,
        host: str = "127.0.0.1",
        environment: dict[str, str] | None = None,
        **more: Any,
    ) -> Node:
        """Add a node, which is not started yet; `more` are fields of `Node`."""
        environment = {**self.program.environment, **(environment or {})}
        node = Node(role, host, port, directory, [str(word) for word in command], ask, environment, **more)
        self.nodes.append(node)
        return node

    def engine(self, url: str, **more: Any) -> Engine:
        """Return the finished engine; `more` are fields of `Engine`."""
        return Engine(
            name=self.name,
            url=url,
            version=self.nodes[0].version,
            nodes=tuple(self.nodes),
            origin=self.program.origin,
            place=self.place,
            **more,
        )

    def clear(self) -> None:
        """End the nodes and remove the place."""
        for node in self.nodes:
            node.end()
        self.place.leave()


class Starter(Protocol):
    """Builds an engine on a site; its keyword arguments are the engine's options."""

    def __call__(self, site: Site, **options: Any) -> Engine:
        """Start the nodes, wait until the engine is of use, return it."""
        ...


@frozen
class Kind:
    """An engine that can be started by name."""

    sources: Sequence[Source]
    start: Callable[..., Engine]
    prepare: Callable[[Program], object] | None = None  # what its first start makes, and the cache keeps


def certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate signed by it, valid for a day, with the openssl program."""
    ca, cert, key, request = (folder / name for name in ("ca.crt", "server.crt", "server.key", "request"))
    config = folder / "openssl.cnf"
    config.write_text(OPENSSL, encoding="ascii")
    new: list[str | Path] = [
        "openssl",
        "req",
        "-config",
        config,
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]
    sign: list[str | Path] = [
        "openssl",
        "x509",
        "-req",
        "-days",
        "1",
        "-CAcreateserial",
        "-extfile",
        config,
        "-extensions",
        "server",
    ]
    for command in (
        [*new, "-x509", "-days", "1", "-subj", "/CN=kairos", "-keyout", folder / "ca.key", "-out", ca],
        [*new, "-subj", "/CN=localhost", "-keyout", key, "-out", request],
        [*sign, "-CA", ca, "-CAkey", folder / "ca.key", "-in", request, "-out", cert],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except FileNotFoundError:
            raise Missing("tls=True needs the openssl program") from None
    return Certificates(ca, cert, key)
