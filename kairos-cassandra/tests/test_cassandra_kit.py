"""The kit on one node and on a ring of three, in both ways to count.

By default the whole suite runs once, on one node; what follows runs the laws that a ring, or a log, can break, on the
kinds that can break them, with few histories. In the profiles ``ci`` and ``deep`` each class is whole.
"""

import os
import threading
import time
from contextlib import ExitStack
from typing import ClassVar

import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.connection import DefaultEndPoint, DefaultEndPointFactory
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy

import kairos
from kairos.storage import KINDS
from kairos_cassandra.urls import parse
from kairos_conformance import Suite
from kairos_conformance.laws.base import Laws
from kairos_conformance.laws.concurrency import ConcurrencyLaws
from kairos_conformance.laws.counts import CountLaws
from kairos_conformance.laws.faults import Between, FaultLaws
from kairos_conformance.laws.histories import HistoryLaws
from kairos_conformance.laws.metadata import MetadataLaws
from kairos_conformance.laws.retention import RetentionLaws
from kairos_conformance.laws.storage import StorageLaws
from kairos_conformance.laws.writing import WritingLaws
from kairos_engines import Proxy


class Proxies(DefaultEndPointFactory):
    """A proxy in front of each node of a ring, as one, and the driver's way to them."""

    def __init__(self, nodes):
        self._proxies = {node.host: Proxy(node.host, node.port) for node in nodes}
        self._lock = threading.Lock()

    def create(self, row):
        return self._through(super().create(row).address)

    def _through(self, host):
        return DefaultEndPoint("127.0.0.1", self._proxies[host].port)

    def points(self):
        return [self._through(host) for host in self._proxies]

    def __enter__(self):
        with ExitStack() as stack:
            for proxy in self._proxies.values():
                stack.enter_context(proxy)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def dropped(self):
        return sum(proxy.dropped for proxy in self._proxies.values())

    @property
    def round_trips(self):
        return sum(proxy.round_trips for proxy in self._proxies.values())

    def drop_when(self, predicate, n=1):
        left = [None] * n

        def one_of_all(data):
            with self._lock:
                return bool(left and predicate(data) and [left.pop()])

        for proxy in self._proxies.values():
            proxy.drop_when(one_of_all, n)


WHOLE = os.environ.get("KAIROS_PROFILE") in ("ci", "deep")
"""Whether each class runs everything."""


def kinds(*few):
    """Return a fixture ``kind``: these by default, every kind where everything is to be run."""

    @pytest.fixture(params=sorted(KINDS) if WHOLE else few)
    def kind(self, request):
        return request.param

    return kind


class Kit:
    """A keyspace of its own."""

    server: ClassVar = "cassandra"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def fewer(cls, place):
        """Try fewer generated examples by default: a history is hundreds of round trips."""
        if not WHOLE:
            place.profile = place.profile.second()

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


class Nodes(Kit):
    """Three nodes, each with all data."""

    server = "cassandra-ring"


class Distributed(MetadataLaws, ConcurrencyLaws, HistoryLaws):
    """What a ring can break, and a way to count: not what the core plans, cuts and merges by itself."""


class Counted(Distributed, CountLaws, StorageLaws, WritingLaws, RetentionLaws):
    """What another way to count can break, and another expiry."""


class TestCounters(Kit, Suite):
    """The default."""


class TestLog(Log, Suite if WHOLE else Counted):
    """On one node, increments as rows: they expire."""


class TestRingCounters(Nodes, Suite if WHOLE else Distributed):
    """On a ring."""

    kind = kinds("count", "series")


class TestRingLog(Log, Nodes, Suite if WHOLE else Distributed):
    """On a ring, increments as rows."""

    @pytest.fixture(params=["count", "histogram"] if WHOLE else ["count"])
    def kind(self, request):
        return request.param


class Proxied:
    """A proxy in front of each node."""

    kind = kinds("count")

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls, engine, target):
        balancing = TokenAwarePolicy(DCAwareRoundRobinPolicy("datacenter1"))
        profile = ExecutionProfile(balancing, request_timeout=60)
        with Proxies(engine(cls.server).nodes) as between:
            cluster = Cluster(
                between.points(),
                endpoint_factory=between,
                protocol_version=5,
                execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                reconnection_policy=ConstantReconnectionPolicy(0.1, max_attempts=None),
                connect_timeout=60,
                control_connection_timeout=60,
            )
            yield cluster.connect(parse(target).keyspace), between
            cluster.shutdown()


class TestProxies(Proxied, Nodes, FaultLaws):
    """On a ring."""

    test_cost_of_a_batch = test_cost_of_foreign_names = None  # below


class TestCosts(Proxied, Kit, Laws):
    """On one node: round trips are as many."""

    test_cost_of_a_batch = FaultLaws.test_cost_of_a_batch
    test_cost_of_foreign_names = FaultLaws.test_cost_of_foreign_names

    @pytest.fixture
    def between(self, proxy):
        return Between(*proxy)


class TestRestart(Kit, Laws):
    """One node that keeps a log of what it acknowledged."""

    test_restart = FaultLaws.test_restart
    kind = kinds("count", "series")

    @pytest.fixture
    def killed_and_started(self, restart):
        return restart

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine, keyspace_url):
        return keyspace_url(engine("cassandra", durable=True))

    @pytest.fixture(scope="class")
    @classmethod
    def restart(cls, engine, target):
        (node,) = engine("cassandra", durable=True).nodes
        with kairos.Timeseries(
            target, intervals={"kit_held": {"step": 1}}, **cls.options_for("series")
        ) as held:

            def again():
                node.kill()
                node.restart()
                end = time.monotonic() + 60
                while True:
                    try:
                        return held.list()
                    except NoHostAvailable:  # the driver has not yet found it again
                        if time.monotonic() > end:
                            raise
                        time.sleep(0.1)

            yield again
