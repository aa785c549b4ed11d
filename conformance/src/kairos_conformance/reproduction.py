"""A failed law as a script of at most ten lines, in the plain public API."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from attrs import evolve

from kairos.errors import KairosError

from .comparing import difference
from .kinds import Total
from .names import fresh_tag
from .place import Place
from .recording import Call, Opening
from .replay import Event, Failed, Outcome, Replayer, fewest, renamed, tag_of
from .source import NoSource, Source

__all__ = ["reproduction"]

LINES = 10
READS = {"get", "series", "iterate", "list", "properties", "read", "names", "span", "layouts", "ready"}

ALL_NAMES = {"expire", "close", "delete_all", "list", "names", "layouts"}


def reproduction(place: Place) -> str | None:
    """Return a script that shows what a law has just seen fail at a place, or None if calls in a row don't show it.

    The script has been tried: it fails at the place.
    """
    if place.log.own is not None:
        return "\n".join([place.log.own[0], _where(place), *place.log.own[1:]])
    events = list(place.log.events)
    if place.log.differed is not None:
        number = next(n for n, event in enumerate(events) if event is place.log.differed[0])
        events = events[: number + 1]
    while events and isinstance(events[-1], Call) and events[-1].method == "close":
        events.pop()  # on the way out
    events = _relevant(events)
    replayer = Replayer(place)

    def try_again(events: Sequence[Event]) -> Failed | None:
        return replayer.last(*_fresh(events))

    failed = _seen(replayer, events)
    if failed is not None:
        for first_try in (_without_reads(failed.events), failed.events):
            fewer = _used(first_try)
            if _kept(try_again(fewer), fewer):
                failed = evolve(failed, events=fewer)
                break
        again = fewest(failed, lambda events: _kept(try_again(events), events))
        events, tag = _fresh(_used(again.events))
        failed = replayer.last(events, tag) or again
        told, got, right = (_again(tag, it) for it in (failed.events, failed.got, failed.right))
        failed = evolve(failed, events=told, got=got, right=right)
    else:
        failed = _compared(place, replayer, events)
    if failed is None:
        return None
    try:
        return _written(place, failed)
    except NoSource:
        return None


def _kept(failed: Failed | None, events: Sequence[Event]) -> Failed | None:
    return None if failed is None else evolve(failed, events=events)


def _again(tag: str, value: Any) -> Any:
    """Return events or an outcome with a tag that nothing has been written under."""
    new = _PRINTED.setdefault(tag, fresh_tag())
    if isinstance(value, Outcome):
        return evolve(value, value=renamed(value.value, tag, new)) if value.error is None else value
    return [renamed(event, tag, new) for event in value]


_PRINTED: dict[str, str] = {}


def _relevant(events: Sequence[Event]) -> list[Event]:
    """Return the events of the last example: openings, calls with its tag, and what was called about all names."""
    tags = [tag_of(event) for event in events]
    tag = next((tag for tag in reversed(tags) if tag is not None), None)
    begins = tags.index(tag) if tag else 0
    last, found = len(events) - 1, list[Event]()
    for number, event in enumerate(events):
        if isinstance(event, Opening):
            wanted = tags[number] in (None, tag)
        else:
            all_names = tags[number] is None and event.method in ALL_NAMES
            wanted = tags[number] == tag or (all_names and number > begins)
        if wanted or number == last:
            found.append(event)
    return _used(found)


def _used(events: Sequence[Event]) -> list[Event]:
    """Leave out handles that are never called."""
    called = {event.handle for event in events if isinstance(event, Call) and event.method != "close"}
    return [event for event in events if event.handle in called or event is events[-1]]


def _without_reads(events: Sequence[Event]) -> list[Event]:
    """Leave out what only looks, but for the last call."""
    *before, last = events
    return [e for e in before if isinstance(e, Opening) or e.method not in READS] + [last]


def _fresh(events: Sequence[Event]) -> tuple[list[Event], str]:
    """Return events about names that nobody has written to."""
    old = next((tag for event in reversed(events) if (tag := tag_of(event)) is not None), None)
    new = fresh_tag()
    return [renamed(event, old, new) for event in events] if old else list(events), new


def _seen(replayer: Replayer, events: list[Event]) -> Failed | None:
    """Return the calls up to the last one whose outcome is not what is right."""
    if not events:
        return None
    got, right = replayer.both(*_fresh(events))
    for number in range(len(events) - 1, -1, -1):
        if got[number].differs(right[number]):
            return Failed(events[: number + 1], got[number], right[number])
    return None


def _compared(place: Place, replayer: Replayer, events: list[Event]) -> Failed | None:
    """Return the calls up to the one that differed from the model's answer, where core and backend agree on it."""
    if place.log.differed is None:
        return None
    call, expected = place.log.differed
    if isinstance(call, Call) and call.method == "iterate":
        expected = list(expected.items())
    found, tag = _fresh(_used(_without_reads(events)))
    outcome = replayer.both(found, tag)[0][-1]
    if outcome.error is None and difference(outcome.value, expected) is None:
        return None
    new = fresh_tag()
    return Failed([renamed(event, tag, new) for event in found], outcome, Outcome(_plain(expected)))


