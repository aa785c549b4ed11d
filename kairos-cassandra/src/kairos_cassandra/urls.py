"""``cassandra://user:password@h1,h2:9042/keyspace?local_dc=…``: what a URL says."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from attrs import field, frozen

from kairos.errors import InvalidValue, show

__all__ = ["KEYSPACE", "PORT", "Address", "check_keyspace", "parse"]

PORT = 9042
KEYSPACE = "kairos"
_THRIFT = 9160
_PARAMETERS = ("consistency", "local_dc", "timeout", "tls_ca")


@frozen
class Address:
    """Where a cluster is, and how to talk to it.

    Attributes
    ----------
    hosts
        (host, port) of the contact points.
    keyspace
        None: the URL has none.
    user, password
        None: the URL has none.
    consistency, local_dc
        None: the URL has none.
    timeout
        How long a statement may take, in seconds; None: as the driver has it.
    tls_ca
        A file with the certificates of those who sign the nodes'. None: no TLS.
    """

    hosts: tuple[tuple[str, int], ...]
    keyspace: str | None
    user: str | None
    password: str | None = field(repr=False)
    consistency: str | None = None
    local_dc: str | None = None
    timeout: float | None = None
    tls_ca: str | None = None

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return what verifies the servers, if they are to be talked to in TLS."""
        if self.tls_ca is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
        except OSError as error:
            raise InvalidValue(
                f"tls_ca must be a file of certificates; got {show(self.tls_ca)}: {error}"
            ) from error
        context.check_hostname = False  # nodes are found by their addresses, and trusted by who signed them
        return context


def parse(url: str) -> Address | None:
    """Return what a URL says; None if it is not for Cassandra.

    Examples
    --------
    >>> parse("cql://h1,h2:9043/metrics").hosts
    (('h1', 9043), ('h2', 9043))
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("cassandra", "cql"):
        return None
    rest, _, query = rest.partition("?")
    rest, _, path = rest.partition("/")
    if "@" in path or "@" in query:
        raise InvalidValue("in the password of a cassandra:// URL @ : / ? must be percent-encoded")
    credentials, at, hosts = rest.rpartition("@")
    user, colon, password = credentials.partition(":")
    parameters = _parameters(query)
    return Address(
        _hosts(hosts),
        check_keyspace(unquote(path)) if path else None,
        unquote(user) if at else None,
        unquote(password) if colon else None,
        parameters.get("consistency"),
        parameters.get("local_dc"),
        _timeout(parameters.get("timeout")),
        parameters.get("tls_ca"),
    )


def check_keyspace(name: Any) -> str:
    """Return the name of a keyspace that can be."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_]{1,48}", name):
        raise InvalidValue(
            f"a keyspace must be 1 to 48 letters, digits and underscores; got {show(name)}: "
            "cassandra://host:9042/keyspace"
        )
    return name


def _parameters(query: str) -> Mapping[str, str]:
    found = dict(parse_qsl(query, keep_blank_values=True))
    for key in found:
        if key not in _PARAMETERS:
            raise InvalidValue(
                f"unknown parameter {show(key)} in a cassandra:// URL; there are {', '.join(_PARAMETERS)}; "
                "all else goes to client_config"
            )
    return found


def _timeout(text: str | None) -> float | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text):
        raise InvalidValue(
            f"timeout in a cassandra:// URL must be seconds, as in timeout=2.5; got {show(text)}"
        )
    return float(text)


def _hosts(text: str) -> tuple[tuple[str, int], ...]:
    """Return the contact points: a port after the last one, or after each, or none."""
    found: list[tuple[str, int | None]] = []
    for host in text.split(",") if text else ["localhost"]:
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/ ]+)(?::(\d{1,5}))?", host)
        if match is None or (match[2] and not 0 < int(match[2]) < 65_536):
            raise InvalidValue(  # what is there may be a part of a password
                "the hosts of a cassandra:// URL are host,host:port (IPv6 in brackets); "
                "in a password @ : / ? must be percent-encoded"
            )
        port = int(match[2]) if match[2] else None
        if port == _THRIFT:
            raise InvalidValue(
                f"port {_THRIFT} was that of Thrift, which Cassandra no longer has: "
                f"use {PORT}, the port of CQL (native_transport_port)"
            )
        found.append((match[1].strip("[]"), port))
    last = found[-1][1] or PORT
    return tuple((host, port or last) for host, port in found)
