"""The page on the tables, and the README: what they say is what happens."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from kairos_sql import tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sql-tables.md"
README = ROOT / "kairos-sql" / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(cursor):
    """Return a result as the page shows it."""
    table = [[column[0] for column in cursor.description], *([str(value) for value in row] for row in cursor)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [" | ".join(map(str.ljust, row, widths)).rstrip() for row in table]


SERVERS = "## PostgreSQL\n"
SECTIONS = {"postgresql": SERVERS, "mariadb": "## MariaDB and MySQL\n", "mysql": "## MariaDB and MySQL\n"}


def test_the_page_on_the_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace, answers = {}, 0
    blocks = BLOCK.findall(PAGE.read_text().partition(SERVERS)[0])
    for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), namespace)
        elif language == "sql":
            assert following == "text"
            connection = sqlite3.connect("shop.sqlite")
            with connection:
                assert shown(connection.execute(text)) == [line.rstrip() for line in answer.splitlines()]
            connection.close()
            answers += 1
    assert answers == 7


@pytest.mark.parametrize("server", SECTIONS)
def test_the_page_on_each_server(server, server_url):
    page = PAGE.read_text()
    section = page.partition(SECTIONS[server])[2].partition("\n## ")[0]
    example = next(text for language, text in BLOCK.findall(page) if language == "python")
    exec(example.replace('URL = "sqlite:///shop.sqlite"', f"URL = {server_url!r}"))
    engine, answers = sa.create_engine(server_url), 0
    blocks = BLOCK.findall(section)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE hits SET count = 13 WHERE name = 'home' AND count = 3")
        )  # as the page has it
        for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
            assert language in ("sql", "text")
            if text.startswith("CREATE TABLE"):
                made = str(CreateTable(tables("count", engine, table_name="hits")[0]).compile(engine))
                assert text.split() == made.split()
            elif language == "sql":
                found = connection.exec_driver_sql(text.replace("%", "%%"))
                if following == "text":
                    assert shown(found.cursor) == [line.rstrip() for line in answer.splitlines()]
                answers += 1
    engine.dispose()
    assert answers == 4


def test_the_readme(tmp_path):
    blocks = BLOCK.findall(README.read_text())
    (program,) = [text for language, text in blocks if language == "python"]
    output = blocks[[language for language, _ in blocks].index("python") + 1][1]
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", output)
