"""Each engine of one node: it answers, keeps what it was given, is killed, restarted, suspended and cleaned up."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from kairos_engines import Engine, Node, start, wire
from kairos_engines.catalogue import variable

Do = Callable[[Node], object]


def redis_write(node: Node) -> None:
    with wire.Redis(node.host, node.port) as redis:
        redis("SET", "k", "v")


def redis_read(node: Node) -> object:
    with wire.Redis(node.host, node.port) as redis:
        return redis("GET", "k")


def mongo_write(node: Node) -> None:
    with wire.Mongo(node.host, node.port) as mongo:
        mongo({"insert": "c", "documents": [{"k": "v"}], "writeConcern": {"j": True}}, "d")


def mongo_read(node: Node) -> object:
    with wire.Mongo(node.host, node.port) as mongo:
        return mongo({"find": "c"}, "d")["cursor"]["firstBatch"][0]["k"]


def postgres_write(node: Node) -> None:
    with wire.Postgres(node.host, node.port, user="postgres", database="kairos") as postgres:
        postgres("CREATE TABLE t (k text PRIMARY KEY)")
        postgres("INSERT INTO t VALUES ('v')")


def postgres_read(node: Node) -> object:
    with wire.Postgres(node.host, node.port, user="postgres", database="kairos") as postgres:
        with pytest.raises(wire.Refused, match=r"23505: .*duplicate key"):
            postgres("INSERT INTO t VALUES ('v')")
        return "v"


def mysql_write(node: Node) -> None:
    with wire.MySQL(node.host, node.port, user="root") as mysql:
        mysql("CREATE TABLE kairos.t (k varchar(9) PRIMARY KEY)")
        mysql("INSERT INTO kairos.t VALUES ('v')")


def mysql_read(node: Node) -> object:
    with wire.MySQL(node.host, node.port, user="root") as mysql:
        with pytest.raises(wire.Refused, match="Duplicate entry"):
            mysql("INSERT INTO kairos.t VALUES ('v')")
        return "v"


def cassandra_write(node: Node) -> None:
    with wire.Cassandra(node.host, node.port) as cassandra:
        cassandra("CREATE TABLE kairos.t (k text PRIMARY KEY)")
        cassandra("INSERT INTO kairos.t (k) VALUES ('v')")


def cassandra_read(node: Node) -> object:
    with wire.Cassandra(node.host, node.port) as cassandra:
        return cassandra("SELECT k FROM kairos.t")[0][0]


STORES: dict[str, tuple[Do, Do]] = {
    **dict.fromkeys(["redis", "redis-6", "redis-8", "valkey"], (redis_write, redis_read)),
    "mongo": (mongo_write, mongo_read),
    "postgresql": (postgres_write, postgres_read),
    **dict.fromkeys(["mariadb", "mysql"], (mysql_write, mysql_read)),
    "cassandra": (cassandra_write, cassandra_read),
}


def processes_of(place: Path) -> list[str]:
    """The processes that work in an engine's directory (they may have changed what their command line says)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if path.readlink().is_relative_to(place):
                found.append(path.parent.name)
        except OSError:
            continue  # it has ended
    return found


@pytest.mark.parametrize("name", STORES)
def test_a_durable_engine_keeps_its_data_when_killed(name: str, own_engine: Callable[..., Engine]) -> None:
    write, read = STORES[name]
    engine = own_engine(name, durable=True)
    (node,) = engine.nodes
    place = node.directory.parent
    assert re.match(r"\d+\.\d+", engine.version)
    assert node.port <= 55535
    write(node)
    first = node.pid
    assert processes_of(place)

    node.kill()
    assert not node.running
    assert not processes_of(place)
    with pytest.raises(ConnectionRefusedError):
        wire.knock(node.host, node.port)

    node.restart()
    assert node.pid != first
    assert read(node) == "v"

    engine.stop()
    assert not processes_of(place)
    assert not place.exists()


@pytest.mark.parametrize("name", ["dynamodb", "memcached"])
def test_an_engine_without_data_comes_back_empty(name: str, own_engine: Callable[..., Engine]) -> None:
    (node,) = own_engine(name).nodes
    node.kill()
    with pytest.raises(ConnectionRefusedError):
        wire.knock(node.host, node.port)
    node.restart()
    wire.knock(node.host, node.port)


