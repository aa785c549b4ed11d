"""A small process that ends the servers, and removes their directories, when this one dies without doing it.

A death signal of the kernel (PR_SET_PDEATHSIG) would follow the thread that started a server, which may end long before
the process does; so a process of our own waits for the end of a pipe instead.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys

SCRIPT = r"""
import os, shutil, signal, sys, time

def born(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            state, *fields = stat.read().rpartition(")")[2].split()
            return None if state == "Z" else fields[18]
    except OSError:
        return None

def alive():
    return [pid for pid, (birth, _) in pids.items() if born(pid) == birth]

def send(pid, number):
    try:
        os.kill(pid, number)
    except OSError:
        pass

pids, folders = {}, {}
for line in sys.stdin:
    sign, kind, name, *more = line.rstrip("\n").split("\t")
    if kind == "pid" and sign == "+":
        pids[int(name)] = (born(int(name)), int(more[0]))
    elif kind == "pid":
        pids.pop(int(name), None)
    elif sign == "+":
        folders[name] = True
    else:
        folders.pop(name, None)
for pid in alive():
    send(pid, signal.SIGCONT)
    send(pid, pids[pid][1])
end = time.monotonic() + 2
while alive() and time.monotonic() < end:
    time.sleep(0.01)
for pid in alive():
    send(pid, signal.SIGKILL)
end = time.monotonic() + 2
while alive() and time.monotonic() < end:
    time.sleep(0.01)
for folder in folders:
    shutil.rmtree(folder, ignore_errors=True)
"""


class Guard:
    """Tells the guarding process what there is to clean up."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0

    def hold_process(self, pid: int, signal: int) -> None:
        """End this process, with a signal and if that is not enough with SIGKILL, if we die."""
        self._say("+", "pid", str(pid), str(signal))

    def drop_process(self, pid: int) -> None:
        """It has ended."""
        self._say("-", "pid", str(pid))

    def hold_folder(self, folder: str) -> None:
        """Remove this directory if we die."""
        self._say("+", "dir", folder)

    def drop_folder(self, folder: str) -> None:
        """It is removed."""
        self._say("-", "dir", folder)

    def _say(self, *words: str) -> None:
        if self._process is None or self._owner != os.getpid():  # a forked child guards what it starts itself
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C is for us
            )
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write("\t".join(words) + "\n")
        stdin.flush()

    def end(self) -> None:
        """Let it clean up what is left, and wait for it."""
        if self._process is not None and self._owner == os.getpid() and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(10)


GUARD = Guard()
atexit.register(GUARD.end)  # here, before engines have anything to do at exit: it goes last
