"""The kit on a backend that declares as little as it can: a text store with manual expiry."""

from typing import ClassVar

import pytest

from kairos_conformance import Suite


class TestFewest(Suite):
    profile: ClassVar = "quick"

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return "plain://kit"
