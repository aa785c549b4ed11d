"""What each error of the law says: what was given, what is allowed, what to do. And that it comes before any write.

One table for each section of SEMANTICS.md; each row is a call, the builtin that a caller would catch, and the parts
that the message must have.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kairos import AsyncTimeseries, BackendNotFound, Closed, KairosError, SchemaMismatch, Timeseries
from kairos.memory import Store
from kairos.storage import Values

Make = Callable[..., Timeseries]
HUGE = 10**5000
"""An int that Python refuses to print: the message must come all the same."""


class Like:
    """A number as numpy has them: equal to a Python number, usable as one, and none."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __index__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __eq__(self, other: object) -> bool:
        return self.value == other

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"np.int64({self.value})"


class NotATime(datetime):
    """As pandas has it: an instance of datetime that is none."""

    def utcoffset(self) -> timedelta:
        raise ValueError("NaTType does not support utcoffset")

    def __repr__(self) -> str:
        return "NaT"


def case(id: str, *values: Any) -> Any:
    return pytest.param(*values, id=id)


def says(error: BaseException, *parts: str) -> None:
    message = str(error)
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in {message!r}"


def open_with(facade: Callable[..., Any], target: Any, **options: Any) -> Any:
    """Make a timeseries and, if it is one of asyncio, open it."""
    made = facade(target, intervals={"m": {"step": 60}}, **options)
    return made if isinstance(made, Timeseries) else asyncio.run(made.open())


# §1 --------------------------------------------------------------------------------------------------------------

STEP = ("whole", "seconds", ">= 1", "30d", "daily")


def interval(**config: Any) -> dict[str, Any]:
    return {"intervals": {"fine": {"step": 60}, "odd": config}}


CONSTRUCTION = [
    case(
        "type unknown",
        {"type": "counter"},
        ValueError,
        ("type", "'counter'", "gauge", "histogram", "series", "set"),
    ),
    case("type not a str", {"type": 5}, TypeError, ("type", "5", "count")),
    case("type unhashable", {"type": ["count"]}, TypeError, ("type", "['count']", "count")),
    case("type None", {"type": None}, TypeError, ("type", "None", "count")),
    case(
        "intervals not a mapping", {"intervals": ["minute"]}, TypeError, ("intervals", "['minute']", "step")
    ),
    case("intervals None", {"intervals": None}, TypeError, ("intervals", "None", "step")),
    case("intervals empty", {"intervals": {}}, ValueError, ("intervals", "empty", "at least one")),
    case(
        "interval name empty", {"intervals": {"": {"step": 60}}}, ValueError, ("interval", "''", "non-empty")
    ),
    case("interval name int", {"intervals": {5: {"step": 60}}}, TypeError, ("interval", "5", "str", "int")),
    case("interval name NUL", {"intervals": {"a\0": {"step": 60}}}, ValueError, ("'a\\x00'", "NUL")),
    case(
        "interval name surrogate", {"intervals": {"\ud800": {"step": 60}}}, ValueError, ("ud800", "surrogate")
    ),
    case("interval config int", {"intervals": {"odd": 60}}, TypeError, ("'odd'", "60", "mapping", "step")),
    case("interval config str", {"intervals": {"odd": "60"}}, TypeError, ("'odd'", "'60'", "mapping")),
    case("step missing", interval(steps=5), ValueError, ("'odd'", "step", "missing", *STEP)),
    case("step None", interval(step=None), ValueError, ("'odd'", "step", *STEP)),
    case(
        "unknown key", interval(step=60, stepz=5), ValueError, ("'odd'", "'stepz'", "step, steps, resolution")
    ),
    case(
        "unknown key, not a str",
        interval(step=60) | {"intervals": {"odd": {"step": 60, 5: 5}}},
        ValueError,
        ("5",),
    ),
    case("step 0", interval(step=0), ValueError, ("'odd'", "step", "got 0", *STEP)),
    case("step negative", interval(step=-60), ValueError, ("'odd'", "step", "-60", *STEP)),
    case("step '0'", interval(step="0"), ValueError, ("'odd'", "step", "'0'", *STEP)),
    case("step '-5'", interval(step="-5"), ValueError, ("'odd'", "step", "'-5'", *STEP)),
    case("step True", interval(step=True), TypeError, ("'odd'", "step", "True", "bool", *STEP)),
    case("step 0.5", interval(step=0.5), TypeError, ("'odd'", "step", "0.5", *STEP)),
    case("step 60.0", interval(step=60.0), TypeError, ("'odd'", "step", "60.0", *STEP)),
    case("step '60.0'", interval(step="60.0"), ValueError, ("'odd'", "step", "'60.0'", *STEP)),
    case("step ''", interval(step=""), ValueError, ("'odd'", "step", "''", *STEP)),
    case("step '5x'", interval(step="5x"), ValueError, ("'odd'", "step", "'5x'", *STEP)),
    case(
        "step '60s'", interval(step="60s"), ValueError, ("'odd'", "step", "'60s'", "did you mean 60?", *STEP)
    ),
    case("step '5 min'", interval(step="5 min"), ValueError, ("'5 min'", "did you mean 300?", *STEP)),
    case("step hourly", interval(step="hourly"), ValueError, ("'hourly'", "did you mean 3600?", *STEP)),
    case("step 'd'", interval(step="d"), ValueError, ("'odd'", "step", "'d'", *STEP)),
    case("step '0d'", interval(step="0d"), ValueError, ("'odd'", "step", "'0d'", *STEP)),
    case("step 'Daily'", interval(step="Daily"), ValueError, ("'odd'", "step", "'Daily'", *STEP)),
    case("step ' 60 '", interval(step=" 60 "), ValueError, ("'odd'", "step", "' 60 '", *STEP)),
    case("step '60\\n'", interval(step="60\n"), ValueError, ("'odd'", "step", "60\\n", *STEP)),
    case("step arabic digits", interval(step="٣٠"), ValueError, ("'odd'", "step", "'٣٠'", *STEP)),
    case("step bytes", interval(step=b"60"), TypeError, ("'odd'", "step", "b'60'", *STEP)),
    case("step Decimal", interval(step=Decimal(60)), TypeError, ("'odd'", "step", "Decimal('60')", *STEP)),
    case(
        "step timedelta 0", interval(step=timedelta(0)), ValueError, ("'odd'", "step", "timedelta(0)", *STEP)
    ),
    case(
        "step timedelta < 0", interval(step=timedelta(-1)), ValueError, ("'odd'", "step", "timedelta", *STEP)
    ),
    case(
        "step timedelta 1.5 s",
        interval(step=timedelta(seconds=1.5)),
        ValueError,
        ("'odd'", "microsecond", *STEP),
    ),
    case("step too large", interval(step=2**63), ValueError, ("'odd'", "step", str(2**63), "2**63")),
    case("step of too many digits", interval(step="9" * 5000), ValueError, ("'odd'", "step", "2**63")),
    case("steps 0", interval(step=60, steps=0), ValueError, ("'odd'", "steps", "got 0", ">= 1", "None")),
    case("steps negative", interval(step=60, steps=-3), ValueError, ("'odd'", "steps", "-3", ">= 1")),
    case("steps True", interval(step=60, steps=True), TypeError, ("'odd'", "steps", "True", ">= 1")),
    case("steps 2.0", interval(step=60, steps=2.0), TypeError, ("'odd'", "steps", "2.0", ">= 1")),
    case("steps '2'", interval(step=60, steps="2"), TypeError, ("'odd'", "steps", "'2'", ">= 1")),
    case(
        "resolution 0", interval(step=60, resolution=0), ValueError, ("'odd'", "resolution", "got 0", *STEP)
    ),
    case(
        "resolution 0.5", interval(step=60, resolution=0.5), TypeError, ("'odd'", "resolution", "0.5", *STEP)
    ),
    case(
        "resolution 1.0", interval(step=60, resolution=1.0), TypeError, ("'odd'", "resolution", "1.0", *STEP)
    ),
    case(
        "resolution False",
        interval(step=60, resolution=False),
        TypeError,
        ("'odd'", "resolution", "False", *STEP),
    ),
    case("resolution ''", interval(step=60, resolution=""), ValueError, ("'odd'", "resolution", "''", *STEP)),
    case(
        "resolution longer",
        interval(step=60, resolution=61),
        ValueError,
        ("'odd'", "resolution", "60", "61", "step"),
    ),
    case(
        "resolution weekly of 1d", interval(step="1d", resolution="weekly"), ValueError, ("'weekly'", "'1d'")
    ),
    case(
        "resolution 31d of monthly",
        interval(step="monthly", resolution="31d"),
        ValueError,
        ("'31d'", "'monthly'"),
    ),
    case(
        "resolution yearly of monthly",
        interval(step="monthly", resolution="yearly"),
        ValueError,
        ("'yearly'",),
    ),
    case("read_func", {"read_func": 5}, TypeError, ("read_func", "callable", "None", "5")),
    case("write_func", {"write_func": "int"}, TypeError, ("write_func", "callable", "None", "'int'")),
    case("clock", {"clock": 600.0}, TypeError, ("clock", "callable", "600.0", "seconds")),
    case("clock None", {"clock": None}, TypeError, ("clock", "callable", "None")),
    case("tz unknown", {"tz": "Mars/Base"}, ValueError, ("tz", "'Mars/Base'", "Europe/Berlin")),
    case("tz empty", {"tz": ""}, ValueError, ("tz", "''", "IANA")),
    case("tz a folder", {"tz": "Europe"}, ValueError, ("tz", "'Europe'", "IANA")),
    case("tz a path", {"tz": "../../etc/passwd"}, ValueError, ("tz", "passwd", "IANA")),
    case("tz absolute", {"tz": "/etc/localtime"}, ValueError, ("tz", "/etc/localtime", "IANA")),
    case("tz NUL", {"tz": "a\0b"}, ValueError, ("tz", "IANA")),
    case("tz surrogate", {"tz": "\ud800"}, ValueError, ("tz", "IANA")),
    case("tz not a zone", {"tz": 2}, TypeError, ("tz", "2", "IANA")),
    case("tz of fixed offset", {"tz": UTC}, TypeError, ("tz", "utc", "IANA")),
    case("tz None", {"tz": None}, TypeError, ("tz", "None", "IANA")),
    case("plugins", {"plugins": 1}, TypeError, ("plugins", "True", "False", "1")),
    case("backend not a str", {"backend": 5}, TypeError, ("backend", "5", "name")),
    case("client_config", {"client_config": "fast"}, TypeError, ("client_config", "mapping", "str")),
    case(
        "client_config, client",
        {"client_config": {"a": 1}, "target": Store()},
        ValueError,
        ("client_config", "URL"),
    ),
]


