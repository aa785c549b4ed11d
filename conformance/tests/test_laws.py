"""The laws themselves: named, cited, hidden by none, and listed in the documentation."""

import re
from pathlib import Path

from kairos_conformance import Suite
from kairos_conformance.law import laws_of, link

DOCS = Path(__file__).parents[2] / "docs"


def test_every_test_of_the_suite_is_a_law():
    tests = {name for name in dir(Suite) if name.startswith("test_")}
    assert tests == {test for _, _, test, _ in laws_of(Suite)}


def test_no_group_of_laws_hides_a_law_of_another():
    groups = [group for group in Suite.__mro__ if group.__name__.endswith("Laws")]
    own = [name for group in groups for name in vars(group) if name.startswith("test_")]
    assert sorted(own) == sorted(set(own))


def test_every_law_has_a_sentence_of_its_own_and_a_paragraph():
    laws = laws_of(Suite)
    assert len({sentence for _, sentence, *_ in laws}) == len(laws)
    for paragraph, sentence, test, _ in laws:
        assert re.fullmatch(r"contract|§\d(, §\d|–§\d)*", paragraph), test
        assert 10 < len(sentence) < 120, test


def anchors(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    found = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
    assert len(found) == len(set(found)), f"{page.name} has a heading twice: links would go astray"
    return found


def test_every_law_s_paragraph_is_in_the_documentation():
    known = {page.name: anchors(page) for page in (DOCS / "semantics.md", DOCS / "storage-contract.md")}
    for paragraph, _, test, heading in laws_of(Suite):
        page, anchor = link(paragraph, heading).removeprefix("docs/").split("#")
        assert anchor in known[page], f"{test}: {page} has no heading {heading!r}"


def test_every_paragraph_of_the_documentation_has_a_law():
    """What is written and held by no law is listed here, with what holds it."""
    elsewhere = {
        "plan": "kairos-core: it tells of plugins, not of the backend",
        "errors": "each error in the law that raises it",
        "empty-rows": "every history, and test_unknown",
    }
    held = {link(p, h).partition("#")[2] for p, _, _, h in laws_of(Suite) if p != "contract"}
    numbered = {a for a in anchors(DOCS / "semantics.md") if re.match(r"\d", a)}
    assert set(anchors(DOCS / "semantics.md")) - held - numbered - set(elsewhere) == set()


def test_the_documentation_lists_every_law():
    rows = re.findall(
        r"^\| \[(\S.*?)\]\((\S+)\) \| (.*?) \| `(test_\w+)` \|$",
        (DOCS / "conformance.md").read_text(),
        flags=re.MULTILINE,
    )
    assert [(p, sentence.replace("\\|", "|"), test, at) for p, at, sentence, test in rows] == [
        (p, sentence, test, link(p, heading).removeprefix("docs/"))
        for p, sentence, test, heading in laws_of(Suite)
    ]
