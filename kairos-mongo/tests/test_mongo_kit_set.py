"""The kit on a replica set of three: majority writes, through the driver's methods."""

import pytest

from kairos_conformance import Suite


class TestReplicaSet(Suite):
    profile = "quick"

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        return engine("mongo-set").url.replace("/kairos", "/kit")
