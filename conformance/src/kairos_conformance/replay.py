"""The calls of a failed law once more: on the backend, and on what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from math import isclose
from time import monotonic
from typing import Any

from attrs import evolve, frozen

import kairos
from kairos.errors import KairosError
from kairos.plugins import open_storage
from kairos.storage import Batch, Read, Reply

from .driving import Driven, DrivenStorage
from .moments import Clock
from .place import Place
from .recording import Call, Opening
from .reference import Reference

__all__ = ["Failed", "Outcome", "Replayer", "fewest", "renamed", "tag_of"]

Event = Opening | Call
CORE = {"type", "kind", "intervals", "tz", "plugins", "read_func", "write_func", "kit_no_such_option"}
"""Keywords of a timeseries that are not the backend's, and the one that is nobody's."""

TAG = re.compile(r"~\d{6}~")

PATIENCE = 5.0
"""Seconds to look for fewer calls."""

LONGEST = 20.0
"""Seconds after which no more calls are made: the engine may be gone."""


class NotMadeError(Exception):
    """The call was not made: its handle could not be opened, or there was no time left."""


@frozen
class Outcome:
    """What a call gave, or the error that it raised."""

    value: Any = None
    error: BaseException | None = None

    def differs(self, right: Outcome) -> bool:
        """Return whether this is not what is right."""
        if isinstance(self.error, NotMadeError) or isinstance(right.error, NotMadeError):
            return False  # the opening is what differs, or what is to be left in
        if self.error is None or right.error is None:
            return (self.error is None) != (right.error is None) or not _same(self.value, right.value)
        both = isinstance(self.error, KairosError) and isinstance(right.error, KairosError)
        return both and type(self.error) is not type(right.error)


@frozen
class Failed:
    """Calls of which the last one shows the failure."""

    events: Sequence[Event]
    got: Outcome
    right: Outcome
    raising: frozenset[int] = frozenset()
    """The events, by number, that raise where all is right."""


class Replayer:
    """Makes recorded calls on the place under test, and on a reference that declares the same."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def both(self, events: Sequence[Event], tag: str) -> tuple[list[Outcome], list[Outcome]]:
        """Return what the backend gives for each event, and what is right; of lists only what has the tag in it."""
        kinds = {e.keywords.get("type", e.keywords.get("kind")) for e in events if isinstance(e, Opening)}
        reference = Reference({str(kind): self._place.capabilities(str(kind)) for kind in kinds})
        right = _run(events, tag, lambda opening, clock: _right(reference, opening, clock))
        return _run(events, tag, self._open), right

    def last(self, events: Sequence[Event], tag: str) -> Failed | None:
        """Return the failure, if the last event shows one."""
        got, right = self.both(events, tag)
        raising = frozenset(n for n, outcome in enumerate(right[:-1]) if outcome.error is not None)
        return Failed(events, got[-1], right[-1], raising) if got[-1].differs(right[-1]) else None

    def _open(self, opening: Opening, clock: Clock) -> Any:
        place, keywords = self._place, dict(opening.keywords)
        if opening.api == "open_storage":
            return open_storage(place.target, **keywords)
        if opening.api == "DrivenStorage":
            return DrivenStorage(place.loop, place.async_target, **keywords)
        if opening.now is not None:
            keywords["clock"] = clock
        if opening.api == "Timeseries":
            return kairos.Timeseries(place.target, **keywords)
        return Driven(place.loop, place.async_target, **keywords)


def _right(reference: Reference, opening: Opening, clock: Clock) -> Any:
    keywords = {name: value for name, value in opening.keywords.items() if name in CORE}
    if opening.api in ("open_storage", "DrivenStorage"):
        return open_storage(reference, **keywords)
    if opening.now is not None:
        keywords["clock"] = clock
    return kairos.Timeseries(reference, **keywords)


