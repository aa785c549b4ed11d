"""The plugin of docs/plugins.md, built and installed from the page."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/plugins.md"


@pytest.mark.slow
def test_plugin_of_the_page_does_what_the_page_says(tmp_path: Path) -> None:
    text = PAGE.read_text()
    files = {m[1]: m[2] for m in re.finditer(r"```(?:python|toml)\n# (\S+)\n(.*?)```", text, re.DOTALL)}
    assert sorted(files) == ["kairos_robust.py", "pyproject.toml", "try_it.py"]
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    site = tmp_path / "site"
    install = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(site),
        ".",
    ]
    subprocess.run([*install, "--python", sys.executable], cwd=tmp_path, check=True)
    run = subprocess.run(
        [sys.executable, "-W", "error", "try_it.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    printed = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert printed is not None
    assert run.stdout == printed[1], run.stderr