@pytest.mark.parametrize(("options", "builtin", "parts"), CONSTRUCTION)
@pytest.mark.parametrize("facade", [Timeseries, AsyncTimeseries])
def test_construction_names_what_is_wrong(
    facade: Callable[..., Any], options: dict[str, Any], builtin: type[Exception], parts: tuple[str, ...]
) -> None:
    options = {"target": "memory://errors", "type": "count", "intervals": {"m": {"step": 60}}} | options
    with pytest.raises(KairosError) as raised:
        facade(**options)
    assert isinstance(raised.value, builtin)
    says(raised.value, *parts)


@pytest.mark.parametrize("facade", [Timeseries, AsyncTimeseries])
def test_intervals_are_required(facade: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="intervals"):
        facade("memory://errors")


@pytest.mark.parametrize(
    ("target", "hidden", "parts"),
    [
        case(
            "scheme", "nobody://joe:hush@host/db?password=hush", "hush", ("'nobody'", "memory (kairos-core)")
        ),
        case("scheme in capitals", "NOBODY://joe:hush@host", "hush", ("NOBODY",)),
        case("no scheme", "joe:hush@host:6379", "hush", ("URL", "scheme://", "memory (kairos-core)")),
        case("one slash", "redis:/:hush@host:6379/0", "hush", ("URL", "scheme://")),
        case("no slash", "redis:joe:hush@host", "hush", ("URL", "scheme://")),
        case("before ://", "joe:hush@host://x", "hush", ("memory (kairos-core)",)),
        case("empty", "", "hush", ("''", "URL", "scheme://")),
        case("None", None, "hush", ("target None", "URL or a client", "memory (kairos-core)")),
        case("a file", "views.sqlite", "hush", ("'views.sqlite'", "sqlite:///views.sqlite")),
        case("a file, one colon", "sqlite:views.db", "hush", ("'sqlite:views.db'", "sqlite:///views.db")),
        case("a host that ends like a file", "joe:hush@host.db", "hush", ("URL", "scheme://")),
        case("an int", 5, "hush", ("int",)),
        case("a path", Path("x.sqlite"), "hush", ("Path",)),
        case("a client", SimpleNamespace(password="hush"), "hush", ("SimpleNamespace",)),
    ],
)
def test_target_that_nobody_takes_shows_what_is_installed_and_never_a_password(
    target: Any, hidden: str, parts: tuple[str, ...]
) -> None:
    for facade in (Timeseries, AsyncTimeseries):
        with pytest.raises(BackendNotFound) as raised:
            open_with(facade, target)
        assert isinstance(raised.value, ImportError)
        assert isinstance(raised.value, KairosError)
        says(raised.value, *parts)
        assert hidden not in str(raised.value)


def test_backend_that_does_not_take_the_target_is_named(make: Make) -> None:
    with pytest.raises(BackendNotFound) as raised:
        make(target="memory://x", backend="kairos-nothing")
    says(raised.value, "'kairos-nothing'", "memory", "kairos-core")


@pytest.mark.parametrize("facade", [Timeseries, AsyncTimeseries])
def test_option_that_nobody_asked_for_is_an_error_that_lists_those_there_are(
    facade: Callable[..., Any], limited: Callable[..., Any]
) -> None:
    for target, allowed in ((Store(), "none"), (limited(), "colour")):
        with pytest.raises(KairosError) as raised:
            open_with(facade, target, colours="red")
        assert isinstance(raised.value, TypeError)
        says(raised.value, "'colours'", allowed)


def test_asyncio_without_a_driver_for_it_is_unsupported_and_names_the_other_class(
    limited: Callable[..., Any],
) -> None:
    series = AsyncTimeseries("limited-sync://x", intervals={"m": {"step": 60}})
    with pytest.raises(KairosError) as raised:
        asyncio.run(series.open())
    assert isinstance(raised.value, NotImplementedError)
    says(raised.value, "kairos-test-limited", "Timeseries")


def test_kind_that_the_backend_does_not_take_is_unsupported(make: Make, limited: Callable[..., Any]) -> None:
    place = limited(kinds=frozenset({"count"}))
    with pytest.raises(KairosError) as raised:
        make("gauge", target=place)
    assert isinstance(raised.value, NotImplementedError)
    says(raised.value, "'gauge'", "kairos-test-limited")
    assert "ready" not in place.calls


