"""Hold each backend, as it is here, to the conformance suite on the oldest kairos-core that it declares.

    python tools/check_oldest_core.py [--core COMMIT] [--only NAME ...] [-- arguments for pytest]

A backend's `kairos-core>=V` names a release, whose commit has the tag kairos-core-V. Until there are releases the
commit before this one stands in. Core and suite are built from there, the backend from the checkout, and installed
together, elsewhere.
(`nox -s oldest-core` has what this needs: uv, git, the engines.)
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

from kairos_engines import start

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = {
    "kairos-sql": "",
    "kairos-redis": "redis",
    "kairos-mongo": "mongo",
    "kairos-cassandra": "cassandra",
}
KEYSPACE = '{"create_keyspace": {"class": "SimpleStrategy", "replication_factor": 1}}'
SUITE = """\
import pytest
from kairos_conformance import Suite


class TestOldest(Suite):
    @classmethod
    def options_for(cls, kind):
        return {options}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return {url!r}
"""


def main() -> int:
    """Try each backend; return how many of them failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--core", metavar="COMMIT", help="take this core, whatever is declared")
    parser.add_argument(
        "--only", nargs="+", choices=BACKENDS, default=list(BACKENDS), help="some backends only"
    )
    parser.add_argument("suite", nargs="*", help="arguments for pytest, after --")
    asked = parser.parse_args()
    failed = []
    for backend in asked.only:
        core = asked.core or oldest(backend)
        with tempfile.TemporaryDirectory(prefix="kairos-oldest-") as folder:
            code = hold(backend, core, Path(folder), asked.suite)
        print(f"{backend} on the core of {core}: {'held' if code == 0 else 'FAILED'}", flush=True)
        failed += [backend] if code else []
    return len(failed)


def oldest(backend: str) -> str:
    """Return the commit of the oldest core that a backend declares, or, before its release, the one before this."""
    project = tomllib.loads((ROOT / backend / "pyproject.toml").read_text("utf-8"))["project"]
    (bound,) = (line for line in project["dependencies"] if line.startswith("kairos-core"))
    version = re.search(r">=([\w.]+)", bound)
    tag = f"kairos-core-{version[1]}" if version else ""
    return tag if tag and git("tag", "--list", tag) else "HEAD^"


def git(*arguments: str) -> bytes:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def hold(backend: str, core: str, folder: Path, arguments: list[str]) -> int:
    """Install the old core and suite with the backend; return the exit code of the suite."""
    with tarfile.open(fileobj=BytesIO(git("archive", core, "kairos-core", "conformance"))) as archive:
        archive.extractall(folder / "old", filter="data")
    python = str(folder / "venv/bin/python")
    run("uv", "venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
    parts = [folder / "old/kairos-core", folder / "old/conformance", ROOT / backend]
    run("uv", "pip", "install", "--quiet", "--python", python, *map(str, parts))
    own = {"kairos-redis": '{"prefix": f"kit-{kind}"}', "kairos-cassandra": KEYSPACE}.get(backend, "{}")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_oldest.py", *arguments]
    with start(BACKENDS[backend]) if BACKENDS[backend] else nullcontext() as engine:
        url = engine.url if engine else f"sqlite:///{folder}/suite.sqlite"
        (folder / "test_oldest.py").write_text(SUITE.format(options=own, url=url), "utf-8")
        return subprocess.call(command, cwd=folder)


def run(*command: str) -> None:
    """Run a command that has to succeed."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
