"""The kit on a backend that declares as little as it can: a text store with manual expiry."""

import pytest

from kairos_conformance import Suite


class TestFewest(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return "plain://kit"
