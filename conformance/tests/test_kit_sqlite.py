"""The kit on SQLite files."""

from typing import ClassVar

import pytest
from sqlalchemy import create_engine

from kairos_conformance import Suite


class SQLite(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory):
        return f"sqlite:///{tmp_path_factory.mktemp('kit') / 'kit.sqlite'}"


class TestFloats(SQLite):
    """The default: numbers, whole or not."""

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, target):
        engine = create_engine(target)
        yield engine
        engine.dispose()


@pytest.mark.slow
class TestTexts(SQLite):
    """A column of text; histories are tried at length on the floats."""

    profile: ClassVar = "quick"
    options: ClassVar = {"value_type": "str"}
