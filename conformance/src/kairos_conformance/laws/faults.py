"""§3 and §6 when things go wrong, and what calls cost: with a proxy, a restart, and processes that are killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
from attrs import frozen

import kairos

from ..comparing import difference
from ..kinds import row_of
from ..law import INAPPLICABLE, Absent, law
from ..model import stored_as_text
from ..moments import Clock
from ..place import Place
from ..workers import context, open_and_write, write_for_ever
from .base import BOTH, NOW, ONE, Laws

__all__ = ["FaultLaws", "LoopbackProxy"]

PATIENCE = 120
"""Seconds for another process to start and write."""


class LoopbackProxy(Protocol):
    """A TCP proxy in front of the server, as ``kairos_engines.Proxy`` is one."""

    dropped: int
    """How many replies were lost."""

    round_trips: int
    """How many requests were answered."""

    def drop_when(self, predicate: Callable[[bytes], bool], n: int = 1) -> None:
        """Lose the answers of the next n requests that fit: the server does them, the connection is cut."""


@frozen
class Between:
    """The proxy between a target and its server, as the laws use it."""

    target: Any
    proxy: LoopbackProxy

    @contextmanager
    def losing(self, number: int = 0) -> Iterator[None]:
        """Lose one reply: the next one, or the one after so many."""
        begin, armed = self.proxy.round_trips, True
        self.proxy.drop_when(lambda data: armed and self.proxy.round_trips - begin >= number)
        try:
            yield
        finally:
            armed = False

    def round_trips(self, call: Callable[[], object]) -> int:
        """Return how many requests a call makes."""
        before = self.proxy.round_trips
        call()
        return self.proxy.round_trips - before


class FaultLaws(Laws):
    """Lost replies, killed writers, restarts, and round trips. What an author does not give is *not applicable*."""

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls) -> tuple[Any, LoopbackProxy] | None:
        """Give ``(target, proxy)``: the place's URL or client through a proxy, and the proxy. None: there is none."""
        return None

    @pytest.fixture
    def between(self, request: pytest.FixtureRequest, proxy: Any) -> Between | Absent:
        """Give the proxy; absent where the author gives none."""
        return Absent(request, INAPPLICABLE, "no proxy") if proxy is None else Between(*proxy)

    @pytest.fixture(scope="class")
    @classmethod
    def restart(cls) -> Callable[[], object] | None:
        """Give a function that kills the engine and starts it again on its data. None: there is no engine."""
        return None

    @pytest.fixture
    def killed_and_started(self, request: pytest.FixtureRequest, restart: Any) -> Any:
        """Give that function; absent where the author gives none."""
        return Absent(request, INAPPLICABLE, "no restart") if restart is None else restart

    @law(
        "A write whose reply is lost raises or is stored, never twice, and the next call works",
        "§3",
        "Several writers",
        once=True,
    )
    @pytest.mark.parametrize("kind", ["count", "series", "histogram"])
    @pytest.mark.parametrize("bulk", [False, True], ids=["insert", "bulk_insert"])
    def test_lost_reply(
        self, place: Place, kind: str, clock: Clock, tag: str, between: Between, bulk: bool
    ) -> None:
        """Lose the first, the second, … reply of a write, on one handle."""
        value = place.samples(kind, 1)[0]
        with (
            place.through(between.target, kind, BOTH.specs, clock) as handle,
            place.open(kind, BOTH.specs) as direct,
        ):

            def stored(interval: str) -> int:
                row = direct.get(tag, interval, timestamp=NOW).get(NOW, 0)
                return sum(row.values()) if kind == "histogram" else row if kind == "count" else len(row)

            def write() -> None:
                if bulk:
                    handle.bulk_insert({NOW: {tag: [value]}})
                else:
                    handle.insert(tag, value, NOW)

            write()
            for number in range(6):
                before, lost = stored("kit_minute"), between.proxy.dropped
                with between.losing(number):
                    try:
                        write()
                    except Exception:
                        known = False
                    else:
                        known = True
                if between.proxy.dropped == lost:
                    assert number, "no reply of a write went through the proxy"
                    break
                for interval in BOTH.specs:
                    added = stored(interval) - before
                    assert added <= 1, f"one write of unknown outcome is stored {added} times"
                    assert not known or added == 1, "a write that did not raise is not stored"
                before = stored("kit_minute")
                write()
                assert stored("kit_minute") == before + 1, "the next call did not work"
            direct.delete(tag)

    @law(
        "A read whose reply is lost raises or answers, and the next call works",
        "§3",
        "Several writers",
        once=True,
    )
    def test_lost_read(self, place: Place, kind: str, clock: Clock, tag: str, between: Between) -> None:
        """Lose the reply of a get."""
        with place.through(between.target, kind, BOTH.specs, clock) as handle:
            handle.insert(tag, place.samples(kind, 1)[0], NOW)
            expected = handle.get(tag, "kit_minute", timestamp=NOW)
            with between.losing():
                try:
                    answer = handle.get(tag, "kit_minute", timestamp=NOW)
                except Exception:
                    answer = expected
            assert answer == expected
            assert handle.get(tag, "kit_minute", timestamp=NOW) == expected
            handle.delete(tag)

    @law(
        "What was acknowledged is there after the engine was killed and started again",
        "§3",
        "Several writers",
        once=True,
    )
    def test_restart(
        self, place: Place, kind: str, clock: Clock, tag: str, killed_and_started: Callable[[], object]
    ) -> None:
        """Write, restart, read and write with a new handle."""
        values = place.samples(kind, 4)
        with place.pair(kind, BOTH, clock) as pair:
            for value in values:
                pair.insert(tag, value)
            pair.bulk_insert({NOW: {tag: values, tag + "b": values}})
            killed_and_started()
            with place.pair(kind, BOTH, clock) as again:
                again.model = pair.model
                again.check([tag, tag + "b"])
                again.listed(tag)
                again.insert(tag, values[0])
                again.check([tag])
                again.delete(tag)
                again.delete(tag + "b")

    @law(
        "A writer that is killed loses nothing that was acknowledged, and hinders nobody, where shared is declared",
        "§3",
        "Several writers",
        once=True,
    )
    def test_killed_writer(self, place: Place, kind: str, tag: str, clock: Clock, shared: str) -> None:
        """Kill a process while it writes two names at once; see what is there, and write on."""
        arguments = {"type": kind, "intervals": dict(BOTH.specs), **place.options_for(kind)}
        values = place.samples(kind, 60)
        for turn in range(max(1, place.profile.writers // 4)):
            name = f"{tag}{turn}"
            acknowledged = _kill_in_the_midst(shared, arguments, name, values, after=20 + 7 * turn)
            sent = [values[n % len(values)] for n in range(acknowledged + 1)]
            if place.capabilities(kind).values.text and kind != "count":
                sent = [stored_as_text(value) for value in sent]
            right = row_of(kind, sent[:-1]), row_of(kind, sent)  # without the one call in doubt, and with it
            with place.open(kind, BOTH.specs, clock=clock) as handle:
                found = [
                    handle.get(one, interval, timestamp=NOW).get(NOW)
                    for one in (name, name + "b")
                    for interval in BOTH.specs
                ]
                stored = [[difference(row, one) is None for row in found] for one in right]
                assert all(map(any, zip(*stored, strict=True))), (
                    f"{acknowledged} writes were acknowledged and one more may have begun; stored are {found}"
                )
                if place.capabilities(kind).atomic_batch:
                    assert any(map(all, stored)), f"a batch is stored in part: {found}"
                handle.insert(name, values[0], NOW)
                after = handle.get(name, "kit_minute", timestamp=NOW)[NOW]
                held = [*sent, stored_as_text(values[0]) if isinstance(sent[0], str) else values[0]]
                assert any(
                    difference(after, row_of(kind, one)) is None for one in (held, [*held[:-2], held[-1]])
                ), f"after one more write {found[0]} has become {after}"
                handle.delete(name)
                handle.delete(name + "b")

    @law(
        "Eight processes may open one new place at once, where shared is declared",
        "§1",
        "Threads and processes",
        once=True,
    )
    @pytest.mark.parametrize("kind", ["count", "series"])
    def test_eight_processes(
        self, place: Place, kind: str, tag: str, processes: Executor, shared: str
    ) -> None:
        """Let eight processes open an interval that is new, and write to it, at the same moment."""
        arguments: dict[str, Any] = {"type": kind, "intervals": {f"kit_eight{tag}": {"step": 60}}}
        arguments |= place.options_for(kind)
        value = place.samples(kind, 1)[0]
        jobs = [processes.submit(open_and_write, shared, arguments, f"{tag}{n}", value) for n in range(8)]
        for job in jobs:
            job.result()
        with kairos.Timeseries(shared, **arguments) as handle:
            assert handle.list() == [f"{tag}{number}" for number in range(8)]
            assert handle.delete_all() == 8

    @law("A thousand values into one bucket are as many round trips as ten", "§3", "bulk_insert", once=True)
    def test_cost_of_a_batch(self, place: Place, kind: str, clock: Clock, tag: str, between: Between) -> None:
        """Count the round trips of a small batch, and of a large one."""
        values = place.samples(kind, 10)
        with place.through(between.target, kind, ONE.specs, clock) as handle:
            handle.bulk_insert({NOW: {tag: values[:1]}})
            few = between.round_trips(lambda: handle.bulk_insert({NOW: {tag: values}}))
            many = between.round_trips(lambda: handle.bulk_insert({NOW: {tag: values * 100}}))
            handle.delete(tag)
        assert many <= few + 2, f"10 values are {few} round trips, 1,000 are {many}"

    @law(
        "list, properties and delete cost no more where much else lives in the place", "§6", "Cost", once=True
    )
    def test_cost_of_foreign_names(
        self, place: Place, kind: str, clock: Clock, tag: str, between: Between
    ) -> None:
        """Count the round trips before and after another timeseries wrote a thousand names."""
        value = place.samples(kind, 1)
        mine, theirs = {f"kit_mine{tag}": {"step": 60}}, {f"kit_foreign{tag}": {"step": 60}}
        names = [f"{tag}{number}" for number in range(1_000)]
        with (
            place.through(between.target, kind, mine, clock) as handle,
            place.open(kind, theirs, clock=clock) as other,
        ):

            def calls() -> Mapping[str, int]:
                handle.insert(tag, value)
                return {
                    "list": between.round_trips(lambda: handle.list()),
                    "properties": between.round_trips(lambda: handle.properties(tag)),
                    "delete": between.round_trips(lambda: handle.delete(tag)),
                }

            calls()
            alone = calls()
            other.bulk_insert({NOW: dict.fromkeys(names, value)})
            beside = calls()
            handle.delete_all()
            other.delete_all()
        for call, before in alone.items():
            assert beside[call] <= before + 1, (
                f"{call} is {before} round trips alone, {beside[call]} beside 1,000 foreign names"
            )


def _kill_in_the_midst(
    target: str, arguments: Mapping[str, Any], name: str, values: list[Any], *, after: int
) -> int:
    """Start a writer, kill it after so many acknowledged writes, and return how many it acknowledged in the end."""
    started = context()
    told, tells = started.Pipe(duplex=False)
    work = (target, arguments, name, values, NOW, dict(os.environ), tells)
    writer = started.Process(target=write_for_ever, args=work, daemon=True)
    writer.start()
    tells.close()
    acknowledged = 0
    with told:
        try:
            while True:
                assert told.poll(PATIENCE), "the writer hangs"
                told.recv_bytes()
                acknowledged += 1
                if acknowledged == after:
                    writer.kill()
        except EOFError:
            assert acknowledged >= after, "the writer ended before it was killed"
        finally:
            writer.kill()
            writer.join(PATIENCE)
    return acknowledged
