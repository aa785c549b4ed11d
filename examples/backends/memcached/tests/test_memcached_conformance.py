"""Whether kairos-memcached is a backend: the conformance suite decides, on a real server and through a proxy."""

# mypy: ignore-errors

import pytest

from kairos_conformance import Suite
from kairos_engines import Proxy, start


class TestMemcached(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls):
        with start("memcached", args=("-m", "256")) as engine:
            yield engine

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, server):
        return f"{server.url}/kit"

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls, server):
        (node,) = server.nodes
        with Proxy(node.host, node.port) as proxy:
            yield f"memcached://127.0.0.1:{proxy.port}/kit", proxy
