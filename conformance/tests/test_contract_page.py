"""The pages for authors of backends: the tutorial's backend is built from its page and run under the kit."""

import os
import re
import subprocess
import sys

import pytest
from attrs import fields
from pages import DOCS, files_of, install

from kairos.storage import Capabilities, Storage


def run(*command, cwd, **environment):
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=900
    )
    return done.returncode, done.stdout + done.stderr


def storage_of_the_page():
    ((path, text),) = files_of("write-a-backend.md").items()
    assert path == "src/kairos_kv/storage.py"
    return text


def test_the_tutorial_s_backend_is_short():
    assert len(storage_of_the_page().splitlines()) <= 150


@pytest.mark.slow
def test_the_tutorial_s_backend_is_a_backend(tmp_path):
    code, printed = run(sys.executable, "-m", "kairos_conformance", "new", "kv", cwd=tmp_path)
    assert code == 0, printed
    project, site = tmp_path / "kairos-kv", tmp_path / "site"
    (project / "src/kairos_kv/storage.py").write_text(storage_of_the_page())
    install(project, site)
    pytest_command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")
    code, printed = run(*pytest_command, cwd=project, PYTHONPATH=str(site), KAIROS_PROFILE="quick")
    assert code == 0, printed
    assert "Unsupported as declared (asyncio, atomic_batch, custom_fetch, folds, shared)" in printed
    assert " 0 FAILED" in printed


def test_every_capability_has_its_paragraph():
    headings = re.findall(r"^## (.*)$", (DOCS / "capabilities.md").read_text(), re.M)
    documented = {name for heading in headings for name in heading.split(", ")}
    assert documented == {field.name for field in fields(Capabilities)} | {"asyncio"}


def test_every_method_is_on_the_contract_s_page():
    page = (DOCS / "storage-contract.md").read_text()
    methods = [name for name in vars(Storage) if not name.startswith("_") and name != "capabilities"]
    assert [name for name in methods if f"`{name}(" not in page] == []