def _plain(expected: Any) -> Any:
    """Return a model's answer in plain values."""
    if isinstance(expected, Total):
        return int(expected.exact) if expected.whole else float(expected.exact)
    if isinstance(expected, dict):
        return {key: _plain(value) for key, value in expected.items()}
    return expected


def _written(place: Place, failed: Failed) -> str | None:
    source = Source()
    *before, last = failed.events
    openings = [event for event in failed.events if isinstance(event, Opening)]
    apis = {event.api for event in openings}
    if "DrivenStorage" in apis:
        return None  # there is no public way to it
    names = {opening.handle: "ts" if n == 0 else f"ts{n + 1}" for n, opening in enumerate(openings)}
    waiting = {opening.handle for opening in openings if opening.api == "AsyncTimeseries"}
    tag = next((tag for event in reversed(failed.events) if (tag := tag_of(event))), None)
    writer = _Lines(source, names, waiting, tag)
    for number, event in enumerate(before):
        writer.event(event, raises=number in failed.raising)
    writer.last(last, failed)
    return writer.script(place, apis, source)


def _where(place: Place) -> str:
    """Return the line that names the place."""
    if isinstance(place.target, str):
        return f"target = {place.target!r}  # an empty place"
    return f"target = ...  # a {type(place.target).__name__} of an empty place"