def test_a_clean_stop_ends_it_and_restart_brings_it_back(own_engine: Callable[..., Engine]) -> None:
    (node,) = own_engine("redis").nodes
    node.stop()
    with pytest.raises(ConnectionRefusedError):
        wire.knock(node.host, node.port)
    node.restart()
    wire.knock(node.host, node.port)
    with pytest.raises(RuntimeError, match=r"runs already"):
        node.launch()


def test_a_suspended_engine_answers_nothing_until_it_is_resumed(own_engine: Callable[..., Engine]) -> None:
    (node,) = own_engine("postgresql").nodes  # it has a process for each client
    with wire.Postgres(node.host, node.port, user="postgres", database="kairos") as postgres:
        postgres("SELECT 1")
        node.suspend()
        postgres.patience(0.2)
        with pytest.raises(TimeoutError):
            postgres("SELECT 1")
    node.resume()
    with wire.Postgres(node.host, node.port, user="postgres", database="kairos") as postgres:
        postgres("SELECT 1")


def test_a_suspended_engine_can_be_killed(own_engine: Callable[..., Engine]) -> None:
    (node,) = own_engine("redis").nodes
    node.suspend()
    node.kill()
    node.restart()


def test_only_the_user_with_the_password_may_do_anything(own_engine: Callable[..., Engine]) -> None:
    engine = own_engine("redis", user="eve", password="p@ss word")
    (node,) = engine.nodes
    assert engine.url == f"redis://eve:p%40ss%20word@127.0.0.1:{node.port}/0"
    with wire.Redis(node.host, node.port) as redis, pytest.raises(wire.Refused, match="NOAUTH"):
        redis("GET", "k")
    with wire.Redis(node.host, node.port, user="eve", password="p@ss word") as redis:
        assert redis("ACL", "WHOAMI") == "eve"


def test_tls_is_spoken_with_certificates_that_verify(own_engine: Callable[..., Engine]) -> None:
    engine = own_engine("redis", tls=True)
    assert engine.tls_url is not None
    assert engine.certificates is not None
    port = int(engine.tls_url.removeprefix("rediss://127.0.0.1:").removesuffix("/0"))
    context = ssl.create_default_context(cafile=engine.certificates.ca)
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(b"PING\r\n")
        assert secure.recv(100) == b"+PONG\r\n"


def test_the_unix_socket_answers(own_engine: Callable[..., Engine]) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(str(own_engine("valkey").socket))
        unix.sendall(b"PING\r\n")
        assert unix.recv(100) == b"+PONG\r\n"


def test_a_database_is_fresh_each_time(engine: Callable[..., Engine]) -> None:
    sql = engine("postgresql")
    (node,) = sql.nodes
    for _ in range(2):
        assert sql.database("fresh") == f"postgresql+psycopg://postgres@127.0.0.1:{node.port}/fresh"
        with wire.Postgres(node.host, node.port, user="postgres", database="fresh") as postgres:
            postgres("CREATE TABLE t (k int)")


def test_a_database_of_mariadb_holds_all_of_unicode(engine: Callable[..., Engine]) -> None:
    sql = engine("mariadb")
    (node,) = sql.nodes
    sql.database("wide")
    sql.database("narrow", charset="latin1")
    with wire.MySQL(node.host, node.port, user="root") as mysql:
        for name, charset in (("wide", "utf8mb4"), ("narrow", "latin1")):
            mysql(
                "SET @found = (SELECT default_character_set_name FROM information_schema.schemata "
                f"WHERE schema_name = '{name}')"
            )
            with pytest.raises(wire.Refused, match=charset):
                mysql("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @found")


def test_a_name_that_is_no_identifier_is_refused(engine: Callable[..., Engine]) -> None:
    with pytest.raises(ValueError, match="only ASCII letters"):
        engine("postgresql").database('x"; DROP DATABASE kairos; --')
    with pytest.raises(TypeError, match="redis has no databases to create"):
        engine("redis").database("x")


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_a_server_of_the_developers_makes_databases_too(
    name: str, engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = engine(name)
    monkeypatch.setenv(variable(name), server.url)
    with start(name) as own:
        assert own.nodes == ()
        for _ in range(2):
            assert own.database("mine") == server.url.removesuffix("kairos") + "mine"
    assert server.nodes[0].running
