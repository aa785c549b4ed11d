"""The kit on SQLite files."""

from typing import ClassVar

import pytest
from sqlalchemy import create_engine

from kairos_conformance import Suite
from kairos_conformance.laws.asynchronous import AsyncioLaws
from kairos_conformance.laws.storage import StorageLaws


class SQLite:
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory):
        return f"sqlite:///{tmp_path_factory.mktemp('kit') / 'kit.sqlite'}"


class TestFloats(SQLite, Suite):
    """The default: numbers, whole or not."""

    sides: ClassVar = ("sync",)

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, target):
        engine = create_engine(target)
        yield engine
        engine.dispose()


class TestAsyncio(SQLite, AsyncioLaws, StorageLaws):
    """What only the asyncio side has, and its storage: in the quick loop, on each Python."""

    sides: ClassVar = ("asyncio",)


@pytest.mark.slow
class TestFloatsAsyncio(SQLite, Suite):
    """Everything on the asyncio side."""

    sides: ClassVar = ("asyncio",)


@pytest.mark.slow
class TestTexts(SQLite, Suite):
    """A column of text; histories are tried at length on the floats."""

    profile: ClassVar = "quick"
    sides: ClassVar = ("sync",)
    options: ClassVar = {"value_type": "str"}
