"""The fallback for other dialects: what it sends to databases that are not here, and that it loses nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from kairos.errors import InvalidValue
from kairos.storage import KINDS, Read
from kairos_sql import tables
from kairos_sql.dialects import Rules
from kairos_sql.generic import Generic
from kairos_sql.generic_writer import CompareAndSetWriter, Conflict, NumberingWriter
from kairos_sql.kinds import KIND_TABLES
from kairos_sql.schema import data_table, layouts_table
from kairos_sql.shelf import Unconnected, statements_of
from kairos_sql.values import column_type

PAYLOADS = {"series": [1.0], "histogram": {1.0: 2}, "count": 3, "gauge": 2.5, "set": {1.0}}


@pytest.fixture
def forced(monkeypatch):
    monkeypatch.setenv("KAIROS_SQL_FALLBACK", "1")


def read(storage, interval="minute", first=0, last=9, name="a"):
    return storage.read(Read((name,), interval, first, last, lambda: range(first, last + 1))).data.get(
        name, {}
    )


@pytest.mark.parametrize(
    "scheme", ["oracle+oracledb", "mssql+pyodbc", "mysql+mysqlconnector", "postgresql+pg8000"]
)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_tables_and_statements_compile_for_dialects_without_a_server_here(scheme, kind):
    table, layouts = tables(kind, scheme)
    dialect = sa.make_url(f"{scheme}://").get_dialect()()
    ddl = [str(CreateTable(one).compile(dialect=dialect)) for one in (table, layouts)]
    assert all("PRIMARY KEY" in text for text in ddl)
    changes = KIND_TABLES[kind].changes
    writer = NumberingWriter(table) if changes is None else CompareAndSetWriter(table, changes)
    statements = [
        one for one in vars(writer).values() if isinstance(one, sa.sql.ClauseElement) and one is not table
    ]
    assert len(statements) >= 2
    for statement in statements:
        assert str(statement.compile(dialect=dialect))


class Compiling:
    """A cursor of a database that is not here: it compiles what it is sent, and finds one row of ones, or none."""

    rowcount = 100_000

    def __init__(self, dialect, found):
        self.dialect, self.found, self.sent = dialect, found, set()

    def execute(self, statement, parameters=None):
        self.statement = statement
        self.sent.add(str(statement.compile(dialect=self.dialect)))

    def fetchone(self):
        return (1,) * len(self.statement.selected_columns) if self.found else None

    def fetchall(self):
        return []


@pytest.mark.parametrize("scheme", ["oracle+oracledb", "mssql+pyodbc"])
@pytest.mark.parametrize(("kind", "payload"), PAYLOADS.items())
def test_all_that_is_sent_compiles_for_dialects_without_a_server_here(scheme, kind, payload, batch):
    url = sa.make_url(f"{scheme}://")
    engine = Unconnected(url, url.get_dialect()())
    dialect, metadata = Generic(engine), sa.MetaData()
    column = column_type("float", 255, 32_768, dialect)
    table = data_table(metadata, kind, kind, column.sql, 255, dialect, None)
    statements = statements_of(kind, table, layouts_table(metadata, dialect, None), column, dialect)
    rows, catalog, layouts = statements.rows, statements.catalog, statements.layouts
    cursor, empty = Compiling(engine.dialect, True), Compiling(engine.dialect, False)
    store = rows.write([batch(("minute", 1, None, {"a": payload}), ("hour", 1, 1, {"a": payload}))])
    store(cursor, lambda: None)
    if kind != "series":
        store(empty, lambda: None)
    for flat, last in ((True, 1), (True, 5), (False, 1), (False, 5)):
        rows.read(cursor, "minute", "a", 1, last, flat)
        rows.read_many(cursor, "minute", ["a", "b"], 1, last, flat)
    for fold in map(frozenset, ((), ("resolution",), ("resolution", "name", "interval"))):
        transforms = ("sum", "count", "min", "max", "mean") if kind == "series" else ()
        request = Read(("a", "b"), "hour", 1, 5, list, fold=fold, transforms=transforms)
        if statements.folds.takes(request):
            statements.folds.read(cursor, request, False)
    catalog.names(cursor, {"minute": None, "hour": 3})
    catalog.span(cursor, "a", "minute", None)
    catalog.delete(cursor, ["a"], {"minute": None, "hour": None})
    catalog.delete(cursor, ["a"], {"minute": 3, "hour": None})
    catalog.delete_all(cursor, {"minute": None})
    catalog.dead(cursor, "minute", ["a"], 3)
    catalog.expire(cursor, "minute", ["a"], 3)
    layouts.record(cursor, {"minute": "1"})
    layouts.forget(cursor, ["minute"])
    assert len(cursor.sent | empty.sent) >= 16


def test_servers_that_fold_text_keep_names_as_bytes():
    for scheme in ("mssql+pyodbc", "mysql+mysqlconnector"):
        dialect = sa.make_url(f"{scheme}://").get_dialect()()
        ddl = str(CreateTable(tables("set", scheme)[0]).compile(dialect=dialect))
        assert "VARBINARY(255)" in ddl
    oracle = sa.make_url("oracle+oracledb://").get_dialect()()
    assert "RAW(32)" in str(CreateTable(tables("set", "oracle+oracledb")[0]).compile(dialect=oracle))


@pytest.mark.parametrize("server", ["sqlite", "postgresql", "mariadb"])
class TestWriters:
    @pytest.fixture
    def target(self, forced, request, server, url):
        return f"{url}?timeout=60" if server == "sqlite" else request.getfixturevalue("database")(server)

    def test_threads_of_many_storages_lose_nothing(self, opened, batch, target):
        """Each storage has an engine, and so a lock, of its own."""
        storages = [opened(target) for _ in range(4)]
        barrier = threading.Barrier(4)

        def work(k):
            barrier.wait()
            for n in range(25):
                names = [f"n{(n * 7 + j * (k + 1)) % 5}" for j in range(3)]
                storages[k].write(
                    batch(("minute", 1, None, dict.fromkeys(names, 1)), ("hour", 0, 1, {"a": 0.5}))
                )
            return sum(len({f"n{(n * 7 + j * (k + 1)) % 5}" for j in range(3)}) for n in range(25))

        with ThreadPoolExecutor(4) as pool:
            expected = sum(pool.map(work, range(4)))
        assert isinstance(storages[0]._dialect, Generic)
        assert sum(read(storages[0], name=f"n{k}").get(1, {None: 0})[None] for k in range(5)) == expected
        assert read(storages[0], "hour") == {0: {1: 50}}

    def test_series_of_two_writers_keep_each_ones_order(self, opened, batch, target):
        one, two = opened(target, "series"), opened(target, "series")

        def work(storage, sign):
            for n in range(1, 26):
                storage.write(batch(("minute", 1, None, {"a": [sign * n, sign * (n + 0.5)]})))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, (one, two), (1.0, -1.0)))
        row = read(one)[1][None]
        assert [v for v in row if v > 0] == [x for n in range(1, 26) for x in (n, n + 0.5)]
        assert [-v for v in row if v < 0] == [x for n in range(1, 26) for x in (n, n + 0.5)]

    def test_totals_beyond_64_bits_are_refused_whole(self, opened, batch, target):
        storage = opened(target)
        storage.write(batch(("minute", 1, None, {"a": 2**63 - 1})))
        with pytest.raises(InvalidValue, match="64 bits"):
            storage.write(batch(("minute", 1, None, {"A": 1, "a": 1})))
        assert list(storage.names({"minute": None})) == ["a"]
        assert read(storage) == {1: {None: 2**63 - 1}}

    @pytest.mark.parametrize(
        ("value_type", "values"),
        [
            ("str", {"", "a", "A", "ä "}),
            ("int", {1, -(2**63), 2**63 - 1}),
            ("float", {0.1, 5e-324, 1.7976931348623157e308}),
            ("decimal", {Decimal("0.1"), Decimal("1E+20")}),
            ("blob", {b"", b"\0\xff"}),
            ("bool", {True}),
        ],
    )
    def test_values_come_back_equal(self, timeseries, target, value_type, values):
        distinct = timeseries(target, "set", value_type=value_type)
        for _ in range(2):
            distinct.insert("a", values, timestamp=0)
        assert distinct.get("a", "minute", timestamp=0) == {0: values}
        assert {type(v) for v in distinct.get("a", "minute", timestamp=0)[0]} == {type(v) for v in values}


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_an_engine_in_autocommit_counts_once(forced, opened, batch, server, server_url, sa_engine):
    """What begins again must have been rolled back."""
    storages = [opened(sa_engine(server_url, isolation_level="AUTOCOMMIT")) for _ in range(2)]
    names = "abcdef"

    def work(storage):
        for _ in range(30):
            storage.write(batch(("minute", 1, None, dict.fromkeys(names, 1))))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, storages))
    assert [read(storages[0], name=name) for name in names] == [{1: {None: 60}}] * 6


@pytest.mark.parametrize(
    "arguments", [({"C": "40001"},), ("40P01", "deadlock"), (type("E", (), {"code": 60})(),)]
)
def test_drivers_tell_in_many_ways_that_a_transaction_was_given_up(arguments):
    engine = sa.create_engine("sqlite://")
    dialect = Generic(engine)
    engine.dialect.name = "oracle"
    given_up = sa.exc.DBAPIError("UPDATE", None, Exception(*arguments))
    other = sa.exc.DBAPIError("UPDATE", None, Exception({"C": "22003"}, 5))
    assert (dialect.rolled_back(given_up), dialect.rolled_back(other)) == (True, False)


def test_a_row_that_is_gone_when_it_is_updated_is_a_conflict():
    engine = sa.create_engine("sqlite://")
    table, _ = tables("count", engine)
    table.metadata.create_all(engine)
    writer = CompareAndSetWriter(table, KIND_TABLES["count"].changes)

    class Gone:
        """A cursor that finds a row, and changes none."""

        rowcount = 0

        def execute(self, statement, parameters):
            self.statement = statement

        def fetchone(self):
            return (1, 0.0)

    with pytest.raises(Conflict):
        writer._put(Gone(), {"interval": "m", "name": "a", "i": 1, "r": 1, "count": 1, "fraction": 0.0})
    assert Generic(engine).rolled_back(Conflict())
    assert Generic(engine).writer(table, Rules({})) is not None
    engine.dispose()
