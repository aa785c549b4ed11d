"""Kill a process in bulk_insert, many times, and look at what is there: ``kill.py PATH TIMES SEED``.

Processes are forked from this one, which has imported everything and has nothing open when it forks. Prints how many
batches are there whole, and in part, how many acknowledged ones are missing, and a total that each has added to.
"""

import os
import random
import signal
import sqlite3
import sys
import time

from kairos import Timeseries

NAMES = 50
INTERVALS = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


def open_counts(path):
    return Timeseries(f"sqlite:///{path}", type="count", intervals=INTERVALS)


def write(path, batch, acknowledge):
    """Write one batch after another; each has a minute of its own, and adds to one total."""
    counts = open_counts(path)
    while True:
        counts.bulk_insert({60 * batch: {f"name{k}": [1, 1] for k in range(NAMES)} | {"total": [1]}})
        os.write(acknowledge, b".")
        batch += 1


def run_and_kill(path, first, delay):
    """Return how many batches a process had acknowledged when it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            write(path, first, writing)
        finally:
            os._exit(1)
    os.close(writing)
    acknowledged = len(os.read(reading, 1))  # it is at work
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while some := os.read(reading, 65536):
        acknowledged += len(some)
    os.close(reading)
    return acknowledged


def look_at(path, first, last):
    """Return whether each batch is there: none, partly or whole."""
    stored = {batch: [] for batch in range(first, last + 1)}
    connection = sqlite3.connect(path)
    for column, interval, i_start, i_end in (
        ("i", "minute", first, last),
        ("r", "hour", first // 60, last // 60),
    ):
        found = connection.execute(
            f"SELECT {column}, sum(count), count(*) FROM count WHERE interval = ? AND name != 'total' "
            f"AND i BETWEEN ? AND ? GROUP BY {column}",
            (interval, i_start, i_end),
        )
        for batch, total, rows in found:
            if batch in stored:
                stored[batch].append((total, rows))
    connection.close()
    whole = [(2 * NAMES, NAMES)] * 2
    return ["none" if not there else "whole" if there == whole else "partly" for there in stored.values()]


def main(path, times, seed):
    randomness = random.Random(seed)
    with Timeseries("sqlite://", type="count", intervals=INTERVALS) as warm:  # import everything, once
        warm.bulk_insert({0: {f"name{k}": [1] for k in range(NAMES)}})
    first = whole = partly = missing = 0
    for _ in range(times):
        acknowledged = run_and_kill(path, first, randomness.random() * 0.02)
        report = look_at(path, first, first + acknowledged)  # with the one that it was at, if any
        whole += report.count("whole")
        partly += report.count("partly")
        missing += report[:acknowledged].count("none")
        first += acknowledged + 1
    with open_counts(path) as counts:
        minutes = counts.series("total", "minute", start=0, end=60 * first)
    print(whole, partly, missing, sum(minutes.values()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
