"""The plugin of docs/plugins.md, built and installed from the page."""

import os
import re
import subprocess
import sys

import pytest
from pages import DOCS, files_of, install


@pytest.mark.slow
def test_plugin_of_the_page_does_what_the_page_says(tmp_path):
    files = files_of("plugins.md")
    assert sorted(files) == ["kairos_robust.py", "pyproject.toml", "try_it.py"]
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    install(tmp_path, tmp_path / "site")
    run = subprocess.run(
        [sys.executable, "-W", "error", "try_it.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    printed = re.search(r"```text\n(.*?)```", (DOCS / "plugins.md").read_text(), re.DOTALL)
    assert printed is not None
    assert run.stdout == printed[1], run.stderr
