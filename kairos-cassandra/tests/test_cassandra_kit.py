"""The kit on one node and on a ring of three, in both ways to count."""

from typing import ClassVar

import pytest

import kairos
from kairos_conformance import Suite


class Kit(Suite):
    """The kit on a keyspace of its own."""

    profile = "quick"  # a history is hundreds of round trips; `--kairos-profile ci` overrides it
    server: ClassVar = "cassandra"
    replication_factor: ClassVar = 1
    more: ClassVar = {}

    @classmethod
    def options_for(cls, kind):
        replication = {"class": "SimpleStrategy", "replication_factor": cls.replication_factor}
        return {"create_keyspace": replication, **cls.more}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine, keyspace_url):
        url = keyspace_url(engine(cls.server))
        with kairos.Timeseries(url, intervals={"kit_held": {"step": 1}}, **cls.options_for("series")):
            yield url  # while one is open, the others share its connections


class TestCounters(Kit):
    """The default."""


class TestLog(Kit):
    """Increments as rows."""

    more: ClassVar = {"counts": "log"}


class TestRingCounters(Kit):
    """Three nodes, each with all data."""

    server = "cassandra-ring"
    replication_factor = 3


class TestRingLog(TestRingCounters):
    """Three nodes, increments as rows."""

    more: ClassVar = {"counts": "log"}
