"""Declarations that are not true."""

from attrs import evolve
from kairos_plain import Plain

from kairos.memory import _fold as memory_fold
from kairos.storage import Reply

from .registry import wrong


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
