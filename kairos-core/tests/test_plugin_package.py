"""Plugins as a stranger ships them: built, installed, found by entry point in a Python of their own.

The packages are in ``stage_plugin/``. Each test starts a Python that sees some of them and runs a script there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PACKAGES = Path(__file__).parent / "stage_plugin"
PREAMBLE = """
import warnings
import pytest
from kairos import Timeseries
from kairos.errors import AmbiguousBackend, BackendNotFound, InvalidValue

def counts(target="mini://here", intervals=("plain", "marked", "fetched"), **options):
    every = {name: {"step": 60, "resolution": 20} if name.endswith("fine") else {"step": 60} for name in intervals}
    return Timeseries(target, type="count", intervals=every, clock=lambda: 600.0, **options)
"""

Run = Callable[[list[str], str], None]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build and install each package into a folder of its own, with its metadata."""
    folder = tmp_path_factory.mktemp("plugins")
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    pip = (
        [uv, "pip", "install", "--python", sys.executable, "--no-cache"]
        if uv
        else [sys.executable, "-m", "pip", "install"]
    )
    found = {}
    for package in sorted(PACKAGES.iterdir()):
        if (package / "pyproject.toml").exists():
            found[package.name] = folder / package.name
            how = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(found[package.name])]
            done = subprocess.run([*pip, *how, str(package)], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return found


@pytest.fixture
def run(installed: dict[str, Path]) -> Run:
    """Return a function that runs a script in a Python that sees these packages."""

    def run(packages: list[str], script: str) -> None:
        env = os.environ | {"PYTHONPATH": os.pathsep.join(str(installed[name]) for name in packages)}
        script = PREAMBLE + textwrap.dedent(script)
        python = [sys.executable, "-W", "error", "-c", script]
        done = subprocess.run(python, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr

    return run


def test_stage_plugin_provides_each_stage(run: Run) -> None:
    run(
        ["stages", "mini"],
        """
        with counts(intervals=("plain", "marked", "marked-fine", "fetched")) as ts:
            ts.bulk_insert({600: {"a": [1], "b": [2]}, 630: {"a": [4]}})

            # no part in it
            assert ts.get("a", "plain", timestamp=600) == {600: 5}

            # process_row, for rows without data too
            assert ts.get("a", "marked", timestamp=600) == {600: 50}
            assert ts.get("a", "marked", timestamp=0) == {0: 0}
            assert ts.series("a", "marked", start=540, end=600) == {540: 0, 600: 50}
            assert list(ts.iterate("a", "marked")) == [(600, 50)]

            # condense, of processed rows
            assert ts.get("a", "marked-fine", timestamp=600) == {600: 10, 620: 40}
            assert ts.get("a", "marked-fine", timestamp=600, condense=True) == {600: 51}

            # join_rows
            assert ts.get(["a", "b"], "plain", timestamp=600) == {600: 7}
            assert ts.get(["a", "b"], "marked", timestamp=600) == {600: 50}

            # collapse
            assert ts.series("a", "plain", start=540, end=600, collapse=True) == {540: 5}
            assert ts.series("a", "marked", start=540, end=600, collapse=True) == {540: [0, 50]}

            # transform, by name: f(row) and f(row, duration)
            assert ts.get("a", "plain", timestamp=600, transform="half") == {600: 2.5}
            assert ts.get("a", "plain", timestamp=600, transform=["half", "per_hour", "sum"]) == {
                600: {"half": 2.5, "per_hour": 300.0, "sum": 5}
            }

            # fetch
            assert ts.series("a", "fetched", start=480, end=600) == {480: 2, 540: 1, 600: 0}
        """,
    )


def test_stage_plugin_applies_to_the_memory_backend_too(run: Run) -> None:
    run(
        ["stages"],
        """
        with counts("memory://", intervals=("plain", "marked", "marked-fine")) as ts:
            ts.bulk_insert({600: {"a": [1], "b": [2]}, 630: {"a": [4]}})
            assert ts.get("a", "marked", timestamp=600) == {600: 50}
            assert ts.get("a", "marked-fine", timestamp=600, condense=True) == {600: 51}
            assert ts.get(["a", "b"], "marked", timestamp=600) == {600: 50}
            assert ts.series("a", "marked", start=540, end=600, collapse=True) == {540: [0, 50]}
            assert ts.get("a", "plain", timestamp=600, transform="half") == {600: 2.5}
            assert ts.series(["a", "b"], "plain", start=540, end=600, collapse=True, transform="half") == {540: 3.5}
        """,
    )


def test_stage_plugin_declines_other_kinds(run: Run) -> None:
    run(
        ["stages", "mini"],
        """
        with Timeseries("mini://here", type="gauge", intervals={"marked": {"step": 60}}, clock=lambda: 600.0) as ts:
            ts.insert("a", 5)
            assert ts.get("a", "marked") == {600: 5}
        """,
    )


def test_plugins_false_turns_stage_plugins_off(run: Run) -> None:
    run(
        ["stages", "mini"],
        """
        with counts(plugins=False) as ts:
            ts.insert("a", 5)
            assert ts.get("a", "marked") == {600: 5}
            assert ts.series("a", "marked", collapse=True) == {600: 5}
            assert ts.get("a", "fetched") == {600: 5}
            with pytest.raises(InvalidValue, match="half"):
                ts.get("a", "marked", transform="half")
        """,
    )


def test_the_keyword_of_a_call_wins_over_the_plugin(run: Run) -> None:
    run(
        ["stages", "mini"],
        """
        with counts(intervals=("marked", "marked-fine", "fetched")) as ts:
            ts.bulk_insert({600: {"a": [1], "b": [2]}})
            assert ts.get("a", "marked", process_row=lambda row: row + 100) == {600: 101}
            assert ts.get("a", "marked-fine", condense=lambda rows: sorted(rows.items())) == {600: [(600, 10)]}
            assert ts.get(["a", "b"], "marked", join_rows=min) == {600: 10}
            assert ts.series("a", "marked", collapse=len) == {600: 1}
            assert ts.get("a", "fetched", fetch=lambda rows, name, interval, i, j: {i: {None: 7}}) == {600: 7}
            assert ts.get("a", "marked", transform={"half": lambda row: "mine"}) == {600: {"half": "mine"}}
        """,
    )


def test_broken_plugin_stops_no_other_and_its_error_is_shown(run: Run) -> None:
    run(
        ["broken", "stages", "mini"],
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with counts() as ts:
                ts.insert("a", 5)
                assert ts.get("a", "marked") == {600: 50}
        (warning,) = caught
        assert warning.category is RuntimeWarning
        assert "broken-stages" in str(warning.message) and "a library that is not there" in str(warning.message)
        assert warning.filename == "<string>", warning.filename  # the line that made the timeseries

        with pytest.raises(BackendNotFound) as raised:
            counts("broken://here")
        assert isinstance(raised.value, ImportError)
        for part in ("'broken'", "kairos-test-broken", "RuntimeError: the broken plugin needs a library"):
            assert part in str(raised.value), str(raised.value)
        """,
    )


def test_broken_plugin_is_not_imported_for_another_scheme(run: Run) -> None:
    run(
        ["broken"],
        """
        with counts("memory://", plugins=False) as ts:
            ts.insert("a", 5)
            assert ts.get("a", "plain") == {600: 5}
        """,
    )


def test_backend_not_found_shows_broken_stage_plugins_and_what_is_installed(run: Run) -> None:
    run(
        ["broken", "mini"],
        """
        with pytest.warns(RuntimeWarning, match="broken-stages"):
            counts().close()
        with pytest.raises(BackendNotFound) as raised:
            counts("nobody://here")
        for part in ("'nobody'", "mini (kairos-test-mini)", "kairos-test-broken", "needs a library that is not there"):
            assert part in str(raised.value), str(raised.value)
        """,
    )


def test_plugin_that_does_not_fit_the_hooks_stops_no_other(run: Run) -> None:
    run(
        ["misspelt", "stages", "mini"],
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with counts() as ts:
                ts.insert("a", 5)
                assert ts.get("a", "marked") == {600: 50}
        assert all(warning.category is RuntimeWarning for warning in caught)
        argument, hook = sorted(str(warning.message) for warning in caught)
        assert "misspelt-argument" in argument and "row" in argument, argument
        assert "misspelt-hook" in hook and "kairos_process_rows" in hook, hook
        """,
    )


def test_duplicate_scheme_is_an_error_for_that_scheme_only(run: Run) -> None:
    run(
        ["mini", "rival"],
        """
        with pytest.raises(AmbiguousBackend) as raised:
            counts("twice://here")
        assert isinstance(raised.value, ValueError)
        for part in ("'twice'", "kairos-test-mini", "kairos-test-rival", "backend="):
            assert part in str(raised.value), str(raised.value)

        for target in ("mini://here", "rival://here", "memory://"):
            counts(target).close()
        """,
    )


def test_backend_by_name_settles_a_duplicate_scheme(run: Run) -> None:
    run(
        ["mini", "rival"],
        """
        with counts("twice://here", backend="kairos-test-mini") as ts:
            ts.insert("a", 5)
            assert ts.get("a", "plain") == {600: 5}
        with counts("twice://here", backend="kairos-test-rival") as ts, pytest.raises(RuntimeError, match="the rival"):
            ts.insert("a", 5)
        with pytest.raises(BackendNotFound, match="kairos-core"):
            counts("twice://here", backend="kairos-core")
        """,
    )


def test_third_party_backend_is_found_by_scheme_and_by_client(run: Run) -> None:
    run(
        ["mini"],
        """
        import sys
        import kairos
        assert "kairos_test_mini" not in sys.modules

        with counts("mini://place") as ts:
            ts.insert("a", 5)
        with counts("mini://place") as again, counts("mini://elsewhere") as other:
            assert again.list() == ["a"] and other.list() == []
            assert again.properties("a")["plain"] == {"first": 600, "last": 600}
            assert again.delete("a") == 1 and again.list() == []

        from kairos_test_mini import Client

        class Special(Client):
            pass

        for client in (Client(), Special()):
            with counts(client) as ts:
                ts.insert("a", 5)
            with counts(client) as ts:
                assert ts.get("a", "plain") == {600: 5}
        """,
    )


def test_plan_shows_who_provides_each_stage(run: Run) -> None:
    run(
        ["stages", "mini"],
        """
        with counts() as ts:
            plan = ts.plan("marked")
            transforms = plan.pop("transform")
            assert plan == {
                "fetch": "backend kairos-test-mini",
                "process_row": "plugin stages",
                "condense": "plugin stages",
                "join_rows": "plugin stages",
                "collapse": "plugin stages",
            }
            assert transforms["half"].startswith("plugin"), transforms
            assert transforms["rate"] == "kind count", transforms
            assert ts.plan("plain")["process_row"] == "kind count"
            assert ts.plan("fetched")["fetch"] == "plugin stages"
            assert ts.plan("marked", process_row=abs)["process_row"] == "call"
        with counts(plugins=False) as ts:
            assert ts.plan("marked")["process_row"] == "kind count"
            assert "half" not in ts.plan("marked")["transform"]
        """,
    )


def test_transform_of_two_plugins_is_an_error_of_the_call_that_asks_for_it(run: Run) -> None:
    run(
        ["stages", "rival", "mini"],
        """
        with counts() as ts:
            ts.insert("a", 5)
            with pytest.raises(InvalidValue, match="'half'"):
                ts.get("a", "plain", transform="half")
            assert ts.get("a", "plain", transform="sum") == {600: 5}
            assert ts.get("a", "plain", transform="per_hour") == {600: 300}
            assert ts.get("a", "plain", transform="quarter") == {600: 1.25}
        """,
    )


def test_the_old_kairos_beside_the_core_is_warned_about(run: Run) -> None:
    run(
        ["old"],
        """
        with pytest.warns(RuntimeWarning, match="kairos 0.10.1 .*pip uninstall kairos") as caught:
            counts("memory://").close()
        assert caught[0].filename == "<string>", caught[0].filename  # the line that made the timeseries
        """,
    )
