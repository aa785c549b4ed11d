"""The kit tested itself: it holds a right backend, and kills wrong ones, each wrong in one line."""

import re

import kairos_plain
import kairos_wrong
import pytest

import kairos_conformance.reproduction
import kairos_conformance.suite  # noqa: F401

pytest_plugins = ["pytester"]

SUITE = """
import pytest
from kairos_conformance import Suite

class TestWrong(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return {target!r}
"""


def run(pytester, target, laws, profile="quick"):
    pytester.makepyfile(SUITE.format(target=target))
    result = pytester.runpytest_inprocess(
        "-x", "-q", "-p", "no:cacheprovider", "-k", laws, f"--kairos-profile={profile}"
    )
    return result.parseoutcomes(), result.stdout.str()


@pytest.mark.slow
@pytest.mark.parametrize("name", kairos_wrong.WRONG)
def test_a_wrong_backend_is_killed(pytester, name):
    manual = "Expire" in name
    outcomes, printed = run(
        pytester, f"wrong://{'manual' if manual else 'typed'}-{name}", kairos_wrong.KILLED_BY[name], "ci"
    )
    assert outcomes.get("failed"), f"{name} survives {kairos_wrong.KILLED_BY[name]}"
    assert "kairos law" in printed, "the law does not name itself"
    assert "1 FAILED" in printed, "the closing table does not show it"
    script = script_of(printed)
    if kairos_wrong.KILLED_BY[name] in WITHOUT_A_SCRIPT:
        assert script.startswith("# no script: calls in a row"), script
    else:
        fails_there_and_passes_on_a_right_one(script, name)


WITHOUT_A_SCRIPT = ("test_killed_writer", "test_cancelling")
ONLY_MEMORY_DECLARES_IT = ("Folds", "Fetch", "BatchesNot", "Async")


def script_of(printed):
    """Return the script that a failure prints."""
    return re.search(r"^-+ kairos script -+\n(.*?)^(?:_{3,}|={3,}|-{3,})", printed, re.DOTALL | re.MULTILINE)[
        1
    ]


def fails_there_and_passes_on_a_right_one(script, name):
    assert len(script.splitlines()) <= 10, script
    line = next(line for line in script.splitlines() if line.startswith("target = "))
    wrong = re.search(r"wrong://([\w-]+)", line)[0]
    with pytest.raises(Exception):  # noqa: B017, PT011 - an assertion, or an error of the backend's
        exec(compile(script.replace(line, f"target = {wrong + '-again'!r}"), "script", "exec"), {})
    manner = wrong.removeprefix("wrong://").removesuffix(name)
    rights = ["memory://script"] if manner == "typed-" else []
    if not name.startswith(ONLY_MEMORY_DECLARES_IT):
        rights.append(f"plain://{manner}right")
    for right in rights:
        exec(compile(script.replace(line, f"target = {right!r}"), "script", "exec"), {})


@pytest.mark.parametrize("target", ["plain://typed-right", "plain://right"])
def test_the_right_backend_is_held_to_the_same_laws(pytester, target):
    outcomes, printed = run(pytester, target, " or ".join(sorted(set(kairos_wrong.KILLED_BY.values()))))
    assert set(outcomes) == {"passed", "deselected"}, printed


def test_undeclared_capabilities_are_reported_and_pytests_summary_is_last(pytester):
    outcomes, printed = run(
        pytester, "plain://fewest", "custom_fetch or fractions or storage_folds or processes"
    )
    assert set(outcomes) == {"passed", "deselected"}
    lines = printed.rstrip().splitlines()
    assert "Unsupported as declared (custom_fetch, float_counts, folds, shared)" in printed
    assert "passed" in lines[-1]
    assert kairos_plain.FEWEST.float_counts is False
