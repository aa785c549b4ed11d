"""Writes, deletes and listings of several handles, one statement at a time, in orders that a number gives.

Protocols are generators, so a test can hold any statement back, and any answer, for as long as it likes, while time is
counted and not waited for. The statements go to a real node.
"""

import random
from collections.abc import Sequence

import pytest
from attrs import Factory, define

import kairos
from kairos.storage import Batch, Write
from kairos_cassandra import catalog, layouts, reading, writing
from kairos_cassandra.known import LEASE
from kairos_cassandra.rounds import Round

BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
ONE = {"minute": BOTH["minute"]}
WHOLE = dict.fromkeys(BOTH)
SEEDS = (14, 38, *range(100, 106))


@define(eq=False)
class Call:
    """A protocol that is being run, and how far it has come."""

    what: str
    handle: int
    protocol: object
    bit: int = 0
    wanted: Round | None = None
    unsent: list = Factory(list)
    answers: dict = Factory(dict)
    begun: float = 0.0
    ended: float | None = None
    earliest: float = 0.0
    result: object = None


class Turns:
    """Lets calls take turns; each turn is one statement, or the answers of a round."""

    def __init__(self, order: random.Random) -> None:
        self.order = order
        self.time = 100.0
        self.steps = 0

    def now(self) -> float:
        return self.time

    def begin(self, call: Call) -> Call:
        self.tick()
        call.begun = self.steps
        self._go_on(call, None)
        return call

    def count(self) -> None:
        self.steps += 1

    def tick(self) -> None:
        self.count()
        self.time += self.order.choice((0.0, LEASE / 40, LEASE / 8, LEASE / 2, LEASE, 3 * LEASE))

    def _go_on(self, call: Call, answers) -> None:
        try:
            call.wanted = call.protocol.send(answers)
        except StopIteration as stop:
            call.result, call.ended, call.wanted = stop.value, self.steps, None
            return
        call.unsent = list(range(len(call.wanted.requests)))
        call.answers = {}
        call.earliest = self.time + call.wanted.pause

    def step(self, call: Call, sender, which: int | None = None) -> None:
        """Send one statement of a call; or hand it its answers, when it has them all."""
        self.tick()
        if call.unsent:
            number = call.unsent.pop(self.order.randrange(len(call.unsent)) if which is None else which)
            (call.answers[number],) = sender.send(Round([call.wanted.requests[number]]))
            return
        self.time = max(self.time, call.earliest)
        self._go_on(call, [call.answers[number] for number in sorted(call.answers)])

    def run(self, calls: Sequence[Call], sender) -> None:
        """Run calls to their ends, in any order."""
        while waiting := [call for call in calls if call.ended is None]:
            ready = [call for call in waiting if call.unsent or call.earliest <= self.time]
            self.step(self.order.choice(ready or waiting), sender)

    def alone(self, call: Call, sender) -> Call:
        """Run one call to its end, while no other does anything."""
        self.begin(call)
        self.run([call], sender)
        return call


@define(eq=False)
class Place:
    """Handles on one table: the last knows only one of the intervals."""

    handles: list
    turns: Turns

    @property
    def sender(self):
        return self.handles[0]._storage._sender

    def insert(self, handle: int, name: str, bit: int) -> Call:
        writes = [Write("minute", 0, None, None, {name: 4**bit})]
        if handle < len(self.handles) - 1:
            writes.append(Write("hour", 0, 0, None, {name: 4**bit}))
        batch = Batch(writes, 0.0, {})
        return Call("insert", handle, self.handles[handle]._storage._writer.write(batch), bit)

    def delete(self, handle: int, name: str) -> Call:
        scope = WHOLE if handle < len(self.handles) - 1 else dict.fromkeys(ONE)
        return Call("delete", handle, self.handles[handle]._storage._catalog.delete([name], scope))

    def names(self, handle: int) -> Call:
        scope = WHOLE if handle < len(self.handles) - 1 else dict.fromkeys(ONE)
        return Call("names", handle, self.handles[handle]._storage._catalog.names(scope))

    def stored(self, handle: int, name: str, interval: str) -> set[int]:
        """Return which inserts are there, each once."""
        call = Call("read", handle, self.handles[handle]._storage._reader.read(name, interval, 0, 0))
        found = self.turns.alone(call, self.sender).result
        total = sum(found.get(0, {}).values())
        bits = set()
        for bit in range(31):
            digit = total >> 2 * bit & 3
            assert digit < 2, f"insert {bit} is stored {digit} times"
            if digit:
                bits.add(bit)
        return bits

    def is_listed(self, handle: int, name: str) -> bool:
        return name in self.turns.alone(self.names(handle), self.sender).result


@pytest.fixture
def turns(monkeypatch):
    made = Turns(random.Random(0))
    for module in (writing, reading, catalog, layouts):
        monkeypatch.setattr(module, "now", lambda: made.now())
    return made


@pytest.fixture(scope="module", params=["counter", "log"])
def handles(request, place):
    url, options = place
    more = {"type": "count", "counts": request.param, "table_name": f"turns_{request.param}", **options}
    made = [kairos.Timeseries(url, intervals=BOTH, **more) for _ in range(3)]
    made.append(kairos.Timeseries(url, intervals=ONE, **more))
    for one in made:
        one.insert("first", 1, timestamp=0)
    yield made
    for one in made:
        one.close()


