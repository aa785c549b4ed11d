"""A backend with a server, small enough to be wrong on purpose: ``kairos_plain`` behind a socket.

``wire://127.0.0.1:PORT/NAME`` opens the class called NAME; ``KILLED_BY`` says which law must notice.
"""

import pickle
import socket
import threading
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

import kairos_plain
from attrs import evolve

from kairos import hookimpl
from kairos.storage import Batch, Read, Storage

WRONG = {}
KILLED_BY = {}


class Handler(StreamRequestHandler):
    def handle(self):
        while size := self.rfile.read(4):
            kind, method, args = pickle.loads(self.rfile.read(int.from_bytes(size)))
            try:
                answer = (True, self.server.answer(kind, method, args))
            except Exception as error:
                answer = (False, error)
            data = pickle.dumps(answer)
            self.wfile.write(len(data).to_bytes(4) + data)


class Server(ThreadingTCPServer):
    """Keeps rows; a server that ``buffers`` stores a write when the next request comes."""

    daemon_threads = True

    def __init__(self, buffers=False):
        super().__init__(("127.0.0.1", 0), Handler)
        self.place, self.buffers, self.pending, self.lock = (
            kairos_plain.Place(),
            buffers,
            [],
            threading.Lock(),
        )
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, kind, method, args):
        with self.lock:
            for storage, batch in self.pending:
                storage.write(batch)
            self.pending.clear()
            storage = kairos_plain.Plain(self.place, kind, kairos_plain.MORE)
            if method == "write" and self.buffers:
                self.pending.append((storage, *args))
                return None
            if method == "read":
                names, interval, first, last = args
                return storage.read(Read(names, interval, first, last, lambda: range(first, last + 1)))
            if method == "keys":
                return list(self.place.cells)
            return getattr(storage, method)(*args)

    def restart(self):
        self.pending.clear()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Wire(Storage):
    """A right client: it sends nothing twice."""

    capabilities = kairos_plain.MORE

    def __init__(self, url, kind):
        self.url, self.kind, self.socket, self.lock = urlsplit(url), kind, None, threading.Lock()

    def send(self, method, *args):
        with self.lock:
            try:
                return self.exchanged(method, args)
            except OSError:
                self.close()
                raise

    def exchanged(self, method, args):
        if self.socket is None:
            self.socket = socket.create_connection((self.url.hostname, self.url.port), timeout=10)
        data = pickle.dumps((self.kind, method, args))
        self.socket.sendall(len(data).to_bytes(4) + data)
        good, answer = pickle.loads(self.received(int.from_bytes(self.received(4))))
        if not good:
            raise answer
        return answer

    def received(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
        return data

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def read(self, request):
        return self.send("read", request.names, request.interval, request.first, request.last)


def _sent(name):
    return lambda self, *args: self.send(name, *args)


for _name in ("layouts", "record_layouts", "write", "names", "span", "delete", "forget_layouts"):
    setattr(Wire, _name, _sent(_name))
Wire.__abstractmethods__ = frozenset()


def wrong(killed_by):
    def register(cls):
        WRONG[cls.__name__], KILLED_BY[cls.__name__] = cls, killed_by
        return cls

    return register


@wrong("test_lost_reply")
class SendsAgain(Wire):
    def write(self, batch):
        try:
            self.send("write", batch)
        except OSError:
            self.send("write", batch)


@wrong("test_lost_reply")
class NeverConnectsAgain(Wire):
    def close(self):
        if self.socket is not None:
            self.socket.close()


@wrong("test_lost_reply")
class TellsNobody(Wire):
    def write(self, batch):
        try:
            self.send("write", Batch(batch.writes[:1], batch.now, {}))
            self.send("write", Batch(batch.writes[1:], batch.now, {}))
        except OSError:
            pass


@wrong("test_lost_read")
class ReadsNothingInstead(Wire):
    def read(self, request):
        try:
            return super().read(request)
        except OSError:
            return kairos_plain.Reply({})


@wrong("test_cost_of_a_batch")
class OneRoundTripAValue(Wire):
    def write(self, batch):
        for write in batch.writes:
            for name, payload in write.rows.items():
                for part in [[value] for value in payload] if isinstance(payload, list) else [payload]:
                    self.send("write", Batch([evolve(write, rows={name: part})], batch.now, {}))


@wrong("test_cost_of_foreign_names")
class LooksAtEveryName(Wire):
    def names(self, scope):
        return {n for _, i, n in self.send("keys") if i in scope and self.span(n, i, scope[i])}

    def span(self, name, interval, at_least):
        return self.send("span", name, interval, at_least)

    def delete(self, names, scope):
        for _, i, n in self.send("keys"):
            self.span(n, i, None)
        return self.send("delete", names, scope)


@wrong("test_restart")
class AcknowledgesTooEarly(Wire):
    """Its server buffers."""


@hookimpl
def kairos_open(target, config):
    if not target.startswith("wire://"):
        return None
    return WRONG.get(urlsplit(target).path.strip("/"), Wire)(target, config.kind)
