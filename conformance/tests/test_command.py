"""``python -m kairos_conformance``: the suite without a file, and the project of a new backend."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import install

from kairos_conformance.__main__ import main

BACKENDS = Path(__file__).parent / "backends"


def command(*arguments, cwd, path=BACKENDS):
    return subprocess.run(
        [sys.executable, "-m", "kairos_conformance", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_a_right_backend_is_held_and_the_exit_code_is_zero(tmp_path):
    run = command("memory://command", "--kind", "count", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 FAILED" in run.stdout
    assert not list(tmp_path.iterdir()), "it left something behind"


def test_a_wrong_backend_is_told_and_the_exit_code_is_not_zero(tmp_path):
    run = command("wrong://typed-NamesFolded", "-k", "test_hostile_names", "--kind", "gauge", cwd=tmp_path)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Names never collide, fold, match or run" in run.stdout
    assert "1 laws: 0 held, 0 Unsupported as declared, 1 FAILED" in run.stdout


@pytest.mark.slow
def test_profile_kind_and_options_reach_the_suite(tmp_path):
    more = ("--profile", "ci", "--kind", "set", "--kind", "gauge", "-o", "value_type=str", "-k", "test_list")
    run = command(f"sqlite:///{tmp_path / 'kit.sqlite'}", *more, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^- +- +- +held +held +- +§6 list gives", run.stdout, re.MULTILINE)
    wrong = command("memory://command", "-o", "kit_no_such_option=1", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "kit_no_such_option" in wrong.stderr


@pytest.mark.slow
def test_each_seed_is_told_in_a_line_and_the_first_that_fails_in_full(tmp_path):
    laws = ("-k", "test_datetimes", "--kind", "count")
    run = command("memory://command", *laws, "--seeds", "2", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert [line.partition(",")[0] for line in run.stdout.splitlines()] == ["seed 1 of 2", "seed 2 of 2"]
    run = command("wrong://typed-TotalsAsDoubles", "--seeds=2", "-k", "whole_floats", cwd=tmp_path)
    assert run.returncode == 1
    assert "seed 1 of 2 failed: try it again with --seed 1" in run.stdout
    assert "1 FAILED" in run.stdout
    assert "seed 2" not in run.stdout


TWO = ("-k", "test_list or test_kinds_never_share")


@pytest.mark.slow
def test_a_place_that_takes_one_kind_is_tried_with_a_place_for_each(tmp_path):
    run = command("single://prefix", *TWO, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith(
        "The place refuses a second kind: each kind is tried with prefix='kit_KIND'."
    )
    assert "2 laws: 10 held" in run.stdout


@pytest.mark.slow
def test_an_option_that_keeps_kinds_apart_is_asked_for_where_none_is_known(tmp_path):
    run = command("single://shop", *TWO, cwd=tmp_path)
    assert run.returncode == 2
    assert "-o NAME=kit_{kind}" in run.stderr
    run = command("single://shop", *TWO, "-o", "shop=mine-{kind}", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", ["redis", "mongo", "postgresql"])
def test_the_url_of_a_server_is_enough(engine, name, tmp_path):
    run = command(engine(name).url, *TWO, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 laws: 10 held" in run.stdout


def test_a_place_that_cannot_be_opened_is_said_once_without_its_password(tmp_path):
    run = command("nobody://user:secret@host/db", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stdout == ""
    assert "no installed backend takes the scheme 'nobody'" in run.stderr
    assert "secret" not in run.stderr


@pytest.mark.parametrize("name", ["My Store", "9lives", "", "../up"])
def test_a_project_is_not_made_under_a_name_that_cannot_be(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert main(["new", name]) == 2
    assert not list(tmp_path.iterdir())


def test_a_project_is_not_made_over_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kairos-mystore").mkdir()
    assert main(["new", "mystore"]) == 2
    assert "nothing was written" in capsys.readouterr().err


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project that was made and installed, and where it is installed."""
    where = tmp_path_factory.mktemp("new")
    made = command("new", "mystore", cwd=where)
    assert made.returncode == 0, made.stderr
    install(where / "kairos-mystore", where / "site")
    return where / "kairos-mystore", where / "site"


def in_project(project, *arguments):
    folder, site = project
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_a_new_project_fails_law_by_law_and_says_what_is_to_do(project):
    first = in_project(project, "-x")
    assert first.returncode == 1, first.stdout + first.stderr
    assert "1 failed" in first.stdout
    assert "to do in kairos_mystore/storage.py: write: for each write of batch.writes" in first.stdout
    assert "what is written to a bucket reads back from it" in first.stdout, "the law does not name itself"
    every = in_project(project, "--kairos-kind", "series")
    failed = set(re.findall(r"to do in kairos_mystore/storage.py: (\w+)", every.stdout))
    assert failed >= {"write", "names", "span", "record_layouts"}


@pytest.mark.slow
def test_a_project_is_done_when_its_methods_are(project):
    """Fill the skeleton in with a few lines, and see the suite held."""
    folder, site = project
    storage = site / "kairos_mystore" / "storage.py"
    storage.write_text(
        "import kairos_plain\n"
        "class MystoreStorage(kairos_plain.Plain):\n"
        "    def __init__(self, url, config):\n"
        "        place = kairos_plain.PLACES.setdefault(url, kairos_plain.Place())\n"
        "        super().__init__(place, config.kind, kairos_plain.MORE)\n"
    )
    run = in_project((folder, f"{site}{os.pathsep}{BACKENDS}"), "--kairos-kind", "count")
    assert run.returncode == 0, run.stdout + run.stderr
