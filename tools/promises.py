"""The README's table of what each backend promises, made from the capabilities that the backends declare.

    python tools/promises.py            print it
    python tools/promises.py --write    put it into the README

A test compares the README with it. No server is asked: what a storage declares is known before it connects.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from kairos.errors import Unsupported
from kairos.intervals import parse_intervals, parse_zone
from kairos.plugins import make_config, resolve
from kairos.storage import Capabilities

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- promises: begin (python tools/promises.py --write) -->", "<!-- promises: end -->"
KINDS = ("series", "histogram", "count", "gauge", "set")
INTERVALS = parse_intervals({"minute": {"step": 60}}, parse_zone("UTC"))
BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "memory": ("memory://", {}),
    "Redis, Valkey": ("redis://localhost", {}),
    "Redis Cluster": ("redis+cluster://localhost", {}),
    "SQLite": ("sqlite:///kairos.sqlite", {}),
    "PostgreSQL": ("postgresql://localhost/kairos", {}),
    "MariaDB, MySQL": ("mysql://localhost/kairos", {}),
    "MongoDB": ("mongodb://localhost", {}),
    'Cassandra, `counts="counter"`': ("cassandra://localhost/kairos", {"counts": "counter"}),
    'Cassandra, `counts="log"`': ("cassandra://localhost/kairos", {"counts": "log"}),
}
GUARANTEES = ("fractions in counts", "whole batch or nothing", "several processes", "merged in the engine")
COLUMNS = ("", *KINDS, *GUARANTEES, "asyncio", "longest name")


def declared(url: str, kind: str, options: dict[str, Any]) -> Capabilities:
    """Return what a backend declares for a kind."""
    storage = resolve(url, make_config(url, kind, INTERVALS, None, None, options), None).storage
    try:
        found: Capabilities = storage.capabilities
        return found
    finally:
        storage.close()


def does_asyncio(url: str, options: dict[str, Any]) -> bool:
    """Tell whether a backend has an asyncio side, with a driver of its own choice."""
    scheme, rest = url.split("://")
    url = f"{scheme if 'cluster' in scheme else scheme.partition('+')[0]}://{rest}"
    try:
        resolve(url, make_config(url, "count", INTERVALS, None, None, options), None, asynchronous=True)
    except Unsupported:
        return False
    return True


def row(backend: str) -> list[str]:
    """Return a backend's row."""
    url, options = BACKENDS[backend]
    kinds = {kind: declared(url, kind, options) for kind in KINDS}
    count = kinds["count"]
    expiry = [kinds[kind].expiry[kind] if kind in kinds[kind].kinds else "–" for kind in KINDS]
    merged = [kind for kind in KINDS if kinds[kind].folds]
    answers = (count.float_counts, count.atomic_batch, count.shared)
    return [
        backend,
        *expiry,
        *("yes" if answer else "no" for answer in answers),
        "all" if len(merged) == len(KINDS) else ", ".join(merged) or "no",
        "yes" if does_asyncio(url, options) else "no",
        f"{count.max_name_bytes:,} bytes",
    ]


def table() -> str:
    """Return the table in Markdown."""
    rows = [list(COLUMNS), ["---"] * len(COLUMNS), *map(row, BACKENDS)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def with_table(text: str) -> str:
    """Return a page with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        README.write_text(with_table(README.read_text("utf-8")), "utf-8")
    else:
        print(table())
