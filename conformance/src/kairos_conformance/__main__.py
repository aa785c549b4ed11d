"""``python -m kairos_conformance URL`` and ``python -m kairos_conformance new NAME``."""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from .kinds import KINDS
from .profiles import PROFILES

__all__ = ["main"]

USAGE = """\
  python -m kairos_conformance URL [options]   run the suite on the place that a URL names
  python -m kairos_conformance new NAME        make a project for a new backend
"""

SUITE = "from kairos_conformance.against import TestBackend\n"

WARNINGS = (
    "error",
    "ignore::pytest.PytestAssertRewriteWarning",  # this package is imported
    "ignore:unclosed <socket:ResourceWarning",  # PyMongo's, of a call cancelled while it connects
)
"""What pytest does about warnings; whether ``close()`` leaves sockets open is for a law to say, which counts them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit code: 0 only if every law held."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return _new(given[1:]) if given[:1] == ["new"] else _run(given)


def _run(arguments: list[str]) -> int:
    """Run the suite on a URL."""
    parser = argparse.ArgumentParser(
        prog="python -m kairos_conformance",
        usage=f"\n{USAGE}",
        allow_abbrev=False,
        description="Hold a kairos backend to every law; the place that the URL names is filled and emptied.",
    )
    parser.add_argument("url", metavar="URL", help="a place that the suite may fill and empty")
    parser.add_argument("--profile", choices=tuple(PROFILES), default="quick", help="how long to try")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind (may be repeated)")
    parser.add_argument(
        "-o",
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_option,
        help="an option of the timeseries; the value is a Python literal, else text, in which {kind} stands for"
        " the kind (may be repeated)",
    )
    parser.add_argument("-k", metavar="LAWS", help="only laws whose test's name matches, as in pytest")
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop at the first law that fails")
    parser.add_argument("-v", "--verbose", action="store_true", help="name each law as it is tried")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=int, help="generate other examples than the usual ones: this seed's")
    seeds.add_argument("--seeds", type=int, metavar="N", help="run with the seeds 1 to N, until one fails")
    asked = parser.parse_args(arguments)
    import pytest  # here, not above: whoever makes a project needs none of it

    from .apart import CannotOpen, opened_apart
    from .asked import Asked

    try:
        options = opened_apart(Asked(asked.url, dict(asked.option)))
    except CannotOpen as error:
        print(error, file=sys.stderr)
        return 2
    if asked.seeds is not None:
        return _with_seeds(asked.seeds, arguments)

    with tempfile.TemporaryDirectory(prefix="kairos-conformance-") as folder:
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", folder)
        Path(folder, "pytest.ini").write_text("[pytest]\n", "utf-8")  # no settings of the working directory's
        Path(folder, "test_backend.py").write_text(SUITE, "utf-8")
        flags = ["-v" if asked.verbose else "-q", "-p", "no:cacheprovider", "--rootdir", folder]
        for warning in WARNINGS:
            flags += ["-W", warning]
        flags += ["--kairos-profile", asked.profile, *(f"--kairos-kind={kind}" for kind in asked.kind or ())]
        flags += ["-x"] if asked.exitfirst else []
        flags += [] if asked.seed is None else [f"--hypothesis-seed={asked.seed}"]
        flags += ["-k", asked.k] if asked.k else []
        return int(pytest.main([*flags, folder], plugins=[Asked(asked.url, options)]))


def _with_seeds(n: int, arguments: list[str]) -> int:
    """Run the suite once for each seed, in a process of its own; say a line of each, and all of the one that fails."""
    at = next(i for i, argument in enumerate(arguments) if argument.partition("=")[0] == "--seeds")
    rest = arguments[:at] + arguments[at + (1 if "=" in arguments[at] else 2) :]
    for seed in range(1, n + 1):
        command = [sys.executable, "-m", "kairos_conformance", *rest, "--seed", str(seed)]
        begin = monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            print(f"{done.stdout}\nseed {seed} of {n} failed: try it again with --seed {seed}", flush=True)
            return done.returncode
        table = next(line for line in reversed(done.stdout.splitlines()) if " FAILED" in line)
        print(f"seed {seed} of {n}, {monotonic() - begin:.0f} s: {table}", flush=True)
    return 0


def _option(text: str) -> tuple[str, Any]:
    """Return the name and value of ``name=value``."""
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, as in value_type=str")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _new(arguments: list[str]) -> int:
    """Make a project for a new backend."""
    from .law import page
    from .project import BadName, create

    parser = argparse.ArgumentParser(
        prog="python -m kairos_conformance new",
        description="Make a project for a new backend, in a folder kairos-NAME of the working directory.",
    )
    parser.add_argument("name", metavar="NAME", help="the store's name: lower case letters and digits")
    asked = parser.parse_args(arguments)
    try:
        folder = create(asked.name, Path.cwd())
    except (BadName, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{folder.name}/ is made. What comes next:\n"
        f"  cd {folder.name} && pip install -e . kairos-conformance && pytest -x\n"
        f"Each law that fails says what the storage has still to do; the tour is {page('storage-contract.md')}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
