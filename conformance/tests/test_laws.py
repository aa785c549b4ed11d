"""The laws themselves: named, cited, hidden by none, and listed in the documentation."""

import re
from pathlib import Path

from kairos_conformance import Suite
from kairos_conformance.law import laws_of

DOCS = Path(__file__).parents[2] / "docs" / "conformance.md"


def test_every_test_of_the_suite_is_a_law():
    tests = {name for name in dir(Suite) if name.startswith("test_")}
    assert tests == {test for _, _, test in laws_of(Suite)}


def test_no_group_of_laws_hides_a_law_of_another():
    groups = [group for group in Suite.__mro__ if group.__name__.endswith("Laws")]
    own = [name for group in groups for name in vars(group) if name.startswith("test_")]
    assert sorted(own) == sorted(set(own))


def test_every_law_has_a_sentence_of_its_own_and_a_paragraph():
    laws = laws_of(Suite)
    assert len({sentence for _, sentence, _ in laws}) == len(laws)
    for paragraph, sentence, test in laws:
        assert re.fullmatch(r"contract|§\d(, §\d|–§\d)*", paragraph), test
        assert 10 < len(sentence) < 120, test


def test_the_documentation_lists_every_law():
    listed = re.findall(r"^\| (\S.*?) \| (.*?) \| `(test_\w+)` \|$", DOCS.read_text(), flags=re.MULTILINE)
    assert [
        (paragraph, sentence.replace("\\|", "|"), test) for paragraph, sentence, test in listed
    ] == laws_of(Suite)
