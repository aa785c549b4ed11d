"""Targets and options: URLs, engines, what is refused, and what stays the caller's."""

import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool, SingletonThreadPool, StaticPool

from kairos.errors import BackendNotFound, Closed, InvalidType, InvalidValue
from kairos.storage import Read
from kairos_sql.plugin import kairos_open


def read(storage, interval="minute", first=0, last=9, name="a"):
    return storage.read(Read((name,), interval, first, last, lambda: range(first, last + 1))).data[name]


class TestUrls:
    def test_opening_does_no_io(self, config, tmp_path):
        storage = kairos_open(f"sqlite:///{tmp_path / 'nothing.sqlite'}", config("count"))
        storage.close()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("target", ["redis://", "nothing://h/d", "no url", 5, None, object()])
    def test_what_is_not_mine_is_declined(self, config, target):
        assert kairos_open(target, config("count")) is None

    def test_a_url_may_name_its_driver_or_be_a_url_object(self, opened, tmp_path):
        opened(f"sqlite+pysqlite:///{tmp_path / 'a.sqlite'}")
        opened(sa.make_url(f"sqlite:///{tmp_path / 'a.sqlite'}"))

    def test_an_async_driver_is_refused(self, config):
        with pytest.raises(InvalidType, match=r"aiosqlite is for kairos\.AsyncTimeseries"):
            kairos_open("sqlite+aiosqlite://", config("count"))

    def test_a_driver_that_is_not_installed_is_named(self, config):
        with pytest.raises(ImportError, match="sqlcipher3"):
            kairos_open("sqlite+pysqlcipher://", config("count"))

    def test_a_server_without_any_known_driver_says_what_to_install(self, config, monkeypatch):
        monkeypatch.setattr("kairos_sql.drivers.find_spec", lambda module: None)
        with pytest.raises(BackendNotFound, match=r"pip install 'kairos-sql\[mysql\]'"):
            kairos_open("mysql://localhost/x", config("count"))

    @pytest.mark.parametrize(
        "url", ["mongodb://a:1,b:2/x?replicaSet=r", "redis+sentinel://a:1,b:2/s/0", "nobody://x"]
    )
    def test_a_url_of_another_store_is_left_to_others(self, config, url):
        assert kairos_open(url, config("count")) is None

    def test_capabilities(self, opened, url):
        assert opened(url).capabilities.shared
        assert not opened("sqlite://").capabilities.shared
        assert opened(url, string_length=7).capabilities.max_name_bytes == 7

    def test_a_file_is_in_wal_mode_and_waits(self, opened, url):
        lent = opened(url)._connections._take()
        pragmas = {}
        for pragma in ("journal_mode", "synchronous", "busy_timeout"):
            lent.cursor.execute(f"PRAGMA {pragma}")
            pragmas[pragma] = lent.cursor.fetchone()[0]
        lent.checkout.close()
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000}

    @pytest.mark.parametrize(
        ("query", "client_config"), [("?timeout=7", {}), ("", {"connect_args": {"timeout": 7}})]
    )
    def test_the_caller_may_set_the_timeout(self, opened, url, query, client_config):
        lent = opened(url + query, client_config=client_config)._connections._take()
        lent.cursor.execute("PRAGMA busy_timeout")
        assert lent.cursor.fetchone() == (7_000,)
        lent.checkout.close()

    def test_a_read_only_file_can_be_read(self, opened, batch, tmp_path, url):
        path = tmp_path / "test.sqlite"
        opened(url).write(batch(("minute", 1, None, {"a": 1})))
        storage = opened(f"sqlite:///file:{path}?mode=ro&uri=true")
        assert read(storage) == {1: {None: 1}}
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            storage.write(batch(("minute", 1, None, {"a": 1})))

    @pytest.mark.parametrize(
        "client_config",
        [
            {"pool_size": 1, "max_overflow": 0},
            {"poolclass": NullPool},
            {"pool_pre_ping": True},
            {"echo": False},
        ],
    )
    def test_client_config_goes_to_create_engine(self, opened, batch, url, client_config):
        storage = opened(url, client_config=client_config)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: storage.write(batch(("minute", 1, None, {"a": 1}))), range(40)))
            list(pool.map(lambda _: read(storage), range(40)))
        assert read(storage) == {1: {None: 40}}

    def test_a_missing_directory_is_the_drivers_error(self, config, tmp_path):
        storage = kairos_open(f"sqlite:///{tmp_path / 'no' / 'such.sqlite'}", config("count"))
        with pytest.raises((sqlite3.OperationalError, sa.exc.OperationalError), match="unable to open"):
            storage.ready()
        storage.close()


