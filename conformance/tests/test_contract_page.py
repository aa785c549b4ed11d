"""The backend of docs/storage-contract.md, built from the page and run under the kit."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/storage-contract.md"


@pytest.mark.slow
def test_backend_of_the_page_is_a_backend(tmp_path: Path) -> None:
    files = {
        m[1]: m[2] for m in re.finditer(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    }
    assert sorted(files) == ["kairos_kv.py", "pyproject.toml", "test_kv.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
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
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_kv.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site), "KAIROS_PROFILE": "quick"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "FAILED" not in run.stdout.replace(" 0 FAILED", "")
