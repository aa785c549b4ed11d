"""An example of a kairos backend: rows as JSON in LMDB, under keys whose order is that of time."""

# mypy: ignore-errors

import json
import struct
from hashlib import blake2b
from threading import Lock

import lmdb

from kairos import hookimpl, rows
from kairos.kinds import whole
from kairos.storage import KINDS, Capabilities, Reply, Storage, Values

VALUES = frozenset({int, float, str, bytes, bool})
_turn, _open = Lock(), {}  # LMDB wants a file opened once in a process: path -> [environment, users]


def key(what, *parts):
    """Return a key, or the beginning of keys, of 17 bytes: LMDB's are at most 511 long, names are not."""
    return what + blake2b(json.dumps(parts).encode(), digest_size=16).digest()


def number(i):
    """Return a number in eight bytes that sort as it does."""
    return struct.pack(">Q", i + 2**63)


class LmdbStorage(Storage):
    """Rows of one timeseries in LMDB."""

    capabilities = Capabilities(
        kinds=KINDS,
        values=Values(types=VALUES, text=False, int_range=None, max_bytes=None),
        max_name_bytes=1 << 16,
        expiry=dict.fromkeys(KINDS, "manual"),
        **dict.fromkeys(("float_counts", "checked_totals", "atomic_batch", "shared"), True),
        **dict.fromkeys(("write_options", "folds", "transforms"), frozenset()),
        custom_fetch=False,
    )

    def __init__(self, path, config):
        self.path, self.kind, self.sync, self.env = path, config.kind, config.option("sync", True), None

    def ready(self):
        with _turn:
            if self.path not in _open:
                _open[self.path] = [lmdb.open(self.path, subdir=False, map_size=1 << 30, sync=self.sync), 0]
            self.env = _open[self.path][0]
            _open[self.path][1] += 1

    def close(self):
        with _turn:
            if self.env is not None:
                self.env = None
                _open[self.path][1] -= 1
                if not _open[self.path][1]:
                    _open.pop(self.path)[0].close()

    def write(self, batch):
        with self.env.begin(write=True) as txn:  # an error aborts all of it
            for write in batch.writes:
                for name, payload in write.rows.items():
                    where = key(b"r", self.kind, write.interval, name) + number(write.i)
                    where += b"" if write.r is None else number(write.r)
                    found = txn.get(where)
                    row = None if found is None else rows.loads(self.kind, found)
                    txn.put(where, rows.dumps(self.kind, rows.add(self.kind, row, payload)))
                    txn.put(key(b"n", self.kind, write.interval) + key(b"", name), name.encode())

    def read(self, request):
        data = {}
        with self.env.begin() as txn:
            for name in request.names:
                buckets = data[name] = {}
                where = key(b"r", self.kind, request.interval, name)
                for found, value in self._range(txn, where, request.first, request.last + 1):
                    i, *r = (n - 2**63 for n in struct.unpack(f">{len(found) // 8 - 2}Q", found[17:]))
                    row = rows.loads(self.kind, value)
                    buckets.setdefault(i, {})[(*r, None)[0]] = whole(row) if self.kind == "count" else row
        return Reply(data)

    def names(self, scope):
        with self.env.begin() as txn:
            known = [(i, name) for i in scope for name in self._names(txn, i)]
        return {name for i, name in known if self.span(name, i, scope[i])}

    def span(self, name, interval, at_least):
        where = key(b"r", self.kind, interval, name)
        with self.env.begin() as txn, txn.cursor() as cursor:
            begin = where + (b"" if at_least is None else number(at_least))
            if not cursor.set_range(begin) or not (first := cursor.key()).startswith(where):
                return None
            if not (cursor.set_range(where + b"\xff" * 9) and cursor.prev()):
                cursor.last()
            return tuple(struct.unpack(">Q", found[17:25])[0] - 2**63 for found in (first, cursor.key()))

    def delete(self, names, scope):
        live = self.names(scope).intersection(names)
        with self.env.begin(write=True) as txn:
            for interval in scope:
                for name in names:
                    self._remove(txn, key(b"r", self.kind, interval, name), None)
                    txn.delete(key(b"n", self.kind, interval) + key(b"", name))
        return len(live)

    def expire(self, scope, names):
        with self.env.begin(write=True) as txn:
            for interval, first in scope.items():
                for name in self._names(txn, interval) if names is None else names:
                    self._remove(txn, key(b"r", self.kind, interval, name), first)

    def layouts(self):
        with self.env.begin() as txn:
            return dict(json.loads(value) for _, value in self._range(txn, key(b"l", self.kind)))

    def record_layouts(self, layouts, options):
        with self.env.begin(write=True) as txn:
            for i, text in layouts.items():
                txn.put(key(b"l", self.kind) + key(b"", i), json.dumps([i, text]).encode(), overwrite=False)
        return {interval: text for interval, text in self.layouts().items() if interval in layouts}

    def forget_layouts(self, intervals):
        with self.env.begin(write=True) as txn:
            for interval in intervals:
                txn.delete(key(b"l", self.kind) + key(b"", interval))

    def _names(self, txn, interval):
        return [value.decode() for _, value in self._range(txn, key(b"n", self.kind, interval))]

    def _range(self, txn, where, first=None, end=None):
        """Yield the items whose keys begin with ``where``, in a range of buckets."""
        with txn.cursor() as cursor:
            if cursor.set_range(where + (b"" if first is None else number(first))):
                for found, value in cursor:
                    if not found.startswith(where) or (end is not None and found[17:] >= number(end)):
                        return
                    yield found, value

    def _remove(self, txn, where, below):
        for found in [found for found, _ in self._range(txn, where, end=below)]:
            txn.delete(found)


@hookimpl
def kairos_open(target, config):
    ours = isinstance(target, str) and target.startswith("lmdb://")
    return LmdbStorage(target.removeprefix("lmdb://"), config) if ours else None
