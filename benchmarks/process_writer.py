"""One of the processes that write one SQLite file: says "ready", waits for a line, inserts, says "done"."""

from __future__ import annotations

import sys
from pathlib import Path

from sqlite_cases import COUNTS

if __name__ == "__main__":
    side, path, synchronous, name, start, inserts = sys.argv[1:]
    store = COUNTS[side](Path(path), int(synchronous))
    store.get(name, "minute", timestamp=int(start))  # connections are opened, statements known
    print("ready", flush=True)
    sys.stdin.readline()
    for k in range(int(inserts)):
        store.insert(name, 1, int(start) + k)
    print("done", flush=True)
    store.close()
