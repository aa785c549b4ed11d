"""Where engines come from: the environment, this machine, the cache; and what is said of those that cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kairos_engines import Missing, Off, start
from kairos_engines.cache import filled
from kairos_engines.catalogue import variable
from kairos_engines.sources import Debs, Installed, Maven, first_of

FILLER = """
import sys, time
from pathlib import Path
from kairos_engines.cache import filled

def fill(folder):
    with open(sys.argv[2], "a") as log:
        log.write("filled\\n")
    time.sleep(0.2)
    (folder / "file").write_text("whole")

assert (filled("thing", fill, Path(sys.argv[1])) / "file").read_text() == "whole"
"""


def test_of_several_processes_one_fills_the_cache(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILLER, str(tmp_path / "cache"), str(tmp_path / "log")]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert (tmp_path / "log").read_text() == "filled\n"


def test_what_fails_half_way_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise Missing("the registry is away")

    with pytest.raises(Missing, match="the registry is away"):
        filled("thing", fail, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thing.lock"]
    assert filled("thing", lambda folder: (folder / "file").touch(), tmp_path) == tmp_path / "thing"


def test_the_reasons_of_all_sources_are_given() -> None:
    sources = [Installed("no-such-server"), Installed("python3", "9")]
    with pytest.raises(Missing) as caught:
        first_of(sources)
    first, second = str(caught.value).split("; ")
    assert first == "no-such-server on this machine: no no-such-server on PATH"
    assert "no python3 of a fitting version: " in second


def test_what_is_not_in_the_cache_yet_is_not_fetched_to_list_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAIROS_ENGINES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Missing, match="not fetched yet"):
        first_of([Debs(("memcached",), "usr/bin/memcached")], fetch=False)
    assert not (tmp_path / "cache").exists()


def test_the_installer_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="no mvn on this machine: install Maven"):
        Maven("group:name:1").fill(tmp_path)
    with pytest.raises(Missing, match="no apt-get on this machine"):
        Debs(("memcached",), "usr/bin/memcached").unpack(tmp_path)


def test_an_engine_of_the_environment_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIROS_TEST_REDIS_CLUSTER_URL", "redis+cluster://somewhere:7000")
    with start("redis-cluster") as engine:
        assert engine.url == "redis+cluster://somewhere:7000"
        assert engine.nodes == ()


def test_an_engine_that_is_off_is_missing_even_with_options(monkeypatch: pytest.MonkeyPatch) -> None:
    assert variable("mongo-set") == "KAIROS_TEST_MONGO_SET_URL"
    monkeypatch.setenv("KAIROS_TEST_MONGO_SET_URL", "off")
    for options in ({}, {"members": 1}):
        with pytest.raises(Off, match="KAIROS_TEST_MONGO_SET_URL is off"):
            start("mongo-set", **options)


def test_an_unknown_name_and_an_unknown_option_are_errors() -> None:
    with pytest.raises(ValueError, match=r"no engine is called 'reddis': must be one of redis, "):
        start("reddis")
    with pytest.raises(TypeError, match="durabel"):
        start("redis", durabel=True)


def test_listing_names_every_engine() -> None:
    command = [sys.executable, "-m", "kairos_engines", "--list"]
    off = {"KAIROS_TEST_MYSQL_URL": "off"}
    done = subprocess.run(command, env={**os.environ, **off}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert {"redis", "mongo-set", "postgresql", "cassandra-ring"} < set(lines)
    assert lines["mysql"].endswith("off   KAIROS_TEST_MYSQL_URL is off")
