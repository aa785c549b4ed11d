"""The kit on a replica set of three: majority writes, through the driver's methods.

It is tried quickly; `KAIROS_MONGO_KIT=whole` tries it as much as KAIROS_PROFILE says.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from kairos_conformance import Suite
from kairos_engines import Node, Proxy

WHOLE = os.environ.get("KAIROS_MONGO_KIT") == "whole"


class TestReplicaSet(Suite):
    profile = None if WHOLE else "quick"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, engine):
        return engine("mongo-set")

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, server):
        return server.url.replace("/kairos", "/kit")

    @pytest.fixture(scope="class")
    @classmethod
    def first(cls, primary, server):
        return primary(server)

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls, first):
        with Proxy(first.host, first.port) as proxy:
            yield f"mongodb://127.0.0.1:{proxy.port}/kit?directConnection=true", proxy

    @pytest.fixture(scope="class")
    @classmethod
    def restart(cls, primary, server, first):
        """Kill all three, and make the same one their primary again: the proxy is in front of that one."""

        def restart():
            for node in server.nodes:
                node.kill()
            with ThreadPoolExecutor(len(server.nodes)) as pool:
                list(pool.map(Node.restart, server.nodes))
            while primary(server) is not first:
                with MongoClient(first.host, first.port, directConnection=True) as client:
                    try:
                        client.admin.command("replSetStepUp")
                    except OperationFailure:  # it is not yet in step, or an election goes on
                        continue

        return restart
