"""What the tests of kairos-redis share."""

import threading
import time
from contextlib import ExitStack

import pytest
import redis
from redis.exceptions import RedisClusterException

from kairos_redis import NotAcknowledged


@pytest.fixture(scope="module")
def server(engine):
    """One Redis server for the tests of a module."""
    return engine("redis")


@pytest.fixture
def raw(server):
    """A client of its own, on an empty database, that gives bytes."""
    client = redis.Redis.from_url(server.url)
    client.flushall()
    yield client
    client.close()


class Writers:
    """Four threads with a handle each that add 1 to their names, over and over, and go on after errors.

    Two of them wait for a replica where there is one: what it has confirmed may not be lost in a failover. What only
    the master has acknowledged Redis itself may lose, for it replicates asynchronously.
    """

    def __init__(self, opener, names, replicas=0):
        self.stored, self.failed = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        self.errors = []
        waits = [{}, {}] + [{"wait": (replicas, 0.5)} if replicas else {}] * 2
        self._loses = [name for at in range(2) for name in names[at::4]] if replicas else []
        self._stop, self._handles = threading.Event(), ExitStack()
        handles = [self._handles.enter_context(opener(**options)) for options in waits]
        for handle in handles:
            handle.list()
        self._threads = [
            threading.Thread(target=self._write, args=(handle, names[at::4]))
            for at, handle in enumerate(handles)
        ]

    def _write(self, handle, names):
        while not self._stop.is_set():
            for name in names:
                try:
                    handle.insert(name)
                except (redis.RedisError, RedisClusterException, NotAcknowledged) as error:
                    self.failed[name] += 1
                    self.errors.append(error)
                    time.sleep(0.02)
                else:
                    self.stored[name] += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.go_on()
        return self

    def until(self, done):
        """Wait until something is so; as long as it takes on a busy machine."""
        deadline = time.monotonic() + 120
        while not done():
            assert time.monotonic() < deadline, (self.stored, self.errors[-3:])
            time.sleep(0.02)

    def go_on(self, names=None):
        """Wait until every name, or every one of some, has been written to again."""
        before = {name: self.stored[name] for name in names or self.stored}
        self.until(lambda: all(self.stored[name] > before[name] for name in before))

    def __exit__(self, *exc_info):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._handles.close()

    def recover(self, replicas=True):
        """Wait until there were errors, and all go on after them; without replicas those that wait for none."""
        self.until(lambda: self.errors)
        for _ in range(3):
            self.go_on(None if replicas else self._loses)

    def check(self, totals):
        """Nothing is doubled, and what was acknowledged is there, but for what Redis itself may lose."""
        for name, total in totals.items():
            least = 1 if name in self._loses else self.stored[name]
            most = self.stored[name] + self.failed[name]
            assert least <= total <= most, (name, total, self.stored, self.failed, self.errors[:3])


@pytest.fixture
def writers():
    """What makes four writers under way: ``with writers(opener, names) as at_work``."""
    return Writers
