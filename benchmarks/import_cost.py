"""What `import kairos` costs, beside `import redis`; and that it imports no driver."""

from __future__ import annotations

import subprocess
import sys
import time

from harness import Case, Result, bound

DRIVERS = ("redis", "pymongo", "sqlalchemy", "cassandra", "sqlite3", "aiosqlite", "psycopg")


def assert_no_driver() -> None:
    """Raise if a new interpreter knows a driver after `import kairos`."""
    code = f"import sys, kairos; sys.exit(', '.join(d for d in {DRIVERS} if d in sys.modules) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"import kairos imports {done.stderr.strip()}"


def measure(repetitions: int) -> Result:
    """Time the imports in new interpreters, turn by turn, less the start of one that imports nothing."""
    codes = {"start": "pass", "import redis": "import redis", "kairos": "import kairos"}
    times: dict[str, list[float]] = {side: [] for side in codes}
    for repetition in range(repetitions + 1):
        elapsed = {side: _run(code) for side, code in codes.items()}
        if repetition:  # the first one reads the disk
            for side, milliseconds in elapsed.items():
                times[side].append(milliseconds - elapsed["start"])
    del times["start"]
    return Result(Case("`import kairos`", "ms", (bound(0.5, "import redis"),), {}, repetitions), times)


def _run(code: str) -> float:
    start = time.perf_counter_ns()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter_ns() - start) / 1_000_000
