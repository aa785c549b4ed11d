"""Cassandra: one node, and a ring of three."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from . import wire
from .cache import filled
from .engine import Certificates, Engine
from .node import Node
from .site import Kind, Site, Word, certificates
from .sources import Maven, Program, ask_version, java
from .waiting import NotYet, until

JARS = Maven("org.apache.cassandra:cassandra-all:5.0.9")
EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/java.lang.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
    "jdk.attach/sun.tools.attach",
)
OPENS = (
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.lang",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
)
PROPERTIES = (
    "jdk.attach.allowAttachSelf=true",
    "io.netty.tryReflectionSetAccessible=true",
    "java.net.preferIPv4Stack=true",
    "cassandra.skip_wait_for_gossip_to_settle=0",
    "cassandra.superuser_setup_delay_ms=0",
    "cassandra.shutdown_announce_in_ms=0",
    "cassandra.consistent.rangemovement=false",
    "cassandra.gossip_settle_min_wait_ms=0",
    "cassandra.gossip_settle_interval_ms=100",
    "cassandra.skip_paxos_state_rebuild=true",
    "cassandra.skip_paxos_repair_on_topology_change=true",
    "cassandra.memtable.row_overhead_size=180",
    "java.security.egd=file:/dev/urandom",
)
THROWAWAY = ("cassandra.unsafesystem=true", "cassandra.test.flush_local_schema_changes=false")
CONFIGURATION = """\
cluster_name: kairos
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
num_tokens: 1
initial_token: "{token}"
auto_bootstrap: false
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "{seed}"
listen_address: {host}
storage_port: {storage}
ssl_storage_port: {tls}
rpc_address: {host}
native_transport_port: {port}
endpoint_snitch: SimpleSnitch
commitlog_sync: {sync}
commitlog_segment_size: 16MiB
cdc_enabled: false
storage_compatibility_mode: NONE
hinted_handoff_enabled: true
auto_snapshot: false
data_file_directories: [ "{folder}/data" ]
commitlog_directory: "{folder}/commitlog"
hints_directory: "{folder}/hints"
saved_caches_directory: "{folder}/saved_caches"
concurrent_reads: 8
concurrent_writes: 16
concurrent_counter_writes: 8
file_cache_size: 32MiB
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
key_cache_size: 8MiB
row_cache_size: 0MiB
counter_cache_size: 4MiB
read_request_timeout: {seconds}s
range_request_timeout: {seconds}s
write_request_timeout: {seconds}s
counter_write_request_timeout: {seconds}s
cas_contention_timeout: 10s
truncate_request_timeout: 60s
request_timeout: 2s  # half of the least timeout passes before a lost connection is tried again
"""
SECURE = """\
authenticator: PasswordAuthenticator
client_encryption_options:
  enabled: true
  optional: true  # we look at the node without
  keystore: "{keystore}"
  keystore_password: kairos
  store_type: PKCS12
"""
LOGGING = """\
<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%-5level %logger{0} %msg%n</pattern></encoder></appender>
<root level="WARN"><appender-ref ref="out"/></root></configuration>
"""
SETTLE = 120.0  # seconds for nodes to find one another
ARCHIVE = "classes.jsa"
EXERCISE = (  # has the classes of a test's first statements in the archive
    "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE k.t (k text, c int, v double, PRIMARY KEY (k, c))",
    "CREATE TABLE k.n (k text PRIMARY KEY, n counter)",
    "INSERT INTO k.t (k, c, v) VALUES ('a', 1, 1.0) USING TTL 60",
    "UPDATE k.n SET n = n + 1 WHERE k = 'a'",
    "BEGIN UNLOGGED BATCH INSERT INTO k.t (k, c) VALUES ('a', 2); INSERT INTO k.t (k, c) VALUES ('a', 3); APPLY BATCH",
    "SELECT k FROM k.t WHERE k = 'a' AND c > 0",
    "DROP KEYSPACE k",
)
RANGE = 2**64  # tokens go from -2**63


@frozen
class Jars:
    """Cassandra's jars from Maven, and a Java that runs them."""

    @property
    def name(self) -> str:
        """What people call it."""
        return JARS.name

    def find(self, *, fetch: bool) -> Program | None:
        """Return the program; see `Source`."""
        runtime = java((17,))
        folder = JARS.jars(fetch=fetch)
        return (
            None if folder is None else Program(runtime, JARS.artifact.rpartition(":")[2], self.name, folder)
        )


