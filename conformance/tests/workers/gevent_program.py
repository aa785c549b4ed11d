"""A hundred greenlets on one timeseries, through a slow network: run by test_gevent.py in a process of its own."""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402

from kairos import Timeseries  # noqa: E402

GREENLETS = 100
NAME = f"gevent-{os.getpid()}"  # the place may be shared with other tests


def main(url: str) -> dict[str, float]:
    longest = 0.0

    def heartbeat() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            gevent.sleep(0.005)
            longest = max(longest, time.perf_counter() - before)

    with Timeseries(url, type="count", intervals={"minute": {"step": 60}}, clock=lambda: 60) as ts:
        ts.insert(NAME, 1)
        heart = gevent.spawn(heartbeat)

        def work(_: int) -> None:
            ts.insert(NAME, 1)
            ts.get(NAME, "minute")

        begun = time.perf_counter()
        gevent.joinall([gevent.spawn(work, number) for number in range(GREENLETS)], raise_error=True)
        taken = time.perf_counter() - begun
        heart.kill()
        return {"taken": taken, "longest": longest, "total": ts.get(NAME, "minute")[60]}


print(json.dumps(main(sys.argv[1])))
