"""Which profile a suite runs in."""

import pytest

from kairos_conformance.laws.base import Laws
from kairos_conformance.profiles import VARIABLE, chosen


class Config:
    """Stands for pytest's, which would need a run of its own for each option."""

    def __init__(self, option=None, seed=None):
        self.options = {"--kairos-profile": option, "hypothesis_seed": seed}

    def getoption(self, name, default=None):
        return self.options[name]


@pytest.mark.parametrize(
    ("option", "own", "environment", "expected"),
    [
        (None, None, None, "quick"),
        (None, None, "ci", "ci"),
        (None, "quick", "ci", "quick"),
        ("deep", "quick", "ci", "deep"),
    ],
)
def test_the_option_goes_before_the_suite_and_the_suite_before_the_environment(
    monkeypatch, option, own, environment, expected
):
    monkeypatch.delenv(VARIABLE, raising=False)
    if environment is not None:
        monkeypatch.setenv(VARIABLE, environment)
    assert chosen(Config(option), own).name == expected


def test_an_unknown_profile_of_a_suite_is_an_error():
    with pytest.raises(pytest.UsageError, match="'fast'; it can be quick, ci, deep"):
        chosen(Config(), "fast")


class TestASuitesOwnProfile(Laws):
    profile = "ci"

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return "memory://profiles"

    def test_profile(self, place):
        assert place.profile.name == "ci"


def test_a_seed_makes_a_profile_try_other_examples():
    assert chosen(Config("quick")).settings().derandomize
    assert not chosen(Config("quick", seed="7")).settings().derandomize
    assert chosen(Config("quick", seed="7")).examples == chosen(Config("quick")).examples