class TestMemory:
    def test_all_threads_share_one_database(self, opened, batch):
        storage = opened("sqlite:///:memory:")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: storage.write(batch(("minute", 1, None, {"a": 1}))), range(200)))
            assert set(map(str, pool.map(lambda _: read(storage), range(50)))) == {"{1: {None: 200}}"}

    def test_each_url_is_a_database_of_its_own(self, opened, batch):
        opened("sqlite://").write(batch(("minute", 1, None, {"a": 1})))
        assert read(opened("sqlite://")) == {}

    def test_an_engine_shares_its_database(self, opened, batch, sa_engine):
        mine = sa_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        one, two = opened(mine), opened(mine)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda s: s.write(batch(("minute", 1, None, {"a": 1}))), [one, two] * 100))
        assert read(one) == read(two) == {1: {None: 200}}
        one.close()
        assert read(two) == {1: {None: 200}}

    @pytest.mark.parametrize("pool", [SingletonThreadPool, NullPool, QueuePool])
    def test_an_engine_that_would_split_it_is_refused(self, opened, sa_engine, pool):
        with pytest.raises(InvalidValue, match=rf"{pool.__name__}.*poolclass=StaticPool"):
            opened(sa_engine("sqlite://", poolclass=pool))

    def test_a_shared_cache_is_one_database(self, opened, batch):
        url = "sqlite:///file:kairos_test?mode=memory&cache=shared&uri=true"
        one, two = opened(url), opened(url)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda s: s.write(batch(("minute", 1, None, {"a": 1}))), [one, two] * 50))
            assert set(map(str, pool.map(read, [one, two] * 20))) == {"{1: {None: 100}}"}

    def test_a_creator_that_connects_to_a_file_is_a_file(self, opened, batch, sa_engine, tmp_path):
        def connect():
            return sqlite3.connect(tmp_path / "made.sqlite", check_same_thread=False)

        mine = sa_engine("sqlite://", creator=connect, poolclass=QueuePool)
        opened(mine).write(batch(("minute", 1, None, {"a": 1})))
        assert read(opened(f"sqlite:///{tmp_path / 'made.sqlite'}")) == {1: {None: 1}}


