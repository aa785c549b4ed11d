"""The state machine: histories of calls, with every answer compared with the model's."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from attrs import Factory, define, evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kairos.errors import SchemaMismatch

from .calendar import second_of
from .configurations import CONFIGURATIONS, Configuration
from .kinds import KINDS
from .model import Model
from .moments import Clock, Moment, moments, ticks
from .names import fresh_tag, hostile_names
from .pair import Pair
from .place import Place
from .stages import Stages
from .transforms import names_for

__all__ = ["Histories", "Opened", "history_machine"]


@define
class Opened:
    """The handles of one configuration: two on one place, and their neighbours."""

    clock: Clock
    ours: tuple[Pair, Pair]
    neighbours: tuple[Pair, ...]

    def restarted(self, place: Place) -> Opened:
        """Return the same handles with models that know of no data."""

        def fresh(pair: Pair) -> Model:
            return place.model(pair.model.kind, pair.model.configuration)

        a, b = self.ours
        shared = fresh(a)
        ours = (evolve(a, model=shared), evolve(b, model=shared))
        return Opened(self.clock, ours, tuple(evolve(pair, model=fresh(pair)) for pair in self.neighbours))


@define
class Histories:
    """The handles of every configuration for one kind, opened once and used by every example."""

    place: Place
    kind: str
    _opened: dict[str, Opened] = Factory(dict)

    def opened(self, configuration: Configuration) -> Opened:
        """Return the handles of a configuration, with models that know of no data."""
        if configuration.title not in self._opened:
            self._opened[configuration.title] = self._open(configuration)
        return self._opened[configuration.title].restarted(self.place)

    def close(self) -> None:
        """Close all handles."""
        for opened in self._opened.values():
            for pair in (*opened.ours, *opened.neighbours):
                pair.close()

    def _open(self, configuration: Configuration) -> Opened:
        clock = Clock()
        ours = (
            self.place.on("sync").paired(self.kind, configuration, clock),
            self.place.paired(self.kind, configuration, clock),  # on the asyncio side, one of each
        )
        neighbours = [self.place.paired(self.kind, configuration.neighbour(), clock)]
        another = KINDS[(KINDS.index(self.kind) + 1) % len(KINDS)]
        with suppress(SchemaMismatch):  # a place may refuse another kind
            neighbours.append(self.place.paired(another, configuration, clock))
        return Opened(clock, ours, tuple(neighbours))


def tagged(*stage: Any) -> Any:
    """Return what a custom stage of the kit gives: what it was called with, under its name."""
    return stage


def custom_process_row(row: Any) -> Any:
    """Show that it was called, and with what."""
    return tagged("row", row)


def custom_condense(rows: Mapping[int, Any]) -> Any:
    """Show that it was called, and with what."""
    return tagged("condensed", *rows.items())


def custom_join_rows(rows: list[Any]) -> Any:
    """Show that it was called, and with what."""
    return tagged("joined", *rows)


def custom_collapse(rows: Mapping[int, Any]) -> Any:
    """Show that it was called, and with what."""
    return tagged("collapsed", *rows.items())


def custom_transform(row: Any) -> Any:
    """Show that it was called, and with what."""
    return tagged("transformed", row)


def stages() -> st.SearchStrategy[Stages]:
    """Return a strategy of stages that go together: a native merge can't follow a custom stage."""

    def consistent(chosen: Stages) -> Stages:
        if chosen.process_row is not None and chosen.condense is True:
            chosen = evolve(chosen, condense=custom_condense)
        if chosen.process_row is not None or callable(chosen.condense):
            chosen = evolve(chosen, join_rows=custom_join_rows)
        if chosen.collapse and chosen.process_row is not None and not chosen.condense:
            chosen = evolve(chosen, condense=custom_condense)
        if chosen.collapse is True and not callable(chosen.condense) and chosen.join_rows is not None:
            chosen = evolve(chosen, collapse=custom_collapse)
        return chosen

    def choice(*some: Any) -> st.SearchStrategy[Any]:
        return st.sampled_from((None, None, *some))

    return st.builds(
        Stages,
        process_row=choice(None, custom_process_row),
        condense=choice(True, True, custom_condense),
        join_rows=choice(None, custom_join_rows),
        collapse=choice(True, True, custom_collapse),
        transform=choice("named", "several", "mapped", custom_transform, (custom_transform,)),
    ).map(consistent)