MISMATCHES = [
    case("step", {"m": {"step": 61}}, "UTC", ("'m'", "step 60", "step 61")),
    case(
        "resolution",
        {"m": {"step": 60, "resolution": 20}},
        "UTC",
        ("'m'", "resolution None", "resolution 20"),
    ),
    case("relative for Gregorian", {"day": {"step": "1d"}}, "UTC", ("'day'", "daily", "86400")),
    case("zone", {"day": {"step": "daily"}}, "Asia/Tokyo", ("'day'", "UTC", "Asia/Tokyo")),
    case(
        "zone of a resolution",
        {"r": {"step": "1w", "resolution": "daily"}},
        "Asia/Tokyo",
        ("'r'", "Asia/Tokyo"),
    ),
]


@pytest.mark.parametrize(("intervals", "tz", "parts"), MISMATCHES)
@pytest.mark.parametrize("when", ["at opening", "at the first write"])
def test_layout_that_differs_from_the_place_is_shown_beside_it(
    make: Make, intervals: Mapping[str, Any], tz: str, parts: tuple[str, ...], when: str
) -> None:
    first = make(
        "count",
        intervals={"m": {"step": 60}, "day": {"step": "daily"}, "r": {"step": "1w", "resolution": "daily"}},
    )
    late = make("count", intervals=intervals, tz=tz) if when == "at the first write" else None
    first.insert("a", timestamp=600)
    with pytest.raises(SchemaMismatch) as raised:
        (late or make("count", intervals=intervals, tz=tz)).insert("b", timestamp=600)
    assert isinstance(raised.value, ValueError)
    says(raised.value, *parts, "delete_all()")
    assert first.list() == ["a"]


# §2 --------------------------------------------------------------------------------------------------------------

ALLOWED_TIME = ("seconds since the epoch", "aware datetime")
TIMES = [
    case("NaN", math.nan, ValueError, ("nan", *ALLOWED_TIME)),
    case("inf", math.inf, ValueError, ("inf", *ALLOWED_TIME)),
    case("-inf", -math.inf, ValueError, ("-inf", *ALLOWED_TIME)),
    case("True", True, TypeError, ("True", *ALLOWED_TIME)),
    case("False", False, TypeError, ("False", *ALLOWED_TIME)),
    case(
        "naive",
        datetime(2024, 1, 1),
        ValueError,
        (
            "naive",
            "datetime.datetime(2024, 1, 1",
            "datetime.now(timezone.utc)",
            "tzinfo=ZoneInfo(",
            *ALLOWED_TIME,
        ),
    ),
    case("not a time", NotATime(2024, 1, 1), ValueError, ("NaT", *ALLOWED_TIME)),
    case("str", "2024-01-01", TypeError, ("'2024-01-01'", "str", *ALLOWED_TIME)),
    case("Decimal", Decimal(1), TypeError, ("Decimal('1')", *ALLOWED_TIME)),
    case("Fraction", Fraction(1), TypeError, ("Fraction(1, 1)", *ALLOWED_TIME)),
    case(
        "date",
        datetime(2024, 1, 1).date(),
        TypeError,
        ("datetime.date(2024, 1, 1)", "a whole day", *ALLOWED_TIME),
    ),
    case("timedelta", timedelta(1), TypeError, ("timedelta", *ALLOWED_TIME)),
    case("complex", 1j, TypeError, ("1j", *ALLOWED_TIME)),
    case("numpy int", Like(5), TypeError, ("np.int64(5)", "Like", *ALLOWED_TIME)),
    case("2**63 + 60", 2**63 + 60, ValueError, (str(2**63 + 60), "64 bits")),
    case("-2**63 - 1", -(2**63) - 1, ValueError, (str(-(2**63) - 1), "64 bits")),
    case("1e300", 1e300, ValueError, ("64 bits",)),
]


@pytest.mark.parametrize(("time", "builtin", "parts"), TIMES)
@pytest.mark.parametrize(
    "call",
    [
        case("insert", lambda ts, time: ts.insert("b", 1, time)),
        case("bulk_insert", lambda ts, time: ts.bulk_insert({600: {"a": [1]}, time: {"b": [1]}})),
        case("bulk_insert of nothing", lambda ts, time: ts.bulk_insert({600: {"a": [1]}, time: {}})),
        case("get", lambda ts, time: ts.get("a", "m", timestamp=time)),
        case("series start", lambda ts, time: ts.series("a", "m", start=time)),
        case("series end", lambda ts, time: ts.series("a", "m", end=time)),
        case("series both", lambda ts, time: ts.series("a", "m", start=time, end=time)),
    ],
)
def test_timestamp_that_is_none_is_named(
    make: Make,
    call: Callable[[Timeseries, Any], Any],
    time: Any,
    builtin: type[Exception],
    parts: tuple[str, ...],
) -> None:
    series = make()
    with pytest.raises(KairosError) as raised:
        call(series, time)
    assert isinstance(raised.value, builtin)
    says(raised.value, *parts)
    assert series.list() == []


@pytest.mark.parametrize("bad", [math.nan, "now", None, True, 2**64])
def test_clock_that_gives_no_time_is_named(make: Make, now: list[Any], bad: Any) -> None:
    series = make("count", intervals={"m": {"step": 60, "steps": 2}})
    now[0] = bad
    for call in (
        lambda: series.insert("a", timestamp=600),
        lambda: series.bulk_insert({600: {"a": [1]}}),
        lambda: series.get("a", "m", timestamp=600),
        lambda: series.series("a", "m", end=600),
        lambda: list(series.iterate("a", "m")),
        series.list,
        lambda: series.properties("a"),
        lambda: series.delete("a"),
        series.delete_all,
    ):
        with pytest.raises(KairosError) as raised:
            call()
        assert isinstance(raised.value, TypeError | ValueError)
        if bad != 2**64:
            says(raised.value, "clock()", repr(bad), "seconds since the epoch")


@pytest.mark.parametrize("step", ["daily", "weekly", "monthly", "yearly"])
@pytest.mark.parametrize(
    "second",
    [
        case("before year 1", -62_135_596_800 - 1),
        case("after year 9999", 253_402_300_800),
        case("1e300", 1e300),
        case("-1e300", -1e300),
    ],
)
def test_local_years_outside_1_to_9999_are_errors(make: Make, step: str, second: float) -> None:
    series = make("count", intervals={"g": {"step": step}})
    for call in (
        lambda: series.insert("a", 1, second),
        lambda: series.bulk_insert({600: {"a": [1]}, second: {"a": [1]}}),
        lambda: series.get("a", "g", timestamp=second),
        lambda: series.series("a", "g", start=0, end=second),
    ):
        with pytest.raises(KairosError) as raised:
            call()
        assert isinstance(raised.value, ValueError)
        says(raised.value, "1 to 9999", step)
    assert series.list() == []


def test_over_ten_million_buckets_in_one_series_is_an_error_that_says_how_many(make: Make) -> None:
    series = make(intervals={"m": {"step": 1}})
    for span in (
        {"start": 0, "end": 10_000_000},
        {"start": 0, "steps": 10_000_001},
        {"end": 0, "steps": 10_000_001},
        {"steps": 10_000_001},
    ):
        with pytest.raises(KairosError) as raised:
            series.series("a", "m", **span)
        assert isinstance(raised.value, ValueError)
        says(raised.value, "10000001", "10000000", "'m'", "iterate")


