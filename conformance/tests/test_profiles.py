"""Which profile a suite runs in."""

import pytest

from kairos_conformance.laws.base import Laws
from kairos_conformance.profiles import VARIABLE, chosen


class Config:
    """Stands for pytest's, which would need a run of its own for each option."""

    def __init__(self, option=None):
        self.option = option

    def getoption(self, name):
        assert name == "--kairos-profile"
        return self.option


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
