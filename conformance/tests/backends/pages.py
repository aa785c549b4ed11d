"""What a reader makes of a page of docs/: the files in its code blocks, and a project that is installed."""

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```(?:python|toml)\n# (\S+?)(?:, continued)?\n(.*?)^```", re.DOTALL | re.MULTILINE)


def files_of(page):
    """Return the files that a page shows: path -> text, of all blocks whose first line names it."""
    found = {}
    for block in BLOCK.finditer((DOCS / page).read_text()):
        found[block[1]] = found.get(block[1], "") + block[2]
    return found


def install(project, site):
    """Install a project's folder into another one, without its dependencies, which are here."""
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*command, ".", "--python", sys.executable], cwd=project, check=True)
