"""Asking again until something is so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotYet(Exception):
    """What was asked is not so yet; the message says what is missing."""


def until(ask: Callable[[], T], seconds: float, what: str) -> T:
    """Return the answer of `ask` as soon as it raises neither `NotYet` nor `OSError`.

    Parameters
    ----------
    ask
        Called again and again, with short pauses.
    seconds
        After this long, what `ask` raised last is the reason of a `TimeoutError`.
    what
        What is waited for, for the error.
    """
    end = time.monotonic() + seconds
    pause = 0.002
    while True:
        try:
            return ask()
        except (NotYet, OSError) as error:
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not within {seconds:g} seconds: {error}") from error
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
