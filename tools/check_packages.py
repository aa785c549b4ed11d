"""What a user will get: build each wheel and sdist, check what is inside, and try the wheels elsewhere.

    python tools/check_packages.py [--keep FOLDER]      (needs uv and twine; `nox -s package` has them)

Each wheel is built from the checkout and again from its sdist; both must hold the same. The wheels alone are then
installed into fresh environments in a temporary folder, and each README's first Python example runs there: as a
script, or under pytest where it defines tests. Where it names a server, one is started, and its URL put in.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from configparser import ConfigParser
from contextlib import ExitStack
from email.message import Message
from email.parser import BytesParser
from pathlib import Path, PurePosixPath
from typing import Any

from kairos_engines import start

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("*/pyproject.toml"))
PAGES = {
    "kairos-conformance": ("semantics.md", "storage-contract.md")
}  # of docs/, which travel with a package
README_INSTALLS = ["kairos-core", "kairos-sql"]  # what the README at the root tells its reader to install
SERVERS = {"redis": "redis", "mongodb": "mongo", "cassandra": "cassandra"}  # scheme in a README -> engine
SERVER_URL = re.compile(rf'"({"|".join(SERVERS)})://[^"]*"')
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Failed(Exception):
    """A package is not fit to be published; the message says why."""


def main() -> int:
    """Build, check and try every package; return an exit code."""
    parser = argparse.ArgumentParser(
        description="Build every package, check it, try it outside the checkout."
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="copy the wheels and sdists that passed here"
    )
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory(prefix="kairos-packages-") as folder:
        try:
            wheels = {}
            for package in PACKAGES:
                sdist, wheel = build(package, Path(folder))
                wheels[project(package)["name"]] = wheel
                check_sdist(package, sdist)
                check_wheel(package, wheel)
            run("twine", "check", "--strict", *map(str, sorted(Path(folder, "dist").iterdir())))
            try_readme(ROOT / "README.md", README_INSTALLS, wheels, Path(folder))
            for package in PACKAGES:
                try_readme(package / "README.md", [project(package)["name"]], wheels, Path(folder))
        except Failed as failure:
            print(f"\nFAILED {failure}", file=sys.stderr)
            return 1
        if keep:
            shutil.copytree(Path(folder, "dist"), keep, dirs_exist_ok=True)
    print(f"\n{len(wheels)} packages are fit to be published: {', '.join(wheels)}")
    return 0


def project(package: Path) -> dict[str, Any]:
    """Return the [project] table of a package."""
    table: dict[str, Any] = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def build(package: Path, folder: Path) -> tuple[Path, Path]:
    """Build sdist and wheel into dist/; return their paths."""
    work = folder / "build" / package.name
    run("uv", "build", "--quiet", "--sdist", "--out-dir", str(work / "sdist"), str(package))
    (sdist,) = (work / "sdist").glob("*.tar.gz")
    run("uv", "build", "--quiet", "--wheel", "--out-dir", str(work / "from-checkout"), str(package))
    run("uv", "build", "--quiet", "--wheel", "--out-dir", str(work / "from-sdist"), str(sdist))
    (wheel,), (again,) = (work / "from-checkout").glob("*.whl"), (work / "from-sdist").glob("*.whl")
    if contents(wheel) != contents(again):
        different = sorted(name for name, _ in set(contents(wheel).items()) ^ set(contents(again).items()))
        raise Failed(
            f"{package.name}: the wheels built from the checkout and from the sdist differ in {different}"
        )
    dist = folder / "dist"
    dist.mkdir(exist_ok=True)
    return Path(shutil.copy(sdist, dist)), Path(shutil.copy(again, dist))


def contents(wheel: Path) -> dict[str, bytes]:
    """Return name -> bytes of the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sources(package: Path, *folders: str) -> set[str]:
    """Return the files of a package's folders that belong to it, relative to it."""
    files = (file for folder in folders for file in (package / folder).rglob("*") if file.is_file())
    ignored = {"__pycache__", ".hypothesis", ".pytest_cache", "dist"}
    return {file.relative_to(package).as_posix() for file in files if ignored.isdisjoint(file.parts)}


def check_sdist(package: Path, sdist: Path) -> None:
    """Check that an sdist has sources, tests, licence, changelog, README, and nothing else."""
    with tarfile.open(sdist) as archive:
        names = {PurePosixPath(*PurePosixPath(m.name).parts[1:]).as_posix() for m in archive if m.isfile()}
    expected = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} | sources(package, "src", "tests")
    if pages := PAGES.get(project(package)["name"]):
        expected |= {"hatch_build.py", *(f"docs/{page}" for page in pages)}
    same(sdist.name, names - {"PKG-INFO", ".gitignore"}, expected)


