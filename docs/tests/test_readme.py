"""The README at the root: its example does what it says, and its table what the backends declare."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

sys.path.append(str(ROOT / "tools"))
from promises import BEGIN, END, with_table  # noqa: E402


def test_the_example_prints_what_the_readme_shows(tmp_path):
    (language, program), (_, output) = BLOCK.findall(README.read_text("utf-8"))[:2]
    assert language == "python"
    assert len(program.strip().splitlines()) <= 15
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", output)


def test_the_table_is_what_the_backends_declare():
    text = README.read_text("utf-8")
    assert BEGIN in text
    assert END in text
    assert with_table(text) == text  # else: python tools/promises.py --write
