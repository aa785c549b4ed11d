"""Wrong backends: each differs from the right one (``kairos_plain``) in one line that somebody could write.

``wrong://NAME`` opens the class called NAME; ``KILLED_BY`` says which laws must notice.
"""

import asyncio
import fnmatch
import re
import struct
import threading
import time
import unicodedata
from copy import copy

from attrs import evolve
from kairos_plain import PLACES, Place, Plain, opened

from kairos import hookimpl, rows
from kairos.errors import Unsupported
from kairos.memory import _fold as memory_fold
from kairos.storage import AsyncStorage, Batch, Reply

WRONG = {}
KILLED_BY = {}


def wrong(killed_by):
    """Register a wrong backend, and the law (a part of its test's name) that kills it."""

    def register(cls):
        WRONG[cls.__name__] = cls
        KILLED_BY[cls.__name__] = killed_by
        return cls

    return register


@hookimpl
def kairos_open(target, config):
    name = target.removeprefix("wrong://").removeprefix("typed-").removeprefix("manual-").partition("-")[0]
    if name == "TakesEveryOption":
        config.option("kit_no_such_option")
    return opened(Plain if issubclass(WRONG[name], Side) else WRONG[name], target, config)


# ranges, spans and pages


@wrong("test_storage_ranges")
class RangeWithoutItsEnd(Plain):
    def buckets(self, name, request):
        return {
            i: cells
            for i, cells in super().buckets(name, request).items()
            if i < request.last or i == request.first
        }


@wrong("test_storage_ranges")
class RangeWithoutItsStart(Plain):
    def buckets(self, name, request):
        return {
            i: cells
            for i, cells in super().buckets(name, request).items()
            if i > request.first or i == request.last
        }


@wrong("test_pages")
class OnlyTheFirstThousand(Plain):
    def found(self, name, interval):
        return (
            super().found(name, interval)[:1000]
            if len(self.place.cells) > 10**6
            else super().found(name, interval)[:15]
        )


@wrong("test_storage_names_and_span")
class SpanOneTooFar(Plain):
    def span(self, name, interval, at_least):
        found = super().span(name, interval, at_least)
        return found and (found[0], found[1] + 1)


@wrong("test_storage_names_and_span")
class SpanOfTheDead(Plain):
    def span(self, name, interval, at_least):
        return super().span(name, interval, None)


@wrong("test_storage_names_and_span")
class SpanAfterTheFirstLive(Plain):
    def span(self, name, interval, at_least):
        return super().span(name, interval, None if at_least is None else at_least + 1)


@wrong("test_storage_write_and_read")
class BucketsOf32Bits(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, ((cell[0] + 2**29) % 2**30 - 2**29, cell[1]), payload)


@wrong("test_storage_write_and_read")
class NothingBefore1970(Plain):
    def found(self, name, interval):
        return [cell for cell in super().found(name, interval) if cell[0] >= 0]


@wrong("test_storage_write_and_read")
class ResolutionForgotten(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, (cell[0], None if cell[1] is None else cell[0] * 6), payload)


# names


@wrong("test_hostile_names")
class NamesFolded(Plain):
    def key(self, interval, name):
        return self.kind, interval, name.casefold()


@wrong("test_hostile_names")
class NamesNormalized(Plain):
    def key(self, interval, name):
        return self.kind, interval, unicodedata.normalize("NFC", name)


@wrong("test_hostile_names")
class NamesStripped(Plain):
    def key(self, interval, name):
        return self.kind, interval, name.rstrip(" ")


@wrong("test_long_names")
class NamesCut(Plain):
    def key(self, interval, name):
        return self.kind, interval, name[:200]


@wrong("test_hostile_names")
class NamesJoinedByColons(Plain):
    def key(self, interval, name):
        return self.kind, interval, name.removesuffix(":")


@wrong("test_delete")
class PrefixDelete(Plain):
    def delete(self, names, scope):
        wider = {n for _, _, n in self.place.cells if any(n.startswith(name) for name in names)}
        count = sum(any(self.span(name, i, first) for i, first in scope.items()) for name in names)
        super().delete(sorted(wider), scope)
        return count


@wrong("test_delete")
class PatternDelete(Plain):
    def delete(self, names, scope):
        count = sum(any(self.span(name, i, first) for i, first in scope.items()) for name in names)
        super().delete(
            [n for _, _, n in list(self.place.cells) if any(fnmatch.fnmatchcase(n, p) for p in names)], scope
        )
        return count


