"""PgBouncer in transaction mode: each transaction may be another session's, so that nothing may be kept in one."""

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from kairos_conformance.laws.histories import HistoryLaws


@pytest.fixture(scope="session")
def pooler(engine):
    """Two sessions for all."""
    return engine("pgbouncer", connections=2)


@pytest.fixture
def pooled_url(pooler):
    return pooler.database("kairos_pooled")


def everything(kinds, name):
    """Write and read so often that psycopg would prepare the statements."""
    for k in range(30):
        kinds["count"].insert(name, timestamp=60 * (k % 3))
        kinds["count"].bulk_insert({60 * j: {name: [1] * 3, "all": [1]} for j in range(10)})
        kinds["series"].insert(name, float(k), timestamp=60)
        kinds["count"].get(name, "minute", timestamp=60)
        kinds["series"].get(name, "minute", timestamp=60)
        kinds["count"].series([name, "all"], "minute", start=0, end=600)


def exact(kinds):
    for k in range(6):
        name = f"n{k}"
        counts = kinds["count"].series(name, "minute", start=0, end=599)
        assert counts == {60 * j: 90 + 10 * (j < 3) for j in range(10)}
        assert kinds["series"].get(name, "minute", timestamp=60) == {60: [float(j) for j in range(30)]}
    assert kinds["count"].get("all", "minute", timestamp=0) == {0: 180}
    assert kinds["count"].list() == ["all", *(f"n{k}" for k in range(6))]
    assert kinds["count"].delete_all() == 7


@pytest.mark.parametrize("whose", ["url", "engine of the caller"])
def test_threads_over_two_sessions_are_exact(timeseries, sa_engine, pooled_url, whose):
    target = pooled_url if whose == "url" else sa_engine(pooled_url, pool_size=8)
    kinds = {
        kind: timeseries(target, kind, intervals={"minute": {"step": 60}}) for kind in ("count", "series")
    }
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda k: everything(kinds, f"n{k}"), range(6)))
    exact(kinds)


def test_a_callers_connections_are_left_as_they_were(opened, batch, sa_engine, pooled_url):
    mine = sa_engine(pooled_url)
    storage = opened(mine)
    storage.write(batch(("minute", 1, None, {"a": 1})))
    storage.close()
    with mine.connect() as connection:
        assert connection.connection.dbapi_connection.prepare_threshold == 5
        assert not connection.connection.dbapi_connection.autocommit


class TestKitThroughPgBouncer(HistoryLaws):
    """Histories against the model."""

    profile: ClassVar = "quick"

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, pooler):
        return pooler.database("kit_pooled")
