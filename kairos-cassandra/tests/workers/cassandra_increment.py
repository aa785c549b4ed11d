"""Increments one name so many times; prints how many calls returned and how many raised.

python cassandra_increment.py URL COUNTS INCREMENTS
"""

import sys

from kairos import Timeseries

url, counts, increments = sys.argv[1], sys.argv[2], int(sys.argv[3])
acknowledged = failed = 0
intervals = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
with Timeseries(url, type="count", table_name=f"hits_{counts}", counts=counts, intervals=intervals) as hits:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(increments):
        try:
            hits.insert("home", timestamp=0)
        except Exception as error:
            failed += 1
            print(type(error).__name__, file=sys.stderr)
        else:
            acknowledged += 1
print(acknowledged, failed, flush=True)
