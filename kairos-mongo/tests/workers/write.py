"""Open a place, wait for a line, and write: ``write.py URL KIND NUMBER [TIMES]``.

It inserts ``NUMBER * 10**6 + k`` into the series ``name``, or 1 into the count of bucket ``k``, for k from 0 to TIMES,
and says on one line for each call ``ok k`` or ``unknown k``. Without TIMES it goes on until it gets another line.
"""

import sys
from threading import Thread

from pymongo.errors import PyMongoError

from kairos import Timeseries

INTERVALS = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


def main(url, kind, number, times=None):
    with Timeseries(url, type=kind, intervals=INTERVALS) as handle:
        print("ready", flush=True)
        sys.stdin.readline()
        told = Thread(target=sys.stdin.readline, daemon=True)
        if times is None:
            told.start()
        k = 0
        while k < times if times is not None else told.is_alive():
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
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
