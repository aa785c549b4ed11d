"""The sync side under gevent: greenlets overlap their round trips, and nothing holds the loop."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kairos_engines import Proxy

PROGRAM = Path(__file__).with_name("workers") / "gevent_program.py"
SCHEMES = {
    "redis": "redis",
    "mongo": "mongodb",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mysql+pymysql",
}
DELAY = 0.05
"""Seconds that each answer takes."""


def run(url):
    """Run the program in a process of its own; return what it has measured."""
    ended = subprocess.run(
        [sys.executable, PROGRAM, url], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize("name", SCHEMES)
def test_greenlets_overlap_their_round_trips_and_lose_nothing(engine, name):
    running = engine(name)
    node = running.nodes[0]
    at = urlsplit(running.url)
    user = f"{at.username}@" if at.username else ""
    path = "/gevent" if name == "mongo" else at.path
    more = "?ssl_disabled=true" if name == "mariadb" else ""  # the proxy sees nothing in TLS
    with Proxy(node.host, node.port) as proxy:
        proxy.delay = DELAY
        found = run(f"{SCHEMES[name]}://{user}127.0.0.1:{proxy.port}{path}{more}")
    one_by_one = 2 * 100 * DELAY
    assert found["total"] == 101
    assert found["taken"] < one_by_one / 2, found


def test_greenlets_write_to_one_file_and_lose_nothing(tmp_path):
    assert run(f"sqlite:///{tmp_path / 'gevent.sqlite'}")["total"] == 101
