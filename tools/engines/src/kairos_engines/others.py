"""DynamoDB Local and memcached."""

from __future__ import annotations

from functools import partial

from . import wire
from .engine import Engine
from .site import Kind, Site, Word
from .sources import Debs, Installed, Maven, Program, java

DYNAMODB_JARS = Maven("com.amazonaws:DynamoDBLocal:2.6.1")
MEMCACHED = (
    Installed("memcached", r"1\.[56]"),
    Debs(("memcached", "libevent-2.1-7", "libsasl2-2"), "usr/bin/memcached"),
)


class DynamoDBJars:
    """DynamoDB Local's jars from Maven, and a Java that runs them."""

    name = DYNAMODB_JARS.name

    def find(self, *, fetch: bool) -> Program | None:
        """Return the program; see `Source`."""
        runtime = java((17, 21))
        folder = DYNAMODB_JARS.jars(fetch=fetch)
        version = DYNAMODB_JARS.artifact.rpartition(":")[2]
        return None if folder is None else Program(runtime, version, self.name, folder)


def dynamodb(site: Site, *, durable: bool = False) -> Engine:
    """Start DynamoDB Local, in memory or with a file; any credentials of AWS do."""
    port, folder, jars = site.place.port(), site.place.folder("server"), site.program.root
    heap = [
        "-Xms32m",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Djava.io.tmpdir={folder}",
    ]
    main = [
        f"-Djava.library.path={jars}",
        "-cp",
        f"{jars}/*",
        "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
    ]
    keep = ["-dbPath", str(folder), "-sharedDb"] if durable else ["-inMemory"]
    command: list[Word] = [site.program.path, *heap, *main, "-port", port, *keep, "-disableTelemetry"]

    def ask() -> str:
        wire.knock("127.0.0.1", port)
        return site.program.version

    site.node("server", port, folder, command, ask).start()
    return site.engine(f"http://127.0.0.1:{port}")


def memcached(site: Site, *, args: tuple[str, ...] = ()) -> Engine:
    """Start memcached."""
    port, folder = site.place.port(), site.place.folder("server")
    command: list[Word] = [site.program.path, "-l", "127.0.0.1", "-p", port, "-U", "0", "-u", "root", *args]
    site.node("server", port, folder, command, partial(_version, port)).start()
    return site.engine(f"memcached://127.0.0.1:{port}")


def _version(port: int) -> str:
    with wire.Lines("127.0.0.1", port) as memcached:
        return memcached("version").removeprefix("VERSION ")


KINDS = {"dynamodb": Kind((DynamoDBJars(),), dynamodb), "memcached": Kind(MEMCACHED, memcached)}
