"""Wrong backends: each differs from the right one (``kairos_plain``) in one line that somebody could write.

``wrong://NAME`` opens the class called NAME; ``KILLED_BY`` says which laws must notice.
"""

import fnmatch
import threading
import time
import unicodedata
from copy import copy

from kairos_plain import PLACES, Place, Plain, opened

from kairos import hookimpl, rows
from kairos.storage import Reply

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
    return opened(WRONG[name], target, config)


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
