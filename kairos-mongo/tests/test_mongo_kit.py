"""The kit on a standalone server."""

import pytest

from kairos_conformance import Suite


@pytest.mark.every_python
class TestStandalone(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        return engine("mongo").url.replace("/kairos", "/kit")
