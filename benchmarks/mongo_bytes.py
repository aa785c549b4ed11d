"""Bytes per bucket in MongoDB: `python benchmarks/mongo_bytes.py` starts a server and prints a table."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient

from kairos import Timeseries
from kairos_engines import start

NAMES, MINUTES, START = 100, 1_000, 1_700_000_000
VALUES: dict[str, list[Any]] = {
    "count": [1],
    "gauge": [0.5],
    "series": [k / 7 for k in range(10)],
    "histogram": [200, 200, 404],
    "set": ["ann", "bob"],
}


def main() -> None:
    """Write the same buckets of each kind into a database of its own, and ask the server for the sizes."""
    print("| kind | document | on disk | index `_id` | index `kairos` | index `kairos_expire_at` |")
    print("|---|--:|--:|--:|--:|--:|")
    with start("mongo", durable=True) as engine, MongoClient[dict[str, Any]](engine.url) as client:
        for kind, values in VALUES.items():
            database = f"bytes_{kind}"
            fill(engine.url, kind, values, database)
            client.admin.command("fsync")
            stats = client[database].command("collStats", "minute")
            assert stats["count"] == NAMES * MINUTES
            sizes = [
                stats["storageSize"],
                *(stats["indexSizes"][i] for i in ("_id_", "kairos", "kairos_expire_at")),
            ]
            shown = " | ".join(f"{size / stats['count']:.0f}" for size in sizes)
            what = f"{len(values)} floats" if kind == "series" else ", ".join(map(str, values))
            print(f"| {kind}: {what} | {stats['avgObjSize']} | {shown} |", flush=True)


def fill(url: str, kind: str, values: list[Any], database: str) -> None:
    """Write the buckets as they come: all names, minute by minute."""
    end = START + 60 * MINUTES
    with Timeseries(
        url,
        type=kind,
        intervals={"minute": {"step": 60, "steps": 10 * MINUTES}},
        clock=lambda: end,
        client_config={"database": database},
    ) as handle:
        names = [f"host{k:02}/disk" for k in range(NAMES)]
        for first in range(START, end, 60 * 50):
            moments = range(first, first + 60 * 50, 60)
            handle.bulk_insert({moment: dict.fromkeys(names, values) for moment in moments})


if __name__ == "__main__":
    main()