@wrong("test_storage_names_of_a_read")
class ReadsMoreNames(Plain):
    def read(self, request):
        with self.place.lock:
            every = {n for _, _, n in self.place.cells} | set(request.names)
            return Reply({name: self.buckets(name, request) for name in every})


@wrong("test_storage_delete")
class DeleteCountsWhatItWasGiven(Plain):
    def delete(self, names, scope):
        super().delete(names, scope)
        return len(names)


@wrong("test_storage_delete")
class DeleteLeavesTheDead(Plain):
    def delete(self, names, scope):
        count = sum(any(self.span(name, i, first) for i, first in scope.items()) for name in names)
        super().delete([n for n in names if any(self.span(n, i, first) for i, first in scope.items())], scope)
        return count


@wrong("test_storage_delete")
class DeleteCountsTheDead(Plain):
    def delete(self, names, scope):
        return super().delete(names, dict.fromkeys(scope))


@wrong("test_storage_delete")
class DeleteFromEveryInterval(Plain):
    def delete(self, names, scope):
        count = super().delete(names, scope)
        super().delete(names, dict.fromkeys(i for _, i, _ in self.place.cells))
        return count


@wrong("test_other_intervals")
class ListsEveryInterval(Plain):
    def names(self, scope):
        return super().names({i: scope.get(i) for _, i, _ in self.place.cells})


@wrong("test_delete")
class StaleIndex(Plain):
    def names(self, scope):
        known = self.place.__dict__.setdefault("index", set())
        known |= super().names(scope)
        return known


@wrong("test_kinds_never_share")
class KindsShare(Plain):
    def names(self, scope):
        return {name for _, interval, name in self.place.cells if interval in scope}


@wrong("test_kinds_never_share")
class KindsDeleteEachOther(Plain):
    def delete(self, names, scope):
        count = super().delete(names, scope)
        for key in [key for key in self.place.cells if key[1] in scope and key[2] in names]:
            del self.place.cells[key]
        return count


# rows


@wrong("test_storage_copies")
class RowsNotCopied(Plain):
    def row(self, interval, name, cell):
        return self.place.cells[self.key(interval, name)][cell]


