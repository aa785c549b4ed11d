"""The page on the tables, and the README: what they say is what happens."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sql-tables.md"
README = ROOT / "kairos-sql" / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(cursor):
    """Return a result as the page shows it."""
    table = [[column[0] for column in cursor.description], *([str(value) for value in row] for row in cursor)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [" | ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def test_the_page_on_the_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace, answers = {}, 0
    blocks = BLOCK.findall(PAGE.read_text())
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


def test_the_readme(tmp_path):
    blocks = BLOCK.findall(README.read_text())
    (program,) = [text for language, text in blocks if language == "python"]
    output = blocks[[language for language, _ in blocks].index("python") + 1][1]
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", output)
