"""Wait for a line, then count names in random order: ``count.py URL TIMES SEED``; prints retries and unknown outcomes.

A call that fails is counted as unknown, by name; whoever counts on kairos would look.
"""

import json
import random
import sys
from collections import Counter

from kairos import Timeseries

INTERVALS = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
NAMES = [f"name{k}" for k in range(50)]


def main(url, times, seed):
    randomness = random.Random(seed)
    done, unknown = Counter(), Counter()
    with Timeseries(url, type="count", intervals=INTERVALS) as counts:
        print("ready", flush=True)
        sys.stdin.readline()
        left = times
        while left > 0:
            some = randomness.sample(NAMES, min(left, randomness.choice((1, 1, 1, 5, 20))))
            left -= len(some)
            try:
                if len(some) == 1:
                    counts.insert(some[0], timestamp=0)
                else:
                    counts.bulk_insert({0: {name: [1] for name in some}})
                done.update(some)
            except Exception as error:
                unknown.update(some)
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
        retries = counts._storage.retries
    print(json.dumps({"done": done, "unknown": unknown, "retries": retries}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
