"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_without_a_server():
    pass

def test_shared(engine):
    assert engine("redis") is engine("redis")
    assert engine("redis") is not engine("redis", args=["--maxmemory", "1gb"])

@pytest.fixture
def server(own_engine):
    return own_engine("redis")

def test_own(server, engine):
    assert server is not engine("redis")

def test_left_out(engine):
    engine("mongo")
"""
OFF = {"KAIROS_TEST_MONGO_URL": "off"}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    return tmp_path


def run(suite: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    clean = {name: value for name, value in os.environ.items() if name != "CI" and "PYTEST" not in name}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        command, cwd=suite, env={**clean, **environment}, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout


def test_tests_with_a_server_are_slow_by_themselves(suite: Path) -> None:
    code, output = run(suite, "-m", "not slow", **OFF)
    assert code == 0
    assert "1 passed, 3 deselected" in output
    assert "LEFT OUT" not in output


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_engine_that_is_missing_skips_its_tests_and_is_listed(suite: Path, workers: str) -> None:
    code, output = run(suite, "-n", workers, "--color=yes", **OFF)
    assert code == 0, output
    plain = re.sub(r"\x1b\[[\d;]*m", "", output)
    assert "3 passed, 1 skipped" in plain
    assert "engines LEFT OUT: what needs them was not tested" in plain
    assert "\x1b[31mmongo: KAIROS_TEST_MONGO_URL is off" in output


@pytest.mark.slow
def test_where_ci_is_set_an_engine_that_is_missing_fails_its_tests(suite: Path) -> None:
    code, output = run(suite, CI="true", **OFF)
    assert code == 1
    assert "1 failed, 3 passed" in output
    assert "engine mongo: KAIROS_TEST_MONGO_URL is off (CI leaves no engine out)" in output
