"""What the tests of kairos-redis share."""

import pytest
import redis


@pytest.fixture(scope="module")
def server(engine):
    """One Redis server for the tests of a module."""
    return engine("redis")


@pytest.fixture
def raw(server):
    """A client of its own, on an empty database, that gives bytes."""
    client = redis.Redis.from_url(server.url)
    client.flushall()
    yield client
    client.close()
