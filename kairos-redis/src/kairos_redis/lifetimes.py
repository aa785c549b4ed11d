"""How long Redis keeps what is written, by the caller's clock. Pure."""

from __future__ import annotations

import math

from attrs import evolve

from kairos.errors import InvalidValue

from .keys import IntervalKeys

__all__ = ["LONGEST", "SLACK", "first_kept", "outlive", "seconds_to_live", "time_to_live"]

SLACK = 300
"""Seconds that data lives on after its deadline: clocks differ, and the core hides it anyway."""

LONGEST = 3_000_000_000
"""The longest time to live in seconds, about a century; what should live longer lives for ever."""


def seconds_to_live(deadline: int, now: float) -> int:
    """Return the time to live of a bucket, in whole seconds."""
    return max(1, deadline - math.floor(now) + SLACK)


def time_to_live(deadline: int | None, now: float) -> bytes:
    """Return the time to live of a bucket as text; 0 is for ever."""
    if deadline is None:
        return b"0"
    seconds = seconds_to_live(deadline, now)
    return b"0" if seconds > LONGEST else b"%d" % seconds


def outlive(key: bytes, ttl: bytes, modern: bool) -> list[tuple[bytes, ...]]:
    """Return the plain commands that let a key live for so many seconds more at least (0: for ever).

    Before Redis 7.0 there is none that does not shorten a longer life.
    """
    if ttl == b"0":
        return [(b"PERSIST", key)]
    if modern:
        return [(b"EXPIRE", key, ttl, b"NX"), (b"EXPIRE", key, ttl, b"GT")]
    return [(b"EXPIRE", key, ttl)]


def first_kept(keys: IntervalKeys, kept: int, now: float) -> bytes:
    """Return the first bucket that the index keeps (empty: all), where so many steps are kept at most (0: all).

    Of the buckets before it the engine has removed the data.
    """
    if not kept:
        return b""
    try:
        first = evolve(keys.interval, steps=kept).first_live(math.floor(now) - 2 * SLACK)
    except InvalidValue:  # at the beginning of time
        return b""
    return b"" if first is None else b"%d" % first
