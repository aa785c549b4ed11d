"""Group commit: who shares a transaction, who fails, and what an interrupt leaves behind."""

import threading
import time
from threading import RLock

import pytest

from kairos.errors import InvalidValue
from kairos.storage import Read
from kairos_sql.commits import GroupCommit


class Store:
    """Stores numbers; a negative one fails, and takes its group with it."""

    def __init__(self):
        self.stored, self.groups = [], []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, batches, committing):
        self.gate.wait()
        self.groups.append(list(batches))
        if any(batch < 0 for batch in batches):
            raise ValueError(f"{min(batches)} is negative")
        committing()
        self.stored += batches


def refused(error):
    return isinstance(error, ValueError)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def commits(store):
    return GroupCommit(store, RLock(), refused)


def wait_for_lock(commits):
    while commits._lock.acquire(blocking=False):
        commits._lock.release()
        time.sleep(0.001)


def together(commits, store, batches):
    """Write batches from a thread each, all while a first one (0) is being stored; return their errors."""
    errors = {}

    def run(batch):
        try:
            commits.write(batch)
        except BaseException as error:
            errors[batch] = error

    store.gate.clear()
    threads = [threading.Thread(target=run, args=[0])]
    threads[0].start()
    wait_for_lock(commits)
    for k, batch in enumerate(batches):
        threads.append(threading.Thread(target=run, args=[batch]))
        threads[-1].start()
        while len(commits._waiting) <= k:
            time.sleep(0.001)
    store.gate.set()
    for thread in threads:
        thread.join()
    return errors


def test_those_that_wait_are_stored_together(commits, store):
    assert together(commits, store, [1, 2, 3]) == {}
    assert sorted(store.stored) == [0, 1, 2, 3]
    assert sorted(map(len, store.groups)) == [1, 3]


def test_an_error_is_of_the_one_that_made_it(commits, store):
    errors = together(commits, store, [1, -2, 3, -4])
    assert {batch: str(error) for batch, error in errors.items()} == {
        -2: "-2 is negative",
        -4: "-4 is negative",
    }
    assert sorted(store.stored) == [0, 1, 3]


def test_an_error_of_one_alone_passes_through(commits, store):
    with pytest.raises(ValueError, match="-1 is negative"):
        commits.write(-1)
    commits.write(1)
    assert store.stored == [1]


class Interrupting(Store):
    """Is interrupted in its second group, before or after it began to commit."""

    def __init__(self, late):
        super().__init__()
        self.late = late

    def __call__(self, batches, committing):
        self.gate.wait()
        self.groups.append(list(batches))
        if len(self.groups) == 2:
            if self.late:
                committing()
            raise KeyboardInterrupt
        committing()
        self.stored += batches


def test_an_interrupt_is_of_one_thread_and_the_others_store_themselves():
    store = Interrupting(late=False)
    errors = together(GroupCommit(store, RLock(), refused), store, [1, 2, 3])
    assert list(map(type, errors.values())) == [KeyboardInterrupt]
    assert sorted([*store.stored, *errors]) == [0, 1, 2, 3]


def test_an_interrupt_of_a_commit_leaves_its_group_in_doubt():
    store = Interrupting(late=True)
    errors = together(GroupCommit(store, RLock(), refused), store, [1, 2, 3])
    assert sorted(type(error).__name__ for error in errors.values()) == [
        "KeyboardInterrupt",
        "RuntimeError",
        "RuntimeError",
    ]
    assert store.stored == [0]
    assert "unknown whether it is stored" in "".join(map(str, errors.values()))


class Busy(Store):
    """Cannot store its second group, for reasons that are nobody's."""

    def __call__(self, batches, committing):
        self.gate.wait()
        self.groups.append(list(batches))
        if len(self.groups) == 2:
            raise TimeoutError("busy")
        self.stored += batches


def test_an_error_that_is_nobodys_own_is_everybodys_and_nothing_is_sent_again():
    store = Busy()
    errors = together(GroupCommit(store, RLock(), refused), store, [1, 2, 3])
    assert [str(error) for error in errors.values()] == ["busy"] * 3
    assert list(map(len, store.groups)) == [1, 3]


class InterruptedLate(Store):
    """Is interrupted in its second group, when that has been committed."""

    def __call__(self, batches, committing):
        super().__call__(batches, committing)
        if len(self.groups) == 2:
            raise KeyboardInterrupt


def test_what_was_committed_before_an_interrupt_is_not_stored_again():
    store = InterruptedLate()
    errors = together(GroupCommit(store, RLock(), refused), store, [1, 2, 3])
    assert sorted(store.stored) == [0, 1, 2, 3]
    assert sorted(type(error).__name__ for error in errors.values()) == [
        "KeyboardInterrupt",
        "RuntimeError",
        "RuntimeError",
    ]


@pytest.mark.parametrize("target", ["file", "memory"])
@pytest.mark.parametrize("kind", ["count", "series"])
def test_threads_lose_nothing_and_fail_alone(opened, batch, url, target, kind):
    storage = opened(url if target == "file" else "sqlite://", kind)
    good = 1 if kind == "count" else [1.0]
    bad = 2**63 - 1 if kind == "count" else [object()]
    failed = []

    def work():
        for k in range(100):
            try:
                storage.write(batch(("minute", 0, None, {"a": bad if k % 10 == 9 else good})))
            except Exception as error:  # the value that the core would have refused is the driver's error
                failed.append(error)

    if kind == "count":
        storage.write(batch(("minute", 0, None, {"a": 1})))
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = storage.read(Read(("a",), "minute", 0, 0, lambda: [0])).data["a"][0][None]
    assert len(failed) == 80
    if kind == "count":
        assert row == 721
        assert all(isinstance(error, InvalidValue) for error in failed)
    else:
        assert row == [1.0] * 720
