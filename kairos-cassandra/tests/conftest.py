"""Places in real Cassandras: a keyspace of its own for each test module or class."""

from __future__ import annotations

from itertools import count

import pytest

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
    return keyspace_url(engine("cassandra")), {"create_keyspace": replication["cassandra"]}
