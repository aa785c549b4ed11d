"""The conformance kit on the fallback, which is made to take SQLite and PostgreSQL."""

from typing import ClassVar

import pytest

from kairos_conformance import Suite

pytestmark = pytest.mark.slow


class Fallback(Suite):
    """The kit with a variable of the environment, which the kit's processes inherit."""

    profile: ClassVar = "quick"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def fallback(cls):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KAIROS_SQL_FALLBACK", "1")
            yield


class TestFallbackOnSQLite(Fallback):
    """A file; processes wait for each other at most as long as SQLite lets them."""

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, fallback, tmp_path_factory):
        return f"sqlite:///{tmp_path_factory.mktemp('kit') / 'kit.sqlite'}?timeout=60"


class TestFallbackOnPostgreSQL(Fallback):
    """A server, where writers really meet."""

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, fallback, engine):
        return engine("postgresql").database("kit_fallback")
