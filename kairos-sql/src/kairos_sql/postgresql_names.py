"""How PostgreSQL lists names.

A table of a few megabytes is read as a whole: that costs less than half of going through its key in order. In a larger
one the key is scanned where names have few buckets, and the next name sought where they have many.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from .dialects import Lister
from .statements import Prepared, bound, literal_one

if TYPE_CHECKING:
    from .postgresql import PostgreSQL

__all__ = ["names_lister"]

_SMALL = 4 << 20
"""Up to so many bytes, a table is read as a whole."""

_FIRST = 1_024
"""How many rows are looked at first."""

_PAGE = 65_536
"""How many rows of names with few buckets are scanned at once."""

_SEEKS = 512
"""How many names with many buckets are sought at once."""


def names_lister(table: sa.Table, dialect: PostgreSQL) -> Lister:
    """Return a lister. Names of a page come back as one JSON text, which costs a tenth of as many rows."""
    c = table.c
    interval, after = bound("interval"), bound("after")
    page = sa.select(c.name).where(c.interval == interval, c.name > after).order_by(c.name)

    def scan(most: int) -> Prepared:
        rows = page.limit(sa.literal_column(str(most))).subquery()
        each = sa.select(rows.c.name, sa.func.count().label("n")).group_by(rows.c.name).subquery()
        listed = sa.func.json_agg(aggregate_order_by(each.c.name, each.c.name))
        whole = sa.select(sa.cast(listed, sa.Text()), sa.cast(sa.func.sum(each.c.n), sa.BigInteger()))
        return dialect.prepare(whole, "interval", "after")

    step = sa.select(page.limit(literal_one()).scalar_subquery().label("name")).cte("step", recursive=True)
    following = sa.select(c.name).where(c.interval == interval, c.name > step.c.name)
    following = following.order_by(c.name).limit(literal_one())
    step = step.union_all(sa.select(following.scalar_subquery()).where(step.c.name.is_not(None)))
    sought = sa.select(step.c.name).where(step.c.name.is_not(None)).limit(sa.literal_column(str(_SEEKS)))
    found = sought.subquery()
    names_sought = sa.cast(sa.func.json_agg(aggregate_order_by(found.c.name, found.c.name)), sa.Text())
    seek = dialect.prepare(sa.select(names_sought, sa.func.count()), "interval", "after")
    first, scan_on = scan(_FIRST), scan(_PAGE)
    its_name = dialect.engine_dialect.identifier_preparer.format_table(table).replace("%%", "%")
    size = dialect.prepare(sa.select(sa.func.pg_relation_size(sa.func.to_regclass(bound("table")))), "table")
    whole: dict[int, Prepared] = {}

    def read_whole(cursor: Any, intervals: Sequence[str]) -> Iterable[str]:
        n = len(intervals)
        if n not in whole:
            # A bare condition would, without statistics, let the planner expect few rows, and sort them
            mine = c.interval.in_([bound(f"interval_{k}") for k in range(n)])
            about_half = sa.case((mine, sa.true()), else_=sa.false())
            each = sa.select(c.name).where(about_half).distinct().subquery()
            listed = sa.cast(sa.func.json_agg(each.c.name), sa.Text())
            whole[n] = dialect.prepare(sa.select(listed), *(f"interval_{k}" for k in range(n)))
        (text,) = whole[n].run(cursor, tuple(intervals)).fetchone()
        return () if text is None else json.loads(text)

    def names(cursor: Any, intervals: Iterable[str]) -> dict[str, None]:
        intervals = list(intervals)
        if not intervals:
            return {}
        # A table with partitions has no bytes of its own, whatever they have
        if 0 < (size.run(cursor, (its_name,)).fetchone()[0] or 0) <= _SMALL:
            return dict.fromkeys(read_whole(cursor, intervals))
        return by_key(cursor, intervals)

    def by_key(cursor: Any, intervals: Sequence[str]) -> dict[str, None]:
        names: dict[str, None] = {}
        known: dict[str, list[str]] = {}
        for interval in intervals:
            after, statement, most = "", first, _FIRST
            while True:
                text, rows = statement.run(cursor, (interval, after)).fetchone()
                if text is None:
                    break
                listed = known.get(text)
                if listed is None:  # intervals often have the same names: these are parsed once
                    listed = known[text] = json.loads(text)
                    names.update(dict.fromkeys(listed))
                if rows < most:
                    break
                after = listed[-1]
                seeking = statement is not seek and len(listed) < rows // 10
                statement, most = (seek, _SEEKS) if seeking else (scan_on, _PAGE)
        return names

    return names