@pytest.mark.parametrize("steps", [2**64])
def test_ranges_past_the_edges_are_errors(make: Make, steps: int) -> None:
    series = make(intervals={"m": {"step": 60}, "day": {"step": "daily"}})
    for interval_name in ("m", "day"):
        for end in ({"start": 600}, {"end": 600}, {}):
            with pytest.raises(KairosError) as raised:
                series.series("a", interval_name, steps=steps, **end)
            assert isinstance(raised.value, ValueError)


def test_short_ranges_past_the_edges_are_errors(make: Make) -> None:
    series = make(intervals={"s": {"step": 1}, "y": {"step": "yearly"}})
    for name, span in (
        ("s", {"start": 2**63 - 2, "steps": 3}),
        ("s", {"end": -(2**63) + 1, "steps": 3}),
        ("y", {"start": datetime(9998, 5, 1, tzinfo=UTC), "steps": 3}),
        ("y", {"end": datetime(2, 5, 1, tzinfo=UTC), "steps": 3}),
    ):
        with pytest.raises(KairosError) as raised:
            series.series("a", name, **span)
        assert isinstance(raised.value, ValueError)


# §3 --------------------------------------------------------------------------------------------------------------

NAME = ("name", "str")
NAMES = [
    case("empty", "", ValueError, (*NAME, "''", "non-empty")),
    case("NUL", "a\0b", ValueError, (*NAME, "'a\\x00b'", "NUL")),
    case("lone surrogate", "a\ud800", ValueError, ("name", "'a\\ud800'", "surrogate")),
    case("low surrogate", "é\udfff", ValueError, ("name", "udfff", "surrogate")),
    case("None", None, TypeError, (*NAME, "None", "NoneType")),
    case("int", 5, TypeError, (*NAME, "5", "int")),
    case("bytes", b"a", TypeError, (*NAME, "b'a'", "bytes")),
    case("too long", "x" * 201, ValueError, ("name", "200", "201", "bytes")),
    case("too long in UTF-8", "é" * 101, ValueError, ("name", "200", "202", "bytes")),
]
NAME_CALLS = [
    case("insert", lambda ts, name: ts.insert(name, 1)),
    case("bulk_insert", lambda ts, name: ts.bulk_insert({600: {"new": [1]}, 601: {name: [1]}})),
    case("bulk_insert of nothing", lambda ts, name: ts.bulk_insert({600: {"new": [1], name: []}})),
    case("insert of nothing", lambda ts, name: ts.insert(name, [])),
    case("get", lambda ts, name: ts.get(name, "m")),
    case("get of several", lambda ts, name: ts.get(["a", name], "m")),
    case("series", lambda ts, name: ts.series(name, "m")),
    case("series of several", lambda ts, name: ts.series(("a", name), "m")),
    case("iterate", lambda ts, name: list(ts.iterate(name, "m"))),
    case("properties", lambda ts, name: ts.properties(name)),
    case("delete", lambda ts, name: ts.delete(name)),
]


@pytest.mark.parametrize(("name", "builtin", "parts"), NAMES)
@pytest.mark.parametrize("call", NAME_CALLS)
def test_name_that_could_not_be_written_is_an_error_in_every_call(
    make: Make,
    limited: Callable[..., Any],
    call: Callable[[Timeseries, Any], Any],
    name: Any,
    builtin: type[Exception],
    parts: tuple[str, ...],
) -> None:
    place = limited(max_name_bytes=200)
    counts = make("count", target=place)
    place.calls.clear()
    with pytest.raises(KairosError) as raised:
        call(counts, name)
    assert isinstance(raised.value, builtin)
    says(raised.value, *parts)
    assert place.calls == []
    assert counts.list() == []


@pytest.mark.parametrize("name", ["x" * 200, "é" * 100, "\U0001f600" * 50])
def test_name_of_the_declared_length_is_no_error(make: Make, limited: Callable[..., Any], name: str) -> None:
    counts = make("count", target=limited(max_name_bytes=200))
    counts.insert(name)
    assert counts.list() == [name]


class Text:
    """Looks like a str and is none."""

    def __str__(self) -> str:
        return "text"


ALLOWED_VALUE = ("a value must be", "bool", "bytes", "float", "int", "str")
VALUES = [
    case("None", None, TypeError, ("None", "NoneType", "write_func", *ALLOWED_VALUE)),
    case("dict", {"a": 1}, TypeError, ("{'a': 1}", "dict", "write_func", *ALLOWED_VALUE)),
    case("object", Text(), TypeError, ("Text", *ALLOWED_VALUE)),
    case("Decimal", Decimal("1.5"), TypeError, ("Decimal('1.5')", *ALLOWED_VALUE)),
    case("datetime", datetime(2024, 1, 1, tzinfo=UTC), TypeError, ("datetime", *ALLOWED_VALUE)),
    case("complex", 1j, TypeError, ("1j", *ALLOWED_VALUE)),
    case("bytearray", bytearray(b"x"), TypeError, ("bytearray", *ALLOWED_VALUE)),
    case("memoryview", memoryview(b"x"), TypeError, ("memory", *ALLOWED_VALUE)),
    case("range", range(3), TypeError, ("range", *ALLOWED_VALUE)),
    case("generator", (n for n in [1]), TypeError, ("generator", *ALLOWED_VALUE)),
    case("type", int, TypeError, ("int", *ALLOWED_VALUE)),
    case("numpy int", Like(5), TypeError, ("np.int64(5)", "Like", *ALLOWED_VALUE)),
    case("nested list", [1], TypeError, ("[1]", "nested", "flat", *ALLOWED_VALUE)),
    case("nested tuple", (1, 2), TypeError, ("(1, 2)", "nested", *ALLOWED_VALUE)),
    case("nested frozenset", frozenset({1}), TypeError, ("frozenset({1})", "nested", *ALLOWED_VALUE)),
    case("NaN", math.nan, ValueError, ("nan", "finite")),
    case("inf", math.inf, ValueError, ("inf", "finite")),
    case("-inf", -math.inf, ValueError, ("-inf", "finite")),
    case("NUL in a str", "a\0", ValueError, ("'a\\x00'", "NUL")),
    case("lone surrogate", "\udc80", ValueError, ("udc80", "surrogate")),
]
INCREMENTS = [
    case("None", None, TypeError, ("None", "NoneType", "increment", "int", "float")),
    case("bool", True, TypeError, ("True", "bool", "increment", "int", "float")),
    case("False", False, TypeError, ("False", "bool", "increment")),
    case("str", "1", TypeError, ("'1'", "str", "increment", "int", "float")),
    case("Decimal", Decimal(1), TypeError, ("Decimal('1')", "increment")),
    case("bytes", b"1", TypeError, ("b'1'", "increment")),
    case("numpy int", Like(1), TypeError, ("np.int64(1)", "Like", "increment")),
    case("nested", [1], TypeError, ("[1]", "increment")),
    case("NaN", math.nan, ValueError, ("nan", "finite", "increment")),
    case("inf", math.inf, ValueError, ("inf", "finite", "increment")),
    case("2**63", 2**63, ValueError, (str(2**63), "64 bits", "increment")),
    case("-2**63 - 1", -(2**63) - 1, ValueError, (str(-(2**63) - 1), "64 bits")),
]
BY_KIND = [
    pytest.param(kind, *row.values, id=f"{kind}-{row.id}")
    for kind, rows in (
        *((kind, VALUES) for kind in ("series", "histogram", "gauge", "set")),
        ("count", INCREMENTS),
    )
    for row in rows
]
HOW = [
    case(
        "alone",
        lambda ts, good, bad: ts.insert("a", bad),
        lambda good, bad: not isinstance(bad, list | tuple | frozenset),
    ),
    case("last of a list", lambda ts, good, bad: ts.insert("a", [good, bad]), None),
    case("last of a tuple", lambda ts, good, bad: ts.insert("a", (good, good, bad)), None),
    case(
        "last of a batch",
        lambda ts, good, bad: ts.bulk_insert({600: {"a": [good]}, 601: {"b": [good, bad]}}),
        None,
    ),
    case("copied", lambda ts, good, bad: ts.insert("a", [good, bad], intervals=3), None),
    case("into a dead bucket", lambda ts, good, bad: ts.insert("a", [bad], 0), None),
    case("from write_func", None, None),
]