this: st.SearchStrategy[HistoryMachine] = st.runner()
one_name = this.flatmap(lambda self: st.sampled_from(self.names))
several = this.flatmap(lambda self: st.lists(st.sampled_from(self.names), min_size=1, max_size=3))
one_or_several = st.one_of(one_name, one_name, several, several.map(tuple), several.map(frozenset))
one_value = this.flatmap(lambda self: st.sampled_from(self.values))
one_interval = this.flatmap(lambda self: st.sampled_from(tuple(self.configuration.intervals)))
handles = st.integers(0, 1)
copies = st.sampled_from((0, 0, 0, 1, 2, -1, -2))


class HistoryMachine(RuleBasedStateMachine):
    """One history of one kind. :func:`history_machine` makes the class for a place."""

    histories: Histories
    configuration: Configuration
    ours: tuple[Pair, Pair]
    neighbours: tuple[Pair, ...]
    names: list[str]
    values: tuple[Any, ...]
    numeric: bool
    looks: int

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.kind = self.histories.kind
        self.place = self.histories.place

    @initialize(
        configuration=st.sampled_from(CONFIGURATIONS),
        anchor=st.integers(0, 3),
        delta=st.sampled_from((0, 0, -1, 0.25, 59, 3_600, -86_400)),
        at=st.integers(0, 60),
        numeric=st.booleans(),
    )
    def begin(self, configuration: Configuration, anchor: int, delta: float, at: int, numeric: bool) -> None:
        """Choose the configuration, the clock's start, the names and the values; let the neighbours write."""
        opened = self.histories.opened(configuration)
        self.configuration, self.clock = configuration, opened.clock
        self.ours, self.neighbours = opened.ours, opened.neighbours
        self.clock.now = configuration.anchors[anchor % len(configuration.anchors)] + delta
        self.tag = fresh_tag()
        limit = self.place.capabilities(self.kind).max_name_bytes
        self.names = hostile_names(self.tag, at, 4, limit)
        pool = self.place.pool(self.kind)
        self.numeric = bool(pool.numeric) and (numeric or self.kind == "count")
        self.values = pool.numeric if self.numeric else pool.all
        for neighbour in self.neighbours:
            theirs = self.place.pool(neighbour.model.kind).all
            for i, name in enumerate(self.names):
                neighbour.insert(name, theirs[i % len(theirs)])

    @rule(handle=handles, name=one_name, value=one_value, moment=moments(), n=copies)
    def insert(self, handle: int, name: str, value: Any, moment: Moment | None, n: int) -> None:
        """Write one value."""
        self.ours[handle].insert(name, value, self._timestamp(moment), n)

    @rule(handle=handles, name=one_name, some=st.lists(one_value, max_size=4), moment=moments(), n=copies)
    def insert_several(self, handle: int, name: str, some: list[Any], moment: Moment | None, n: int) -> None:
        """Write a list of values."""
        self.ours[handle].insert(name, some, self._timestamp(moment), n)

    @rule(
        handle=handles,
        parts=st.lists(
            st.tuples(moments(), st.lists(st.tuples(one_name, one_value), max_size=4)), max_size=4
        ),
        n=copies,
    )
    def bulk_insert(self, handle: int, parts: list[Any], n: int) -> None:
        """Write many values at once."""
        data: dict[Any, dict[str, list[Any]]] = {}
        for moment, pairs in parts:
            inserts = data.setdefault(self._timestamp(moment), {})
            for name, value in pairs:
                inserts.setdefault(name, []).append(value)
        self.ours[handle].bulk_insert(data, n)

    @rule(handle=handles, name=one_or_several, interval=one_interval, moment=moments(), stages=stages())
    def get(self, handle: int, name: Any, interval: str, moment: Moment | None, stages: Stages) -> None:
        """Read one bucket."""
        chosen = evolve(self._transforms(stages), collapse=None)
        self.ours[handle].get(name, interval, self._timestamp(moment), chosen)

    @rule(
        handle=handles,
        name=one_or_several,
        interval=one_interval,
        start=moments(),
        end=moments(),
        ends=st.sampled_from(("both", "start", "end", "none")),
        steps=st.sampled_from((None, 0, 1, 2, 5)),
        stages=stages(),
    )
    def series(
        self,
        handle: int,
        name: Any,
        interval: str,
        start: Moment | None,
        end: Moment | None,
        ends: str,
        steps: int | None,
        stages: Stages,
    ) -> None:
        """Read a range."""
        begin = self._timestamp(start) if ends in ("both", "start") else None
        finish = self._timestamp(end) if ends in ("both", "end") else None
        if begin is not None and finish is not None and self._too_far(interval, begin, finish):
            finish = begin
        self.ours[handle].series(name, interval, begin, finish, steps, self._transforms(stages))

    @rule(handle=handles, name=one_or_several, interval=one_interval, stages=stages())
    def iterate(self, handle: int, name: Any, interval: str, stages: Stages) -> None:
        """Walk over all data."""
        self.ours[handle].iterate(name, interval, evolve(self._transforms(stages), collapse=None))

    @rule(handle=handles)
    def list_names(self, handle: int) -> None:
        """List the names."""
        self.ours[handle].listed(self.tag)

    @rule(handle=handles, name=one_name)
    def properties(self, handle: int, name: str) -> None:
        """Ask for a name's first and last buckets."""
        self.ours[handle].properties(name)

    @rule(handle=handles, name=one_name)
    def delete(self, handle: int, name: str) -> None:
        """Delete a name."""
        self.ours[handle].delete(name)

    @rule(handle=handles, name=one_name)
    def expire(self, handle: int, name: str) -> None:
        """Expire a name, or be told that the backend does it by itself."""
        self.ours[handle].expire(name)

    @rule(handle=handles)
    def expire_all(self, handle: int) -> None:
        """Expire all names, or be told that the backend does it by itself."""
        self.ours[handle].expire()

    @rule(interval=one_interval, which=st.integers(0, 8))
    def turn_the_clock(self, interval: str, which: int) -> None:
        """Let time go on to the second before the next deadline, or to it."""
        following = ticks(self.configuration.intervals[interval], self.clock.now)
        self.clock.now = following[which % len(following)]

    @rule()
    def look_at_the_neighbours(self) -> None:
        """See that nothing of the neighbours changed."""
        for neighbour in self.neighbours:
            every = tuple(neighbour.model.configuration.intervals)
            for number, name in enumerate(self.names):
                neighbour.properties(name)  # all intervals at once, and the rows of one
                neighbour.iterate(name, every[(self.looks + number) % len(every)], items=3)
            neighbour.listed(self.tag)
        self.looks += 1

    @invariant()
    def a_neighbour_stands(self) -> None:
        """See after each step that one of the neighbours' names is as it was."""
        neighbour = self.neighbours[self.looks % len(self.neighbours)]
        neighbour.properties(self.names[self.looks % len(self.names)])
        self.looks += 1

    def teardown(self) -> None:
        """Compare everything once more, then delete it."""
        if sys.exception() is not None:
            return  # the history has failed already: do not bury what it found
        self.ours[0].check(self.names)
        self.ours[1].listed(self.tag)
        for name in self.names:
            self.ours[1].delete(name)
        self.ours[0].listed(self.tag)
        self.look_at_the_neighbours()
        for neighbour in self.neighbours:
            for name in self.names:
                neighbour.handle.delete(name)

    def _timestamp(self, moment: Moment | None) -> Any:
        return None if moment is None else moment.timestamp(self.configuration, self.clock.now)

    def _transforms(self, stages: Stages) -> Stages:
        """Replace the placeholders by named transforms that go with the values and the other stages."""
        if not isinstance(stages.transform, str):
            return stages
        if stages.process_row or callable(stages.condense) or stages.join_rows or callable(stages.collapse):
            return evolve(stages, transform={"mine": custom_transform})
        text = self.place.capabilities(self.kind).values.text
        known = names_for(self.kind, numeric=self.numeric and not text)
        chosen = {"named": known[-1], "several": [*known], "mapped": {name.upper(): name for name in known}}
        return evolve(stages, transform=chosen[stages.transform])

    def _too_far(self, interval: str, start: Any, end: Any) -> bool:
        """Return whether so many buckets lie between two times that the model would be slow."""
        step = self.configuration.intervals[interval].step
        return step.start(step.after(step.bucket(second_of(start)), 30)) < second_of(end)


def history_machine(histories: Histories) -> type[HistoryMachine]:
    """Return the state machine's class for one place and kind."""
    return type("HistoryMachine", (HistoryMachine,), {"histories": histories})
