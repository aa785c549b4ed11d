"""Tables on PostgreSQL, MariaDB and MySQL: made, found, compared, shared."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from kairos.errors import InvalidValue, SchemaMismatch
from kairos.storage import Read
from kairos_sql import tables
from kairos_sql.plugin import kairos_open


def read(storage, interval="minute", first=0, last=9, name="a"):
    return storage.read(Read((name,), interval, first, last, lambda: range(first, last + 1))).data.get(
        name, {}
    )


def one(batch, *names, i=1, n=1):
    return batch(("minute", i, None, dict.fromkeys(names or ("a",), n)))


class TestTables:
    def test_a_second_timeseries_finds_them(self, opened, batch, server_url):
        types = ("float", "str", "datetime", "decimal", "text", "blob")
        for kind in ("count", "series", "histogram", "gauge", "set"):
            for value_type in types if kind == "gauge" else types[:1]:
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