@pytest.mark.parametrize(("kind", "bad", "builtin", "parts"), BY_KIND)
@pytest.mark.parametrize(("call", "possible"), HOW)
def test_value_that_can_not_be_written_is_refused_before_anything_is(
    make: Make,
    limited: Callable[..., Any],
    kind: str,
    bad: Any,
    builtin: type[Exception],
    parts: tuple[str, ...],
    call: Callable[..., Any] | None,
    possible: Callable[..., bool] | None,
) -> None:
    if possible is not None and not possible(1, bad):
        return  # a list alone is no nested one
    place = limited()
    intervals = {"m": {"step": 60, "steps": 5}, "h": {"step": 3600}}
    calls: list[Callable[[], Any]]
    if call is None:
        write_func = {1: 1, 2: bad}.__getitem__
        series = make(kind, target=place, intervals=intervals, write_func=write_func)
        calls = [
            lambda: series.insert("a", 2),
            lambda: series.insert("a", [1, 2]),
            lambda: series.bulk_insert({600: {"a": [1], "b": [1, 2]}}),
        ]
    else:
        series = make(kind, target=place, intervals=intervals)
        calls = [lambda: call(series, 1, bad)]
    place.calls.clear()
    for wrong in calls:
        with pytest.raises(KairosError) as raised:
            wrong()
        assert isinstance(raised.value, builtin)
        says(raised.value, *parts)
    assert place.calls == []
    assert series.list() == []


WRITES = [
    case("no value", "series", lambda ts: ts.insert("a"), TypeError, ("series", "value", "count")),
    case(
        "copies True",
        "count",
        lambda ts: ts.insert("a", 1, intervals=True),
        TypeError,
        ("intervals", "True", "int"),
    ),
    case(
        "copies 1.0",
        "count",
        lambda ts: ts.insert("a", 1, intervals=1.0),
        TypeError,
        ("intervals", "1.0", "100000"),
    ),
    case(
        "copies None", "count", lambda ts: ts.insert("a", 1, intervals=None), TypeError, ("intervals", "None")
    ),
    case(
        "copies too many",
        "count",
        lambda ts: ts.insert("a", 1, 600, 100_001),
        ValueError,
        ("intervals", "100001", "100000"),
    ),
    case(
        "copies too few",
        "count",
        lambda ts: ts.insert("a", 1, 600, -100_001),
        ValueError,
        ("-100001", "-100000"),
    ),
    case(
        "copies in bulk",
        "count",
        lambda ts: ts.bulk_insert({600: {"a": [1]}}, 100_001),
        ValueError,
        ("100001", "100000"),
    ),
    case(
        "copies past 64 bits", "count", lambda ts: ts.insert("a", 1, 2**63 - 1, 1), ValueError, ("64 bits",)
    ),
    case(
        "copies before 64 bits",
        "count",
        lambda ts: ts.insert("a", 1, -(2**63) + 60, -3),
        ValueError,
        ("64 bits",),
    ),
    case(
        "copies too few, bulk",
        "count",
        lambda ts: ts.bulk_insert({0: {"a": [1]}, 2**63 - 1: {"a": [1]}}, 1),
        ValueError,
        ("64 bits",),
    ),
    case(
        "write option", "count", lambda ts: ts.insert("a", 1, ttl=5), TypeError, ("'ttl'", "option", "none")
    ),
    case(
        "write option, bulk",
        "count",
        lambda ts: ts.bulk_insert({600: {"a": [1]}}, ttl=5),
        TypeError,
        ("'ttl'", "none"),
    ),
    case(
        "bulk of a list",
        "count",
        lambda ts: ts.bulk_insert([("a", 1)]),
        TypeError,
        ("[('a', 1)]", "{timestamp: {name: [values]}}"),
    ),
    case(
        "bulk of None",
        "count",
        lambda ts: ts.bulk_insert(None),
        TypeError,
        ("None", "{timestamp: {name: [values]}}"),
    ),
    case(
        "bulk of lists",
        "count",
        lambda ts: ts.bulk_insert({600: {"b": [1]}, 601: ["a"]}),
        TypeError,
        ("['a']", "601", "{timestamp: {name: [values]}}"),
    ),
    case(
        "bulk str",
        "series",
        lambda ts: ts.bulk_insert({600: {"b": ["x"], "a": "text"}}),
        TypeError,
        ("'text'", "'a'", "list", "tuple", "set", "frozenset"),
    ),
    case(
        "bulk bytes",
        "series",
        lambda ts: ts.bulk_insert({600: {"b": ["x"], "a": b"text"}}),
        TypeError,
        ("b'text'", "'a'", "list"),
    ),
    case(
        "bulk int",
        "count",
        lambda ts: ts.bulk_insert({600: {"b": [1], "a": 1}}),
        TypeError,
        ("1", "int", "'a'", "list"),
    ),
    case(
        "bulk None",
        "count",
        lambda ts: ts.bulk_insert({600: {"b": [1], "a": None}}),
        TypeError,
        ("None", "'a'", "list"),
    ),
    case(
        "bulk dict",
        "series",
        lambda ts: ts.bulk_insert({600: {"b": [1], "a": {1: 1}}}),
        TypeError,
        ("{1: 1}", "'a'", "list"),
    ),
    case(
        "bulk generator",
        "series",
        lambda ts: ts.bulk_insert({600: {"b": [1], "a": iter([1])}}),
        TypeError,
        ("'a'", "list"),
    ),
    case(
        "sum past 64 bits",
        "count",
        lambda ts: ts.insert("a", [2**63 - 1, 1]),
        ValueError,
        ("64 bits", str(2**63)),
    ),
    case(
        "sum below 64 bits",
        "count",
        lambda ts: ts.insert("a", [-(2**63), -1]),
        ValueError,
        ("64 bits", str(-(2**63) - 1)),
    ),
    case(
        "sum past 64 bits, bulk",
        "count",
        lambda ts: ts.bulk_insert({600: {"b": [1], "a": [2**62]}, 601: {"a": [2**62]}}),
        ValueError,
        ("64 bits", str(2**63)),
    ),
    case("sum past floats", "count", lambda ts: ts.insert("a", [1.5e308, 1.5e308]), ValueError, ("finite",)),
    case(
        "sum past floats, bulk",
        "count",
        lambda ts: ts.bulk_insert({600: {"b": [1], "a": [1.5e308]}, 601: {"a": [1.5e308]}}),
        ValueError,
        ("finite",),
    ),
]


