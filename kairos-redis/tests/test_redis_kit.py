"""The kit on one server, by a URL with the default settings."""

import pytest

from kairos_conformance import Suite


class TestServer(Suite):
    @classmethod
    def options_for(cls, kind):
        return {"prefix": f"kit-{kind}"}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        return engine("redis").url
