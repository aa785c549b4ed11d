"""§3 and §6 when things go wrong, and what calls cost: with a proxy, a restart, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

import kairos

from ..law import law
from ..moments import Clock
from ..place import Place
from ..workers import killable, open_and_write
from .base import BOTH, NOW, ONE, Inapplicable, Laws, Undeclared

__all__ = ["FaultLaws", "LoopbackProxy"]


class LoopbackProxy(Protocol):
    """A TCP proxy in front of the server, as ``kairos_engines.Proxy`` is one."""

    dropped: int
    """How many replies were lost."""

    round_trips: int
    """How many requests were answered."""

    def drop_when(self, predicate: Callable[[bytes], bool], n: int = 1) -> None:
        """Lose the answers of the next n requests that fit: the server does them, the connection is cut."""


class FaultLaws(Laws):
    """Lost replies, killed writers, restarts, and round trips. What an author does not give is *not applicable*."""

    @pytest.fixture(scope="class")
    @classmethod
    def proxy(cls) -> tuple[Any, LoopbackProxy] | None:
        """Give ``(target, proxy)``: the place's URL or client through a proxy, and the proxy. None: there is none."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def restart(cls) -> Callable[[], object] | None:
        """Give a function that kills the engine and starts it again on its data. None: there is no engine."""
        return None

    @law(
        "A write whose reply is lost raises or is stored, never twice, and the next call works",
        "§3",
        "Several writers",
        once=True,
    )
    @pytest.mark.parametrize("kind", ["count", "series", "histogram"])
    @pytest.mark.parametrize("bulk", [False, True], ids=["insert", "bulk_insert"])
    def test_lost_reply(
        self,
        place: Place,
        kind: str,
        clock: Clock,
        tag: str,
        proxy: tuple[Any, LoopbackProxy] | None,
        inapplicable: Inapplicable,
        bulk: bool,
    ) -> None:
        """Lose the first, the second, … reply of a write, on one handle."""
        if proxy is None:
            inapplicable("no proxy")
            return
        target, between = proxy
        value = place.samples(kind, 1)[0]
        with place.through(target, kind, BOTH.specs, clock) as handle, place.open(kind, BOTH.specs) as direct:

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
                before, lost = stored("kit_minute"), between.dropped
                with _losing(between, number):
                    try:
                        write()
                    except Exception:
                        known = False
                    else:
                        known = True
                if between.dropped == lost:
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
    def test_lost_read(
        self,
        place: Place,
        kind: str,
        clock: Clock,
        tag: str,
        proxy: tuple[Any, LoopbackProxy] | None,
        inapplicable: Inapplicable,
    ) -> None:
        """Lose the reply of a get."""
        if proxy is None:
            inapplicable("no proxy")
            return
        target, between = proxy
        with place.through(target, kind, BOTH.specs, clock) as handle:
            handle.insert(tag, place.samples(kind, 1)[0], NOW)
            expected = handle.get(tag, "kit_minute", timestamp=NOW)
            with _losing(between, 0):
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
        self,
        place: Place,
        kind: str,
        clock: Clock,
        tag: str,
        restart: Callable[[], object] | None,
        inapplicable: Inapplicable,
    ) -> None:
        """Write, restart, read and write with a new handle."""
        if restart is None:
            inapplicable("no restart")
            return
        values = place.samples(kind, 4)
        with place.pair(kind, BOTH, clock) as pair:
            for value in values:
                pair.insert(tag, value)
            pair.bulk_insert({NOW: {tag: values, tag + "b": values}})
            restart()
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
    @pytest.mark.parametrize("kind", ["count"])
    def test_killed_writer(
        self, place: Place, kind: str, tag: str, clock: Clock, undeclared: Undeclared
    ) -> None:
        """Kill a process while it writes two names at once; see what is there, and write on."""
        if not place.capabilities(kind).shared:
            undeclared("shared")
            return
        arguments = {"type": kind, "intervals": dict(BOTH.specs), **place.options_for(kind)}
        acknowledged = _kill_in_the_midst(place.target, arguments, tag)
        with place.open(kind, BOTH.specs, clock=clock) as handle:
            totals = [
                handle.get(name, interval, timestamp=NOW).get(NOW, 0)
                for name in (tag, tag + "b")
                for interval in BOTH.specs
            ]
            assert all(acknowledged <= total <= acknowledged + 1 for total in totals), (
                f"{acknowledged} writes were acknowledged and one more may have begun; stored are {totals}"
            )
            if place.capabilities(kind).atomic_batch:
                assert len(set(totals)) == 1, f"a batch is stored in part: {totals}"
            handle.insert(tag, 1, NOW)
            assert handle.get(tag, "kit_minute", timestamp=NOW) == {NOW: totals[0] + 1}
            handle.delete(tag)
            handle.delete(tag + "b")

    @law(
        "Eight processes may open one new place at once, where shared is declared",
        "§1",
        "Threads and processes",
        once=True,
    )
    @pytest.mark.parametrize("kind", ["count", "series"])
    def test_eight_processes(
        self, place: Place, kind: str, tag: str, processes: Executor, undeclared: Undeclared
    ) -> None:
        """Let eight processes open an interval that is new, and write to it, at the same moment."""
        if not place.capabilities(kind).shared:
            undeclared("shared")
            return
        arguments: dict[str, Any] = {"type": kind, "intervals": {f"kit_eight{tag}": {"step": 60}}}
        arguments |= place.options_for(kind)
        value = place.samples(kind, 1)[0]
        jobs = [
            processes.submit(open_and_write, place.target, arguments, f"{tag}{n}", value) for n in range(8)
        ]
        for job in jobs:
            job.result()
        with kairos.Timeseries(place.target, **arguments) as handle:
            assert handle.list() == [f"{tag}{number}" for number in range(8)]
            assert handle.delete_all() == 8

    @law("A thousand values into one bucket are as many round trips as ten", "§3", "bulk_insert", once=True)
    def test_cost_of_a_batch(
        self,
        place: Place,
        kind: str,
        clock: Clock,
        tag: str,
        proxy: tuple[Any, LoopbackProxy] | None,
        inapplicable: Inapplicable,
    ) -> None:
        """Count the round trips of a small batch, and of a large one."""
        if proxy is None:
            inapplicable("no proxy")
            return
        target, between = proxy
        values = place.samples(kind, 10)
        with place.through(target, kind, ONE.specs, clock) as handle:
            handle.bulk_insert({NOW: {tag: values[:1]}})
            few = _round_trips(between, lambda: handle.bulk_insert({NOW: {tag: values}}))
            many = _round_trips(between, lambda: handle.bulk_insert({NOW: {tag: values * 100}}))
            handle.delete(tag)
        assert many <= few + 2, f"10 values are {few} round trips, 1,000 are {many}"

    @law(
        "list, properties and delete cost no more where much else lives in the place", "§6", "Cost", once=True
    )
    def test_cost_of_foreign_names(
        self,
        place: Place,
        kind: str,
        clock: Clock,
        tag: str,
        proxy: tuple[Any, LoopbackProxy] | None,
        inapplicable: Inapplicable,
    ) -> None:
        """Count the round trips before and after another timeseries wrote a thousand names."""
        if proxy is None:
            inapplicable("no proxy")
            return
        target, between = proxy
        value = place.samples(kind, 1)
        mine, theirs = {f"kit_mine{tag}": {"step": 60}}, {f"kit_foreign{tag}": {"step": 60}}
        names = [f"{tag}{number}" for number in range(1_000)]
        with (
            place.through(target, kind, mine, clock) as handle,
            place.open(kind, theirs, clock=clock) as other,
        ):

            def calls() -> Mapping[str, int]:
                handle.insert(tag, value)
                return {
                    "list": _round_trips(between, lambda: handle.list()),
                    "properties": _round_trips(between, lambda: handle.properties(tag)),
                    "delete": _round_trips(between, lambda: handle.delete(tag)),
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


@contextmanager
def _losing(proxy: LoopbackProxy, number: int) -> Iterator[None]:
    """Lose one reply: the next one, or the one after so many."""
    begin, armed = proxy.round_trips, True
    proxy.drop_when(lambda data: armed and proxy.round_trips - begin >= number)
    try:
        yield
    finally:
        armed = False


def _round_trips(proxy: LoopbackProxy, call: Callable[[], object]) -> int:
    before = proxy.round_trips
    call()
    return proxy.round_trips - before


def _kill_in_the_midst(target: str, arguments: Mapping[str, Any], tag: str) -> int:
    """Start a writer, kill it after some acknowledged writes, and return how many it acknowledged."""
    command = [sys.executable, "-c", killable(target, arguments, tag, NOW)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(30)]
        writer.kill()
        rest = writer.stdout.read()
    assert lines[-1], "the writer ended before it was killed"
    return "".join([*lines, rest]).count("\n")
