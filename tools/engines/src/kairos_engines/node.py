"""One process of an engine: starting, asking, and every way of ending or disturbing it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from attrs import define, field

from .guard import GUARD
from .ports import Claim
from .waiting import NotYet, until

BOOT = 120.0  # seconds until a server must answer
STOP = 40.0  # seconds until a server must have stopped


class Died(Exception):
    """A server ended before it answered; the message has the end of its log."""

    @property
    def port_taken(self) -> bool:
        """Whether it died since somebody else had taken its port."""
        return "in use" in str(self)


@define(eq=False)
class Node:
    """One process of an engine, which a test may kill, suspend and restart.

    Attributes
    ----------
    role
        What it is in its engine: "server", "member", "master", "replica" or "sentinel", as it was started.
    host, port
        Where it listens for clients.
    directory
        Its data, and its output in the file "log".
    """

    role: str
    host: str
    port: int
    directory: Path
    _command: Sequence[str]
    _ask: Callable[[], str]  # returns the version; raises OSError or NotYet until the server is ready
    _environment: dict[str, str] = field(factory=dict)
    _user: str | None = None
    _stop_signal: int = signal.SIGTERM  # a clean stop
    _end_signal: int = signal.SIGKILL  # the quickest end that leaves nothing behind on the machine
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _owner: int = field(factory=os.getpid, init=False)
    version: str = field(default="", init=False)

    @property
    def pid(self) -> int:
        """The id of its process; raises `RuntimeError` while it has none."""
        if self._process is None:
            raise RuntimeError(f"{self} does not run: start() or restart() it first")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has a process (which may be suspended)."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has said so far."""
        path = self.directory / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def __str__(self) -> str:
        return f"{self.role} {self.host}:{self.port}"

    def launch(self) -> None:
        """Start the process, without waiting until it answers."""
        if self.running:
            raise RuntimeError(f"{self} runs already (pid {self.pid})")
        who = identity(self._user)
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.directory,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, which then end it
                user=who and who[0],
                group=who and who[1],
                extra_groups=[] if who else None,
            )
        GUARD.hold_process(self._process.pid, self._end_signal)

    def wait(self, seconds: float = BOOT) -> None:
        """Wait until it answers; raises `Died` where it ends instead, `TimeoutError` where it does neither."""

        def ask() -> str:
            if not self.running:
                raise Died(f"{self} ended with {self._returncode()}:\n{self.log[-2000:]}")
            answer = self._ask()
            if not self.running:  # somebody else answered
                raise NotYet("it has ended")
            return answer

        self.version = until(ask, seconds, f"{self} ({self._command[0]}) answers")

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.launch()
        self.wait()

    def restart(self) -> None:
        """Start it again on its port and directory, and wait until it answers; one that still runs is stopped."""
        if self.running:
            self.stop()
        self.start()

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL, its children too), and wait until it is gone."""
        if self.running:
            os.kill(self.pid, signal.SIGSTOP)  # it has no more children from now on
        family = self._send(signal.SIGKILL)
        self._gone(STOP)

        def ended() -> None:
            if left := [pid for pid in family if alive(pid)]:
                raise NotYet(f"{left} still run")

        until(ended, STOP, f"the processes of {self} are gone")

    def stop(self) -> None:
        """End it in the clean way, and wait until it is gone."""
        if self.running:
            self._send(signal.SIGCONT)
            os.kill(self.pid, self._stop_signal)
        self._gone(STOP)

    def suspend(self) -> None:
        """Freeze it (SIGSTOP) and wait until it is: it keeps its connections and answers nothing."""
        frozen = self._send(signal.SIGSTOP)

        def stand() -> None:
            if busy := [thread for pid in frozen for thread in running_threads(pid)]:
                raise NotYet(f"threads {busy} still run")

        until(
            stand, STOP, f"{self} stands still"
        )  # the signal reaches a busy machine's threads in their turn

    def resume(self) -> None:
        """Let a suspended one go on (SIGCONT)."""
        self._send(signal.SIGCONT)

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Keep it frozen for the length of a ``with`` block."""
        self.suspend()
        try:
            yield
        finally:
            self.resume()

    def begin_end(self) -> None:
        """Tell it to end in the quickest way; `end` waits for it."""
        if self.running and self._owner == os.getpid():
            if self._end_signal == signal.SIGKILL:
                self._send(signal.SIGKILL)
            else:
                self._send(signal.SIGCONT)
                os.kill(self.pid, self._end_signal)

    def end(self) -> None:
        """End it in the quickest way that leaves nothing behind, and wait until it is gone."""
        if self._owner != os.getpid():
            return
        self.begin_end()
        try:
            self._gone(5.0)
        except TimeoutError:
            self.kill()

    def _send(self, number: int) -> list[int]:
        """Send a signal to the process and its children; return whom it was sent to."""
        found = family(self.pid) if self.running else []
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return found

    def _gone(self, seconds: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self} (pid {self.pid}) still runs after {seconds:g} seconds") from None
        GUARD.drop_process(self.pid)

    def _returncode(self) -> int | None:
        return None if self._process is None else self._process.returncode


def running_threads(pid: int) -> list[int]:
    """Return the threads of a process that a SIGSTOP has not reached yet (Linux; none elsewhere)."""
    found = []
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if stat.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                found.append(int(stat.parent.name))
    return found


def identity(user: str | None) -> tuple[int, int] | None:
    """Return the user and group to run as, where root may not."""
    if user is None or os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def family(pid: int) -> list[int]:
    """Return a process and its children's children, parents first (itself alone where /proc does not tell)."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for known in found:  # grows while it is read
        found += children.get(known, [])
    return found


def alive(pid: int) -> bool:
    """Tell whether a process is there and has not ended (false where /proc does not tell)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@define(eq=False)
class Place:
    """What an engine takes of the machine: a directory and ports; given back by `leave`."""

    name: str
    directory: Path = field(init=False)
    _claims: list[Claim] = field(factory=list, init=False)
    _owner: int = field(factory=os.getpid, init=False)

    def __attrs_post_init__(self) -> None:
        root = tempfile.gettempdir()
        if len(root) > 40:  # the path of a Unix socket has room for 107 bytes
            root = "/tmp"
        self.directory = Path(tempfile.mkdtemp(prefix=f"kairos-{self.name}-", dir=root))
        self.directory.chmod(0o755)
        GUARD.hold_folder(str(self.directory))

    def port(self, hosts: Sequence[str] = ("127.0.0.1",)) -> int:
        """Return a free port that nobody else of kairos takes."""
        self._claims.append(Claim(hosts))
        return self._claims[-1].port

    def folder(self, name: str, user: str | None = None) -> Path:
        """Return a new directory, which belongs to `user` where we are root."""
        folder = self.directory / name
        folder.mkdir(mode=0o700)
        if (who := identity(user)) is not None:
            os.chown(folder, *who)
        return folder

    def leave(self) -> None:
        """Remove the directory and let others have the ports."""
        for claim in self._claims:
            claim.release()
        if self._owner != os.getpid():
            return
        for _ in range(20):
            shutil.rmtree(self.directory, ignore_errors=True)
            if not self.directory.exists():
                break
            time.sleep(0.05)
        GUARD.drop_folder(str(self.directory))


def boot(nodes: Iterable[Node]) -> None:
    """Start several nodes at once and wait until all answer."""
    nodes = list(nodes)
    for node in nodes:
        node.launch()
    for node in nodes:
        node.wait()
