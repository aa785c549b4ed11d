"""Let the pages that failing laws name travel with the package: they lie in the checkout's docs/, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = ("semantics.md", "storage-contract.md")


class PagesHook(BuildHookInterface):
    """Put the pages into the sdist's ``docs`` and the wheel's ``kairos_conformance/docs``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files; an editable install reads those of the checkout."""
        if version == "editable":
            return
        root = Path(self.root)
        checkout, sdist = root.parent / "docs", root / "docs"
        folder = checkout if (checkout / PAGES[0]).is_file() else sdist
        inside = "docs" if self.target_name == "sdist" else "kairos_conformance/docs"
        build_data["force_include"].update({str(folder / page): f"{inside}/{page}" for page in PAGES})
