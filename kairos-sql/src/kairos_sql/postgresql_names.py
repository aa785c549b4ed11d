"""How PostgreSQL lists names: by scanning the key where names have few buckets, by seeking the next one where many."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from .dialects import Lister
from .statements import Prepared, bound, literal_one

if TYPE_CHECKING:
    from .postgresql import PostgreSQL

__all__ = ["names_lister"]

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

    def names(cursor: Any, intervals: Iterable[str]) -> dict[str, None]:
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
