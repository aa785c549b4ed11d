"""The page on Redis, and the README: what they say is what happens."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(page, url, raw, capsys):
    """Run a page's Python and Redis blocks; return how many answers were compared."""
    namespace, answers = {}, 0
    blocks = BLOCK.findall((ROOT / page).read_text().replace("redis://localhost:6379/0", url))
    for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language == "python":
            exec(compile(text, page, "exec"), namespace)
            printed = capsys.readouterr().out
            assert printed == (answer if printed else ""), page
            answers += bool(printed)
        elif language == "redis":
            assert following == "text"
            assert [shown(raw, line) for line in text.splitlines()] == answer.splitlines()
            answers += 1
    return answers


def shown(raw, line):
    reply = raw.execute_command(*line.split())
    items = reply if isinstance(reply, list | set) else [reply]
    return " ".join(item.decode() if isinstance(item, bytes) else str(item) for item in items)


def test_the_page_on_redis(server, raw, capsys):
    assert run("docs/redis.md", server.url, raw, capsys) == 2


def test_the_readme(server, raw, capsys):
    assert run("kairos-redis/README.md", server.url, raw, capsys) == 1


def test_the_readme_on_a_cluster(engine, capsys):
    """It says that the URL is all that changes."""
    assert run("kairos-redis/README.md", engine("redis-cluster").url, None, capsys) == 1
