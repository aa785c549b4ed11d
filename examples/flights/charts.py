"""The answers as charts for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from itertools import groupby
from statistics import fmean, quantiles

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from . import questions
from .drawing import SHADES, bar, columns, shade, sparkline, stacked
from .questions import local
from .source import AIRPORTS
from .store import Store

__all__ = ["show"]

WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
FILLS = {"EWR": ("█", "blue"), "JFK": ("▓", "cyan"), "LGA": ("░", "magenta")}
BINS = {  # minutes, both ends included
    "16 or more early": (-9999, -16),
    "1 to 15 early": (-15, -1),
    "on time": (0, 0),
    "1 to 15 late": (1, 15),
    "16 to 30": (16, 30),
    "31 to 60": (31, 60),
    "1 to 2 hours": (61, 120),
    "2 to 4 hours": (121, 240),
    "longer": (241, 9999),
}


def show(
    store: Store, names: Mapping[str, str], console: Console, titles: Collection[str] | None = None
) -> None:
    """Print all charts, or those with these titles; ``names`` are those of the airlines."""
    console.print(_totals(store))
    for title, chart in {
        "Departures by month": _months(store),
        "Departures by day": _calendar(store),
        "Mean delay by week": _weeks(store),
        "The worst week, day by day": _bad_days(store),
        "The busiest day": _busiest_day(store),
        "The week of each airport": _airports(store),
        "Airlines": _airlines(store, names),
        "How late": _delays(store),
        "Temperature": _temperatures(store),
    }.items():
        if titles is not None and title not in titles:
            continue
        console.print()
        console.print(Panel(chart, title=f"[bold]{title}", title_align="left", box=box.ROUNDED))


def _table(*headers: str) -> Table:
    """Return a bare table; a header that begins with ``>`` is that of a column of numbers."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for header in headers:
        right = header.startswith(">")
        table.add_column(header.lstrip(">"), justify="right" if right else "left", no_wrap=True)
    return table


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def _totals(store: Store) -> RenderableType:
    totals = questions.totals(store)
    lines = Text(justify="center")
    lines.append(f"{totals.scheduled:,} departures", "bold")
    lines.append(
        f" from New York, {totals.first.day} {totals.first:%B} to {totals.last.day} {totals.last:%B %Y}\n"
    )
    lines.append(f"{totals.departed:,} left, {totals.cancelled:,} were cancelled")
    return Panel(lines, box=box.HEAVY)


def _months(store: Store) -> RenderableType:
    months = questions.months(store)
    top = max(month.scheduled for month in months)
    table = _table("", "departures", ">", ">cancel", ">mean", ">p50", ">p90", "day by day")
    for month in months:
        table.add_row(
            f"{local(month.start):%b}",
            Text(bar(month.scheduled, top, 12).ljust(12), "blue"),
            f"{month.scheduled:,}",
            f"{month.cancelled / month.scheduled:.1%}" if month.scheduled else "",
            f"{month.mean:.1f}",
            f"{month.median:.0f}",
            f"{month.p90:.0f}",
            Text(sparkline(month.days), "cyan"),
        )
    note = "Delays in minutes. Each line of days goes from its month's lowest day to its highest."
    return Group(table, Text(note, "dim"))


def _calendar(store: Store) -> RenderableType:
    days = questions.days(store)
    bounds = quantiles(days.values(), n=len(SHADES))
    first = min(days)
    sunday = first - timedelta(days=first.isoweekday() % 7)
    weeks = (max(days) - sunday).days // 7 + 1
    heads = [" "] * (weeks + 3)
    for day in days:
        if day.day == 1:
            column = (day - sunday).days // 7
            heads[column : column + 3] = f"{day:%b}"
    lines = Text("     " + "".join(heads).rstrip() + "\n", "dim")
    for weekday, label in enumerate(WEEKDAYS):
        lines.append(f"{label}  ", "dim")
        row = (sunday + timedelta(days=7 * week + weekday) for week in range(weeks))
        lines.append("".join(shade(days[day], bounds) if day in days else " " for day in row), "green")
        lines.append("\n")
    lines.append("\n     ")
    for character, label in zip(
        SHADES, (f"below {bounds[0]:,.0f}", *(f"{bound:,.0f}+" for bound in bounds)), strict=True
    ):
        lines.append(f"{character * 2}", "green")
        lines.append(f" {label}   ", "dim")
    quiet, busy = min(days, key=lambda day: days[day]), max(days, key=lambda day: days[day])
    lines.append(f"\n\nFewest: {_day(quiet)}, {days[quiet]:,}. Most: {_day(busy)}, {days[busy]:,}.")
    return lines


def _weeks(store: Store) -> RenderableType:
    weeks = questions.weeks(store)
    worst = questions.worst_week(store)
    lines = Text()
    height = 7
    for index, line in enumerate(columns([week.mean for week in weeks], height)):
        lines.append(f"{worst.mean * (height - index) / height:5.1f} ┤", "dim")
        lines.append(line + "\n", "yellow")
    heads = [" "] * (len(weeks) + 3)
    months = [f"{local(week.start):%b}" for week in weeks]
    for index, month in enumerate(months):
        if index == 0 or month != months[index - 1]:
            heads[index : index + 3] = month
    lines.append("       " + "".join(heads).rstrip() + "\n\n", "dim")
    first = local(worst.start)
    lines.append(f"Worst: the week of {_day(first)}, ", "bold")
    lines.append(f"{worst.mean:.1f} minutes on average over {worst.departed:,} flights.\n", "bold")
    others = sorted((week for week in weeks if week.departed), key=lambda week: -week.mean)[1:4]
    lines.append(
        "Next: " + ", ".join(f"{_day(local(week.start))} ({week.mean:.1f})" for week in others) + "."
    )
    return lines


