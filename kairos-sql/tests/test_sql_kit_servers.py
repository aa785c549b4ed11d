"""The conformance kit on servers: whole with one driver of each; with the others what a driver can break.

`KAIROS_SQL_KIT=whole` runs it whole with all of them.
"""

import os
from typing import ClassVar

import pytest
import sqlalchemy as sa

from kairos_conformance import Suite
from kairos_conformance.laws.asynchronous import AsyncioLaws
from kairos_conformance.laws.concurrency import ConcurrencyLaws
from kairos_conformance.laws.counts import CountLaws
from kairos_conformance.laws.faults import FaultLaws
from kairos_conformance.laws.values import ValueLaws
from kairos_engines import Proxy

WHOLE = os.environ.get("KAIROS_SQL_KIT") == "whole"

COMMITS = {
    "postgresql": ("-c", "synchronous_commit=on"),
    "mariadb": ("--innodb-flush-log-at-trx-commit=2",),
    "mysql": ("--innodb-flush-log-at-trx-commit=2",),
}
"""What lets a commit outlive the server's process, if not the machine: nothing waits for the disk."""


class Server:
    """A database of its own, a proxy before the server, and a server that may be killed."""

    server: ClassVar = ("postgresql", "postgresql+psycopg")

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls, engine):
        name, _ = cls.server
        return engine(name, args=COMMITS[name])

    @pytest.fixture(scope="class")
    @classmethod
    def address(cls, running):
        url = sa.make_url(running.database(f"kit_{cls.__name__.lower()}")).set(drivername=cls.server[1])
        # PyMySQL would speak TLS, in which the proxy sees nothing
        return url.update_query_dict({"ssl_disabled": "true"}) if "pymysql" in cls.server[1] else url

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, address):
        return address.render_as_string(hide_password=False)

    @pytest.fixture(scope="class")
    @classmethod
    def async_target(cls, address):
        """The same database; the scheme alone takes the driver for asyncio."""
        url = address.set(drivername=address.get_backend_name(), query={})
        return url.render_as_string(hide_password=False)

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls, address):
        with Proxy(address.host, address.port) as proxy:
            yield address.set(port=proxy.port).render_as_string(hide_password=False), proxy

    @pytest.fixture(scope="class")
    @classmethod
    def restart(cls, running):
        (node,) = running.nodes

        def restart():
            node.kill()
            node.restart()

        return restart


class DriverLaws(ValueLaws, CountLaws, ConcurrencyLaws, FaultLaws):
    """What goes through a driver in a way of its own: values, sums, threads, errors."""

    sides: ClassVar = ("sync",)


Driver = Suite if WHOLE else DriverLaws


class TestPostgreSQL(Server, Suite):
    """Numbers, through psycopg, on both its sides."""


class TestMariaDB(Server, Suite):
    """Numbers, through mysqlclient, and asyncmy on the asyncio side."""

    server = ("mariadb", "mysql+mysqldb")


class TestMySQL(Server, Suite):
    """Numbers, through PyMySQL."""

    server = ("mysql", "mysql+pymysql")
    sides: ClassVar = ("sync",)


class TestMySQLAsyncmy(Server, AsyncioLaws, ValueLaws, CountLaws):
    """Numbers, through asyncmy: what differs from MariaDB."""

    server = ("mysql", "mysql+pymysql")
    sides: ClassVar = ("asyncio",)


class TestPostgreSQLTexts(Server, Driver):
    """A column of text."""

    options: ClassVar = {"value_type": "text"}


class TestMariaDBPyMySQL(Server, Driver):
    """A column of text, through PyMySQL."""

    server = ("mariadb", "mysql+pymysql")
    options: ClassVar = {"value_type": "str"}


class TestMySQLClient(Server, Driver):
    """Ints, through mysqlclient."""

    server = ("mysql", "mysql+mysqldb")
    options: ClassVar = {"value_type": "int"}