@pytest.mark.parametrize(("kind", "call", "builtin", "parts"), WRITES)
def test_write_that_is_wrong_changes_nothing(
    make: Make,
    limited: Callable[..., Any],
    kind: str,
    call: Callable[[Any], Any],
    builtin: type[Exception],
    parts: tuple[str, ...],
) -> None:
    place = limited()
    series = make(kind, target=place)
    place.calls.clear()
    with pytest.raises(KairosError) as raised:
        call(series)
    assert isinstance(raised.value, builtin)
    says(raised.value, *parts)
    assert place.calls == []
    assert series.list() == []


@pytest.mark.parametrize("name", ["c", "d"])
def test_total_past_64_bits_is_an_error_and_no_part_of_the_batch_is_written(make: Make, name: str) -> None:
    counts = make("count", intervals={"m": {"step": 60}, "h": {"step": 3600, "resolution": 60}})
    counts.insert("c", 2**63 - 1)
    counts.insert("d", 1)
    with pytest.raises(KairosError) as raised:
        counts.bulk_insert({600: {"new": [1], "d": [5]}, 601: {"c": [1], "later": [1]}, 4000: {"d": [1]}})
    assert isinstance(raised.value, ValueError)
    says(raised.value, "64 bits", "922337203685477580")
    assert counts.list() == ["c", "d"]
    assert counts.get("c", "m") == {600: 2**63 - 1}
    assert counts.get("d", "m") == {600: 1}
    assert counts.get("d", "h") == {600: 1}
    assert counts.properties("d") == {"m": {"first": 600, "last": 600}, "h": {"first": 0, "last": 0}}


WHOLE = [0.5, -0.5, 2.0**53 + 2, 1e300, 1e18]


@pytest.mark.parametrize("bad", WHOLE)
def test_fraction_where_counts_are_whole_is_unsupported_before_any_write(
    make: Make, limited: Callable[..., Any], bad: float
) -> None:
    place = limited(float_counts=False)
    counts = make("count", target=place)
    place.calls.clear()
    calls: list[Callable[[], Any]] = [
        lambda: counts.insert("a", bad),
        lambda: counts.insert("a", [1, bad]),
        lambda: counts.bulk_insert({600: {"a": [1]}, 601: {"b": [bad]}}),
    ]
    for call in calls:
        with pytest.raises(KairosError) as raised:
            call()
        assert isinstance(raised.value, NotImplementedError)
        says(raised.value, repr(bad), "whole numbers")
    assert place.calls == []
    assert counts.list() == []


def values(*types: type, **limits: Any) -> Values:
    defaults: dict[str, Any] = {"text": False, "int_range": None, "max_bytes": None}
    return Values(types=frozenset(types), **(defaults | limits))


TEXT = values(int, float, str, text=True)
INT64 = (-(2**63), 2**63 - 1)
COLUMNS = [
    case("bytes in text", TEXT, b"x", TypeError, ("b'x'", "bytes", "write_func", "float", "int", "str")),
    case("bool in text", TEXT, True, TypeError, ("True", "bool", "write_func", "float", "int", "str")),
    case("NaN in text", TEXT, math.nan, ValueError, ("nan", "finite")),
    case("NUL in text", TEXT, "\0", ValueError, ("NUL",)),
    case("surrogate in text", TEXT, "\ud800", ValueError, ("surrogate",)),
    case("2**53 + 1 in a float column", values(float), 2**53 + 1, ValueError, (str(2**53 + 1), "float")),
    case("10**400 in a float column", values(float), 10**400, ValueError, ("float",)),
    case("str in a float column", values(float), "1.5", TypeError, ("'1.5'", "str", "float")),
    case("bool in a float column", values(float), True, TypeError, ("True", "bool", "float")),
    case("NaN in a float column", values(float), math.nan, ValueError, ("nan",)),
    case("0.5 in an int column", values(int), 0.5, ValueError, ("0.5", "whole")),
    case("bool in an int column", values(int), False, TypeError, ("False", "bool", "int")),
    case("str in an int column", values(int), "5", TypeError, ("'5'", "int")),
    case(
        "2**63 in an int64 column",
        values(int, int_range=INT64),
        2**63,
        ValueError,
        (str(2**63), str(2**63 - 1)),
    ),
    case(
        "-2**63-1 in an int64 column",
        values(int, int_range=INT64),
        -(2**63) - 1,
        ValueError,
        (str(-(2**63)),),
    ),
    case("1e19 in an int64 column", values(int, int_range=INT64), 1e19, ValueError, (str(2**63 - 1),)),
    case("int in a bool column", values(bool), 1, TypeError, ("1", "int", "bool")),
    case("int in a str column", values(str), 5, TypeError, ("5", "int", "str")),
    case("bytes in a str column", values(str), b"5", TypeError, ("b'5'", "bytes", "str")),
    case("str in a bytes column", values(bytes), "5", TypeError, ("'5'", "str", "bytes")),
    case("long str", values(str, max_bytes=10), "x" * 11, ValueError, ("str", "10", "11", "bytes")),
    case("long str in UTF-8", values(str, max_bytes=10), "é" * 6, ValueError, ("str", "10", "12", "bytes")),
    case("long bytes", values(bytes, max_bytes=10), b"x" * 11, ValueError, ("bytes", "10", "11")),
]


@pytest.mark.parametrize(("held", "bad", "builtin", "parts"), COLUMNS)
@pytest.mark.parametrize("kind", ["series", "histogram", "gauge", "set"])
def test_value_that_a_column_would_not_give_back_equal_is_refused_before_any_write(
    make: Make,
    limited: Callable[..., Any],
    held: Values,
    bad: Any,
    builtin: type[Exception],
    parts: tuple[str, ...],
    kind: str,
) -> None:
    place = limited(values=held)
    series = make(kind, target=place)
    good = {float: 0.5, int: 5, bool: True, str: "s", bytes: b"b"}[next(iter(held.types))]
    place.calls.clear()
    calls: list[Callable[[], Any]] = [
        lambda: series.insert("a", bad),
        lambda: series.insert("a", [good, bad]),
        lambda: series.bulk_insert({600: {"a": [good]}, 601: {"b": [good, bad]}}),
    ]
    for call in calls:
        with pytest.raises(KairosError) as raised:
            call()
        assert isinstance(raised.value, builtin)
        says(raised.value, *parts)
    assert place.calls == []
    assert series.list() == []


UNPRINTABLE = [
    case("step", lambda make, limited: make(intervals={"m": {"step": HUGE}})),
    case("timestamp", lambda make, limited: make().insert("a", 1, HUGE)),
    case("negative timestamp", lambda make, limited: make().get("a", "m", timestamp=-HUGE)),
    case(
        "timestamp, Gregorian",
        lambda make, limited: make(intervals={"d": {"step": "daily"}}).insert("a", 1, HUGE),
    ),
    case("increment", lambda make, limited: make("count").insert("a", HUGE)),
    case("copies", lambda make, limited: make("count").insert("a", 1, intervals=HUGE)),
    case("steps of a series", lambda make, limited: make().series("a", "m", steps=HUGE)),
    case("negative steps", lambda make, limited: make(intervals={"m": {"step": 60, "steps": -HUGE}})),
    case("float column", lambda make, limited: make(target=limited(values=values(float))).insert("a", HUGE)),
    case(
        "int64 column",
        lambda make, limited: make(target=limited(values=values(int, int_range=INT64))).insert("a", HUGE),
    ),
    case("text", lambda make, limited: make(target=limited(text=True)).insert("a", HUGE)),
    case("type", lambda make, limited: make(HUGE)),
    case("name", lambda make, limited: make().list() or make().insert(HUGE, 1)),
]


