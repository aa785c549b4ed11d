"""The page on the tables, and the README: what they say is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cassandra.cluster import Cluster
from cassandra.query import dict_factory

from kairos_cassandra.urls import parse

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cassandra.md"
README = ROOT / "kairos-cassandra" / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def shop(engine, keyspace_url):
    """Give the URL of a keyspace that nobody has used."""
    return keyspace_url(engine("cassandra"))


@pytest.fixture
def session(engine):
    """Give a session of the driver."""
    node = engine("cassandra").nodes[0]
    cluster = Cluster([node.host], port=node.port, protocol_version=5)
    session = cluster.connect()
    session.row_factory = dict_factory
    yield session
    cluster.shutdown()


def shown(rows):
    """Return a result as the page shows it."""
    rows = list(rows)
    table = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [" | ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def test_the_page_on_the_tables(shop, session):
    namespace, answers = {}, 0
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "python":
            text = text.replace("cassandra://localhost:9042/shop", shop)
            exec(compile(text, str(PAGE), "exec"), namespace)
        elif language == "sql":
            assert following == "text"
            session.set_keyspace(parse(shop).keyspace)
            assert shown(session.execute(text)) == [line.rstrip() for line in answer.splitlines()]
            answers += 1
    assert answers == 8


def test_the_readme(shop):
    blocks = BLOCK.findall(README.read_text("utf-8"))
    (program,) = [text for language, text in blocks if language == "python"]
    program = program.replace("cassandra://localhost:9042/kairos", shop)
    output = blocks[[language for language, _ in blocks].index("python") + 1][1]
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stderr, done.stdout) == ("", output)
