"""Open a place, wait for a line, and write: ``write.py URL KIND NUMBER TIMES [SECONDS]``.

It inserts ``NUMBER * 10**6 + k`` into the series ``name``, or 1 into the count of bucket ``k``, for k from 0 to TIMES,
and says on one line for each call ``ok k`` or ``unknown k``. With SECONDS it goes on until they are over.
"""

import sys
import time

from pymongo.errors import PyMongoError

from kairos import Timeseries

INTERVALS = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


def main(url, kind, number, times, seconds=0.0):
    with Timeseries(url, type=kind, intervals=INTERVALS) as handle:
        print("ready", flush=True)
        sys.stdin.readline()
        end, k = time.monotonic() + seconds, 0
        while k < times or time.monotonic() < end:
            try:
                if kind == "count":
                    handle.insert("name", timestamp=60 * k)
                else:
                    handle.insert("name", number * 10**6 + k, timestamp=0)
            except PyMongoError:
                print("unknown", k)
            else:
                print("ok", k)
            k += 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *map(float, sys.argv[5:]))
