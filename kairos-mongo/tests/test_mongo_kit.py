"""The kit on a standalone server."""

import pytest

from kairos_conformance import Suite


class TestStandalone(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        return engine("mongo").url.replace("/kairos", "/kit")
