"""The kit's laws on faults and costs, on a small server behind a real proxy, right and wrong."""

import kairos_wire
import pytest

import kairos_conformance.reproduction
import kairos_conformance.suite  # noqa: F401 - once, not once for each inner run

pytest_plugins = ["pytester"]

SUITE = """
import kairos_wire
import pytest
from kairos_conformance import Suite
from kairos_engines import Proxy

class TestWire(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls):
        with kairos_wire.Server(buffers={buffers}) as server:
            yield server

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, server):
        return f"wire://127.0.0.1:{{server.server_address[1]}}/{name}"

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls, server):
        with Proxy(*server.server_address) as proxy:
            yield f"wire://127.0.0.1:{{proxy.port}}/{name}", proxy

    @pytest.fixture(scope="class")
    @classmethod
    def restart(cls, server):
        return server.restart
"""
FAULTS = "lost or cost or restart"


def run(pytester, name, laws):
    pytester.makepyfile(SUITE.format(name=name, buffers=name == "AcknowledgesTooEarly"))
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-k", laws)
    return result.parseoutcomes(), result.stdout.str()


def test_a_right_client_is_held(pytester):
    outcomes, printed = run(pytester, "right", FAULTS)
    assert set(outcomes) == {"passed", "deselected"}, printed
    assert "not applicable" not in printed


@pytest.mark.parametrize("name", kairos_wire.WRONG)
def test_a_wrong_client_or_server_is_killed(pytester, name):
    outcomes, printed = run(pytester, name, kairos_wire.KILLED_BY[name])
    assert outcomes.get("failed"), f"{name} survives {kairos_wire.KILLED_BY[name]}"
    assert "kairos law" in printed
