"""Group commit: writes of threads that wait for their turn are stored together, in one transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from attrs import Factory, define

from kairos.storage import Batch

from .dialects import Lock

__all__ = ["GroupCommit"]

Store = Callable[[Sequence[Batch], Callable[[], None]], None]


def _nothing() -> None:
    return None


@define(eq=False)
class _Group:
    """What became of batches that were sent together: one assignment tells all who wait."""

    committing: bool = False
    done: bool = False
    error: Exception | None = None


@define(eq=False)
class _Ticket:
    batch: Batch
    group: _Group = Factory(_Group)


class GroupCommit:
    """Stores batches of many threads; each caller returns when its own is committed, or has failed.

    Parameters
    ----------
    store
        ``store(batches, committing)`` stores all or nothing; it calls ``committing()`` as the last thing before it
        commits.
    lock
        What lets one thread at a time store; reentrant.
    refused
        Whether an error says that the database refused somebody's data, so that nothing was stored.
    """

    def __init__(self, store: Store, lock: Lock, refused: Callable[[Exception], bool]) -> None:
        self._store = store
        self._lock = lock
        self._refused = refused
        self._waiting: deque[_Ticket] = deque()

    def write(self, batch: Batch) -> None:
        """Store a batch, with whatever else waits."""
        lock = self._lock
        if not self._waiting and lock.acquire(blocking=False):
            try:
                self._store([batch], _nothing)
            finally:
                lock.release()
            return
        ticket = _Ticket(batch)
        self._waiting.append(ticket)
        try:
            with lock:
                if not ticket.group.done and not ticket.group.committing:
                    self._lead(ticket)
        except BaseException:
            with suppress(ValueError):
                self._waiting.remove(ticket)
            raise
        group = ticket.group
        if group.error is not None:
            raise group.error
        if not group.done:
            raise RuntimeError(
                "the thread that committed this write was interrupted: it is unknown whether it is stored"
            )

    def _lead(self, own: _Ticket) -> None:
        """Store a ticket and all that wait behind it; alone, each for itself, if one of them is refused."""
        tickets = [own]
        while self._waiting:
            ticket = self._waiting.popleft()
            if ticket is not own:
                tickets.append(ticket)
        error = self._attempt(tickets)
        if error is not None and len(tickets) > 1 and self._refused(error):
            for ticket in tickets:
                self._attempt([ticket])

    def _attempt(self, tickets: list[_Ticket]) -> Exception | None:
        """Store tickets together; return their error. It is the answer of all, unless it can be one's alone."""
        group = _Group()
        for ticket in tickets:
            ticket.group = group

        def committing() -> None:
            group.committing = True

        try:
            self._store([ticket.batch for ticket in tickets], committing)
        except Exception as error:
            if len(tickets) == 1 or not self._refused(error):
                group.error = error
                group.done = True
            else:
                group.committing = False
            return error
        group.done = True
        return None
