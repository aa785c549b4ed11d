"""Sessions: one for all timeseries of a process that open the same URL, and a caller's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import RLock
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from attrs import Factory, define, field, frozen
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    TokenAwarePolicy,
)
from cassandra.query import PreparedStatement, named_tuple_factory, tuple_factory

from kairos.errors import InvalidValue

from .urls import Address

__all__ = ["LEGACY", "Shared", "Target", "of_session"]

LEGACY = ("load_balancing_policy", "default_retry_policy", "execution_profiles")
"""Keywords of the driver's constructor with which it takes no execution profile of ours."""

PATIENCE = 10.0
"""How long a connection may take to be made, in seconds: as long as the driver lets a statement take."""

_TURN = RLock()


@define(eq=False, weakref_slot=True)
class Shared:
    """A session, and the statements that have been prepared for it.

    Attributes
    ----------
    session
        The driver's session.
    arguments
        Keywords of its ``execute``: the profile under which rows are tuples.
    """

    session: Session
    arguments: dict[str, Any]
    users: int = 0
    _prepared: dict[str, PreparedStatement] = Factory(dict)
    _lock: Any = field(factory=RLock)

    def prepare(self, text: str) -> PreparedStatement:
        """Return a prepared statement of one's own: a copy, prepared once on the server."""
        with self._lock:
            if text not in self._prepared:
                self._prepared[text] = self.session.prepare(text)
            made = self._prepared[text]
        return PreparedStatement(
            made.column_metadata,
            made.query_id,
            made.routing_key_indexes,
            made.query_string,
            made.keyspace,
            made.protocol_version,
            made.result_metadata,
            made.result_metadata_id,
            column_encryption_policy=made.column_encryption_policy,
        )


@frozen
class Target:
    """A URL and ``client_config``: what to connect to.

    Attributes
    ----------
    address
        What the URL says.
    client_config
        Keywords of the driver's ``Cluster``.
    """

    address: Address
    client_config: Mapping[str, Any]

    def acquire(self) -> Shared:
        """Return the session of this target, connected; :meth:`release` it after use."""
        with _TURN:
            key = self._key()
            shared = _SHARED.get(key)
            if shared is None:
                shared = self._connect()
                _SHARED[key] = shared
            shared.users += 1
            return shared

    def release(self, shared: Shared) -> None:
        """Give a session back; the last one closes it."""
        with _TURN:
            shared.users -= 1
            if not shared.users:
                for key in [key for key, value in _SHARED.items() if value is shared]:
                    del _SHARED[key]
                shared.session.cluster.shutdown()

    def _key(self) -> tuple[Any, ...]:
        """Return what must be equal for a session to be shared: objects of ``client_config`` must be the same."""
        config = tuple(
            (name, value if isinstance(value, str | int | float | bool | None) else id(value))
            for name, value in sorted(self.client_config.items())
        )
        return (os.getpid(), self.address, config)

    def _connect(self) -> Shared:
        address, config = self.address, dict(self.client_config)
        config.setdefault("contact_points", list(address.hosts))
        config.setdefault("port", address.hosts[-1][1])
        if address.user is not None:
            config.setdefault("auth_provider", PlainTextAuthProvider(address.user, address.password or ""))
        context = address.ssl_context()
        if context is not None:
            config.setdefault("ssl_context", context)
        config.setdefault("protocol_version", 5)
        patience = (
            address.timeout or PATIENCE
        )  # the driver's own 2 and 5 are not enough for a server that is busy
        config.setdefault("reconnection_policy", ExponentialReconnectionPolicy(0.1, 60, max_attempts=None))
        config.setdefault("connect_timeout", patience)
        config.setdefault("control_connection_timeout", patience)
        if not any(key in config for key in LEGACY):
            local = DCAwareRoundRobinPolicy(address.local_dc or "")
            more = {} if address.timeout is None else {"request_timeout": address.timeout}
            profile = ExecutionProfile(load_balancing_policy=TokenAwarePolicy(local), **more)
            config["execution_profiles"] = {EXEC_PROFILE_DEFAULT: profile}
        cluster = Cluster(**config)
        try:
            session = cluster.connect()
        except BaseException:
            cluster.shutdown()
            raise
        return Shared(session, _arguments(session))


_SHARED: dict[tuple[Any, ...], Shared] = {}
_OWN: WeakKeyDictionary[Session, ReferenceType[Shared]] = WeakKeyDictionary()
"""Weak both ways: what belongs to a session refers to it, and would keep it alive."""


def of_session(session: Session) -> Shared:
    """Return what belongs to a caller's session; it is shared by the storages that hold it."""
    with _TURN:
        known = _OWN.get(session)
        shared = known() if known is not None else None
        if shared is None:
            shared = Shared(session, _arguments(session))
            _OWN[session] = ref(shared)
        return shared


def _arguments(session: Session) -> dict[str, Any]:
    """Return keywords of ``execute`` under which rows are tuples, whatever the session's own setting."""
    profile = session.execution_profile_clone_update(EXEC_PROFILE_DEFAULT, row_factory=tuple_factory)
    arguments = {"execution_profile": profile}
    try:
        session.execute("SELECT key FROM system.local", **arguments)
    except ValueError:  # the cluster was made with the driver's older, global settings
        if session.row_factory not in (tuple_factory, named_tuple_factory):
            raise InvalidValue(
                "a Session without execution profiles must have row_factory tuple_factory or named_tuple_factory; "
                f"got {session.row_factory!r}"
            ) from None
        return {}
    return arguments
