"""PostgreSQL and MariaDB: the sum of a million values of a series, which the database calculates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from harness import Case, Work, bound
from kairos import Timeseries

MINUTES, EACH = 1_000, 1_000
LAST = 60 * (MINUTES - 1)


def collapsed_sum(url: str) -> Case:
    """Sum 10⁶ values of 1,000 buckets: by kairos, by hand from the same table, and by Python from what kairos reads."""
    at = sa.make_url(url)
    if at.get_backend_name() != "postgresql":
        at = at.set(drivername="mysql+mysqldb")
    engine = sa.create_engine(at, isolation_level="AUTOCOMMIT")
    store = Timeseries(
        at.render_as_string(hide_password=False), type="series", intervals={"minute": {"step": 60}}
    )
    for start in range(0, MINUTES, 10):
        store.bulk_insert(
            {60 * i: {"name": [float(k % 10) for k in range(EACH)]} for i in range(start, start + 10)}
        )
    with engine.connect() as connection:  # as the server does by itself, at a time of its own
        analyze = "VACUUM ANALYZE series" if at.get_backend_name() == "postgresql" else "ANALYZE TABLE series"
        connection.exec_driver_sql(analyze)
    raw = engine.raw_connection()
    cursor = raw.cursor()
    interval = engine.dialect.identifier_preparer.quote_identifier("interval")
    statement = f"SELECT sum(value) FROM series WHERE {interval} = %s AND name = %s AND i BETWEEN %s AND %s"

    def by_hand() -> Any:
        cursor.execute(statement, ("minute", "name", 0, MINUTES - 1))
        return {0: cursor.fetchone()[0]}  # type: ignore[index]

    def collapsed(transform: Any) -> Callable[[], Any]:
        return lambda: store.series("name", "minute", start=0, end=LAST, collapse=True, transform=transform)

    def side(run: Callable[[], Any]) -> Callable[[int], Work]:
        return lambda repetition: Work(run)

    sides = {"client": side(collapsed(sum)), "best": side(by_hand), "kairos": side(collapsed("sum"))}
    return Case(
        "collapsed sum of 10⁶ series values", "ms", (bound(1.2, "best"), bound(0.05, "client")), sides, 5
    )
