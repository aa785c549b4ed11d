"""Engines that the caller made, on PostgreSQL, MariaDB and MySQL."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from kairos.errors import InvalidValue
from kairos.storage import Read


def read(storage, interval="minute", first=0, last=9, name="a"):
    return storage.read(Read((name,), interval, first, last, lambda: range(first, last + 1))).data.get(
        name, {}
    )


def one(batch, *names, i=1, n=1):
    return batch(("minute", i, None, dict.fromkeys(names or ("a",), n)))


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
            list(pool.map(lambda k: (other if k % 3 else storage).write(one(batch)), range(24)))
            assert {str(read(storage)) for _ in pool.map(lambda _: read(storage), range(20))} == {
                "{1: {None: 24}}"
            }
        storage.write(batch(*(("hour", i, i, {"a": 1}) for i in range(60))))
        assert read(other, "hour", 0, 100).keys() == set(range(60))
        with pytest.raises(InvalidValue):
            storage.write(batch(("minute", 1, None, {"b": 1, "a": 2**63 - 1})))
        storage.write(one(batch))
        other.write(one(batch))
        assert read(storage) == read(other) == {1: {None: 26}}
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
            list(pool.map(lambda k: (storage.write(one(batch)), read(storage)), range(80)))
        assert read(storage) == {1: {None: 80}}
        assert len(storage._connections._idle) <= 5

        def fetch(connection, *_):
            return {1: {None: connection.scalar(sa.text("SELECT 5"))}}

        request = Read(("a",), "minute", 1, 1, lambda: [1], fetch=fetch)
        with ThreadPoolExecutor(20) as pool:
            replies = list(pool.map(lambda _: storage.read(request).data, range(40)))
        assert replies == [{"a": {1: {None: 5}}}] * 40
