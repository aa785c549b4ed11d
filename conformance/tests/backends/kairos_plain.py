"""A right backend in a few lines, in the process's memory, with as few capabilities as can be declared.

``plain://NAME`` holds text and expires manually, ``plain://typed-NAME`` holds values and expires natively. The
wrong backends of ``kairos_wrong`` differ from it in one line each.
"""

from copy import copy
from threading import RLock

from kairos import hookimpl, rows
from kairos.errors import SchemaMismatch
from kairos.storage import KINDS, Capabilities, Reply, Storage, Values

TEXT = Values(types=frozenset({int, float, str}), text=True, int_range=None, max_bytes=1_000)
TYPED = Values(
    types=frozenset({int, float, str, bytes, bool}),
    text=False,
    int_range=(-(2**63), 2**63 - 1),
    max_bytes=1_000,
)


def capabilities(*, values, expiry, **more):
    fewest = {
        "kinds": KINDS,
        "values": values,
        "max_name_bytes": 300,
        "expiry": dict.fromkeys(KINDS, expiry),
        "float_counts": False,
        "checked_totals": True,
        "atomic_batch": False,
        "shared": False,
        "custom_fetch": False,
        "write_options": frozenset(),
        "folds": frozenset(),
        "transforms": frozenset(),
    }
    return Capabilities(**{**fewest, **more})


FEWEST = capabilities(values=TEXT, expiry="manual")
MORE = capabilities(values=TYPED, expiry="native", float_counts=True)


class Place:
    """The cells of one place: (kind, interval, name, i, r) -> row."""

    def __init__(self):
        self.lock, self.cells, self.recorded = RLock(), {}, {}


class Plain(Storage):
    def __init__(self, place, kind, declared):
        self.place, self.kind, self.capabilities = place, kind, declared

    def key(self, interval, name):
        return self.kind, interval, name

    def found(self, name, interval):
        with self.place.lock:
            own = self.place.cells.get(self.key(interval, name), {})
            return sorted(own, key=lambda cell: (cell[0], cell[1] or 0))

    def layouts(self):
        return {interval: text for (kind, interval), text in self.place.recorded.items() if kind == self.kind}

    def record_layouts(self, layouts, options):
        with self.place.lock:
            return {i: self.place.recorded.setdefault((self.kind, i), text) for i, text in layouts.items()}

    def forget_layouts(self, intervals):
        for interval in intervals:
            self.place.recorded.pop((self.kind, interval), None)

    def write(self, batch):
        with self.place.lock:
            for write in batch.writes:
                for name, payload in write.rows.items():
                    self.add(write.interval, name, (write.i, write.r), payload)

    def add(self, interval, name, cell, payload):
        own = self.place.cells.setdefault(self.key(interval, name), {})
        own[cell] = rows.add(self.kind, own.get(cell), payload)

    def read(self, request):
        with self.place.lock:
            return Reply({name: self.buckets(name, request) for name in request.names})

    def buckets(self, name, request):
        buckets = {}
        for i, r in self.found(name, request.interval):
            if request.first <= i <= request.last:
                buckets.setdefault(i, {})[r] = self.row(request.interval, name, (i, r))
        return buckets

    def row(self, interval, name, cell):
        row = copy(self.place.cells[self.key(interval, name)][cell])
        return int(row) if self.kind == "count" and row == int(row) else row

    def names(self, scope):
        with self.place.lock:
            known = [(i, name) for kind, i, name in self.place.cells if kind == self.kind and i in scope]
            return {name for i, name in known if self.span(name, i, scope[i])}

    def span(self, name, interval, at_least):
        found = [i for i, _ in self.found(name, interval) if at_least is None or i >= at_least]
        return (found[0], found[-1]) if found else None

    def delete(self, names, scope):
        with self.place.lock:
            count = sum(any(self.span(name, i, first) for i, first in scope.items()) for name in names)
            for name in names:
                for interval in scope:
                    self.place.cells.pop(self.key(interval, name), None)
            return count

    def expire(self, scope, names):
        if self.capabilities.expiry[self.kind] == "native":
            return super().expire(scope, names)
        with self.place.lock:
            for (kind, interval, name), own in self.place.cells.items():
                if kind == self.kind and scope.get(interval) is not None and (names is None or name in names):
                    for cell in [cell for cell in own if cell[0] < scope[interval]]:
                        del own[cell]
        return None


class Single(Plain):
    """A place holds one kind."""

    def ready(self):
        self.refuse()

    def record_layouts(self, layouts, options):
        self.refuse()
        return super().record_layouts(layouts, options)

    def refuse(self):
        others = {kind for kind, _ in self.place.recorded} - {self.kind}
        if others:
            raise SchemaMismatch(f"this place holds another kind: {others.pop()}")


PLACES = {}


def opened(storage, target, config):
    declared = MORE if "typed-" in target else FEWEST
    return storage(PLACES.setdefault(target, Place()), config.kind, declared)


@hookimpl
def kairos_open(target, config):
    """Take ``plain://``, and ``single://OPTION``: one kind in a place, which the option names."""
    if target.startswith("single://"):
        place = config.option(target.removeprefix("single://"), "")
        return opened(Single, f"{target}/{place}", config)
    return opened(Plain, target, config) if target.startswith("plain://") else None