class TestEngines:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"isolation_level": "AUTOCOMMIT"},
            {"isolation_level": "SERIALIZABLE"},
            {"poolclass": NullPool},
            {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}},
            {"poolclass": SingletonThreadPool},
            {"connect_args": {"isolation_level": "IMMEDIATE"}},
            {"connect_args": {"isolation_level": None}},
            pytest.param(
                {"connect_args": {"autocommit": False}},
                marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12"),
            ),
        ],
        ids=str,
    )
    def test_any_pool_and_isolation_level(self, opened, batch, sa_engine, url, options):
        storage = opened(sa_engine(url, **options))
        other = opened(url)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: storage.write(batch(("minute", 1, None, {"a": 1}))), range(50)))
        storage.write(batch(*(("hour", i, i, {"a": 1}) for i in range(60))))
        other.write(batch(("minute", 1, None, {"a": 1})))
        assert read(storage) == read(other) == {1: {None: 51}}
        other.write(batch(("minute", 1, None, {"a": 1})))
        assert read(storage) == {1: {None: 52}}
        storage.write(batch(("minute", 1, None, {"a": 1})))
        with pytest.raises(InvalidValue):
            storage.write(batch(("minute", 1, None, {"b": 1, "a": 2**63 - 1})))
        assert storage.delete(["a", "b"], {"minute": None}) == 1
        assert read(other) == {}

    def test_it_stays_the_callers(self, opened, batch, sa_engine, url):
        mine = sa_engine(url)
        storage = opened(mine)
        storage.write(batch(("minute", 1, None, {"a": 1})))
        assert mine.pool.checkedout() == 0
        storage.close()
        with mine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
            assert connection.exec_driver_sql("SELECT count FROM count").scalar() == 1

    def test_a_transaction_of_the_caller_is_not_touched(self, opened, batch, sa_engine):
        """On the one connection of a StaticPool, in the same thread."""
        mine = sa_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        storage = opened(mine)
        storage.write(batch(("minute", 1, None, {"a": 1})))
        with mine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE mine (x)")
            connection.exec_driver_sql("INSERT INTO mine VALUES (1)")
            assert read(storage) == {1: {None: 1}}
        with mine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM mine").scalar() == 1

    def test_other_objects_of_sqlalchemy_are_refused(self, config, sa_engine):
        made = type("AsyncEngine", (), {"__module__": "sqlalchemy.ext.asyncio.engine"})()  # without greenlet
        with pytest.raises(InvalidType, match=r"AsyncEngine: it is for kairos\.AsyncTimeseries"):
            kairos_open(made, config("count"))
        with (
            sa_engine("sqlite://").connect() as connection,
            pytest.raises(InvalidType, match="Connection: pass its Engine"),
        ):
            kairos_open(connection, config("count"))


class TestOptions:
    @pytest.mark.parametrize("option", ["string_length", "text_length"])
    @pytest.mark.parametrize("value", [0, -1])
    def test_lengths_are_at_least_one(self, config, option, value):
        with pytest.raises(
            InvalidValue, match=rf"{option} must be an int >= 1 \(bytes of UTF-8\); got {value}"
        ):
            kairos_open("sqlite://", config("count", **{option: value}))

    @pytest.mark.parametrize("option", ["string_length", "text_length"])
    @pytest.mark.parametrize("value", [True, 1.0, "9", None])
    def test_lengths_are_ints(self, config, option, value):
        with pytest.raises(
            InvalidType, match=rf"{option} must be an int .*; got {value!r} \({type(value).__name__}\)"
        ):
            kairos_open("sqlite://", config("count", **{option: value}))

    @pytest.mark.parametrize("name", ["", "a\0b", "\ud800"])
    def test_names_of_tables(self, config, name):
        with pytest.raises(InvalidValue, match="table_name must be a non-empty str without NUL"):
            kairos_open("sqlite://", config("count", table_name=name))

    @pytest.mark.parametrize("name", [None, 5, b"t"])
    def test_names_of_tables_are_text(self, config, name):
        with pytest.raises(InvalidType, match="table_name must be a non-empty str"):
            kairos_open("sqlite://", config("count", table_name=name))

    @pytest.mark.parametrize("name", ["sqlite_sequence", "SQLite_x"])
    def test_names_that_sqlite_keeps(self, config, name):
        with pytest.raises(InvalidValue, match="must not begin with 'sqlite_'"):
            kairos_open("sqlite://", config("count", table_name=name))

    @pytest.mark.parametrize("name", ["kairos_layouts", "Kairos_Layouts"])
    def test_the_table_of_layouts_is_kairos_own(self, config, name):
        with pytest.raises(InvalidValue, match="own table of layouts"):
            kairos_open("sqlite://", config("count", table_name=name))

    def test_names_of_intervals_have_a_length(self, config):
        kairos_open("sqlite://", config("count", {"ä" * 127: {"step": 60}}, string_length=10)).close()
        with pytest.raises(InvalidValue, match="at most 255 bytes of UTF-8; got 256"):
            kairos_open("sqlite://", config("count", {"ä" * 128: {"step": 60}}))


