"""The docs site, built by `python3 tools/run.py test -s docs` into .site.

The checkout itself is the source: a README or a page is read where it lies, so that a link that works in the
checkout works on the site, and one that does not fails the build.
"""

from __future__ import annotations

import re
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.highlighting import lexers

project = "kairos"
author = "the kairos authors"
copyright = author  # Sphinx asks for this name
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "README.md",
    "CONTRIBUTING.md",
    "conformance/*.md",
    "kairos-*/*.md",
    "examples/**/README.md",
    "tools/engines/README.md",
]
exclude_patterns = [".*", "**/.*", "**/dist", "docs/tests"]

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
nitpicky = True  # a name in a docstring that leads nowhere is a warning, and warnings are errors
nitpick_ignore_regex = [
    ("py:.*", r"(?!kairos).*"),
    ("py:.*", r"kairos[\w.]*\._.*"),
    ("py:.*", r"kairos\.sansio\.Result"),
]  # other people's, private ones, and a type variable

myst_heading_anchors = 4  # slugs as GitHub makes them
myst_enable_extensions = ["attrs_block"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it in words
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

lexers["redis"] = TextLexer()  # what redis-cli shows

html_theme = "furo"
html_title = "kairos"
html_copy_source = False
html_show_copyright = False


def list_the_rest(app: Sphinx, name: str, source: list[str]) -> None:
    """List the pages in docs/ that the index does not name: a new page is found before it has its place."""
    if name == root_doc:
        pages = sorted(path.stem for path in Path(app.confdir).glob("*.md"))
        rest = [page for page in pages if page != "index" and not re.search(rf"[\n<]{page}>?\n", source[0])]
        if rest:
            source[0] += "\n```{toctree}\n:caption: More\n:maxdepth: 1\n\n" + "\n".join(rest) + "\n```\n"


def setup(app: Sphinx) -> None:
    """Connect what is above."""
    app.connect("source-read", list_the_rest)