class _Lines:
    """Writes statements."""

    def __init__(self, source: Source, names: dict[int, str], waiting: set[int], tag: str | None) -> None:
        self.source, self.names, self.waiting, self.tag = source, names, waiting, tag
        self.setup: list[str] = []
        self.calls: list[tuple[str, str, str]] = []  # (function, arguments, statement)
        self.end: list[str] = []
        self.now: float | None = None

    def event(self, event: Event, *, raises: bool) -> None:
        """Write an opening or a call."""
        self._turn(event)
        if isinstance(event, Opening):
            self.calls.append(("", "", f"{self.names[event.handle]} = {self._opening(event)}"))
        elif raises:
            self.calls.append(("", "", f"with contextlib.suppress(Exception): {self._expression(event)}"))
            self.source.modules.add("contextlib")
        elif event.handle in self.names:
            function = f"{self._awaiting(event)}{self.names[event.handle]}.{event.method}"
            arguments = "" if event.keywords else self.source.of(event.args)
            self.calls.append((function, arguments, self._expression(event)))

    def last(self, event: Event, failed: Failed) -> None:
        """Write what shows the failure."""
        self._turn(event)
        shown = self._opening(event) if isinstance(event, Opening) else self._expression(event)
        if failed.right.error is not None:
            error = type(failed.right.error)
            base = next(cls for cls in error.__mro__[1:] if not issubclass(cls, KairosError))
            self.end = [f"try: {shown}", f"except {base.__name__}: pass"]
            self.end.append(f"else: raise AssertionError({f'it should raise {base.__name__}'!r})")
        elif failed.right.value is None and failed.got.error is not None:
            self.end = [f"{shown}  # raises {type(failed.got.error).__name__}"]
        else:
            self.end = [f"got = {shown}", f"assert got == {self.source.of(failed.right.value)}, got"]
            if failed.got.error is None and failed.got.value == failed.right.value:
                right = self.source.of(failed.right.value)
                self.end[1] = f"assert repr(got) == repr({right}), got"

    def script(self, place: Place, apis: set[str], source: Source) -> str:
        """Return all of it, with lines joined where they would be more than ten."""
        imports = [f"import {module}" for module in sorted(source.modules)]
        if self.waiting:
            imports = ["import asyncio", *imports]
        if len(imports) > 1:
            imports = ["import " + ", ".join(line.removeprefix("import ") for line in imports)]
        if "open_storage" in apis:
            imports += [
                "from kairos.plugins import open_storage",
                "from kairos.storage import Batch, Read, Write",
            ]
        if apis - {"open_storage"}:
            imports += [f"from kairos import {', '.join(sorted(apis - {'open_storage'}))}"]
        where = _where(place)
        around = 2 if self.waiting else 0
        room = LINES - len(imports) - 1 - len(self.end) - around
        calls = self._grouped()
        if len(calls) > room:
            calls = self._joined(room)
        body = [*calls, *self.end]
        if self.waiting:
            turning = ["global now"] if any("now = " in line for line in body) else []
            if turning:
                body[0] = f"global now; {body[0]}"
            body = ["async def main():", *(f"    {line}" for line in body), "asyncio.run(main())"]
        return "\n".join([*imports, where, *body])

    def _grouped(self) -> list[str]:
        """Return statements, those of one function in a row as a loop."""
        lines: list[str] = []
        for (function, loops), run in groupby(self.calls, lambda call: (call[0], bool(call[1]))):
            every = list(run)
            if function and loops and len(every) > 2:
                arguments = ", ".join(call[1] for call in every)
                lines.append(f"for args in [{arguments}]: {function}(*args)")
            else:
                lines += [call[2] for call in every]
        return lines

    def _joined(self, room: int) -> list[str]:
        """Return statements in at most so many lines."""
        statements = [call[2] for call in self.calls]
        room = max(1, room)
        head = statements[: room - 1]
        return [*head, "; ".join(statements[room - 1 :])]

    def _turn(self, event: Event) -> None:
        if event.now is not None and event.now != self.now:
            self.now = event.now
            self.calls.append(("", "", f"now = {self.source.of(event.now)}"))

    def _awaiting(self, call: Call) -> str:
        return "await " if call.handle in self.waiting and call.method != "iterate" else ""

    def _expression(self, call: Call) -> str:
        shown = self.source.call(f"{self.names[call.handle]}.{call.method}", call.args, call.keywords)
        if call.method == "iterate":
            return f"[pair async for pair in {shown}]" if call.handle in self.waiting else f"list({shown})"
        if call.method == "read":
            return f"{{name: found for name, found in {shown}.data.items() if found}}"
        if call.method == "layouts" and self.tag:
            return f"{{i: text for i, text in {shown}.items() if {self.tag!r} in i}}"
        if call.method in ("list", "names") and self.tag:
            return f"sorted(name for name in {self._awaiting(call)}{shown} if {self.tag!r} in name)"
        return f"{self._awaiting(call)}{shown}"

    def _opening(self, opening: Opening) -> str:
        keywords = {
            name: value
            for name, value in opening.keywords.items()
            if (name, value) not in (("tz", "UTC"), ("options", {}))
        }
        arguments = ["target", *self.source.keywords(keywords)]
        if opening.now is not None:
            arguments.append("clock=lambda: now")
        shown = f"{opening.api}({', '.join(arguments)})"
        return f"await {shown}.open()" if opening.handle in self.waiting else shown
