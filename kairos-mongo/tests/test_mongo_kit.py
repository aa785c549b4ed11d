"""The kit on a standalone server."""

from typing import ClassVar

import pytest
from pymongo import MongoClient, WriteConcern

from kairos_conformance import Suite
from kairos_conformance.laws.values import ValueLaws
from kairos_engines import Proxy


class TestStandalone(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, engine):
        return engine("mongo", durable=True)

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, server):
        return server.url.replace("/kairos", "/kit")

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, target):
        with MongoClient(target) as client:
            yield client

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls, server):
        (node,) = server.nodes
        with Proxy(node.host, node.port) as proxy:
            yield f"mongodb://127.0.0.1:{proxy.port}/kit", proxy

    @pytest.fixture(scope="class")
    @classmethod
    def restart(cls, server):
        """Kill the server when its journal has what was acknowledged.

        That takes 100 ms, or a write that waits for the journal: it waits for all that came before, too.
        """
        (node,) = server.nodes

        def restart():
            with MongoClient(server.url) as client:
                journaled = client.kit.get_collection("kit_journal", write_concern=WriteConcern(j=True))
                journaled.insert_one({})
            node.kill()
            node.restart()

        return restart


class TestDecimals(ValueLaws):
    """Values that MongoDB has by another name, and that go through codecs of their own."""

    profile = "quick"
    options: ClassVar = {"value_type": "decimal"}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        return engine("mongo").url.replace("/kairos", "/kit_decimals")
