"""Group commit: writes of threads that wait for their turn are stored together, in one transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from attrs import define

from kairos.errors import InvalidValue
from kairos.storage import Batch

from .dialects import Lock

__all__ = ["GroupCommit"]

Store = Callable[[Sequence[Batch], Callable[[], None]], None]


def _nothing() -> None:
    return None


@define(eq=False)
class _Ticket:
    batch: Batch
    done: bool = False
    error: Exception | None = None


class GroupCommit:
    """Stores batches of many threads; each caller returns when its own is committed, or has failed.

    Parameters
    ----------
    store
        ``store(batches, committing)`` stores all or nothing; it calls ``committing()`` as the last thing before it
        commits.
    lock
        What lets one thread at a time store; reentrant.
    """

    def __init__(self, store: Store, lock: Lock) -> None:
        self._store = store
        self._lock = lock
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
                if not ticket.done:
                    self._lead(ticket)
        except BaseException:
            with suppress(ValueError):
                self._waiting.remove(ticket)
            raise
        if ticket.error is not None:
            raise ticket.error

    def _lead(self, own: _Ticket) -> None:
        """Store a ticket and all that wait behind it; alone, each for itself, if together they fail."""
        group = [own]
        while self._waiting:
            ticket = self._waiting.popleft()
            if ticket is not own:
                group.append(ticket)
        error, known = self._attempt(group)
        if error is not None:
            alone = known and len(group) > 1  # a commit that failed may be stored: it is not sent again
            for ticket in group:
                ticket.error = self._attempt([ticket])[0] if alone else error
                ticket.done = True

    def _attempt(self, group: list[_Ticket]) -> tuple[Exception | None, bool]:
        """Store a group; return its error, and whether it is known that nothing of it is stored."""
        committing = False

        def mark() -> None:
            nonlocal committing
            committing = True

        try:
            self._store([ticket.batch for ticket in group], mark)
        except InvalidValue as error:  # the database refused a total
            return error, True
        except Exception as error:
            return error, not committing
        except BaseException:  # KeyboardInterrupt, meant for this thread alone
            if committing:
                for ticket in group:
                    ticket.error = RuntimeError(
                        "the thread that committed this write was interrupted: it is unknown whether it is stored"
                    )
                    ticket.done = True
            raise
        for ticket in group:
            ticket.done = True
        return None, False
