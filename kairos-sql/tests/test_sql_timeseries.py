"""End to end, through kairos.Timeseries."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from kairos import AsyncTimeseries, Timeseries
from kairos.errors import Closed, InvalidType, InvalidValue, SchemaMismatch, Unsupported


@pytest.mark.parametrize("backend", [None, "kairos-sql"])
def test_the_backend_is_found_by_its_scheme(url, timeseries, backend):
    for target in (url, url.replace("sqlite:", "sqlite+pysqlite:")):
        one = timeseries(target, backend=backend)
        one.insert("a", timestamp=0)
    assert one.get("a", "minute", timestamp=0) == {0: 2}


def test_the_backend_is_found_by_the_engine(timeseries):
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    timeseries(engine).insert("a", timestamp=0)
    assert timeseries(engine).get("a", "minute", timestamp=0) == {0: 1}
    with pytest.raises(InvalidValue, match="client_config"):
        timeseries(engine, client_config={"echo": True})
    engine.dispose()


@pytest.mark.parametrize("url", ["mssql+pyodbc://h/d", "oracle+oracledb://h/d"])
def test_a_database_without_an_asyncio_side_names_those_that_have_one(url):
    one = AsyncTimeseries(url, intervals={"minute": {"step": 60}})
    with pytest.raises(Unsupported, match=r"kairos-sql does asyncio with .*psycopg"):
        asyncio.run(one.open())


@pytest.mark.parametrize("url", ["postgresql+psycopg2://h/d", "mysql+pymysql://h/d", "mariadb+mysqldb://h/d"])
def test_a_sync_driver_of_a_server_names_those_for_asyncio(url):
    one = AsyncTimeseries(url, intervals={"minute": {"step": 60}})
    with pytest.raises(InvalidType, match=r"is for kairos\.Timeseries; AsyncTimeseries takes .*asyncmy"):
        asyncio.run(one.open())


def test_a_sync_driver_or_engine_names_the_other_class(url):
    async def refused(target):
        with pytest.raises(InvalidType, match=r"(?<!Async)Timeseries"):
            await AsyncTimeseries(target, intervals={"minute": {"step": 60}}).open()

    engine = sa.create_engine(url)
    asyncio.run(refused(url.replace("sqlite:", "sqlite+pysqlite:")))
    asyncio.run(refused(engine))
    engine.dispose()


def test_a_live_async_engine_stays_the_callers_and_agrees_with_the_sync_side(url, timeseries):
    async def use():
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with AsyncTimeseries(engine, type="count", intervals={"minute": {"step": 60}}) as one:
            await one.insert("a", 2, 0)
            assert await one.get("a", "minute", timestamp=0) == {0: 2}
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
        await engine.dispose()

    asyncio.run(use())
    with Timeseries(url, type="count", intervals={"minute": {"step": 60}}) as one:
        assert one.get("a", "minute", timestamp=0) == {0: 2}


def test_an_async_driver_names_the_other_class(url):
    with pytest.raises(InvalidType, match="AsyncTimeseries"):
        Timeseries(url.replace("sqlite:", "sqlite+aiosqlite:"), intervals={"minute": {"step": 60}})


def test_an_unknown_option_lists_the_known_ones(url, timeseries):
    with pytest.raises(InvalidType, match="string_length, table_name, text_length, value_type"):
        timeseries(url, prefix="x")


def test_a_closed_timeseries_says_so(url, timeseries):
    one = timeseries(url)
    one.close()
    one.close()
    with pytest.raises(Closed):
        one.insert("a")


def test_a_step_is_compared_with_what_was_written(url, timeseries):
    timeseries(url, intervals={"x": {"step": 60}}).insert("a", timestamp=0)
    with pytest.raises(SchemaMismatch, match=r"step 60.*step 120"):
        timeseries(url, intervals={"x": {"step": 120}})
    assert timeseries(url, intervals={"x": {"step": 60, "steps": 9}}).delete_all() == 1
    timeseries(url, intervals={"x": {"step": 120}}).insert("a", timestamp=0)


def test_intervals_share_a_table_and_see_their_own(url, timeseries):
    one, two = timeseries(url, intervals={"x": {"step": 60}}), timeseries(url, intervals={"y": {"step": 60}})
    one.insert("a", timestamp=0)
    two.insert("b", timestamp=0)
    assert (one.list(), two.list()) == (["a"], ["b"])
    assert (one.delete("b"), one.delete_all(), two.list()) == (0, 1, ["b"])


def test_retention_is_manual(url, timeseries):
    one = timeseries(url, "series", intervals={"minute": {"step": 60, "steps": 2}})
    one.insert("a", [1, 2], timestamp=0)
    one.insert("a", 3, timestamp=600)
    assert one.series("a", "minute", start=0, end=0) == {0: [1.0, 2.0]}
    one.expire()
    assert one.series("a", "minute", start=0, end=0) == {0: []}
    assert one.properties("a") == {"minute": {"first": 600, "last": 600}}


@pytest.mark.parametrize("kind", ["series", "histogram", "count", "gauge", "set"])
def test_a_custom_fetch_gets_a_connection_and_the_table(url, timeseries, kind):
    one = timeseries(url, kind)
    one.insert("a", 5, timestamp=60)
    calls = []

    def fetch(connection, table, name, interval, i_start, i_end=None):
        found = (
            sa.select(sa.func.count())
            .select_from(table)
            .where(table.c.name == name, table.c.interval == interval)
        )
        calls.append((table.name, name, interval, i_start, i_end, connection.scalar(found)))
        return {}

    one.get("a", "minute", timestamp=60, fetch=fetch)
    one.series(["a", "b"], "minute", start=0, end=120, fetch=fetch)
    list(one.iterate("a", "minute", fetch=fetch))
    assert calls[:3] == [
        (kind, "a", "minute", 1, None, 1),
        (kind, "a", "minute", 0, 2, 1),
        (kind, "b", "minute", 0, 2, 0),
    ]
    assert len(calls) >= 4


@pytest.mark.parametrize("target", ["sqlite://", "file"])
def test_an_error_of_a_custom_fetch_leaves_the_storage_well(target, url, timeseries):
    one = timeseries(url if target == "file" else target)
    with pytest.raises(sa.exc.OperationalError, match="no such table"):
        one.get(
            "a", "minute", fetch=lambda connection, *_: connection.exec_driver_sql("SELECT * FROM absent")
        )
    one.insert("a", timestamp=0)
    assert one.get("a", "minute", timestamp=0) == {0: 1}


def test_a_total_beyond_64_bits_is_refused_and_stays(url, timeseries):
    one = timeseries(url)
    one.insert("a", 2**63 - 1, timestamp=0)
    with pytest.raises(InvalidValue, match="64 bits"):
        one.bulk_insert({0: {"b": [1], "a": [1]}})
    assert one.series(["a", "b"], "minute", start=0, end=0) == {0: 2**63 - 1}
    assert one.list() == ["a"]


def test_a_calendar_and_many_buckets(url, timeseries):
    one = timeseries(url, intervals={"day": {"step": "daily", "resolution": "1h"}}, tz="America/New_York")
    one.bulk_insert({k * 3600: {"a": [1]} for k in range(24 * 60)})
    days = one.series("a", "day", start=0, end=59 * 86400, condense=True)
    assert sum(days.values()) == 24 * 59 + 5
    assert set(list(days.values())[1:-1]) == {24}


def test_a_record_that_somebody_elses_delete_all_removed_is_made_again(timeseries, url, monkeypatch):
    monkeypatch.setattr("kairos_sql.storage.LOOK_AGAIN", 0.0)
    one, other = timeseries(url), timeseries(url)
    one.insert("a", timestamp=60)
    other.delete_all()
    one.insert("a", timestamp=60)
    with pytest.raises(SchemaMismatch):
        timeseries(url, intervals={"minute": {"step": 61}})
    assert one.get("a", "minute", timestamp=60) == {60: 1}


def test_a_handle_does_not_write_into_what_another_layout_has_taken(timeseries, url, monkeypatch):
    monkeypatch.setattr("kairos_sql.storage.LOOK_AGAIN", 0.0)
    one, other = timeseries(url), timeseries(url)
    one.insert("a", timestamp=60)
    other.delete_all()
    taken = timeseries(url, intervals={"minute": {"step": 61}})
    taken.insert("a", timestamp=61)
    with pytest.raises(SchemaMismatch, match="all data of interval 'minute' was deleted"):
        one.insert("a", timestamp=60)
    monkeypatch.setattr("kairos_sql.storage.LOOK_AGAIN", 0.001)
    with pytest.raises(SchemaMismatch):
        one.insert("a", timestamp=60)
    assert taken.get("a", "minute", timestamp=61) == {61: 1}


def test_a_regular_bulk_adds_what_single_increments_add(timeseries, url):
    """All buckets have the same names, in an order that is nobody's; ints, fractions, and sums that cancel."""
    bulk, each = timeseries(url, table_name="bulk"), timeseries(url, table_name="each")
    names = ["b", "a", "ä"]
    inserts = {60 * k: {name: [k, j / 4, -k] for j, name in enumerate(names)} for k in range(20, -20, -1)}
    bulk.bulk_insert(inserts)
    for timestamp, rows in inserts.items():
        for name, numbers in rows.items():
            each.insert(name, numbers, timestamp=timestamp)
    for name in names:
        for interval in ("minute", "hour"):
            here = {"start": -60 * 20, "end": 60 * 20}
            assert bulk.series(name, interval, **here) == each.series(name, interval, **here)
