"""Which sides a suite is tried on."""

import pytest

from kairos_conformance import Suite
from kairos_conformance.kinds import KINDS
from kairos_conformance.law import law, laws_of
from kairos_conformance.laws.asynchronous import AsyncioLaws
from kairos_conformance.place import Place
from kairos_conformance.profiles import PROFILES

pytest_plugins = ["pytester"]

SUITE = """
import pytest
from kairos_conformance import Suite

class TestSides(Suite):
    sides = {sides}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return "{url}"
"""


@pytest.mark.parametrize(
    ("url", "chosen", "expected"),
    [
        ("memory://sides", ("sync", "asyncio"), [("sync", 10), ("asyncio", 3)]),
        ("memory://sides", ("sync",), [("sync", 10)]),
        ("memory://sides", ("asyncio",), [("asyncio", 3)]),
        ("plain://sides", ("sync", "asyncio"), [("sync", 10)]),
    ],
)
def test_a_law_is_tried_on_the_sides_that_the_suite_asks_for_and_the_backend_has(url, chosen, expected):
    seen = []

    @law("A sentence", "§7", "Opening")
    def test_seen(self, place):
        with place.open("count", {"kit_minute": {"step": 60}}) as ts:
            assert ts.delete_all() == 0
        seen.append((place.side, place.profile.examples))

    place = Place(url, lambda kind: {}, PROFILES["quick"], url, chosen=chosen)
    test_seen(None, place=place)
    place.loop.close()
    assert seen == expected


def run(pytester, sides, url, laws):
    pytester.makepyfile(SUITE.format(sides=sides, url=url))
    chosen = ("-k", laws, "--kairos-kind", "count")
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", *chosen)
    return result.ret, result.stdout.str()


def test_the_laws_about_coroutines_are_not_applicable_where_only_the_sync_side_is_asked_for(pytester):
    code, printed = run(pytester, ("sync",), "memory://sides", " or ".join(COROUTINES))
    assert code == 0, printed
    assert f"{len(COROUTINES)} laws: 1 held, 0 Unsupported as declared, " in printed
    assert f"{len(COROUTINES) - 1} not applicable (not on the asyncio side)" in printed


def test_the_quick_profile_tries_each_law_for_two_kinds_on_the_second_side_and_ci_for_all():
    laws = [test for _, _, test, _ in laws_of(Suite)]
    quick, ci = (
        [[kind for kind in KINDS if PROFILES[name].on_second(law, kind)] for law in laws]
        for name in ("quick", "ci")
    )
    assert {len(kinds) for kinds in quick} == {2, 5}
    assert {tuple(kinds) for kinds in ci} == {KINDS}
    assert all(sum(kind in kinds for kinds in quick) > len(laws) / 5 for kind in KINDS)
    assert set(KINDS) == set(quick[laws.index("test_histories")])


COROUTINES = [
    name for name in vars(AsyncioLaws) if name.startswith("test_") and name != "test_the_other_sides_client"
]


def test_a_side_that_the_backend_does_not_have_is_no_green_run(pytester):
    code, printed = run(pytester, ("asyncio",), "plain://sides", "test_copies")
    assert code == 1, printed
    assert "the suite asks for ('asyncio',); the backend has ('sync',)" in printed


@pytest.mark.parametrize("sides", [(), ("async",), "sync"])
def test_what_is_no_side_is_refused_by_name(pytester, sides):
    code, printed = run(pytester, repr(sides), "memory://sides", "test_copies and whole")
    assert code == 1, printed
    assert f"the suite's sides are {sides!r}; they can be" in printed