def check_wheel(package: Path, wheel: Path) -> None:
    """Check a wheel's files, its metadata and its entry points against the package's pyproject.toml."""
    files = contents(wheel)
    table = project(package)
    inside = {name.removeprefix("src/") for name in sources(package, "src")}
    module = table["name"].replace("-", "_")
    inside |= {f"{module}/docs/{page}" for page in PAGES.get(table["name"], ())}
    same(wheel.name, {name for name in files if ".dist-info/" not in name}, inside)
    (info,) = {name.split("/")[0] for name in files if ".dist-info/" in name}
    if files.get(f"{info}/licenses/LICENSE") != (package / "LICENSE").read_bytes():
        raise Failed(f"{wheel.name}: {info}/licenses/LICENSE is not the package's LICENSE")
    if not any(name.endswith("/py.typed") and name.count("/") == 1 for name in files):
        raise Failed(f"{wheel.name}: no py.typed: type checkers would not see its types")
    metadata: Message = BytesParser().parsebytes(files[f"{info}/METADATA"])
    for field, value in {
        "Name": table["name"],
        "Version": table["version"],
        "Requires-Python": table["requires-python"],
        "License-Expression": "BSD-3-Clause",
    }.items():
        if metadata[field] != value:
            raise Failed(f"{wheel.name}: {field} is {metadata[field]!r}, should be {value!r}")
    for field in ("Summary", "Author", "Keywords", "Classifier"):
        if not metadata[field]:
            raise Failed(f"{wheel.name}: the metadata has no {field}")
    if not str(metadata.get_payload()).strip().partition("\n")[2].strip():
        raise Failed(f"{wheel.name}: its README is empty; it must stand alone on a package index")
    found = ConfigParser(delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(files.get(f"{info}/entry_points.txt", b"").decode())
    entry_points = {group: dict(found[group]) for group in found.sections()}
    if entry_points != table.get("entry-points", {}):
        raise Failed(f"{wheel.name}: entry points {entry_points}, should be {table.get('entry-points', {})}")


def same(name: str, found: set[str], expected: set[str]) -> None:
    """Raise if an archive's files are not the expected ones."""
    if found != expected:
        raise Failed(f"{name}: missing {sorted(expected - found)}, not expected {sorted(found - expected)}")


def closure(names: list[str], wheels: dict[str, Path]) -> list[Path]:
    """Return the wheels of these packages and of those of ours that they require."""
    todo, done = list(names), []
    while todo:
        name = todo.pop()
        done.append(name)
        files = contents(wheels[name])
        (metadata,) = (files[file] for file in files if file.endswith(".dist-info/METADATA"))
        for line in BytesParser().parsebytes(metadata).get_all("Requires-Dist", []):
            required = re.split(r"[^\w.-]", line)[0]
            if required in wheels and "extra ==" not in line and required not in done + todo:
                todo.append(required)
    return [wheels[name] for name in sorted(done)]


def try_readme(readme: Path, names: list[str], wheels: dict[str, Path], folder: Path) -> None:
    """Install the wheels into a fresh environment and run the README's first Python example there."""
    shown = readme.relative_to(ROOT)
    found = EXAMPLE.search(readme.read_text("utf-8")) if readme.exists() else None
    if not found:
        raise Failed(f"{shown}: has no ```python block; the first one is run as a user would run it")
    example = found[1]
    is_test = bool(re.search(r"^(?:class|def) [Tt]est", example, re.MULTILINE))
    home = folder / "try" / readme.parent.name
    python = home / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    script = home / "cwd" / ("test_example.py" if is_test else "example.py")
    script.parent.mkdir(parents=True)
    run("uv", "venv", "--quiet", "--python", sys.executable, str(home / "venv"))
    run("uv", "pip", "install", "--quiet", "--python", str(python), *map(str, closure(names, wheels)))
    print(
        f"{shown}: its example, with {', '.join(wheel.name for wheel in closure(names, wheels))}", flush=True
    )
    how = ["-m", "pytest", "-q", "--rootdir", "."] if is_test else ["-W", "error"]
    with ExitStack() as running:
        for scheme in {match[1] for match in SERVER_URL.finditer(example)}:
            url = running.enter_context(start(SERVERS[scheme])).url
            example = re.sub(rf'"{scheme}://[^"]*"', f'"{url}"', example)
        script.write_text(example, "utf-8")
        run(str(python), "-I", *how, script.name, cwd=script.parent)


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a command; raise if it fails."""
    print("+", " ".join(command), flush=True)
    env = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    code = subprocess.call(command, cwd=cwd, env=env)
    if code:
        raise Failed(f"exit code {code}: {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