def _run(events: Sequence[Event], tag: str, open_one: Callable[[Opening, Clock], Any]) -> list[Outcome]:
    clock, handles, outcomes = Clock(), dict[int, Any](), list[Outcome]()
    end = monotonic() + LONGEST
    for event in events:
        if monotonic() > end:
            outcomes.append(Outcome(error=NotMadeError()))
            continue
        now = event.now
        if now is not None:
            clock.now = now
        try:
            if isinstance(event, Opening):
                handles[event.handle] = open_one(event, clock)
                outcomes.append(Outcome())
            elif event.handle in handles:
                outcomes.append(Outcome(_call(handles[event.handle], event, tag)))
            else:
                outcomes.append(Outcome(error=NotMadeError()))
        except Exception as error:
            outcomes.append(Outcome(error=error))
    for handle in handles.values():
        with suppress(Exception):
            handle.close()
    return outcomes


def _call(handle: Any, call: Call, tag: str) -> Any:
    args = tuple(_own(arg) for arg in call.args)
    found = getattr(handle, call.method)(*args, **call.keywords)
    if call.method == "iterate":
        return list(islice(found, call.items))
    if isinstance(found, Reply):
        return {name: buckets for name, buckets in found.data.items() if buckets and tag in name}
    if call.method in ("list", "names"):  # the place has more than this law's
        return sorted(name for name in found if tag in name)
    if call.method == "layouts":
        return {interval: text for interval, text in found.items() if tag in interval}
    return found


def _own(value: Any) -> Any:
    """Return a payload that the other replay has not got, too."""
    if isinstance(value, Batch):
        return Batch(
            [
                evolve(w, rows={n: p.copy() if hasattr(p, "copy") else p for n, p in w.rows.items()})
                for w in value.writes
            ],
            value.now,
            value.options,
        )
    return value


def _same(got: Any, right: Any) -> bool:
    if isinstance(got, dict) and isinstance(right, dict):
        return list(got) == list(right) and all(_same(got[key], right[key]) for key in right)
    if isinstance(got, list | tuple) and isinstance(right, list | tuple):
        return len(got) == len(right) and all(map(_same, got, right))
    if isinstance(got, int | float) and isinstance(right, int | float):
        if got == right:
            return type(got) is type(right)
        return float in (type(got), type(right)) and isclose(got, right, rel_tol=1e-9)
    return bool(got == right)


def tag_of(event: Event) -> str | None:
    """Return the last tag in an event's arguments."""
    shown = repr(event.keywords) + (repr(event.args) if isinstance(event, Call) else "")
    tags = TAG.findall(shown)
    return str(tags[-1]) if tags else None


def renamed(value: Any, old: str, new: str) -> Any:
    """Return a value with one tag for another, everywhere in it."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {renamed(key, old, new): renamed(item, old, new) for key, item in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(renamed(item, old, new) for item in value)
    if isinstance(value, Batch):
        return evolve(
            value,
            writes=[
                evolve(w, rows=renamed(dict(w.rows), old, new), interval=renamed(w.interval, old, new))
                for w in value.writes
            ],
        )
    if isinstance(value, Read):
        return evolve(value, names=renamed(value.names, old, new), interval=renamed(value.interval, old, new))
    if isinstance(value, Opening | Call):
        more = {"args": renamed(value.args, old, new)} if isinstance(value, Call) else {}
        return evolve(value, keywords=renamed(value.keywords, old, new), **more)
    return value


def fewest(failed: Failed, try_again: Callable[[Sequence[Event]], Failed | None]) -> Failed:
    """Return the failure with as few calls as a short search finds."""
    end = monotonic() + PATIENCE
    size = max(1, len(failed.events) // 2)
    while size:
        at = max(0, len(failed.events) - 1 - size)
        while monotonic() < end:
            events = [*failed.events[:at], *failed.events[at + size :]]
            fewer = try_again(events) if len(events) < len(failed.events) and events else None
            if fewer is not None and events[-1] is failed.events[-1]:
                failed = fewer
            if not at:
                break
            at = max(0, at - size)
        size //= 2
    return failed
