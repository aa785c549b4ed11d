"""Wrong names, of timeseries and of intervals; what is listed and deleted by them."""

import fnmatch
import re
import unicodedata

from kairos_plain import Plain

from kairos.storage import Reply

from .registry import wrong


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


@wrong("test_other_intervals")
class IntervalsCut(Plain):
    def key(self, interval, name):
        return self.kind, interval[:9], name


@wrong("test_other_intervals")
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
