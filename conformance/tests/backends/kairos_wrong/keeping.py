"""Wrong retention, deleting, layouts, closing, and several writers."""

import os
import threading
import time
from copy import copy

from kairos_plain import PLACES, Place, Plain

from kairos import rows
from kairos.storage import Batch

from .registry import wrong


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


@wrong("test_released")
class FilesStayOpen(Plain):
    def ready(self):
        os.open(os.devnull, os.O_RDONLY)


@wrong("test_writing_to_the_dead")
class RemovedAMinuteEarly(Plain):
    def write(self, batch):
        super().write(batch)
        for write in batch.writes:
            if write.deadline is not None and write.deadline - batch.now <= 60:
                for name in write.rows:
                    self.place.cells.get(self.key(write.interval, name), {}).pop((write.i, write.r), None)


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
