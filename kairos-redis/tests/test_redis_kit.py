"""The kit on one server, by a URL with the default settings, with faults: lost replies and a server that is killed."""

import pytest
import redis

from kairos_conformance import Suite
from kairos_engines import Proxy


class TestServer(Suite):
    @classmethod
    def options_for(cls, kind):
        return {"prefix": f"kit-{kind}"}

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, engine):
        # what it has written outlives the process, if not the machine; to sync each write takes ten times as long
        return engine("redis", args=["--appendonly", "yes", "--appendfsync", "no"])

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, server):
        return server.url

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls, server):
        (node,) = server.nodes
        with Proxy(node.host, node.port) as proxy:
            yield f"redis://127.0.0.1:{proxy.port}", proxy

    @pytest.fixture(scope="class")
    @classmethod
    def restart(cls, server):
        (node,) = server.nodes

        def restart():
            node.kill()
            node.restart()

        return restart

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, server):
        with redis.Redis.from_url(server.url) as client:
            yield client
