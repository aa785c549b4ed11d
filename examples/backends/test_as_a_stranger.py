"""The example backends as a stranger would have them: from the wheels alone, in an environment of their own."""

# mypy: ignore-errors

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXAMPLES = sorted(path.parent.name for path in HERE.glob("*/pyproject.toml"))


def run(*command, cwd, timeout=900):
    clean = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    clean["KAIROS_PROFILE"] = "quick"
    clean["KAIROS_ENGINES_CACHE"] = os.environ.get("KAIROS_ENGINES_CACHE", str(ROOT / ".engines"))
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Build the wheels of the core and the kit, and of the engines for the tests."""
    folder = tmp_path_factory.mktemp("wheels")
    for package in ("kairos-core", "conformance", "tools/engines"):
        run("uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT / package), cwd=ROOT)
    (kit,) = folder.glob("kairos_conformance-*.whl")
    pages = {"kairos_conformance/docs/semantics.md", "kairos_conformance/docs/storage-contract.md"}
    assert pages <= set(ZipFile(kit).namelist()), "a failing law names pages that are not there"
    return sorted(map(str, folder.glob("*.whl")))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short(name):
    (module,) = (HERE / name / "src").glob("*/*.py")
    assert len(module.read_text().splitlines()) <= 150


@pytest.mark.slow
@pytest.mark.engine  # memcached's starts one, from its own environment
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_backend(name, wheels, tmp_path):
    python = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run("uv", "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"), cwd=tmp_path)
    packages = [*wheels, str(HERE / name), "pytest", "tzdata"]
    run("uv", "pip", "install", "--quiet", "--python", str(python), *packages, cwd=tmp_path)
    tests = str(HERE / name / "tests")
    flags = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "--rootdir",
        tests,
        "-c",
        os.devnull,
        "--noconftest",
    ]
    printed = run(str(python), "-I", "-m", "pytest", *flags, tests, cwd=tmp_path)
    assert " 0 FAILED" in printed