def check(place: Place, name: str, calls: Sequence[Call], reader: int = 0) -> None:
    """See that what is there can be told as a history: each call happened at one moment while it ran."""
    last = len(place.handles) - 1
    stored = {interval: place.stored(reader, name, interval) for interval in BOTH}
    for interval, found in stored.items():
        touching = [call for call in calls if interval == "minute" or call.handle < last]
        deletes = [call for call in touching if call.what == "delete"]
        for call in (call for call in touching if call.what == "insert"):
            here = call.bit in found
            if all(delete.ended < call.begun for delete in deletes):
                assert here, f"insert {call.bit} is lost in {interval}"
            if any(delete.begun > call.ended for delete in deletes):
                assert not here, f"insert {call.bit} is back in {interval}"
    if not any(call.handle == last for call in calls):
        assert stored["minute"] == stored["hour"], "an insert is on both sides of a delete"
    for handle in (reader, last):
        there = bool(stored["minute"] or (stored["hour"] and handle < last))
        assert place.is_listed(handle, name) == there, f"listed by {handle}: {not there}, data: {stored}"


def end(place: Place, name: str, calls: Sequence[Call], bits: Sequence[int]) -> None:
    """See that warm handles go on where they should, and that a delete leaves nothing."""
    check(place, name, calls)
    calls = list(calls)
    for handle, bit in enumerate(bits):
        calls.append(place.turns.alone(place.insert(handle, name, bit), place.sender))
    check(place, name, calls, 1)
    assert place.turns.alone(place.delete(2, name), place.sender).result == 1
    assert not any(place.stored(0, name, interval) for interval in BOTH)
    assert not place.is_listed(1, name)


def history(place: Place, name: str, partial: bool) -> None:
    """Warm up some handles, let calls run at once, and see that what is there can be told as a history."""
    turns, order = place.turns, place.turns.order
    last = len(place.handles) - 1
    bits = iter(range(31))
    calls = []

    def some(n: int, weights: tuple[int, int, int]) -> list[Call]:
        made = []
        for _ in range(n):
            what = order.choices(("insert", "delete", "names"), weights)[0]
            handle = order.randrange(last + partial)
            call = {
                "insert": lambda h=handle: place.insert(h, name, next(bits)),
                "delete": lambda h=handle: place.delete(h, name),
                "names": lambda h=handle: place.names(h),
            }[what]()
            made.append(call)
        return made

    calls += [turns.alone(call, place.sender) for call in some(order.randrange(4), (6, 1, 0))]
    together = some(order.randrange(2, 5), (5, 3, 1))
    late = order.randrange(len(together))
    running = [turns.begin(call) for call in together[late:]]
    calls += together
    for call in together[:late]:  # the others have come some way by then
        for _ in range(order.randrange(8)):
            if ready := [one for one in running if one.ended is None]:
                turns.step(order.choice(ready), place.sender)
        running.append(turns.begin(call))
    turns.run(running, place.sender)
    end(place, name, calls, range(26, 26 + order.randrange(1, last + 2)))


@pytest.mark.parametrize("partial", [False, True], ids=["", "partial"])
def test_what_is_there_after_calls_in_any_order_can_be_told_as_a_history(handles, turns, partial):
    for number in SEEDS:
        turns.order.seed(number)
        try:
            history(Place(handles, turns), f"{partial}{number}", partial)
        except AssertionError as error:
            error.add_note(f"number {number}")
            raise


CALLS = {
    "insert": lambda place, name, bit: place.insert(0, name, bit),
    "another's insert": lambda place, name, bit: place.insert(1, name, bit),
    "delete": lambda place, name, bit: place.delete(2, name),
    "delete of one interval": lambda place, name, bit: place.delete(3, name),
}


@pytest.mark.parametrize("handles", ["log"], indirect=True)  # of both it reads by way of the index
@pytest.mark.parametrize(
    ("warm", "held", "between"),
    [
        ([], "insert", ["delete of one interval"]),
        (["another's insert"], "insert", ["delete"]),
        (["insert"], "insert", ["delete", "another's insert"]),
        (["insert"], "delete", ["insert"]),
        (["insert"], "delete of one interval", ["delete", "another's insert"]),
    ],
)
def test_a_call_between_any_two_statements_of_another(handles, turns, warm, held, between):
    place = Place(handles, turns)
    turns.tick = turns.count  # time stands still, but for pauses
    for stop in range(100):
        name = f"{warm} {held} {between} {stop}"

        def make(what, bit, name=name):
            return CALLS[what](place, name, bit)

        calls = [turns.alone(make(what, bit), place.sender) for bit, what in enumerate(warm)]
        turns.time += 3 * LEASE
        calls.append(turns.begin(make(held, 9)))
        for _ in range(stop):
            if calls[-1].ended is None:
                turns.step(calls[-1], place.sender, 0)
        if calls[-1].ended is not None:
            break
        turns.time += 3 * LEASE
        others = [turns.alone(make(what, 10 + at), place.sender) for at, what in enumerate(between)]
        turns.run(calls, place.sender)
        try:
            end(place, name, calls + others, (20, 21))
        except AssertionError as error:
            error.add_note(f"after {stop} turns")
            raise
    assert stop >= 3
