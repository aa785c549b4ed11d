"""Collect an example's tests where it is installed, with what it needs; test_as_a_stranger.py installs it."""

# mypy: ignore-errors

from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
collect_ignore_glob = [
    f"{folder.name}/*"
    for folder in HERE.iterdir()
    if folder.is_dir() and find_spec(f"kairos_{folder.name}") is None
]
