"""Carrying out rounds with a driver's session: so many statements at once, and what an error leaves behind."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, TypeVar

from attrs import define
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException, ConnectionShutdown
from cassandra.pool import NoConnectionsAvailable

from kairos.sansio import run

from .rounds import Protocol, Request, Round, Rows

__all__ = ["WINDOW", "Sender", "may_wait"]

Result = TypeVar("Result")

WINDOW = 64
"""How many statements are on their way at once."""
BYTES = 1_000_000
"""About how many bytes they have together: the driver refuses to send more than a connection takes."""
PATIENCE = 2.0
"""How long to wait for a node where none is connected, in seconds: the driver tries lost ones again."""


@define(eq=False)
class Sender:
    """Sends the statements of protocols through one session.

    Parameters
    ----------
    session
        The driver's session.
    arguments
        Keywords of ``execute_async``: the execution profile.
    """

    session: Any
    arguments: dict[str, Any]

    def run(self, protocol: Protocol[Result]) -> Result:
        """Run a protocol to its end."""
        return run(protocol, self.send)

    def send(self, wanted: Round) -> list[Rows]:
        """Return the rows of each statement of a round."""
        requests = wanted.requests
        begun = time.monotonic() if wanted.pause else 0.0
        if len(requests) == 1:
            answers = [
                self._answer(requests[0], self.session.execute_async(requests[0].statement, **self.arguments))
            ]
        else:
            answers = self._send_all(requests) if requests else []
        if wanted.pause:
            time.sleep(max(0.0, begun + wanted.pause - time.monotonic()))
        return answers

    def _answer(self, request: Request, future: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; where no node was connected, wait for one."""
        try:
            return _rows(future.result())
        except NoHostAvailable as error:
            if not may_wait(error, again=request.statement.is_idempotent):
                raise
        end = time.monotonic() + PATIENCE
        while True:
            time.sleep(0.02)
            try:
                return _rows(self.session.execute(request.statement, **self.arguments))
            except NoHostAvailable as error:
                if time.monotonic() > end or not may_wait(error, again=request.statement.is_idempotent):
                    raise

    def _send_all(self, requests: Any) -> list[Rows]:
        answers: list[Rows] = []
        on_the_way: deque[Any] = deque()
        execute, arguments = self.session.execute_async, self.arguments
        following = deque(requests)
        sizes = 0
        error: BaseException | None = None
        written = failed = 0
        begun = iter(requests)
        while True:
            while error is None and following and len(on_the_way) < WINDOW:
                if on_the_way and sizes + following[0].size > BYTES:
                    break
                request = following.popleft()
                sizes += request.size
                try:
                    on_the_way.append(execute(request.statement, **arguments))
                except BaseException as caught:
                    error = caught
                    failed += request.writes
            if not on_the_way:
                break
            request = next(begun)
            sizes -= request.size
            try:
                answers.append(self._answer(request, on_the_way.popleft()))
            except Exception as caught:
                error = error or caught
                failed += request.writes
            else:
                written += request.writes
        if error is None:
            return answers
        total = sum(request.writes for request in requests)
        if total:
            error.add_note(
                f"kairos: of {total} rows of this call {written} are known to be written, "
                f"{failed} may or may not be, {total - written - failed} were not sent"
            )
        raise error


def may_wait(error: NoHostAvailable, *, again: bool) -> bool:
    """Return whether a statement was not sent, as no node was connected; or may be sent again, and may have been."""
    unsent: tuple[type, ...] = (ConnectionException, NoConnectionsAvailable)
    if again:
        unsent += (ConnectionShutdown,)
    errors = error.errors if isinstance(error.errors, dict) else {}
    return all(type(one) in unsent for one in errors.values())


def _rows(result: Any) -> Rows:
    """Return all rows of a result, page by page."""
    rows: Rows = result.current_rows or []
    if not result.has_more_pages:
        return rows
    rows = list(rows)
    while result.has_more_pages:
        result.fetch_next_page()
        rows += result.current_rows
    return rows