@pytest.mark.parametrize("call", UNPRINTABLE)
def test_int_that_python_refuses_to_print_gets_the_error_of_any_other(
    make: Make, limited: Callable[..., Any], call: Callable[..., Any]
) -> None:
    with pytest.raises(KairosError):
        call(make, limited)


# §4 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["series", "histogram", "count", "gauge", "set"])
def test_expire_of_a_backend_that_expires_itself_is_not_implemented(make: Make, kind: str) -> None:
    series = make(kind, intervals={"m": {"step": 60, "steps": 1}})
    series.insert("a", 1)
    calls: list[Callable[[], Any]] = [series.expire, lambda: series.expire("a")]
    for call in calls:
        with pytest.raises(KairosError) as raised:
            call()
        assert isinstance(raised.value, NotImplementedError)
        says(raised.value, "expire()", "manual", kind, "kairos-core")
    assert series.list() == ["a"]


@pytest.mark.parametrize(("name", "builtin", "parts"), [row for row in NAMES if row.values[0] is not None])
def test_expire_of_a_name_that_could_not_be_written_is_an_error(
    make: Make, limited: Callable[..., Any], name: Any, builtin: type[Exception], parts: tuple[str, ...]
) -> None:
    series = make(target=limited(expiry=dict.fromkeys(["series"], "manual"), max_name_bytes=200))
    with pytest.raises(KairosError) as raised:
        series.expire(name)
    assert isinstance(raised.value, builtin)
    says(raised.value, *parts)


# §5 --------------------------------------------------------------------------------------------------------------

STAGE = ("callable", "True", "False", "None")
READS = [
    case(
        "unknown interval", "count", lambda ts, read: read("a", "hour"), KeyError, ("'hour'", "'m'", "'fine'")
    ),
    case("interval None", "count", lambda ts, read: read("a", None), KeyError, ("None", "'m'")),
    case("interval unhashable", "count", lambda ts, read: read("a", ["m"]), KeyError, ("['m']", "'m'")),
    case("no names", "count", lambda ts, read: read([], "m"), ValueError, ("name", "[]", "at least one")),
    case(
        "no names in a set",
        "count",
        lambda ts, read: read(set(), "m"),
        ValueError,
        ("name", "set()", "at least one"),
    ),
    case(
        "name a dict", "count", lambda ts, read: read({"a": 1}, "m"), TypeError, ("name", "{'a': 1}", "str")
    ),
    case("name a generator", "count", lambda ts, read: read(iter("a"), "m"), TypeError, ("name", "str")),
    case("names nested", "count", lambda ts, read: read([["a"]], "m"), TypeError, ("name", "['a']", "str")),
    case(
        "process_row",
        "count",
        lambda ts, read: read("a", "m", process_row=5),
        TypeError,
        ("process_row", "5", *STAGE),
    ),
    case(
        "condense",
        "count",
        lambda ts, read: read("a", "m", condense="sum"),
        TypeError,
        ("condense", "'sum'", *STAGE),
    ),
    case(
        "condense 1",
        "count",
        lambda ts, read: read("a", "fine", condense=1),
        TypeError,
        ("condense", "1", *STAGE),
    ),
    case(
        "condense 0",
        "count",
        lambda ts, read: read("a", "fine", condense=0),
        TypeError,
        ("condense", "0", *STAGE),
    ),
    case(
        "join_rows",
        "count",
        lambda ts, read: read("a", "m", join_rows=[]),
        TypeError,
        ("join_rows", "[]", *STAGE),
    ),
    case(
        "fetch", "count", lambda ts, read: read("a", "m", fetch="get"), TypeError, ("fetch", "'get'", *STAGE)
    ),
    case(
        "transform unknown",
        "series",
        lambda ts, read: read("a", "m", transform="avg"),
        ValueError,
        (
            "'avg'",
            "mean",
            "count",
            "min",
            "max",
            "sum",
            "rate",
            "median",
            "stddev",
            "variance",
            "first",
            "last",
            "range",
            "pN",
            "0 to 100",
        ),
    ),
    case(
        "transform of a count",
        "count",
        lambda ts, read: read("a", "m", transform="avg"),
        ValueError,
        ("'avg'", "mean"),
    ),
    case(
        "transform of a gauge",
        "gauge",
        lambda ts, read: read("a", "m", transform="avg"),
        ValueError,
        ("'avg'", "mean"),
    ),
    case(
        "transform in a list",
        "set",
        lambda ts, read: read("a", "m", transform=["sum", "avg"]),
        ValueError,
        ("'avg'", "mean"),
    ),
    case(
        "transform in a dict",
        "set",
        lambda ts, read: read("a", "m", transform={"x": "avg"}),
        ValueError,
        ("'avg'", "mean"),
    ),
    case(
        "transform empty str",
        "set",
        lambda ts, read: read("a", "m", transform=""),
        ValueError,
        ("''", "mean"),
    ),
    case(
        "p101",
        "series",
        lambda ts, read: read("a", "m", transform="p101"),
        ValueError,
        ("'p101'", "0 to 100"),
    ),
    case(
        "p100.1",
        "series",
        lambda ts, read: read("a", "m", transform="p100.1"),
        ValueError,
        ("'p100.1'", "0 to 100"),
    ),
    case(
        "p-1", "series", lambda ts, read: read("a", "m", transform="p-1"), ValueError, ("'p-1'", "0 to 100")
    ),
    case("p", "series", lambda ts, read: read("a", "m", transform="p"), ValueError, ("'p'", "pN")),
    case("pnan", "series", lambda ts, read: read("a", "m", transform="pnan"), ValueError, ("'pnan'", "pN")),
    case(
        "p5 with a newline", "series", lambda ts, read: read("a", "m", transform="p5\n"), ValueError, ("pN",)
    ),
    case(
        "first of a histogram",
        "histogram",
        lambda ts, read: read("a", "m", transform="first"),
        ValueError,
        ("'first'", "histogram", "series"),
    ),
    case(
        "last of a set",
        "set",
        lambda ts, read: read("a", "m", transform="last"),
        ValueError,
        ("'last'", "set", "series"),
    ),
    case(
        "last in a list",
        "set",
        lambda ts, read: read("a", "m", transform=["sum", "last"]),
        ValueError,
        ("'last'", "set"),
    ),
    case(
        "transform 5",
        "series",
        lambda ts, read: read("a", "m", transform=5),
        TypeError,
        ("transform", "5", "callable", "name", "dict"),
    ),
    case(
        "transform True",
        "series",
        lambda ts, read: read("a", "m", transform=True),
        TypeError,
        ("transform", "True", "callable"),
    ),
    case(
        "transform in a list 5",
        "series",
        lambda ts, read: read("a", "m", transform=[5]),
        TypeError,
        ("transform", "5"),
    ),
    case(
        "transform nested",
        "series",
        lambda ts, read: read("a", "m", transform=[["sum"]]),
        TypeError,
        ("transform", "['sum']"),
    ),
    case(
        "transform bytes",
        "series",
        lambda ts, read: read("a", "m", transform=b"sum"),
        TypeError,
        ("transform", "b'sum'"),
    ),
    case(
        "condense and condensed",
        "series",
        lambda ts, read: read("a", "m", condense=True, condensed=True),
        TypeError,
        ("condense", "condensed", "not both"),
    ),
]


