"""Places in real Cassandras: a keyspace of its own for each test module or class."""

from __future__ import annotations

from itertools import count

import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy
from cassandra.query import dict_factory

import kairos
from kairos_cassandra.urls import parse

BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
REPLICATION = {
    "cassandra": {"class": "SimpleStrategy", "replication_factor": 1},
    "cassandra-ring": {"class": "SimpleStrategy", "replication_factor": 3},
}
_NUMBERS = count()


@pytest.fixture(scope="session")
def replication():
    """Give what ``create_keyspace`` is on an engine."""
    return REPLICATION


@pytest.fixture(scope="session")
def keyspace_url():
    """Give a function: the engine's URL with a keyspace that nobody has used; nothing times out on a slow machine."""

    def make(started, query="timeout=60"):
        return f"{started.url.rpartition('/')[0]}/k{next(_NUMBERS)}?{query}"

    return make


@pytest.fixture(scope="module")
def place(engine, keyspace_url, replication):
    """Give (URL, options) of a keyspace on one node, for a module."""
    url, options = keyspace_url(engine("cassandra")), {"create_keyspace": replication["cassandra"]}
    with kairos.Timeseries(url, intervals=BOTH, table_name="first", **options):
        return url, options


@pytest.fixture
def open_series(place):
    """Give a function that opens a timeseries in the module's keyspace; it is closed after the test."""
    url, options = place
    opened = []

    def open_one(**more):
        opened.append(kairos.Timeseries(url, **{"intervals": BOTH, **options, **more}))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def session(place, engine):
    """Give a session of the driver on the module's keyspace."""
    url, _ = place
    node = engine("cassandra").nodes[0]
    profile = ExecutionProfile(DCAwareRoundRobinPolicy("datacenter1"), row_factory=dict_factory)
    profiles = {EXEC_PROFILE_DEFAULT: profile}
    cluster = Cluster([node.host], port=node.port, protocol_version=5, execution_profiles=profiles)
    yield cluster.connect(parse(url).keyspace)
    cluster.shutdown()