@wrong("test_storage_copies")
class PayloadsKept(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        own[cell] = rows.add(self.kind, own[cell], payload) if cell in own else payload


@wrong("test_order")
class SeriesWithoutRepeats(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return list(dict.fromkeys(row)) if self.kind == "series" else row


@wrong("test_order")
class SeriesInOrderOfValue(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return sorted(row, key=repr) if self.kind == "series" else row


@wrong("test_order")
class SeriesNewestFirst(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return row[::-1] if self.kind == "series" else row


@wrong("test_order")
class GaugeKeepsTheFirst(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        own[cell] = (
            own[cell] if self.kind == "gauge" and cell in own else rows.add(self.kind, own.get(cell), payload)
        )


@wrong("test_order")
class GaugeWithoutFalsyValues(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return (row or None) if self.kind == "gauge" else row


@wrong("test_storage_write_and_read")
class LastBatchWins(Plain):
    def add(self, interval, name, cell, payload):
        self.place.cells.setdefault(self.key(interval, name), {})[cell] = rows.add(self.kind, None, payload)


@wrong("test_storage_write_and_read")
class HistogramCountsWritesNotValues(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, dict.fromkeys(payload, 1) if self.kind == "histogram" else payload)


# values


@wrong("test_values_round_trip")
class BytesAsText(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return row.decode("latin-1") if isinstance(row, bytes) else row


@wrong("test_limits")
class TextCut(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, payload[:900] if isinstance(payload, str) else payload)


@wrong("test_values_round_trip")
class TextStripped(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, payload.rstrip(" ") if isinstance(payload, str) else payload)


@wrong("test_limits")
class NumbersAsDoubles(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return float(row) if self.kind == "gauge" and type(row) is int else row


@wrong("test_whole_floats")
class TotalsAsDoubles(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, float(payload) if self.kind == "count" else payload)


@wrong("test_storage_whole_totals")
class WholeTotalsAsFloats(Plain):
    def row(self, interval, name, cell):
        return copy(self.place.cells[self.key(interval, name)][cell])


@wrong("test_beyond_64_bits")
class TotalsWrap(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        if self.kind == "count" and type(payload) is int:
            own[cell] = (own.get(cell, 0) + payload + 2**63) % 2**64 - 2**63
        else:
            own[cell] = rows.add(self.kind, own.get(cell), payload)


@wrong("test_zero_and_cancelling")
class ZeroIsNoData(Plain):
    def found(self, name, interval):
        own = self.place.cells.get(self.key(interval, name), {})
        return [cell for cell in super().found(name, interval) if self.kind != "count" or own[cell] != 0]


@wrong("test_fractions")
class FractionsRounded(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, round(payload, 6) if self.kind == "count" else payload)


# retention


@wrong("test_expire")
class ExpireIgnoresNames(Plain):
    def expire(self, scope, names):
        super().expire(scope, None)


@wrong("test_expire")
class ExpireOneTooMany(Plain):
    def expire(self, scope, names):
        super().expire({i: None if first is None else first + 1 for i, first in scope.items()}, names)


@wrong("test_expire")
class ExpireOneTooFew(Plain):
    def expire(self, scope, names):
        super().expire({i: None if first is None else first - 1 for i, first in scope.items()}, names)


@wrong("test_storage_expire")
class ExpireEverywhere(Plain):
    def expire(self, scope, names):
        lowest = min((first for first in scope.values() if first is not None), default=None)
        super().expire({i: scope.get(i, lowest) for _, i, _ in self.place.cells}, names)


@wrong("test_writing_to_the_dead")
class RemovedAMinuteEarly(Plain):
    def write(self, batch):
        super().write(batch)
        for write in batch.writes:
            if write.deadline is not None and write.deadline - batch.now <= 60:
                for name in write.rows:
                    self.place.cells.get(self.key(write.interval, name), {}).pop((write.i, write.r), None)


# layouts, closing and writers


@wrong("test_storage_layouts")
class LayoutsOverwritten(Plain):
    def record_layouts(self, layouts, options):
        self.place.recorded.update({(self.kind, i): text for i, text in layouts.items()})
        return dict(layouts)


@wrong("test_storage_layouts")
class LayoutsNotReturned(Plain):
    def record_layouts(self, layouts, options):
        super().record_layouts(layouts, options)
        return layouts


@wrong("test_storage_layouts")
class LayoutsNotForgotten(Plain):
    def forget_layouts(self, intervals):
        pass


@wrong("test_delete_all")
class DeletesAllOfThePlace(Plain):
    def delete_all(self, scope):
        count = super().delete_all(scope)
        self.place.cells.clear()
        return count


@wrong("test_storage_close")
class CloseEmptiesThePlace(Plain):
    def close(self):
        self.place.cells.clear()


@wrong("test_handles")
class LostUpdates(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        before = copy(own.get(cell))
        time.sleep(0.001)
        own[cell] = rows.add(self.kind, before, payload)

    def write(self, batch):
        for write in batch.writes:
            for name, payload in write.rows.items():
                self.add(write.interval, name, (write.i, write.r), payload)


@wrong("test_threads")
class WritesNowAndThenLost(Plain):
    calls = 0

    def write(self, batch):
        Plain.calls = getattr(Plain, "calls", 0) + 1
        if Plain.calls % 37:
            super().write(batch)


@wrong("test_the_same_three_share_data")
class EachHandleReadsItsOwn(Plain):
    def __init__(self, place, kind, declared):
        super().__init__(place, kind, declared)
        self.place = PLACES.setdefault((id(place), threading.get_ident(), id(self)), Place())


# more ranges, scopes and rows


@wrong("test_storage_write_and_read")
class OneResolutionBucketARow(Plain):
    def buckets(self, name, request):
        return {i: dict([*cells.items()][-1:]) for i, cells in super().buckets(name, request).items()}


@wrong("test_storage_names_and_span")
class NamesOfTheDead(Plain):
    def names(self, scope):
        return super().names(dict.fromkeys(scope))


@wrong("test_storage_names_and_span")
class NamesTwice(Plain):
    def names(self, scope):
        return [*super().names(scope), *super().names(scope)]


@wrong("test_storage_names_and_span")
class SpanOfTheLast(Plain):
    def span(self, name, interval, at_least):
        found = super().span(name, interval, at_least)
        return found and (found[1], found[1])


@wrong("test_storage_names_of_a_read")
class OnlyTheFirstNameIsWritten(Plain):
    def write(self, batch):
        super().write(
            Batch([evolve(w, rows=dict([*w.rows.items()][:1])) for w in batch.writes], batch.now, {})
        )


@wrong("test_storage_write_and_read")
class OnlyTheFirstWriteIsDone(Plain):
    def write(self, batch):
        super().write(Batch(batch.writes[:1], batch.now, {}))


@wrong("test_storage_names_of_a_read")
class WritesOfManyNamesAreSentAgain(Plain):
    def write(self, batch):
        for _ in range(1 + any(len(write.rows) > 2 for write in batch.writes)):
            super().write(batch)


@wrong("test_other_intervals")
class IntervalsCut(Plain):
    def key(self, interval, name):
        return self.kind, interval[:9], name


@wrong("test_histories")
class IntervalsFolded(Plain):
    def key(self, interval, name):
        return self.kind, interval.lower(), name


@wrong("test_hostile_names")
class NamesStrippedInFront(Plain):
    def key(self, interval, name):
        return self.kind, interval, name.lstrip(" ")


@wrong("test_hostile_names")
class NamesOfOneLine(Plain):
    def key(self, interval, name):
        return self.kind, interval, name.partition("\n")[0]


@wrong("test_hostile_names")
class NamesMadeIdentifiers(Plain):
    def key(self, interval, name):
        return self.kind, interval, re.sub(r"[^\w~]", "_", name)


@wrong("test_hostile_names")
class NamesOfTheBasicPlane(Plain):
    def key(self, interval, name):
        return self.kind, interval, re.sub("[\U00010000-\U0010ffff]", "?", name)


@wrong("test_insert_after_delete")
class DeletedDataComesBack(Plain):
    def delete(self, names, scope):
        kept = {key: dict(own) for key, own in self.place.cells.items()}
        count = super().delete(names, scope)
        self.place.bin = {k: own for k, own in kept.items() if k not in self.place.cells}
        return count

    def add(self, interval, name, cell, payload):
        self.place.cells.update(
            {self.key(interval, name): own} if (own := self.binned(interval, name)) else {}
        )
        super().add(interval, name, cell, payload)

    def binned(self, interval, name):
        return getattr(self.place, "bin", {}).pop(self.key(interval, name), None)


@wrong("test_storage_delete")
class DeletesTheFirstName(Plain):
    def delete(self, names, scope):
        return super().delete(names[:1], scope)


@wrong("test_storage_delete")
class DeletesTheFirstInterval(Plain):
    def delete(self, names, scope):
        return super().delete(names, dict([*scope.items()][:1]))


@wrong("test_storage_expire")
class ExpiresTheFirstInterval(Plain):
    def expire(self, scope, names):
        super().expire(dict([*scope.items()][:1]), names)


@wrong("test_storage_layouts")
class LayoutsAllOrNothing(Plain):
    def record_layouts(self, layouts, options):
        known = {i: self.layouts()[i] for i in layouts if i in self.layouts()}
        return known or super().record_layouts(layouts, options)


@wrong("test_deadline")
class TimeToLiveByTheRealClock(Plain):
    def write(self, batch):
        alive = [w for w in batch.writes if w.deadline is None or w.deadline > time.time()]
        super().write(Batch(alive, batch.now, {}))


# more values


@wrong("test_storage_write_and_read")
class HistogramOverwrites(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        if self.kind == "histogram":
            own[cell] = {**own.get(cell, {}), **payload}
        else:
            own[cell] = rows.add(self.kind, own.get(cell), payload)


@wrong("test_storage_write_and_read")
class SetAsList(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return list(row) if self.kind == "set" else row


@wrong("test_values_round_trip")
class HistogramKeysAsText(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return {str(key): n for key, n in row.items()} if self.kind == "histogram" else row


@wrong("test_values_round_trip")
class FloatsCut(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return round(row, 6) if self.kind == "gauge" and type(row) is float else row


@wrong("test_values_round_trip")
class FloatsOf32Bits(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        small = self.kind == "gauge" and type(row) is float and abs(row) < 1e30
        return struct.unpack("f", struct.pack("f", row))[0] if small else row


@wrong("test_values_round_trip")
class IntsOf32Bits(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return (row + 2**31) % 2**32 - 2**31 if self.kind == "gauge" and type(row) is int else row


@wrong("test_values_round_trip")
class EmptyTextIsNothing(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return None if row == "" else row


@wrong("test_values_round_trip")
class TextNormalized(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return unicodedata.normalize("NFC", row) if isinstance(row, str) else row


@wrong("test_generated_values or test_values_round_trip")
class SetFoldsItsValues(Plain):
    def add(self, interval, name, cell, payload):
        folded = {v.lower() if isinstance(v, str) else v for v in payload} if self.kind == "set" else payload
        super().add(interval, name, cell, folded)


@wrong("test_order")
class SeriesKeepsTheLastTen(Plain):
    def row(self, interval, name, cell):
        row = super().row(interval, name, cell)
        return row[-10:] if self.kind == "series" else row


@wrong("test_exact_ints or test_storage_write_and_read")
class CountKeepsTheLargest(Plain):
    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        if self.kind == "count":
            own[cell] = max(own.get(cell, payload), payload)
        else:
            own[cell] = rows.add(self.kind, own.get(cell), payload)


# declarations that are not true


class Folding(Plain):
    """A right one that folds."""

    def __init__(self, place, kind, declared):
        super().__init__(place, kind, evolve(declared, folds=frozenset({"resolution", "name", "interval"})))

    def read(self, request):
        reply = super().read(request)
        return Reply(self.fold(request, reply.data), folded=True) if request.fold else reply

    def fold(self, request, data):
        return memory_fold(self.kind, request, data)


@wrong("test_storage_folds")
class FoldsNamesBackwards(Folding):
    def fold(self, request, data):
        return super().fold(evolve(request, names=request.names[::-1]), data)


@wrong("test_storage_folds")
class FoldsWhatItWasNotAsked(Folding):
    def fold(self, request, data):
        return super().fold(evolve(request, fold=request.fold | {"resolution"}), data)


@wrong("test_storage_folds")
class FoldsWithoutTheLast(Folding):
    def fold(self, request, data):
        short = {n: dict([*buckets.items()][:-1]) for n, buckets in data.items()}
        return super().fold(request, short)


def declaring(killed_by, name, **more):
    """Register a backend that declares what it does not do."""

    def init(self, place, kind, declared):
        Plain.__init__(self, place, kind, evolve(declared, **more))

    wrong(killed_by)(type(name, (Plain,), {"__init__": init}))


declaring("test_custom_fetch", "FetchIsNotCalled", custom_fetch=True)
declaring("test_atomic_batch", "BatchesNotAtomic", atomic_batch=True)
declaring("test_declaration", "NamesTooShort", max_name_bytes=100)
declaring("test_declaration", "UnknownFolds", folds=frozenset({"time"}))
declaring("test_killed_writer", "SharedByNobody", shared=True)


@wrong("test_fractions")
class FloatCountsCut(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, cell, int(payload) if self.kind == "count" else payload)


@wrong("test_unknown_option")
class TakesEveryOption(Plain):
    pass


# the asyncio side


class Side(AsyncStorage):
    """A right asyncio side."""

    def __init__(self, place, kind, declared):
        self.plain, self.capabilities = Plain(place, kind, declared), declared

    async def write(self, batch):
        self.plain.write(batch)


def _delegated(name):
    async def call(self, *args):
        return getattr(self.plain, name)(*args)

    return call


for _name in ("layouts", "record_layouts", "read", "names", "span", "delete", "forget_layouts", "expire"):
    setattr(Side, _name, _delegated(_name))
Side.__abstractmethods__ = frozenset()


@wrong("test_coroutines")
class AsyncLostUpdates(Side):
    async def write(self, batch):
        cells = self.plain.place.cells
        before = {key: {cell: copy(row) for cell, row in own.items()} for key, own in cells.items()}
        await asyncio.sleep(0)
        cells.clear()
        cells.update(before)
        self.plain.write(batch)


@wrong("test_both_sides")
class AsyncPlaceOfItsOwn(Side):
    def __init__(self, place, kind, declared):
        super().__init__(PLACES.setdefault((id(place), "async"), Place()), kind, declared)


@wrong("test_cancelling")
class AsyncWritesAgainWhenCancelled(Side):
    async def write(self, batch):
        try:
            self.plain.write(batch)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.plain.write(batch)
            raise


@wrong("test_properties")
class AsyncSpanOneTooFar(Side):
    async def span(self, name, interval, at_least):
        found = self.plain.span(name, interval, at_least)
        return found and (found[0], found[1] + 1)


@wrong("test_both_sides")
class AsyncAcknowledgesTooEarly(Side):
    async def write(self, batch):
        self.plain.place.later = asyncio.get_running_loop().call_later(0.01, self.plain.write, batch)


@hookimpl
def kairos_open_async(target, config):
    name = target.removeprefix("wrong://").removeprefix("typed-").removeprefix("manual-").partition("-")[0]
    if not issubclass(WRONG[name], Side):
        raise Unsupported("a sync backend")
    return opened(WRONG[name], target, config)
