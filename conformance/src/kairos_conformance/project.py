"""The project that ``python -m kairos_conformance new NAME`` makes: files of ``template``, with names filled in."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template

__all__ = ["BadName", "create"]

FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "hooks.py": "src/kairos_{name}/__init__.py",
    "storage.py": "src/kairos_{name}/storage.py",
    "test_conformance.py": "tests/test_{name}_conformance.py",
}
"""File of the template -> file of the project."""


class BadName(ValueError):
    """The name can't be a scheme and a module."""


def create(name: str, where: Path) -> Path:
    """Write the project ``kairos-NAME`` into a folder, and return its path.

    Raises
    ------
    BadName
        If the name can't be a URL's scheme and part of a module's name.
    FileExistsError
        If the project's folder is there already.
    """
    name = name.removeprefix("kairos-").removeprefix("kairos_")
    if not re.fullmatch(r"[a-z][a-z0-9]*", name):
        raise BadName(f"{name!r} can't name a store: use lower case letters and digits, as in 'mystore'")
    folder = where / f"kairos-{name}"
    if folder.exists():
        raise FileExistsError(f"{folder} is there already: nothing was written")
    for source, path in FILES.items():
        text = files(__package__).joinpath("template", f"{source}.txt").read_text("utf-8")
        target = folder / path.format(name=name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(text).substitute(name=name, title=name.capitalize()), "utf-8")
    return folder
