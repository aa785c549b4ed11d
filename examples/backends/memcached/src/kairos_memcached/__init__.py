"""An example of a kairos backend: memcached, where everything is a compare-and-set of one item."""

# mypy: ignore-errors

import json
from hashlib import blake2b
from urllib.parse import urlsplit

from pymemcache.client.base import PooledClient

from kairos import hookimpl, rows
from kairos.kinds import whole
from kairos.storage import KINDS, Capabilities, Reply, Storage, Values

VALUES = frozenset({int, float, str, bytes, bool})


class MemcachedStorage(Storage):
    """Rows of one timeseries in memcached.

    Items hold JSON under hashed keys: for each interval and name its rows, ``{"i r": row}``; for each interval its
    names; one for the layouts. Names stay in their item when they are deleted: who lists looks whether there is data.
    """

    capabilities = Capabilities(
        kinds=KINDS,
        values=Values(types=VALUES, text=False, int_range=None, max_bytes=64 << 10),
        max_name_bytes=1024,
        expiry=dict.fromkeys(KINDS, "manual"),
        **dict.fromkeys(("float_counts", "checked_totals", "shared"), True),
        **dict.fromkeys(("atomic_batch", "custom_fetch"), False),
        **dict.fromkeys(("write_options", "folds", "transforms"), frozenset()),
    )

    def __init__(self, url, config):
        self.url, self.kind, self.client = urlsplit(url), config.kind, None

    def ready(self):
        address = (self.url.hostname or "localhost", self.url.port or 11211)
        self.client = PooledClient(address, no_delay=True, connect_timeout=10, timeout=10)
        self.client.version()  # is it there?

    def close(self):
        if self.client is not None:
            self.client.close()

    def write(self, batch):
        items = {}
        for write in batch.writes:
            for name, payload in write.rows.items():
                items.setdefault((write.interval, name), []).append((f"{write.i} {write.r}", payload))
        for interval in dict.fromkeys(interval for interval, _ in items):  # first: what is not listed is lost
            new = [name for i, name in items if i == interval]
            self._change(self._key("names", interval), lambda known, new=new: {**known, **dict.fromkeys(new)})
        for (interval, name), payloads in items.items():
            self._change(self._rows(interval, name), lambda item, more=payloads: self._added(item, more))

    def _added(self, item, payloads):
        for cell, payload in payloads:
            row = rows.loads(self.kind, item[cell]) if cell in item else None
            item[cell] = rows.dumps(self.kind, rows.add(self.kind, row, payload)).decode()
        return item

    def read(self, request):
        found = self._many(request.interval, request.names)
        data = {name: {} for name in request.names}
        for name, item in found.items():
            for (i, r), text in self._cells(item):
                if request.first <= i <= request.last:
                    row = rows.loads(self.kind, text)
                    data[name].setdefault(i, {})[r] = whole(row) if self.kind == "count" else row
        return Reply(data)

    def names(self, scope):
        return {name for i, first in scope.items() for name in self._live(i, self._known(i), first)}

    def span(self, name, interval, at_least):
        cells = self._cells(self._get(self._rows(interval, name)))
        found = [i for (i, _), _ in cells if at_least is None or i >= at_least]
        return (min(found), max(found)) if found else None

    def delete(self, names, scope):
        live = {name for i, first in scope.items() for name in self._live(i, names, first)}
        for key in [self._rows(interval, name) for interval in scope for name in names]:
            self.client.delete(key, noreply=False)
        return len(live)

    def expire(self, scope, names):
        for interval, first in scope.items():
            for name in self._known(interval) if names is None else names:
                self._change(
                    self._rows(interval, name),
                    lambda item, first=first: {c: item[c] for c in item if int(c.split()[0]) >= first},
                )

    def layouts(self):
        return self._get(self._key("layouts"))

    def record_layouts(self, layouts, options):
        recorded = self._change(self._key("layouts"), lambda known: {**layouts, **known})
        return {interval: recorded[interval] for interval in layouts}

    def forget_layouts(self, intervals):
        self._change(self._key("layouts"), lambda old: {i: t for i, t in old.items() if i not in intervals})

    def _key(self, *parts):
        return blake2b(json.dumps([self.url.path, self.kind, *parts]).encode()).hexdigest()

    def _rows(self, interval, name):
        return self._key("rows", interval, name)

    def _get(self, key):
        return json.loads(self.client.get(key) or "{}")

    def _many(self, interval, names):
        keys = {self._rows(interval, name): name for name in names}
        return {keys[key]: json.loads(item) for key, item in self.client.get_many(list(keys)).items()}

    def _known(self, interval):
        return list(self._get(self._key("names", interval)))

    def _live(self, interval, names, first):
        items = self._many(interval, names) if names else {}
        last = {
            name: max((i for (i, _), _ in self._cells(item)), default=None) for name, item in items.items()
        }
        return [name for name, i in last.items() if i is not None and (first is None or i >= first)]

    def _cells(self, item):
        for cell, text in item.items():
            i, r = cell.split()
            yield (int(i), None if r == "None" else int(r)), text

    def _change(self, key, change):
        """Change an item as if nobody else did; what the answer is lost of is not sent again."""
        while True:
            found, token = self.client.gets(key)
            item = json.loads(found or "{}")
            changed = change(dict(item))
            if changed == item:
                return item
            put, *more = (self.client.add,) if token is None else (self.client.cas, token)
            if put(key, json.dumps(changed), *more, noreply=False):
                return changed


@hookimpl
def kairos_open(target, config):
    ours = isinstance(target, str) and target.startswith("memcached://")
    return MemcachedStorage(target, config) if ours else None