def _bad_days(store: Store) -> RenderableType:
    days = questions.bad_days(store)
    top = max(day.mean for day in days)
    table = _table("", "mean delay", ">", ">median", ">p90", ">longest", ">flights", ">cancelled", ">rain")
    for day in days:
        table.add_row(
            _day(local(day.start)),
            Text(bar(day.mean, top, 16).ljust(16), "yellow"),
            f"{day.mean:.1f}",
            f"{day.median:.0f}",
            f"{day.p90:.0f}",
            f"{day.worst:,}",
            f"{day.departed:,}",
            f"{day.cancelled:,}",
            f"{day.rain:.2f}",
        )
    return Group(table, Text("Delays in minutes; rain in inches, where it rained most.", "dim"))


def _busiest_day(store: Store) -> RenderableType:
    busiest = questions.busiest_day(store)
    hours = sorted({hour for of_hours in busiest.hours.values() for hour in of_hours})
    table = _table(">hour", "departures", ">", *(f">{code}" for code in AIRPORTS), "")
    for hour in range(hours[0], hours[-1] + 1):
        parts = [busiest.hours[code].get(hour, 0) for code in AIRPORTS]
        pieces = stacked(parts, busiest.in_busiest_hour, 36, [FILLS[code][0] for code in AIRPORTS])
        stack = Text()
        for code, piece in zip(AIRPORTS, pieces, strict=True):
            stack.append(piece, FILLS[code][1])
        mark = "◀ busiest" if hour == busiest.busiest_hour else ""
        table.add_row(f"{hour}:00", stack, str(sum(parts)), *map(str, parts), Text(mark, "bold"))
    legend = Text()
    for code, name in AIRPORTS.items():
        legend.append(FILLS[code][0] * 2, FILLS[code][1])
        legend.append(f" {code} {name}   ", "dim")
    head = Text(
        f"{_day(local(busiest.start))}: {busiest.scheduled:,} departures, "
        f"{busiest.in_busiest_hour} of them from {busiest.busiest_hour}:00 to {busiest.busiest_hour}:59.\n",
        "bold",
    )
    return Group(head, table, legend)


def _airports(store: Store) -> RenderableType:
    worst = _day(local(questions.worst_week(store).start))
    table = _table("", "", *(f">{weekday}" for weekday in WEEKDAYS), ">week", "shape")
    notes = Text()
    for airport in questions.airports(store):
        for code, label, row in ((airport.code, "usual", airport.usual), ("", worst, airport.worst)):
            table.add_row(
                Text(code, "bold"),
                label,
                *(f"{n:,.0f}" for n in row),
                f"{sum(row):,.0f}",
                Text(sparkline(row), "cyan"),
            )
        notes.append(
            f"\n{airport.code} {AIRPORTS[airport.code]:<10} {airport.scheduled:>7,} departures, "
            f"{airport.scheduled - airport.departed:>5,} cancelled, {airport.mean:.1f} min late on average, "
            f"to {airport.destinations}",
            "dim",
        )
    return Group(table, notes)


def _airlines(store: Store, names: Mapping[str, str]) -> RenderableType:
    airlines = questions.airlines(store)
    top = airlines[0].scheduled
    table = _table("", "", "departures", ">", ">cancel", ">mean delay", ">to")
    for airline in airlines:
        table.add_row(
            airline.carrier,
            names.get(airline.carrier, "").removesuffix(" Inc.").removesuffix(" Co."),
            Text(bar(airline.scheduled, top, 16).ljust(16), "blue"),
            f"{airline.scheduled:,}",
            f"{1 - airline.departed / airline.scheduled:.1%}",
            f"{airline.mean:.1f}",
            str(airline.destinations),
        )
    return Group(table, Text("Delay in minutes; to: destinations.", "dim"))


def _delays(store: Store) -> RenderableType:
    histogram = questions.delays_of_all(store)
    total = sum(histogram.values())
    bins = {
        label: sum(n for delay, n in histogram.items() if low <= delay <= high)
        for label, (low, high) in BINS.items()
    }
    top = max(bins.values())
    table = _table("", "departures", ">", ">")
    for label, n in bins.items():
        table.add_row(label, Text(bar(n, top, 36).ljust(36), "yellow"), f"{n:,}", f"{n / total:.1%}")
    return Group(table, Text(f"In minutes. The longest delay: {max(histogram):,} minutes.", "dim"))


def _temperatures(store: Store) -> RenderableType:
    table = _table("", "week by week", ">low", ">high")
    notes = Text(style="dim")
    for airport in questions.temperatures(store):
        days = airport.days
        weeks = groupby(days, key=lambda day: f"{day:%U}")
        line = [fmean(days[day][1] for day in of_week) for _, of_week in weeks]
        coldest = min(days, key=lambda day: days[day][0])
        hottest = max(days, key=lambda day: days[day][2])
        low, high = f"{days[coldest][0]:.0f}", f"{days[hottest][2]:.0f}"
        table.add_row(airport.code, Text(sparkline(line), "red"), low, high)
        notes.append(f"\n{airport.code}: {low} °F on {_day(coldest)}, {high} °F on {_day(hottest)}")
    return Group(table, notes)
