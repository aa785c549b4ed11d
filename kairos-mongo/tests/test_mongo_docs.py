"""The page on the documents, and the README: what they say is what happens, on a real server."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "mongo.md"
README = ROOT / "kairos-mongo" / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOCAL = '"mongodb://localhost/shop"'


def test_the_page(url):
    namespace, answers = {}, 0
    blocks = BLOCK.findall(PAGE.read_text())
    for (language, text), (following, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language != "python":
            continue
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(text.replace(LOCAL, repr(url)), str(PAGE), "exec"), namespace)
        if following == "text":
            assert output.getvalue() == answer
            answers += 1
        else:
            assert output.getvalue() == ""
    assert answers == 8


def test_the_readme(url):
    blocks = BLOCK.findall(README.read_text())
    (program,) = [text for language, text in blocks if language == "python"]
    output = blocks[[language for language, _ in blocks].index("python") + 1][1]
    assert LOCAL in program
    command = [sys.executable, "-W", "error", "-c", program.replace(LOCAL, repr(url))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", output)
