"""Making, sharing and closing a timeseries; finding its backend."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import kairos
from kairos import AsyncTimeseries, BackendNotFound, Closed, KairosError, SchemaMismatch, Timeseries
from kairos.memory import MemoryStorage, Store
from kairos.timeseries import storage_of

Make = Callable[..., Timeseries]


# Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["series", "histogram", "count", "gauge", "set"])
def test_every_kind_is_there(make: Make, kind: str) -> None:
    assert make(kind).list() == []


def test_type_is_series_by_default() -> None:
    with Timeseries(Store(), intervals={"m": {"step": 60}}) as series:
        series.insert("a", [1, 1], 0)
        assert series.get("a", "m", timestamp=0) == {0: [1, 1]}


def test_clock_is_the_time_of_day_by_default() -> None:
    with Timeseries(Store(), type="count", intervals={"y": {"step": "yearly", "steps": 1}}) as counts:
        counts.insert("a")
        assert list(counts.get("a", "y").values()) == [1]


@pytest.mark.parametrize("facade", [Timeseries, AsyncTimeseries])
def test_the_callers_mappings_are_never_modified(
    facade: Callable[..., Any], limited: Callable[..., Any]
) -> None:
    limited()
    intervals: dict[str, Any] = {
        "m": {"step": "1h", "steps": None, "resolution": timedelta(minutes=1)},
        "n": {"step": 60, "steps": 5, "resolution": 60},
    }
    client_config = {"host": "x", "nested": {"a": 1}}
    before = copy.deepcopy((intervals, client_config))
    facade("limited://unmodified", intervals=intervals, client_config=client_config, colour="red")
    assert (intervals, client_config) == before
    frozen: Any = MappingProxyType({name: MappingProxyType(config) for name, config in intervals.items()})
    facade(Store(), intervals=frozen)


def test_later_changes_of_the_callers_mappings_play_no_part(make: Make) -> None:
    intervals: dict[str, Any] = {"m": {"step": 60}}
    counts = make("count", intervals=intervals)
    intervals["m"]["step"] = 1
    intervals["n"] = {"step": 1}
    counts.insert("a", 1, 59)
    assert counts.get("a", "m", timestamp=0) == {0: 1}
    assert set(counts.properties("a")) == {"m"}


@pytest.mark.parametrize("tz", ["America/New_York", ZoneInfo("America/New_York")])
def test_tz_is_a_name_or_a_zone(make: Make, tz: Any) -> None:
    counts = make("count", intervals={"d": {"step": "daily"}}, tz=tz)
    assert counts.get("a", "d", timestamp=0) == {5 * 3600 - 86_400: 0}


@pytest.mark.parametrize(
    "name",
    ["a", "a:b", "10", "$", "system.x", " ", "é", "\U0001f600", "%", "a" * 200, "None", "a\nb", "\x01"],
)
def test_interval_names_are_any_text(make: Make, name: str) -> None:
    counts = make("count", intervals={name: {"step": 60}, name + "!": {"step": 3600}})
    counts.insert("a", 1, 0)
    assert counts.get("a", name, timestamp=0) == {0: 1}
    assert set(counts.properties("a")) == {name, name + "!"}


# The target and its options --------------------------------------------------------------------------------------


def test_client_config_and_options_go_to_the_backend(limited: Callable[..., Any]) -> None:
    limited()
    module = sys.modules["kairos_test_limited"]
    intervals = {"m": {"step": 60}}
    with Timeseries("limited://config", intervals=intervals, client_config={"host": "x"}, colour="red"):
        place = module.PLACES["limited://config"]
        assert place.client_config == {"host": "x"}
        assert place.options == {"colour": "red"}
    with Timeseries(limited(), intervals=intervals, client_config={}):
        pass
    with Timeseries(limited(), intervals=intervals, client_config=None):
        pass


@pytest.mark.parametrize("target", ["limited+driver://x", "LIMITED://x"])
def test_scheme_is_found_with_a_driver_and_in_capitals(limited: Callable[..., Any], target: str) -> None:
    limited()
    with Timeseries(target, intervals={"m": {"step": 60}}, backend="kairos-test-limited") as series:
        series.insert("a", 1)


def test_client_is_found_by_the_package_of_its_class_or_of_its_bases(limited: Callable[..., Any]) -> None:
    place = limited()
    special = type("Special", (type(place),), {})(place.capabilities)
    with Timeseries(special, intervals={"m": {"step": 60}}) as series:
        series.insert("a", 1)
    assert special.calls == ["ready", "record_layouts", "write", "close"]


def test_constructing_makes_the_storage_ready_and_does_nothing_else(limited: Callable[..., Any]) -> None:
    place = limited()
    series = Timeseries(place, intervals={"m": {"step": 60}})
    assert place.calls == ["ready"]
    series.insert("a", 1)
    series.insert("a", 1)
    assert place.calls == ["ready", "record_layouts", "write", "write"]


def test_write_with_options_takes_the_record_with_it(limited: Callable[..., Any]) -> None:
    place = limited(write_options=frozenset({"pipeline"}))
    series = Timeseries(place, intervals={"m": {"step": 60}})
    series.insert("a", 1, pipeline="mine")
    series.bulk_insert({0: {"a": [1]}}, pipeline="mine")
    assert place.record_options == [{"pipeline": "mine"}, {"pipeline": "mine"}]
    series.insert("a", 1)  # the caller's pipeline may never be executed
    series.insert("a", 1)
    assert place.record_options == [{"pipeline": "mine"}, {"pipeline": "mine"}, {}]


@pytest.mark.parametrize(
    "wrong", [{"colours": "red"}, {"type": "counter"}, {"intervals": {}}, {"tz": "Mars"}, {"read_func": 5}]
)
def test_error_of_construction_comes_before_any_io(
    limited: Callable[..., Any], wrong: dict[str, Any]
) -> None:
    place = limited()
    options: dict[str, Any] = {"intervals": {"m": {"step": 60}}} | wrong
    with pytest.raises(KairosError):
        Timeseries(place, **options)
    assert place.calls == []


def test_storage_that_does_not_get_ready_is_closed_and_its_error_passes_through(
    limited: Callable[..., Any],
) -> None:
    place = limited()
    place.calls = Refusing()
    with pytest.raises(ConnectionError, match="refused"):
        Timeseries(place, intervals={"m": {"step": 60}})
    assert place.calls == ["close"]


def test_layout_that_differs_closes_what_was_opened(limited: Callable[..., Any]) -> None:
    place = limited()
    with Timeseries(place, intervals={"m": {"step": 60}}) as series:
        series.insert("a", 1)
    place.calls.clear()
    with pytest.raises(SchemaMismatch):
        Timeseries(place, intervals={"m": {"step": 30}})
    assert place.calls == ["ready", "close"]


class Refusing(list[str]):
    def append(self, call: str) -> None:
        if call == "ready":
            raise ConnectionError("refused")
        super().append(call)


# Closing ---------------------------------------------------------------------------------------------------------


def test_close_and_with_close_the_storage_once(limited: Callable[..., Any]) -> None:
    place = limited()
    with Timeseries(place, intervals={"m": {"step": 60}}) as series:
        assert isinstance(series, Timeseries)
        series.insert("a", 1)
    series.close()
    series.close()
    assert place.calls.count("close") == 1


def test_with_closes_after_an_error_too(make: Make) -> None:
    with pytest.raises(ZeroDivisionError), make() as series:
        raise ZeroDivisionError
    with pytest.raises(Closed):
        series.list()


def test_place_that_the_caller_passed_stays_open_for_others(make: Make) -> None:
    one, other = make("count"), make("count")
    one.insert("a")
    one.close()
    assert other.get("a", "m") == {600: 1}


def test_iterator_of_a_closed_timeseries_stops_with_an_error(make: Make) -> None:
    counts = make("count", intervals={"s": {"step": 1}})
    counts.insert("a", 1, 0)
    counts.insert("a", 1, 100_000)
    started, fresh = counts.iterate("a", "s"), counts.iterate("a", "s")
    next(started)
    counts.close()
    with pytest.raises(Closed):
        list(started)
    with pytest.raises(Closed):
        next(fresh)


# In a Python of its own ------------------------------------------------------------------------------------------

HINTS = {
    **dict.fromkeys(["redis", "rediss", "redis+cluster", "redis+sentinel"], "kairos-redis"),
    **dict.fromkeys(["mongodb", "mongodb+srv"], "kairos-mongo"),
    **dict.fromkeys(["sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"], "kairos-sql"),
    **dict.fromkeys(
        ["mysql", "mysql+pymysql", "mysql+mysqldb", "mariadb", "oracle", "oracle+oracledb"], "kairos-sql"
    ),
    **dict.fromkeys(["cassandra", "cql"], "kairos-cassandra"),
}
CLIENTS = {
    "redis.client.Redis": "kairos-redis",
    "redis.cluster.RedisCluster": "kairos-redis",
    "redis.asyncio.client.Redis": "kairos-redis",
    "pymongo.synchronous.mongo_client.MongoClient": "kairos-mongo",
    "pymongo.synchronous.database.Database": "kairos-mongo",
    "sqlalchemy.engine.base.Engine": "kairos-sql",
    "sqlalchemy.ext.asyncio.engine.AsyncEngine": "kairos-sql",
    "cassandra.cluster.Session": "kairos-cassandra",
}


def run(folder: Path, script: str) -> str:
    """Run a script in a Python that has the core and what it needs, and no other package."""
    for package in ("kairos", "attr", "attrs", "pluggy", "tzdata"):
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            (folder / package).symlink_to(Path(spec.origin).parent)
    information = folder / "kairos_core-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: kairos-core\nVersion: 1.0\n")
    points = "[kairos.schemes]\nmemory = kairos.memory\n[kairos.clients]\nkairos = kairos.memory\n"
    (information / "entry_points.txt").write_text(points)
    command = [sys.executable, "-S", "-W", "error", "-c", textwrap.dedent(script)]
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONSTARTUP", "PYTHONHOME")}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment | {"PYTHONPATH": str(folder)}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_backend_that_is_not_installed_is_named_with_what_to_install(tmp_path: Path) -> None:
    script = f"""
        import json
        from kairos import BackendNotFound, Timeseries
        targets = {{scheme: scheme + "://joe:hush@host:1/x?password=hush" for scheme in {list(HINTS)!r}}}
        for path in {list(CLIENTS)!r}:
            module, _, name = path.rpartition(".")
            client = type(name, (), {{"__module__": module, "__repr__": lambda self: "hush"}})
            targets[path] = client()
        messages = {{}}
        for key, target in targets.items():
            try:
                Timeseries(target, intervals={{"m": {{"step": 60}}}})
            except BackendNotFound as error:
                messages[key] = str(error)
        print(json.dumps(messages))
    """
    messages = json.loads(run(tmp_path, script))
    for key, package in (HINTS | CLIENTS).items():
        assert f"pip install {package}" in messages[key], key
        assert "memory (kairos-core)" in messages[key]
        assert "hush" not in messages[key]
    for scheme in HINTS:
        assert scheme in messages[scheme]


def test_nothing_is_advised_for_what_no_package_is_known_to_take(tmp_path: Path) -> None:
    script = """
        from kairos import BackendNotFound, Timeseries
        try:
            Timeseries("bolt://here", intervals={"m": {"step": 60}})
        except BackendNotFound as error:
            print(error)
    """
    message = run(tmp_path, script)
    assert "'bolt'" in message
    assert "memory (kairos-core)" in message
    assert "pip install" not in message


def test_import_of_kairos_needs_no_driver_and_reads_no_hints(tmp_path: Path) -> None:
    script = """
        import sys
        from kairos import Timeseries
        counts = Timeseries("memory://", type="count", intervals={"m": {"step": 60}})
        counts.insert("a", timestamp=0)
        drivers = {"redis", "pymongo", "sqlalchemy", "cassandra", "aiosqlite", "kairos_sql"}
        print(counts.get("a", "m", timestamp=0), sorted(drivers & set(sys.modules)))
    """
    assert run(tmp_path, script) == "{0: 1} []\n"


def test_a_tool_of_a_backend_gets_its_storage_and_can_record_the_layouts() -> None:
    store = Store()
    with Timeseries(store, type="count", intervals={"m": {"step": 60}}) as ours:
        found = storage_of(ours)
        assert isinstance(found, MemoryStorage)
        assert found.layouts() == {}
        storage_of(ours, record=True)
        assert list(found.layouts()) == ["m"]
        with pytest.raises(SchemaMismatch, match="step 60"):
            Timeseries(store, type="count", intervals={"m": {"step": 61}})
    with pytest.raises(Closed):
        storage_of(ours)
    with pytest.raises(TypeError, match="takes a Timeseries; got 'memory://'"):
        storage_of("memory://")  # type: ignore[arg-type]


def test_public_names_are_those_of_all() -> None:
    assert sorted(kairos.__all__) == sorted(set(kairos.__all__))
    assert all(hasattr(kairos, name) for name in kairos.__all__)
    for name in kairos.__all__:
        if isinstance(getattr(kairos, name), type) and issubclass(getattr(kairos, name), Exception):
            assert issubclass(getattr(kairos, name), KairosError)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (kairos.InvalidType, TypeError),
        (kairos.InvalidValue, ValueError),
        (kairos.UnknownInterval, KeyError),
        (kairos.Closed, RuntimeError),
        (kairos.Unsupported, NotImplementedError),
        (kairos.BackendNotFound, ImportError),
        (kairos.AmbiguousBackend, ValueError),
        (kairos.SchemaMismatch, ValueError),
    ],
)
def test_every_error_is_also_the_builtin_that_a_caller_would_catch(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, KairosError)
    assert issubclass(error, builtin)
    assert str(error("what was given")) == "what was given"


@pytest.mark.parametrize(
    ("target", "meant"), [("memry://", "memory"), ("postgres://h/d", "postgresql"), ("mongo://h", "mongodb")]
)
def test_a_misspelt_scheme_is_told_what_was_meant(target: str, meant: str) -> None:
    with pytest.raises(BackendNotFound, match=rf"did you mean {meant}://\?") as raised:
        Timeseries(target, intervals={"m": {"step": 60}})
    assert "* (" not in str(raised.value)  # the key of a backend that is asked for any scheme is none


def test_a_scheme_like_no_other_is_told_nothing() -> None:
    with pytest.raises(BackendNotFound) as raised:
        Timeseries("quux://h", intervals={"m": {"step": 60}})
    assert "did you mean" not in str(raised.value)
