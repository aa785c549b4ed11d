"""Nothing is left running, however the process that started an engine ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kairos_engines.waiting import NotYet, until

pytestmark = pytest.mark.slow  # they start servers, without the fixtures

STARTER = """
import sys, threading
from kairos_engines import start
found = []
thread = threading.Thread(target=lambda: found.append(start(sys.argv[1])))
thread.start(); thread.join()  # the end of the thread that started it is not the end of a server
node, = found[0].nodes
print(node.pid, node.directory.parent, flush=True)
"""
WAIT = "sys.stdin.readline()\n"


@contextmanager
def starter(script: str, name: str) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    with subprocess.Popen(
        [sys.executable, "-c", script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        try:
            yield process, int(pid), Path(folder)
        finally:
            process.kill()


def gone(pid: int, folder: Path) -> None:
    def ask() -> None:
        if Path(f"/proc/{pid}").exists() or folder.exists():
            raise NotYet(f"process {pid} or {folder} is still there")

    until(ask, 10.0, "the server and its directory are gone")


@pytest.mark.parametrize("name", ["redis", "postgresql"])
def test_a_process_that_is_killed_leaves_no_server(name: str) -> None:
    with starter(STARTER + WAIT, name) as (process, pid, folder):
        os.kill(pid, 0)
        assert folder.is_dir()
        process.kill()
        process.wait(10)
        gone(pid, folder)


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "1 / 0"])
def test_a_process_that_forgets_its_server_leaves_none(end: str) -> None:
    with starter(STARTER + end, "redis") as (process, pid, folder):
        process.wait(20)
        gone(pid, folder)


def test_a_forked_child_that_ends_does_not_end_the_server() -> None:
    fork = """
import os, time
child = os.fork()
if child == 0:
    sys.exit(0)  # with all that atexit has to do
os.waitpid(child, 0)
print(node.running, flush=True)
"""
    with starter(STARTER + fork + WAIT, "redis") as (process, pid, folder):
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert folder.is_dir()
        os.kill(pid, 0)
        process.communicate("\n", timeout=20)
        gone(pid, folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_line_prints_urls_and_stops_when_told(number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "kairos_engines", "valkey"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url, node, hint = (process.stdout.readline() for _ in range(3))
        assert url.startswith("valkey 9.")
        assert ": redis://127.0.0.1:" in url
        words = node.split()
        assert hint == "Ctrl-C stops them\n"
        process.send_signal(number)
        assert process.wait(20) == 0
        gone(int(words[words.index("pid") + 1].rstrip(",")), Path(words[-1]).parent)
