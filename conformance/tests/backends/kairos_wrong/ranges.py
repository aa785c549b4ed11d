"""Wrong ranges, spans, pages and batches."""

from attrs import evolve
from kairos_plain import Plain

from kairos.storage import Batch

from .registry import wrong


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


@wrong("test_the_ends_of_time")
class BucketsAsFloats(Plain):
    def add(self, interval, name, cell, payload):
        super().add(interval, name, (int(float(cell[0])), cell[1]), payload)