@pytest.mark.parametrize(("kind", "call", "builtin", "parts"), READS)
@pytest.mark.parametrize("method", ["get", "series", "iterate"])
def test_read_names_what_is_wrong(
    make: Make,
    kind: str,
    call: Callable[..., Any],
    builtin: type[Exception],
    parts: tuple[str, ...],
    method: str,
) -> None:
    series = make(kind, intervals={"m": {"step": 60}, "fine": {"step": 60, "resolution": 20}})

    def read(*arguments: Any, **stages: Any) -> None:
        found = getattr(series, method)(*arguments, **stages)
        if method == "iterate":
            list(found)

    with pytest.raises(KairosError) as raised:
        call(series, read)
    assert isinstance(raised.value, builtin)
    says(raised.value, *parts)


SERIES = [
    case("collapse", {"collapse": "sum"}, TypeError, ("collapse", "'sum'", *STAGE)),
    case("collapse 1", {"collapse": 1}, TypeError, ("collapse", "1", *STAGE)),
    case("steps True", {"steps": True}, TypeError, ("steps", "True", ">= 0", "None")),
    case("steps 2.0", {"steps": 2.0}, TypeError, ("steps", "2.0", ">= 0")),
    case("steps '2'", {"steps": "2"}, TypeError, ("steps", "'2'", ">= 0")),
    case("steps -1", {"steps": -1}, ValueError, ("steps", "-1", ">= 0")),
    case("steps -1 of both ends", {"steps": -1, "start": 0, "end": 0}, ValueError, ("steps", "-1", ">= 0")),
]


@pytest.mark.parametrize(("arguments", "builtin", "parts"), SERIES)
def test_series_names_what_is_wrong(
    make: Make, arguments: dict[str, Any], builtin: type[Exception], parts: tuple[str, ...]
) -> None:
    with pytest.raises(KairosError) as raised:
        make().series("a", "m", **arguments)
    assert isinstance(raised.value, builtin)
    says(raised.value, *parts)


@pytest.mark.parametrize(
    "call",
    [
        case("get start", lambda ts: ts.get("a", "m", start=0)),
        case("get collapse", lambda ts: ts.get("a", "m", collapse=True)),
        case("get steps", lambda ts: ts.get("a", "m", steps=1)),
        case("get positional", lambda ts: ts.get("a", "m", 600)),
        case("series timestamp", lambda ts: ts.series("a", "m", timestamp=0)),
        case("series positional", lambda ts: ts.series("a", "m", 600)),
        case("iterate timestamp", lambda ts: ts.iterate("a", "m", timestamp=0)),
        case("iterate start", lambda ts: ts.iterate("a", "m", start=0)),
        case("iterate collapse", lambda ts: ts.iterate("a", "m", collapse=True)),
        case("list name", lambda ts: ts.list("a")),
        case("properties interval", lambda ts: ts.properties("a", "m")),
        case("delete interval", lambda ts: ts.delete("a", "m")),
        case("delete_all name", lambda ts: ts.delete_all("a")),
        case("close force", lambda ts: ts.close(force=True)),
    ],
)
def test_argument_that_a_call_does_not_have_is_a_type_error(make: Make, call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        call(make())


@pytest.mark.parametrize("kind", ["series", "histogram", "set"])
@pytest.mark.parametrize(
    "name", ["mean", "min", "max", "sum", "median", "stddev", "variance", "range", "p50"]
)
def test_transform_of_text_without_read_func_is_an_error_that_names_it(
    make: Make, limited: Callable[..., Any], kind: str, name: str
) -> None:
    series = make(kind, target=limited(text=True))
    for transform in (name, ["count", name], {"x": name}):
        with pytest.raises(KairosError) as raised:
            series.get("a", "m", transform=transform)
        assert isinstance(raised.value, ValueError)
        says(raised.value, repr(name), "read_func", "text")


def test_fetch_where_it_can_not_be_replaced_is_unsupported(make: Make, limited: Callable[..., Any]) -> None:
    series = make(target=limited(custom_fetch=False))
    with pytest.raises(KairosError) as raised:
        series.get("a", "m", fetch=lambda *arguments: {})
    assert isinstance(raised.value, NotImplementedError)
    says(raised.value, "fetch")


# §6 --------------------------------------------------------------------------------------------------------------

METADATA = [
    case("delete a list", lambda ts: ts.delete(["a"]), TypeError, ("name", "['a']", "str")),
    case("delete None", lambda ts: ts.delete(None), TypeError, ("name", "None", "str")),
    case("properties of a list", lambda ts: ts.properties(["a"]), TypeError, ("name", "['a']", "str")),
    case("properties of None", lambda ts: ts.properties(None), TypeError, ("name", "None", "str")),
    case("plan of an unknown interval", lambda ts: ts.plan("hour"), KeyError, ("'hour'", "'m'")),
]


@pytest.mark.parametrize(("call", "builtin", "parts"), METADATA)
def test_metadata_and_deleting_name_what_is_wrong(
    make: Make, call: Callable[[Any], Any], builtin: type[Exception], parts: tuple[str, ...]
) -> None:
    series = make()
    series.insert("a", 1)
    with pytest.raises(KairosError) as raised:
        call(series)
    assert isinstance(raised.value, builtin)
    says(raised.value, *parts)
    assert series.list() == ["a"]


EVERY_CALL = [
    case("insert", lambda ts: ts.insert(5, object(), timestamp="x", intervals="y", odd=1)),
    case("insert without value", lambda ts: ts.insert("a")),
    case("bulk_insert", lambda ts: ts.bulk_insert(5, intervals="y", odd=1)),
    case("get", lambda ts: ts.get("", "nothing", timestamp="x", transform=5, condense=5)),
    case("get condensed", lambda ts: ts.get("a", "m", condense=True, condensed=True)),
    case("series", lambda ts: ts.series("", "nothing", start="x", steps=-1, transform=5)),
    case("series condensed", lambda ts: ts.series("a", "m", condense=True, condensed=True)),
    case("iterate", lambda ts: ts.iterate("", "nothing", transform=5)),
    case("iterate condensed", lambda ts: ts.iterate("a", "m", condense=True, condensed=True)),
    case("list", lambda ts: ts.list()),
    case("properties", lambda ts: ts.properties(5)),
    case("delete", lambda ts: ts.delete(5)),
    case("delete_all", lambda ts: ts.delete_all()),
    case("expire", lambda ts: ts.expire(5)),
    case("plan", lambda ts: ts.plan("nothing")),
]


@pytest.mark.parametrize("call", EVERY_CALL)
def test_closed_comes_before_every_other_error(make: Make, call: Callable[[Any], Any]) -> None:
    series = make()
    series.close()
    with pytest.raises(Closed) as raised:
        call(series)
    assert isinstance(raised.value, KairosError)
    says(raised.value, "closed")


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize("opened", [True, False])
def test_closed_comes_before_every_other_error_of_asyncio(call: Callable[[Any], Any], opened: bool) -> None:
    async def main() -> None:
        series = AsyncTimeseries(Store(), intervals={"m": {"step": 60}})
        if opened:
            await series.open()
        await series.close()
        pending = call(series)
        with pytest.raises(Closed):
            await (anext(pending) if hasattr(pending, "__anext__") else pending)

    asyncio.run(main())


def test_with_of_a_closed_timeseries_is_an_error(make: Make) -> None:
    series = make()
    series.close()
    series.close()
    with pytest.raises(Closed), series:
        pass
