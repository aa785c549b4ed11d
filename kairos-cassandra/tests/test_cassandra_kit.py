"""The kit on one node and on a ring of three, in both ways to count."""

from typing import ClassVar

import pytest

import kairos
from kairos_conformance import Suite


class Kit(Suite):
    """The kit on a keyspace of its own."""

    profile = "quick"  # a history is hundreds of round trips; `--kairos-profile ci` overrides it
    server: ClassVar = "cassandra"

    @classmethod
    def options_for(cls, kind):
        factor = 1 if cls.server == "cassandra" else 3
        return {"create_keyspace": {"class": "SimpleStrategy", "replication_factor": factor}}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine, keyspace_url):
        url = keyspace_url(engine(cls.server))
        with kairos.Timeseries(url, intervals={"kit_held": {"step": 1}}, **cls.options_for("series")):
            yield url  # while one is open, the others share its connections


class Log(Kit):
    """Increments as rows: of the kinds that count; the others are the same either way."""

    @classmethod
    def options_for(cls, kind):
        return {"counts": "log", **super().options_for(kind)}

    @pytest.fixture(params=["count", "histogram"])
    def kind(self, request):
        return request.param


class TestCounters(Kit):
    """The default."""


class TestLog(Log):
    """On one node."""


class TestRingCounters(Kit):
    """Three nodes, each with all data."""

    server = "cassandra-ring"


class TestRingLog(Log):
    """Three nodes, increments as rows."""

    server = "cassandra-ring"
