"""Wait for a line, open the file, and count: ``increment.py URL TIMES``."""

import sys

from kairos import Timeseries

INTERVALS = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


def main(url, times):
    print("ready", flush=True)
    sys.stdin.readline()
    with Timeseries(url, type="count", intervals=INTERVALS) as counts:
        for k in range(times):
            if k % 5:
                counts.insert(f"name{k % 3}", timestamp=60 * (k % 7))
            else:
                counts.bulk_insert({60 * (k % 7): {f"name{k % 3}": [1], f"bulk{k % 2}": [2] * 50}})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
