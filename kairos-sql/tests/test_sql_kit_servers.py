"""The conformance kit on servers: the main drivers in the profile of the run, all else in the quick one."""

from typing import ClassVar

import pytest
import sqlalchemy as sa

from kairos_conformance import Suite


class Server(Suite):
    """The kit in a database of its own."""

    server: ClassVar = ("postgresql", "postgresql+psycopg")

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        name, scheme = cls.server
        url = sa.make_url(engine(name).database(f"kit_{cls.__name__.lower()}"))
        return url.set(drivername=scheme).render_as_string(hide_password=False)


class TestPostgreSQL(Server):
    """Numbers, through psycopg."""


class TestPostgreSQLTexts(Server):
    """A column of text."""

    profile = "quick"
    options: ClassVar = {"value_type": "text"}


class TestMariaDB(Server):
    """Numbers, through mysqlclient."""

    server = ("mariadb", "mysql+mysqldb")


class TestMariaDBPyMySQL(Server):
    """A column of text, through PyMySQL."""

    profile = "quick"
    server = ("mariadb", "mysql+pymysql")
    options: ClassVar = {"value_type": "str"}


class TestMySQL(Server):
    """Ints, through PyMySQL."""

    profile = "quick"
    server = ("mysql", "mysql+pymysql")
    options: ClassVar = {"value_type": "int"}


class TestMySQLClient(Server):
    """Numbers, through mysqlclient."""

    profile = "quick"
    server = ("mysql", "mysql+mysqldb")
