"""The kit on the reference backend."""

import pytest

from kairos_conformance import Suite


class TestMemory(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return "memory://kit"
