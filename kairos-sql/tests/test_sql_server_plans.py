"""EXPLAIN of all that is sent to servers: nothing reads a table from end to end."""

import pytest

from kairos.storage import Read
from kairos_sql import postgresql_names

KINDS = {
    "series": [1.0, 2.0],
    "histogram": {1.0: 2, 2.0: 1},
    "count": 3,
    "gauge": 2.5,
    "set": {1.0, 2.0},
}
SOME = [f"some {k:03}" for k in range(100)]


def read(*names, first=5, last=9, interval="minute", **more):
    return Read(names or ("a",), interval, first, last, lambda: range(first, last + 1), **more)


class Recorder:
    """A cursor that keeps what it sends."""

    def __init__(self, cursor):
        self.cursor, self.sent = cursor, []

    def execute(self, text, parameters=None):
        self.sent.append((text, parameters))
        return self.cursor.execute(text, parameters)

    def __getattr__(self, name):
        return getattr(self.cursor, name)


def all_calls(storage):
    """Everything that reads or removes."""
    fold = frozenset({"resolution", "name", "interval"})
    storage.read(read())
    storage.read(read(first=5, last=5))
    storage.read(read(*SOME))
    storage.read(read(interval="hour", first=0, last=0))
    storage.read(read(interval="hour", first=0, last=5))
    storage.read(read("a", "some 001", interval="hour", fold=fold))
    storage.read(read(transforms=("sum", "mean")))
    storage.names({"minute": None})
    storage.names({"minute": None, "hour": 3})
    storage.span("a", "minute", None)
    storage.span("a", "minute", 3)
    storage.layouts()
    storage.expire({"minute": 1}, ["some 000"])
    storage.delete(["some 001"], {"minute": None, "hour": None})
    storage.delete(["some 002", "some 003"], {"minute": None, "hour": 3})


def fill(storage, batch, payload, others):
    """Many other names around, so that a plan that scans is a bad one."""
    for i in range(12):
        storage.write(batch(("other", i, None, {f"name {k:04}": payload for k in range(others)})))
    storage.write(batch(("minute", 1, None, {f"name {k:04}": payload for k in range(1_500)})))
    storage.write(batch(*(("minute", i, None, {"a": payload}) for i in range(50))))
    storage.write(batch(*(("hour", i, i, dict.fromkeys((*SOME, "a"), payload)) for i in range(5))))


@pytest.mark.parametrize("server", ["postgresql", "mariadb", "mysql"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_statement_scans_the_table(opened, batch, server, server_url, sa_engine, kind):
    """But for `list` on PostgreSQL where a table has no more than 4 MiB: here it has more."""
    storage = opened(server_url, kind)
    fill(storage, batch, KINDS[kind], 5_000 if server == "postgresql" else 1_500)
    connections = storage._connections
    for lent in connections._idle:
        lent.cursor = Recorder(lent.cursor)
    with sa_engine(server_url).connect() as connection:
        analyze = f'ANALYZE "{kind}"' if server == "postgresql" else f"ANALYZE TABLE `{kind}`"
        connection.exec_driver_sql(analyze)
        connection.commit()
    if server == "postgresql":
        with sa_engine(server_url).connect() as connection:
            size = connection.exec_driver_sql(f"SELECT pg_relation_size('{kind}')").scalar()
        assert size > postgresql_names._SMALL
    all_calls(storage)
    sent = [one for lent in connections._idle for one in lent.cursor.sent]
    statements = {
        text: parameters for text, parameters in sent if text.split()[0] in ("SELECT", "WITH", "DELETE")
    }
    assert len(statements) >= 12
    with sa_engine(server_url).connect() as connection:
        for text, parameters in statements.items():
            plan = explain(connection, server, text, parameters)
            assert not scans(server, kind, plan), f"{text}\n{plan}"


def explain(connection, server, text, parameters):
    cursor = connection.connection.cursor()
    if server == "postgresql":
        cursor.execute("SET enable_seqscan = on")
        cursor.execute(f"EXPLAIN {text}", parameters)
        return [row[0] for row in cursor.fetchall()]
    cursor.execute(f"EXPLAIN {text}")
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def scans(server, kind, plan):
    """Whether a plan reads all of the timeseries' table: more than a part of one interval."""
    if server == "postgresql":
        whole = [line for line in plan if "Seq Scan" in line and f"on {kind}" in line.replace('"', "")]
        unbounded = "Index" in str(plan) and "Index Cond" not in str(plan)
        return bool(whole) or unbounded
    return any(row["table"] == kind and row["type"] in ("ALL", "index") for row in plan)


@pytest.mark.parametrize("server", ["postgresql"])
def test_listing_looks_at_few_pages_of_a_large_table(opened, batch, server_url, sa_engine):
    """Beside 2,000 rows of ours are 60,000 of another interval."""
    storage = opened(server_url)
    storage.write(batch(*(("minute", i, None, dict.fromkeys(SOME, 1)) for i in range(20))))
    for i in range(12):
        storage.write(batch(("other", i, None, {f"name {k:04}": 1 for k in range(5_000)})))
    (lent,) = storage._connections._idle
    lent.cursor = Recorder(lent.cursor)
    assert list(storage.names({"minute": None})) == SOME
    touched = 0
    with sa_engine(server_url).connect() as connection:
        size = connection.exec_driver_sql("SELECT pg_relation_size('count')").scalar()
        cursor = connection.connection.cursor()
        for text, parameters in lent.cursor.sent:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", parameters)
            (plan,) = cursor.fetchone()[0]
            touched += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    assert 0 < 8_192 * touched < size / 2
