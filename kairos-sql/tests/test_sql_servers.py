"""PostgreSQL, MariaDB and MySQL, with each driver: what only servers have."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from kairos.errors import InvalidValue, SchemaMismatch
from kairos.storage import Read
from kairos_sql import catalog, tables
from kairos_sql.plugin import kairos_open

NAMES = [
    "a",
    "A",
    "a ",
    " a",
    "á",
    "ä",
    "a\u0308",
    "😀",
    "😁",
    "a%",
    "a_",
    "a\n",
    "a\\",
    "'; DROP TABLE x; --",
    "%s",
    "b",
]
YEAR_1901, YEAR_2999 = -2_177_452_800, 32_472_144_000


def read(storage, interval="minute", first=0, last=9, name="a"):
    return storage.read(Read((name,), interval, first, last, lambda: range(first, last + 1))).data.get(
        name, {}
    )


def one(batch, *names, i=1, n=1):
    return batch(("minute", i, None, dict.fromkeys(names or ("a",), n)))


def deadlock(driver):
    """Return what the driver raises for the victim of a deadlock."""
    return (
        driver.errors.DeadlockDetected()
        if driver.__name__ == "psycopg"
        else driver.OperationalError(1213, "deadlock")
    )


class TestExactness:
    def test_names_are_never_folded_or_padded(self, opened, batch, server_url):
        for kind, payload in (("count", 1), ("series", [1.0]), ("set", {1.0})):
            storage = opened(server_url, kind, table_name=f"t{kind}")
            storage.write(batch(*(("minute", k, None, {name: payload}) for k, name in enumerate(NAMES))))
            for k, name in enumerate(NAMES):
                assert read(storage, first=-5, last=50, name=name) == {k: {None: payload}}
            assert sorted(storage.names({"minute": None})) == sorted(NAMES)
            every = storage.read(Read(tuple(NAMES), "minute", -5, 50, lambda: range(56))).data
            assert every == {name: {k: {None: payload}} for k, name in enumerate(NAMES)}
            assert storage.delete(["a"], {"minute": None}) == 1
            assert sorted(storage.names({"minute": None})) == sorted({*NAMES} - {"a"})

    @pytest.mark.parametrize("server", ["mariadb", "mariadb mysqlclient", "mysql", "mysql mysqlclient"])
    def test_also_in_a_database_of_latin1(self, opened, batch, database, server):
        url = database(server, charset="latin1")
        storage = opened(url, "set", value_type=str)
        storage.write(batch(("minute", 1, None, {name: {*NAMES} for name in NAMES})))
        for name in NAMES:
            assert read(storage, name=name) == {1: {None: set(NAMES)}}
        gauge = opened(url, "gauge", value_type="text")
        gauge.write(batch(("minute", 1, None, {name: name for name in NAMES})))
        assert [read(gauge, name=name)[1][None] for name in NAMES] == NAMES

    @pytest.mark.parametrize(
        ("there", "more"), [(2**63 - 1, 1), (-(2**63), -1), (1.7e308, 1.7e308), (-1.7e308, -1.7e308)]
    )
    @pytest.mark.parametrize("size", [1, 500])
    def test_a_total_beyond_its_range_is_refused_whole(self, opened, batch, server_url, there, more, size):
        storage = opened(server_url)
        storage.write(one(batch, "a", n=there))
        with pytest.raises(InvalidValue, match="64 bits"):
            storage.write(batch(("minute", 1, None, {f"n{k}": 1 for k in range(size)} | {"a": more})))
        assert read(storage) == {1: {None: there if isinstance(there, int) else int(there)}}
        assert list(storage.names({"minute": None})) == ["a"]

    def test_fractions_are_added_beside(self, opened, batch, server_url):
        storage = opened(server_url)
        for number in (2**53 + 1, 0.5, 0.25, -0.75, 1):
            storage.write(one(batch, n=number))
        assert read(storage) == {1: {None: 2**53 + 2}}
        assert type(read(storage)[1][None]) is int

    def test_sums_beyond_the_range_of_floats_are_not_wrong(self, timeseries, server_url):
        counts = timeseries(server_url)
        for k in range(3):
            counts.insert("a", 1.5e308, timestamp=60 * k)
        assert counts.series("a", "minute", start=0, end=120, collapse=True) == {0: 3 * int(1.5e308)}
        series = timeseries(server_url, "series")
        series.insert("a", [1.5e308] * 3, timestamp=0)
        assert series.series("a", "minute", start=0, end=60, collapse=True, transform="sum") == {
            0: float("inf")
        }

    def test_years_from_1901_to_2999(self, timeseries, server_url):
        counts = timeseries(
            server_url, intervals={"m": {"step": 60}, "day": {"step": "daily", "resolution": "1h"}}
        )
        for moment in (YEAR_1901, YEAR_2999):
            counts.insert("a", timestamp=moment)
            assert counts.get("a", "m", timestamp=moment) == {moment: 1}
            assert counts.get("a", "day", timestamp=moment) == {moment: 1}
        assert counts.properties("a")["day"] == {"first": YEAR_1901, "last": YEAR_2999}

    def test_series_keep_their_order_over_statements_of_all_sizes(self, opened, batch, server_url):
        storage, expected = opened(server_url, "series"), []
        for size in (1, 7, 30_000, 2, 500):
            values = [float((k * 7919) % 1000) for k in range(size)]
            storage.write(
                batch(("minute", 1, None, {"a": values, "b": values[:1]}), ("hour", 0, 3, {"a": values}))
            )
            expected += values
        assert read(storage, first=1, last=1) == {1: {None: expected}}
        assert read(storage) == {1: {None: expected}}
        assert read(storage, "hour", 0, 0) == {0: {3: expected}}


class TestTables:
    def test_a_second_timeseries_finds_them(self, opened, batch, server_url):
        for kind in ("count", "series", "histogram", "gauge", "set"):
            for value_type in (
                ("float",) if kind == "count" else ("float", "str", "datetime", "decimal", "text", "blob")
            ):
                options = {"table_name": f"t_{kind}_{value_type}", "value_type": value_type}
                opened(server_url, kind, **options)
                opened(server_url, kind, **options)

    def test_another_kind_or_type_is_refused(self, opened, server_url):
        opened(server_url, "gauge", table_name="t")
        with pytest.raises(SchemaMismatch, match=r"'t' holds gauge .*this timeseries is a count"):
            opened(server_url, "count", table_name="t")
        with pytest.raises(
            SchemaMismatch, match=r"column 'value' is DOUBLE( PRECISION)?, this timeseries asks for"
        ):
            opened(server_url, "gauge", table_name="t", value_type="str")

    @pytest.mark.parametrize(
        "table",
        ['a"b', "a b", "select", "per%cent", "a:b", "a`b", "ä€", "x;--", "[x]", "'", "%s", "a VALUES (b"],
    )
    def test_any_name_of_a_table_works(self, opened, batch, server_url, table):
        storage = opened(server_url, table_name=table)
        for size in (1, 3, 200):
            storage.write(batch(("minute", size, None, {f"n{k}": 1 for k in range(size)})))
        assert read(storage, first=0, last=500, name="n0").keys() == {1, 3, 200}
        storage.expire({"minute": 2}, None)
        assert storage.delete(["n0"], {"minute": None}) == 1
        assert storage.delete_all({"minute": None}) == 199
        assert opened(server_url, table_name=table).layouts() == {}

    def test_eight_open_at_once(self, config, server_url):
        barrier = threading.Barrier(8)

        def open_one(k):
            storage = kairos_open(server_url, config(["count", "series"][k % 2]))
            barrier.wait()
            storage.ready()
            storage.record_layouts({"minute": "1"}, {})
            return storage

        with ThreadPoolExecutor(8) as pool:
            for storage in list(pool.map(open_one, range(8))):
                assert storage.layouts() == {"minute": "1"}
                storage.close()

    def test_records_of_a_dropped_table_are_forgotten(self, opened, server_url, sa_engine):
        opened(server_url).record_layouts({"minute": "1"}, {})
        with sa_engine(server_url).begin() as connection:
            sa.Table("count", sa.MetaData()).drop(connection)
        assert opened(server_url).layouts() == {}

    def test_an_account_without_create_uses_what_is_there(self, opened, batch, server, server_url, sa_engine):
        opened(server_url, "series")
        url = sa.make_url(server_url)
        with sa_engine(server_url).begin() as connection:
            if server == "postgresql":
                connection.exec_driver_sql("DROP ROLE IF EXISTS limited")
                connection.exec_driver_sql("CREATE ROLE limited LOGIN")
                grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO limited"
            else:
                connection.exec_driver_sql("DROP USER IF EXISTS 'limited'@'%%'")
                connection.exec_driver_sql("CREATE USER 'limited'@'%%' IDENTIFIED BY ''")
                grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{url.database}`.* TO 'limited'@'%%'"
            connection.exec_driver_sql(grant)
        limited = url.set(username="limited", password=None)
        storage = opened(limited, "series")
        storage.write(batch(("minute", 1, None, {"a": [1.0]})))
        assert read(storage) == {1: {None: [1.0]}}
        with pytest.raises(sa.exc.DBAPIError, match=r"permission denied|denied to user"):
            opened(limited, "count")
        storage.close()
        if server == "postgresql":
            with sa_engine(server_url).begin() as connection:
                connection.exec_driver_sql("DROP OWNED BY limited; DROP ROLE limited")

    @pytest.mark.parametrize("server", ["postgresql"])
    def test_a_schema_of_the_engine(self, opened, batch, server, server_url, sa_engine):
        mine = sa_engine(server_url, execution_options={"schema_translate_map": {None: "Other place"}})
        with mine.begin() as connection:
            connection.exec_driver_sql('CREATE SCHEMA "Other place"')
        for kind, payload in (("count", 1), ("series", [1.0])):
            for _ in range(2):
                storage = opened(mine, kind)
                storage.write(batch(("minute", 1, None, {"a": payload})))
            assert read(storage) == {1: {None: payload * 2}}
            assert read(opened(server_url, kind)) == {}
            assert storage.delete_all({"minute": None}) == 1

    @pytest.mark.parametrize("server", ["mariadb", "mysql"])
    def test_another_database_of_the_engine(self, opened, batch, server, database, sa_engine):
        other = sa.make_url(database(server)).database
        url = database(server)
        mine = sa_engine(url, execution_options={"schema_translate_map": {None: other}})
        for _ in range(2):
            storage = opened(mine)
            storage.write(one(batch))
        assert read(storage) == {1: {None: 2}}
        assert read(opened(url)) == {}

    def test_a_column_with_less_room_is_refused(self, opened, server_url):
        opened(server_url, "gauge", value_type="str", string_length=8)
        opened(server_url, "gauge", value_type="str", string_length=7)
        with pytest.raises(
            SchemaMismatch, match="column 'name' has room for 8, this timeseries asks for 255"
        ):
            opened(server_url, "gauge", value_type="str")

    @pytest.mark.parametrize("server", ["postgresql", "mariadb", "mysql"])
    @pytest.mark.parametrize("lacking", ["key", "numbers"])
    def test_a_ready_table_that_lacks_what_we_need_is_refused(
        self, opened, server, server_url, sa_engine, lacking
    ):
        mine = sa_engine(server_url)
        ready, layouts = tables("series", mine)
        metadata = sa.MetaData()
        keys = [c.name for c in ready.primary_key.columns if lacking == "numbers" or c.name != "r"]
        columns = [sa.Column(c.name, c.type, nullable=False, autoincrement=False) for c in ready.columns]
        columns[4] = sa.Column("id", sa.BigInteger, autoincrement=False)
        sa.Table("series", metadata, *columns, sa.PrimaryKeyConstraint(*keys))
        metadata.create_all(mine)
        layouts.create(mine)
        message = r"primary key \(interval, name, i, id\)" if lacking == "key" else "does not count by itself"
        with pytest.raises(SchemaMismatch, match=message):
            opened(server_url, "series")

    @pytest.mark.parametrize("server", ["mariadb"])
    def test_a_table_without_transactions_is_refused(self, opened, server, server_url, sa_engine):
        opened(server_url)
        with sa_engine(server_url).begin() as connection:
            connection.exec_driver_sql("ALTER TABLE count ENGINE = MyISAM")
        with pytest.raises(SchemaMismatch, match="engine MyISAM"):
            opened(server_url)

    @pytest.mark.parametrize("server", ["mariadb", "mysql"])
    def test_values_that_no_statement_has_room_for_are_refused_at_once(self, opened, server, server_url):
        with pytest.raises(InvalidValue, match="max_allowed_packet"):
            opened(server_url, "gauge", value_type="blob", text_length=1 << 30)

    @pytest.mark.parametrize("server", ["postgresql", "mariadb", "mysql"])
    def test_the_fallback_and_we_share_a_table(self, opened, batch, server, server_url, monkeypatch):
        for kind, payload in (("series", [1.0]), ("count", 1)):
            storages = [opened(server_url, kind)]
            with monkeypatch.context() as patch:
                patch.setenv("KAIROS_SQL_FALLBACK", "1")
                storages.append(opened(server_url, kind))
            for storage in storages * 3:
                storage.write(batch(("minute", 1, None, {"a": payload})))
            assert read(storages[0]) == read(storages[1]) == {1: {None: payload * 6}}

    @pytest.mark.parametrize("server", ["mariadb", "mysql mysqlclient"])
    @pytest.mark.parametrize(
        ("statement", "message"),
        [
            ("SET sql_mode = ''", "strict sql_mode"),
            ("SET character_set_results = latin1", "character set latin1"),
        ],
    )
    def test_a_session_that_would_change_values_is_refused(
        self, opened, server, server_url, sa_engine, statement, message
    ):
        mine = sa_engine(server_url)
        sa.event.listen(mine, "connect", lambda connection, _: connection.cursor().execute(statement))
        with pytest.raises(InvalidValue, match=message):
            opened(mine)

    def test_names_too_long_for_a_key_are_refused_at_once(self, config, server_url):
        with pytest.raises(InvalidValue, match=r"string_length must be at most \d+ with"):
            kairos_open(server_url, config("count", string_length=3_000))

    def test_the_longest_name(self, opened, batch, server, server_url):
        longest = 2_300 if server == "postgresql" else 2_700
        storage = opened(server_url, "histogram", string_length=longest, intervals={"x" * 255: {"step": 60}})
        name = "".join(chr(33 + (k * k * 7 + k) % 90) for k in range(longest))
        storage.write(batch(("x" * 255, 1, None, {name: {1.0: 1}})))
        assert read(storage, "x" * 255, name=name) == {1: {None: {1.0: 1}}}


class TestEngines:
    """Engines that the caller made."""

    LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT")

    @pytest.mark.parametrize(
        "options",
        [
            *({"isolation_level": level} for level in LEVELS),
            {"poolclass": NullPool},
            {"poolclass": StaticPool},
            {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0},
            {"pool_reset_on_return": None},
        ],
        ids=str,
    )
    def test_any_pool_and_isolation_level(self, opened, batch, sa_engine, server_url, options):
        mine = sa_engine(server_url, **options)
        storage, other = opened(mine), opened(server_url)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda k: (other if k % 3 else storage).write(one(batch)), range(60)))
            assert {str(read(storage)) for _ in pool.map(lambda _: read(storage), range(20))} == {
                "{1: {None: 60}}"
            }
        storage.write(batch(*(("hour", i, i, {"a": 1}) for i in range(60))))
        assert read(other, "hour", 0, 100).keys() == set(range(60))
        with pytest.raises(InvalidValue):
            storage.write(batch(("minute", 1, None, {"b": 1, "a": 2**63 - 1})))
        storage.write(one(batch))
        other.write(one(batch))
        assert read(storage) == read(other) == {1: {None: 62}}
        assert storage.delete(["a", "b"], {"minute": None}) == 1
        assert read(other) == {}
        if not isinstance(mine.pool, StaticPool):
            storage.close()
            assert not isinstance(mine.pool, QueuePool) or mine.pool.checkedout() == 0
        with mine.connect() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1

    @pytest.mark.parametrize("server", ["postgresql", "mariadb", "mysql"])
    def test_a_transaction_of_the_caller_on_the_one_connection_is_not_ended(
        self, opened, batch, sa_engine, server_url
    ):
        mine = sa_engine(server_url, poolclass=StaticPool)
        storage = opened(mine)
        storage.write(one(batch))
        with mine.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE mine (x int)")
            connection.commit()
            connection.exec_driver_sql("INSERT INTO mine VALUES (1)")
            with pytest.raises(InvalidValue, match="transaction of its own"):
                storage.write(one(batch))
            assert read(storage) == {1: {None: 1}}
            connection.rollback()
        storage.write(one(batch))
        assert read(storage) == {1: {None: 2}}
        with mine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM mine")) == 0

    def test_a_statement_timeout_is_the_callers_error_and_nothing_is_stored(
        self, opened, batch, server, server_url, sa_engine
    ):
        blocked = opened(server_url)
        blocked.write(one(batch))
        if server == "postgresql":
            mine = sa_engine(server_url, connect_args={"options": "-c statement_timeout=300"})
        else:
            mine = sa_engine(server_url)

            @sa.event.listens_for(mine, "connect")
            def wait_less(connection, record):
                connection.cursor().execute("SET innodb_lock_wait_timeout = 1")

        storage = opened(mine)
        with sa_engine(server_url).connect() as connection:
            connection.exec_driver_sql("UPDATE count SET count = count + 1")
            if server == "postgresql":
                with pytest.raises(Exception, match="statement timeout"):
                    storage.write(one(batch))
                connection.rollback()
            else:
                end = threading.Timer(4, connection.rollback)
                end.start()
                storage.write(one(batch))  # waited too long, rolled back, sent again
                end.join()
                assert storage.retries >= 1
        expected = 1 if server == "postgresql" else 2
        assert read(storage) == {1: {None: expected}}

    @pytest.mark.parametrize("server", ["postgresql"])
    def test_an_event_that_begins_a_transaction(self, opened, batch, server, server_url, sa_engine):
        mine = sa_engine(server_url)
        listen = sa.event.listen
        listen(mine, "checkout", lambda connection, *_: connection.execute("SET application_name = 'mine'"))
        storage = opened(mine)
        storage.write(one(batch))
        assert read(storage) == {1: {None: 1}}
        storage.close()
        assert mine.pool.checkedout() == 0

    def test_more_threads_than_connections(self, opened, batch, server_url):
        storage = opened(server_url)
        with ThreadPoolExecutor(40) as pool:
            list(pool.map(lambda k: (storage.write(one(batch)), read(storage)), range(200)))
        assert read(storage) == {1: {None: 200}}
        assert len(storage._connections._idle) <= 5

        def fetch(connection, *_):
            return {1: {None: connection.scalar(sa.text("SELECT 5"))}}

        request = Read(("a",), "minute", 1, 1, lambda: [1], fetch=fetch)
        with ThreadPoolExecutor(20) as pool:
            replies = list(pool.map(lambda _: storage.read(request).data, range(40)))
        assert replies == [{"a": {1: {None: 5}}}] * 40


def test_expiring_goes_in_chunks_also_when_some_are_given_up(opened, batch, server, server_url, monkeypatch):
    monkeypatch.setattr(catalog, "CHUNK", 10)
    storage = opened(server_url, "series")
    for i in range(8):
        storage.write(batch(("minute", i, None, {"a": [1.0] * 7, "b": [2.0], "c": [3.0] * 25})))
    expired, transactions = storage._catalog.expire, []

    def expire(*arguments, **more):
        left = expired(*arguments, **more)
        transactions.append(left)
        if len(transactions) % 3 == 0:  # given up after the work: it is rolled back, and done again
            raise deadlock(storage._dialect.engine.dialect.dbapi)
        return left

    monkeypatch.setattr(storage._catalog, "expire", expire)
    storage.expire({"minute": 6}, None)
    assert [storage.span(name, "minute", None) for name in "abc"] == [(6, 7)] * 3
    assert len(transactions) > 8
    assert storage.retries > 1


@pytest.mark.parametrize("server", ["postgresql"])
@pytest.mark.parametrize("small", [0, 1 << 20])
def test_listing_names_of_few_and_of_many_buckets(opened, batch, server_url, monkeypatch, small):
    """A table that is read as a whole; small pages, so that the lister goes from scanning to seeking and back."""
    monkeypatch.setattr("kairos_sql.postgresql_names._SMALL", small)
    for page in ("_FIRST", "_PAGE"):
        monkeypatch.setattr(f"kairos_sql.postgresql_names.{page}", 64)
    monkeypatch.setattr("kairos_sql.postgresql_names._SEEKS", 8)
    storage = opened(server_url)
    names = [f"name {k:03}" for k in range(200)]
    for i in range(40):
        storage.write(batch(("minute", i, None, dict.fromkeys(names[:100], 1))))
    storage.write(batch(("minute", 0, None, dict.fromkeys(names, 1)), ("hour", 0, 0, {"z": 1})))
    assert sorted(storage.names({"minute": None})) == names
    assert sorted(storage.names({"minute": None, "hour": None})) == [*names, "z"]
    assert sorted(storage.names({"hour": None})) == ["z"]
    assert sorted(storage.names({"hour": 0, "minute": 1})) == [*names[:100], "z"]
    assert list(storage.names({"day": None})) == list(storage.names({})) == []


class TestGroups:
    """Threads that share a commit may name one row twice."""

    PAYLOADS: ClassVar = {
        "count": (3, 4, 7),
        "gauge": (2.5, 1.0, 1.0),
        "histogram": ({2.5: 2}, {2.5: 3, 1.0: 1}, {2.5: 5, 1.0: 1}),
        "series": ([1.0], [2.0], [1.0, 2.0]),
        "set": ({1.0}, {1.0, 2.0}, {1.0, 2.0}),
    }

    @pytest.mark.parametrize("kind", PAYLOADS)
    def test_of_one_key_they_are_merged_in_order(self, opened, batch, server_url, kind):
        first, second, both = self.PAYLOADS[kind]
        storage = opened(server_url, kind)
        batches = [
            batch(("minute", 1, None, {"a": first})),
            batch(("minute", 1, None, {"a": second, "b": second})),
        ]
        storage._store(batches, lambda: None)
        assert read(storage) == {1: {None: both}}
        assert read(storage, name="b") == {1: {None: second}}

    @pytest.mark.parametrize(("half", "total"), [(2**62, 2**63), (1.5e308, 3e308)])
    def test_a_sum_of_a_group_that_leaves_its_range_is_refused(self, opened, batch, server_url, half, total):
        storage = opened(server_url)
        with pytest.raises(InvalidValue, match="64 bits"):
            storage._store([one(batch, n=half), one(batch, n=half)], lambda: None)
        storage.write(one(batch, n=half))
        assert read(storage) == {1: {None: int(half)}}

    def test_one_that_overflows_is_refused_alone(self, opened, batch, server_url):
        storage = opened(server_url)
        storage.write(one(batch, "full", n=2**63 - 1))
        started, errors = threading.Barrier(8), []

        def write(k):
            started.wait()
            for _ in range(20):
                try:
                    storage.write(one(batch, "full" if k == 3 else "a"))
                except InvalidValue as error:
                    errors.append(error)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
        assert len(errors) == 20
        assert read(storage) == {1: {None: 140}}
        assert read(storage, name="full") == {1: {None: 2**63 - 1}}
