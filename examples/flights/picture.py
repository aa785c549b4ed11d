"""The README's picture: some of the charts, as they come, in a file that a browser shows.

    python -m examples.flights.picture [URL]      (in the root of the repository)

loads the year into a file of its own, unless there is a URL where it is loaded already, and writes
docs/pictures/flights.svg.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from . import charts, source
from .load import load
from .store import Store, open_store

__all__ = ["PICTURE", "draw"]

PICTURE = Path(__file__).parents[2] / "docs/pictures/flights.svg"
SHOWN = ("Departures by day", "Mean delay by week", "The week of each airport")


def draw(store: Store) -> str:
    """Return the picture, in SVG; it asks nobody for a font."""
    console = Console(file=io.StringIO(), record=True, width=90, highlight=False, color_system="truecolor")
    charts.show(store, source.airlines(), console, SHOWN)
    svg = console.export_svg(title="python3 tools/run.py flights", unique_id="flights")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main() -> None:
    """Write the picture."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(sys.argv[1] if sys.argv[1:] else f"sqlite:///{folder}/flights.sqlite") as store,
    ):
        if store.is_empty():
            load(store, range(1, 13), Console(stderr=True))
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(draw(store), "utf-8")


if __name__ == "__main__":
    main()
