"""Whether kairos-lmdb is a backend: the conformance suite decides."""

# mypy: ignore-errors

from typing import ClassVar

import pytest

from kairos_conformance import Suite


class TestLmdb(Suite):
    options: ClassVar = {"sync": False}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory):
        return f"lmdb://{tmp_path_factory.mktemp('kit') / 'kit.lmdb'}"