@frozen
class Plan:
    """What the nodes of an engine have in common."""

    port: int
    storage: int
    tls: int
    durable: bool
    timeout: int
    classes: Sequence[str]  # what the JVM is told of its archive of classes
    more: str = ""  # configuration


def single(site: Site, *, durable: bool = False, timeout: int = 20, secure: bool = False) -> Engine:
    """Start one node with a keyspace "kairos"; its requests time out after `timeout` seconds.

    With `secure` it asks for the user and password cassandra, and takes TLS.
    """
    port, storage, tls = (site.place.port() for _ in range(3))
    files, more = None, ""
    if secure:
        files = certificates(site.place.folder("certificates"))
        more = SECURE.format(keystore=_keystore(files))
    plan = Plan(port, storage, tls, durable, timeout, _shared(site.program), more)
    _node(site, "server", plan).start()
    return _finish(site, 1, files)


def _keystore(files: Certificates) -> Path:
    """Make of the server's certificate and key what Java reads."""
    made = files.key.with_suffix(".p12")
    there = ["-in", str(files.cert), "-inkey", str(files.key), "-out", str(made)]
    command = ["openssl", "pkcs12", "-export", *there, "-passout", "pass:kairos"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


def ring(site: Site, *, nodes: int = 3, durable: bool = False, timeout: int = 20) -> Engine:
    """Start nodes on 127.0.0.1, .2, … (the same port on each) with a keyspace "kairos" of replication factor 3."""
    hosts = [f"127.0.0.{number + 1}" for number in range(nodes)]
    port, storage, tls = (site.place.port(hosts) for _ in range(3))
    plan = Plan(port, storage, tls, durable, timeout, _shared(site.program))
    for number, host in enumerate(hosts):
        _node(site, "member", plan, host, token=-RANGE // 2 + RANGE * number // nodes)
    seed, *others = site.nodes
    seed.launch()

    def listening() -> None:
        if not seed.running:
            seed.wait()
        wire.knock("127.0.0.1", storage)

    until(listening, SETTLE, "Cassandra's seed listens")  # a node that finds it closed tries again only later
    for node in others:
        node.launch()
    for node in site.nodes:
        node.wait()

    def complete() -> None:
        for node in site.nodes:
            with wire.Cassandra(node.host, node.port) as cassandra:
                peers = len(cassandra("SELECT peer_port FROM system.peers_v2"))
            if peers < nodes - 1:
                raise NotYet(f"{node} knows {peers} of {nodes - 1} others")

    until(complete, SETTLE, "Cassandra's ring is complete")
    return _finish(site, min(nodes, 3))


def _finish(site: Site, replication: int, files: Certificates | None = None) -> Engine:
    first = site.nodes[0]
    with wire.Cassandra(first.host, first.port, 60.0) as cassandra:
        strategy = f"{{'class': 'SimpleStrategy', 'replication_factor': {replication}}}"
        cassandra(f"CREATE KEYSPACE IF NOT EXISTS kairos WITH replication = {strategy}")
    until(partial(agreed, site.nodes), SETTLE, "Cassandra's nodes agree on the schema")
    places = ",".join(node.host for node in site.nodes)
    url = f"cassandra://{places}:{first.port}/kairos"
    if files is None:
        return site.engine(url)
    secure = f"cassandra://cassandra:cassandra@{places}:{first.port}/kairos"
    return site.engine(secure, tls_url=f"{secure}?tls_ca={quote(str(files.ca), safe='')}", certificates=files)


def agreed(nodes: Sequence[Node]) -> None:
    """Raise `NotYet` unless all nodes have the same schema; a write of a table that one does not know is lost on it."""
    versions = set()
    for node in nodes:
        with wire.Cassandra(node.host, node.port) as cassandra:
            versions |= set(cassandra("SELECT CAST(schema_version AS text) FROM system.local"))
    if len(versions) > 1:
        raise NotYet(f"there are {len(versions)} versions of it")


def archive(program: Program) -> Path:
    """Return the JVM's archive of Cassandra's classes, which saves a third of a boot; made once, kept in the cache."""

    def fill(folder: Path) -> None:
        site = Site("cassandra-classes", program)
        try:
            port, storage, tls = (site.place.port() for _ in range(3))
            classes = (f"-XX:ArchiveClassesAtExit={folder / ARCHIVE}",)
            node = _node(site, "server", Plan(port, storage, tls, False, 20, classes))
            node.start()
            with wire.Cassandra(node.host, port, 60.0) as cassandra:
                for statement in EXERCISE:
                    cassandra(statement)
            node.stop()
        finally:
            site.clear()

    version = ask_version(program.path, {}, "-version")[1]
    return filled(f"cassandra-classes-{program.version}-java-{version}", fill) / ARCHIVE


def _shared(program: Program) -> Sequence[str]:
    file = archive(program)
    return (f"-XX:SharedArchiveFile={file}",) if file.exists() else ()


def _node(site: Site, role: str, plan: Plan, host: str = "127.0.0.1", token: int = -RANGE // 2) -> Node:
    folder, jars = site.place.folder(f"{role}-{len(site.nodes)}"), site.program.root
    configuration, logging = folder / "cassandra.yaml", folder / "logback.xml"
    configuration.write_text(
        CONFIGURATION.format(
            host=host,
            port=plan.port,
            storage=plan.storage,
            tls=plan.tls,
            token=token,
            seed=f"127.0.0.1:{plan.storage}",
            folder=folder,
            sync="batch" if plan.durable else "periodic\ncommitlog_sync_period: 10s",
            seconds=plan.timeout,
        )
        + plan.more,
        encoding="utf-8",
    )
    logging.write_text(LOGGING, encoding="utf-8")
    heap = ["-Xms64m", "-Xmx512m", "-Xss512k", "-XX:+ExitOnOutOfMemoryError", "-XX:+UseSerialGC"]
    quick = ["-XX:TieredStopAtLevel=1", *plan.classes]  # compiling well costs more than a short run gains
    modules = [f"--add-exports={name}=ALL-UNNAMED" for name in EXPORTS]
    modules += [f"--add-opens={name}=ALL-UNNAMED" for name in OPENS]
    delay = 10_000 if site.nodes else 0  # the seed waits for nobody; the others may have to ask it again
    places = [f"cassandra.config={configuration.as_uri()}", f"logback.configurationFile={logging}"]
    places += [f"cassandra.storagedir={folder}", f"cassandra.logdir={folder}", f"java.io.tmpdir={folder}"]
    places += [f"cassandra.ring_delay_ms={delay}", "cassandra-foreground=yes"]
    properties = [f"-D{name}" for name in (*PROPERTIES, *(() if plan.durable else THROWAWAY), *places)]
    main = [
        "-cp",
        ":".join(map(str, sorted(jars.glob("*.jar")))),
        "org.apache.cassandra.service.CassandraDaemon",
    ]
    command: list[Word] = [site.program.path, *heap, *quick, *modules, *properties, *main]
    return site.node(role, plan.port, folder, command, partial(_version, host, plan.port), host=host)


def _version(host: str, port: int) -> str:
    try:
        with wire.Cassandra(host, port) as cassandra:
            return cassandra("SELECT release_version FROM system.local")[0][0]
    except (wire.Refused, IndexError) as error:
        raise NotYet(str(error)) from error


KINDS = {"cassandra": Kind((Jars(),), single, archive), "cassandra-ring": Kind((Jars(),), ring, archive)}
