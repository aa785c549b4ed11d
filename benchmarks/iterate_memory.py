"""The memory that `iterate` takes: the same for 10⁵ as for 10⁶ buckets."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from harness import Case, Result, bound
from kairos import Timeseries

SMALL, LARGE = "10⁵ buckets", "kairos"
CHUNK = 100_000


def peak(target: str, buckets: int) -> float:
    """Return the KiB that `iterate` adds at its peak, going through so many buckets of counts."""
    intervals = {"minute": {"step": 60, "steps": 10 * buckets}}  # with steps, dead buckets are to be cut
    now = 60 * buckets
    with Timeseries(target, type="count", intervals=intervals, clock=lambda: now) as store:
        for start in range(0, buckets, CHUNK):
            store.bulk_insert({60 * i: {"name": [i + 1]} for i in range(start, start + CHUNK)})
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            position = 0
            for timestamp, row in store.iterate("name", "minute"):
                assert timestamp == 60 * position, timestamp
                position += 1
                assert row == position, row
            assert position == buckets, position
            return (tracemalloc.get_traced_memory()[1] - before) / 1024
        finally:
            tracemalloc.stop()


def measure(target: str, folder: Path) -> Result:
    """Compare the peaks for 10⁵ and 10⁶ buckets; pages come and go: the same is within a half."""
    times = {}
    for side, buckets in ((SMALL, 100_000), (LARGE, 1_000_000)):
        url = (
            f"memory://iterate-{buckets}"
            if target == "memory"
            else f"sqlite:///{folder}/iterate-{buckets}.sqlite"
        )
        times[side] = [peak(url, buckets)]
    return Result(Case(f"`iterate`, {target}://, peak", "KiB", (bound(1.5, SMALL),), {}, 1), times)