def test_closing_while_others_work_leaves_nothing_open(config, batch, url):
    """ResourceWarnings of unclosed connections are errors here (Python 3.13 has them)."""
    storage = kairos_open(url, config("count"))
    storage.ready()
    started, errors = threading.Barrier(5), []

    def work():
        started.wait()
        try:
            for _ in range(30):
                storage.write(batch(("minute", 1, None, {"a": 1})))
                read(storage)
        except (sqlite3.ProgrammingError, sa.exc.SQLAlchemyError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    storage.close()
    for thread in threads:
        thread.join()
    storage.close()
    assert errors == []
    assert storage._connections._idle == []


def test_closing_a_database_in_memory_while_it_writes_ends_the_writes(config, batch):
    storage = kairos_open("sqlite://", config("count"))
    storage.ready()
    started, errors = threading.Barrier(5), []

    def work():
        started.wait()
        try:
            while True:
                storage.write(batch(("minute", 1, None, {"a": 1})))
        except Closed as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    storage.close()
    for thread in threads:
        thread.join()
    assert len(errors) == 4


@pytest.fixture
def one_connection():
    engine = sa.create_engine(
        "sqlite://", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False}
    )
    yield engine
    engine.dispose()


def test_closing_one_timeseries_takes_nothing_from_another_of_the_engine(config, batch, one_connection):
    one, other = (kairos_open(one_connection, config("count")) for _ in range(2))
    for storage in (one, other):
        storage.ready()
    many = batch(("minute", 1, None, {f"n{k}": 1 for k in range(5_000)}))
    writing = threading.Thread(target=lambda: one.write(many))
    writing.start()
    other.close()
    writing.join()
    assert len(list(one.names({"minute": None}))) == 5_000
    one.close()


def test_a_transaction_of_the_caller_on_the_one_connection_is_not_ended(config, batch, one_connection):
    storage = kairos_open(one_connection, config("count"))
    storage.ready()
    with one_connection.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (x)")
        connection.commit()
        connection.exec_driver_sql("INSERT INTO mine VALUES (1)")
        for rows in ({"a": 1}, {f"n{k}": 1 for k in range(100)}):
            with pytest.raises(InvalidValue, match="in a transaction of its own"):
                storage.write(batch(("minute", 1, None, rows)))
        connection.rollback()
        assert connection.exec_driver_sql("SELECT count(*) FROM mine").scalar_one() == 0
    storage.write(batch(("minute", 1, None, {"a": 1})))
    assert list(storage.names({"minute": None})) == ["a"]
    storage.close()


def test_an_engine_that_sends_begin_itself_works(config, batch, url):
    """As SQLAlchemy's documentation recommends for pysqlite."""
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def no_transactions_of_the_driver(connection, record):
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    for _ in range(2):
        storage = kairos_open(engine, config("count"))
        storage.ready()
        storage.write(batch(("minute", 1, None, {"a": 1})))
        storage.close()
    storage = kairos_open(engine, config("count"))
    storage.ready()
    assert read(storage) == {1: {None: 2}}
    storage.close()
    engine.dispose()


def test_an_engine_with_a_schema_translate_map_puts_the_tables_there(opened, batch, sa_engine, tmp_path, url):
    mine = sa_engine(url, execution_options={"schema_translate_map": {None: "other"}})

    @sa.event.listens_for(mine, "connect")
    def attach(connection, record):
        connection.execute(f"ATTACH '{tmp_path / 'other.sqlite'}' AS other")

    for _ in range(2):
        storage = opened(mine)
        storage.write(batch(("minute", 1, None, {"a": 1})))
    assert read(storage) == {1: {None: 2}}
    assert read(opened(f"sqlite:///{tmp_path / 'other.sqlite'}")) == {1: {None: 2}}
    assert read(opened(url)) == {}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
def test_autocommit_is_refused(config, url):
    storage = kairos_open(url, config("count", client_config={"connect_args": {"autocommit": True}}))
    with pytest.raises(InvalidValue, match="autocommit"):
        storage.ready()
    storage.close()


def test_a_table_name_that_ends_in_a_newline_is_another_table(config, batch, url):
    names = {"abc": 1, "abc\n": 2}
    for table, number in names.items():
        for _ in range(2):
            storage = kairos_open(url, config("count", table_name=table))
            storage.ready()
            storage.write(batch(("minute", 1, None, {"a": number})))
            found = read(storage)
            storage.close()
        assert found == {1: {None: 2 * number}}
