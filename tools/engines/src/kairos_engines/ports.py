"""Free ports, claimed so that no two processes of kairos take the same one."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Sequence

LOW, HIGH = (
    20_000,
    32_000,
)  # below the ports that the kernel gives to clients: a server finds its own free on restart


class Claim:
    """A port that is free on all of `hosts`; `release` it when its server is gone."""

    def __init__(self, hosts: Sequence[str] = ("127.0.0.1",)) -> None:
        for _ in range(1000):
            port = random.SystemRandom().randrange(LOW, HIGH)
            self._name = _claim(port)
            if self._name is None:
                continue
            if all(_free(host, port) for host in hosts):
                self.port = port
                return
            self.release()
        raise OSError(f"no free port between {LOW} and {HIGH}")

    def release(self) -> None:
        """Let others have the port."""
        if self._name is not None:
            self._name.close()


def _claim(port: int) -> socket.socket | None:
    """Take a name that the kernel gives to one process and forgets with it (on Linux); None where it is taken."""
    name = socket.socket(socket.AF_UNIX)
    if sys.platform == "linux":
        try:
            name.bind(f"\0kairos-engines-{port}")
        except OSError:
            name.close()
            return None
    return name


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
