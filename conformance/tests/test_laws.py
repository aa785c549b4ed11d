"""The laws themselves: named, cited, hidden by none, and listed in the documentation."""

import re
from pathlib import Path

from kairos_conformance import Suite
from kairos_conformance.law import laws_of, link, where

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


def test_a_failure_says_where_the_paragraph_stands():
    for paragraph, _, _, heading in laws_of(Suite):
        place, _, line = where(paragraph, heading).partition(": ")[2].rpartition(":")
        assert re.fullmatch(rf"#+ {re.escape(heading)}", Path(place).read_text().splitlines()[int(line) - 1])


def sections(page):
    """Return heading -> text, of those that have text."""
    parts = re.split(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)[1:]
    found = {heading: " ".join(text.split()) for heading, text in zip(parts[::2], parts[1::2], strict=True)}
    return {heading: text for heading, text in found.items() if text}


def held():
    """Return heading -> [(sentence, what holds it)] of the page that lists what holds each sentence."""
    table = {}
    for part in re.split(r"^## ", (DOCS / "held.md").read_text(), flags=re.MULTILINE)[1:]:
        heading, *lines = part.splitlines()
        rows = re.findall(r"^\| (.*) \| (`.*`) \|$", "\n".join(lines[3:]), flags=re.MULTILINE)
        table[heading] = [(sentence, re.findall("`(.*?)`", by)) for sentence, by in rows]
    return table


def test_every_sentence_of_the_semantics_is_in_the_table_and_nothing_else():
    told = {heading: " ".join(sentence for sentence, _ in rows) for heading, rows in held().items()}
    assert told == sections(DOCS / "semantics.md")


def test_a_row_of_the_table_is_one_sentence():
    for rows in held().values():
        for sentence, _ in rows:
            plain = re.sub(r"`.*?`", "x", sentence)
            assert not re.search(r"[a-z)]\. [A-Z]", plain), f"two sentences: {sentence}"


def test_every_sentence_is_held_by_laws_or_by_tests_that_are_there():
    laws, files = {test for _, _, test, _ in laws_of(Suite)}, DOCS.parent
    for rows in held().values():
        for sentence, by in rows:
            assert by, f"nothing holds: {sentence}"
            for one in by:
                assert one in laws or (files / one).is_file(), f"{one} is not there, for: {sentence}"


def test_every_law_holds_a_sentence():
    """Laws of the contract, and of what is a matter of the Storage, hold sentences of another page."""
    cited = {one for rows in held().values() for _, by in rows for one in by}
    assert {test for paragraph, _, test, _ in laws_of(Suite) if paragraph != "contract"} - cited == set()


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
