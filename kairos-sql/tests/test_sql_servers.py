"""PostgreSQL, MariaDB and MySQL, with each driver: what only servers have."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
import sqlalchemy as sa

from kairos.errors import InvalidValue
from kairos.storage import Read
from kairos_sql import catalog

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
    def test_names_are_never_folded_or_padded(self, opened, batch, pair_url):
        for kind, payload in (("count", 1), ("series", [1.0]), ("set", {1.0})):
            storage = opened(pair_url, kind, table_name=f"t{kind}")
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

    @pytest.mark.parametrize("server", ["postgresql"])
    def test_also_in_a_database_that_sorts_as_people_do(self, opened, batch, server_url, sa_engine):
        """Which orders a < A < b, and passes over spaces: pages of names begin after the last one's code points."""
        url = sa.make_url(server_url)
        there = f"{url.database}_icu"
        with sa_engine(server_url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(
                f"CREATE DATABASE {there} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US-u-ka-shifted'"
            )
        storage = opened(url.set(database=there), "set", value_type=str)
        storage.write(batch(("minute", 1, None, {name: {*NAMES} for name in NAMES})))
        for name in NAMES:
            assert read(storage, name=name) == {1: {None: set(NAMES)}}
        listed = storage.names({"minute": None})
        assert sorted(listed) == sorted(NAMES)
        storage.close()
        with sa_engine(server_url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {there} WITH (FORCE)")

    @pytest.mark.parametrize(
        ("there", "more"), [(2**63 - 1, 1), (-(2**63), -1), (1.7e308, 1.7e308), (-1.7e308, -1.7e308)]
    )
    @pytest.mark.parametrize("size", [1, 500])
    def test_a_total_beyond_its_range_is_refused_whole(self, opened, batch, pair_url, there, more, size):
        storage = opened(pair_url)
        storage.write(one(batch, "a", n=there))
        with pytest.raises(InvalidValue, match="64 bits"):
            storage.write(batch(("minute", 1, None, {f"n{k}": 1 for k in range(size)} | {"a": more})))
        assert read(storage) == {1: {None: there if isinstance(there, int) else int(there)}}
        assert list(storage.names({"minute": None})) == ["a"]

    def test_fractions_are_added_beside(self, opened, batch, pair_url):
        storage = opened(pair_url)
        for number in (2**53 + 1, 0.5, 0.25, -0.75, 1):
            storage.write(one(batch, n=number))
        assert read(storage) == {1: {None: 2**53 + 2}}
        assert type(read(storage)[1][None]) is int

    def test_sums_beyond_the_range_of_floats_are_not_wrong(self, timeseries, pair_url):
        counts = timeseries(pair_url)
        for k in range(3):
            counts.insert("a", 1.5e308, timestamp=60 * k)
        assert counts.series("a", "minute", start=0, end=120, collapse=True) == {0: 3 * int(1.5e308)}
        series = timeseries(pair_url, "series")
        series.insert("a", [1.5e308] * 3, timestamp=0)
        assert series.series("a", "minute", start=0, end=60, collapse=True, transform="sum") == {
            0: float("inf")
        }
        series.insert("balanced", [1.5, -1.5], timestamp=0)
        assert series.series(
            "balanced", "minute", start=0, end=60, collapse=True, transform=["sum", "mean"]
        ) == {0: {"sum": 0.0, "mean": 0.0}}

    def test_years_from_1901_to_2999(self, timeseries, pair_url):
        counts = timeseries(
            pair_url, intervals={"m": {"step": 60}, "day": {"step": "daily", "resolution": "1h"}}
        )
        for moment in (YEAR_1901, YEAR_2999):
            counts.insert("a", timestamp=moment)
            assert counts.get("a", "m", timestamp=moment) == {moment: 1}
            assert counts.get("a", "day", timestamp=moment) == {moment: 1}
        assert counts.properties("a")["day"] == {"first": YEAR_1901, "last": YEAR_2999}

    def test_series_keep_their_order_over_statements_of_all_sizes(self, opened, batch, pair_url):
        storage, expected = opened(pair_url, "series"), []
        for size in (1, 7, 30_000, 2, 500):
            values = [float((k * 7919) % 1000) for k in range(size)]
            storage.write(
                batch(("minute", 1, None, {"a": values, "b": values[:1]}), ("hour", 0, 3, {"a": values}))
            )
            expected += values
        assert read(storage, first=1, last=1) == {1: {None: expected}}
        assert read(storage) == {1: {None: expected}}
        assert read(storage, "hour", 0, 0) == {0: {3: expected}}


def test_expiring_goes_in_chunks_also_when_some_are_given_up(opened, batch, server, server_url, monkeypatch):
    monkeypatch.setattr(catalog, "CHUNK", 10)
    storage = opened(server_url, "series")
    for i in range(8):
        storage.write(batch(("minute", i, None, {"a": [1.0] * 7, "b": [2.0], "c": [3.0] * 25})))
    expired, transactions = storage._statements.catalog.expire, []

    def expire(*arguments, **more):
        left = expired(*arguments, **more)
        transactions.append(left)
        if len(transactions) % 3 == 0:  # given up after the work: it is rolled back, and done again
            raise deadlock(storage._dialect.engine.dialect.dbapi)
        return left

    monkeypatch.setattr(storage._statements.catalog, "expire", expire)
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


def test_a_regular_bulk_adds_what_single_increments_add(timeseries, server_url):
    """All buckets have the same names, in an order that is nobody's; ints, fractions, and sums that cancel."""
    bulk, each = timeseries(server_url, table_name="bulk"), timeseries(server_url, table_name="each")
    names = ["b", "a", "ä", "c'\\\""]
    inserts = {60 * k: {name: [k, j / 4, -k] for j, name in enumerate(names)} for k in range(20, -20, -1)}
    for _ in range(2):
        bulk.bulk_insert(inserts)
    for timestamp, rows in inserts.items():
        for name, numbers in rows.items():
            each.insert(name, numbers * 2, timestamp=timestamp)
    for name in names:
        for interval in ("minute", "hour"):
            here = {"start": -60 * 20, "end": 60 * 20}
            assert bulk.series(name, interval, **here) == each.series(name, interval, **here)
