"""Processes: opening at once, writing at once, and being killed."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kairos import Timeseries

WORKERS = Path(__file__).parent / "workers"
PROCESSES, TIMES = 8, 100


@pytest.fixture
def counts(timeseries, url):
    return lambda: timeseries(
        url, intervals={"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
    )


@pytest.mark.parametrize(
    "fresh", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["new file", "old file"]
)
def test_eight_processes_open_and_count_at_once(url, counts, tmp_path, fresh):
    """On a new file all create the tables, and switch to WAL, at the same moment."""
    if not fresh:
        counts().close()
    command = [sys.executable, "-W", "error", str(WORKERS / "increment.py"), url, str(TIMES)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    one = counts()
    expected = {f"name{k}": PROCESSES * len(range(k, TIMES, 3)) for k in range(3)}
    expected |= {
        f"bulk{k}": PROCESSES * 100 * len([j for j in range(0, TIMES, 5) if j % 2 == k]) for k in range(2)
    }
    assert one.list() == sorted(expected)
    for name, total in expected.items():
        assert one.series(name, "minute", start=0, end=600, collapse=True) == {0: total}
        assert one.get(name, "hour", timestamp=0, condense=True) == {0: total}
    with sqlite3.connect(tmp_path / "test.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.slow
def test_two_hundred_kills_leave_whole_batches(tmp_path):
    """SIGKILL in bulk_insert: each acknowledged batch is whole, none is partly there, and the file opens."""
    path = tmp_path / "killed.sqlite"
    command = [sys.executable, "-W", "error", str(WORKERS / "kill.py"), str(path), "200", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found, partly, lost, total = map(int, done.stdout.split())
    assert (partly, lost) == (0, 0)
    assert total == found > 200
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_timeseries_of_each_kind_in_one_file(url):
    """Their tables are made one after another, and none gets in the way of another."""
    intervals = {"minute": {"step": 60}}
    for _ in range(2):
        for kind in ("series", "histogram", "count", "gauge", "set"):
            with Timeseries(url, type=kind, intervals=intervals) as one:
                one.insert(kind, 1, timestamp=0)
                assert one.list() == [kind]
