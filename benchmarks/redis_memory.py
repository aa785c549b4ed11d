"""Measure how many bytes a bucket costs in Redis: `python benchmarks/redis_memory.py [--write]`.

Data keys are plain Redis structures, as anybody would keep them; what kairos adds is the index. Both are summed with
MEMORY USAGE, which counts a key, its value and its place in the key space, and compared with the server's used_memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

import redis

from kairos import Timeseries
from kairos_engines import start

PAGE = Path(__file__).parent.parent / "docs" / "redis.md"
START = 1_700_000_000
KINDS = ("count", "gauge", "series", "histogram", "set")
SHAPES = ((100, 1000), (1000, 50), (10_000, 2), (10_000, 1))
"""Names × buckets of each."""


def values(kind: str) -> list[object]:
    """Return ten values of a bucket, or ten increments."""
    return [1] * 10 if kind == "count" else [f"value{n:03}" for n in range(10)]


def measure(url: str, kind: str, names: int, buckets: int) -> tuple[float, float, float]:
    """Return bytes a bucket: of data keys, of the index, and of all that the server took."""
    with redis.Redis.from_url(url) as client:
        client.flushall()
        before = client.info("memory")["used_memory"]
        intervals = {"minute": {"step": 60}}
        with Timeseries(url, type=kind, prefix="app", intervals=intervals, clock=lambda: START) as timeseries:
            for bucket in range(buckets):
                timeseries.bulk_insert(
                    {START + 60 * bucket: {f"name-{n:07}": values(kind) for n in range(names)}}
                )
            sizes = [0, 0]
            for keys in _pages(client):
                pipeline = client.pipeline(transaction=False)
                for key in keys:
                    pipeline.memory_usage(key, samples=0)
                for key, size in zip(keys, pipeline.execute(), strict=True):
                    sizes[b"\0" in key] += size
            after = client.info("memory")["used_memory"]
    count = names * buckets
    return sizes[0] / count, sizes[1] / count, (after - before) / count


def _pages(client: redis.Redis) -> list[list[bytes]]:
    keys = list(client.scan_iter(count=1000))
    return [keys[at : at + 1000] for at in range(0, len(keys), 1000)]


def main() -> None:
    """Print the table, or write it into the page."""
    lines = [
        "| kind, ten values a bucket | names × buckets | data: plain structures | kairos' index | used_memory |",
        "|---|--:|--:|--:|--:|",
    ]
    with start("redis") as engine:
        for names, buckets in SHAPES:
            for kind in KINDS if (names, buckets) in (SHAPES[0], SHAPES[-1]) else KINDS[:1]:
                data, index, used = measure(engine.url, kind, names, buckets)
                lines.append(
                    f"| `{kind}` | {names:,} × {buckets:,} | {data:.0f} B | {index:.0f} B | {used:.0f} B |"
                )
    table = "\n".join(lines)
    if "--write" in sys.argv:
        text = PAGE.read_text("utf-8")
        head, _, rest = text.partition("<!-- memory -->\n")
        _, _, tail = rest.partition("<!-- end of memory -->\n")
        PAGE.write_text(f"{head}<!-- memory -->\n{table}\n<!-- end of memory -->\n{tail}", "utf-8")
    print(table)


if __name__ == "__main__":
    main()
