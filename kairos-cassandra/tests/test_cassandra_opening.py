"""Opening, on one real node: keyspaces, tables, sessions, consistency."""

import gc
import weakref

import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import DCAwareRoundRobinPolicy, RoundRobinPolicy
from cassandra.query import dict_factory

import kairos
from kairos.errors import InvalidValue, SchemaMismatch
from kairos_cassandra.urls import parse
from kairos_engines.site import certificates

BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


def test_a_missing_keyspace_is_an_error_that_shows_the_statement(place):
    url = place[0].rpartition("/")[0] + "/nobodys"
    with pytest.raises(InvalidValue, match='CREATE KEYSPACE IF NOT EXISTS "nobodys" WITH replication = '):
        kairos.Timeseries(url, intervals=BOTH)


def test_pool_size_is_accepted_and_warns(open_series):
    with pytest.warns(UserWarning, match="pool_size does nothing"):
        open_series(pool_size=5)


def test_a_table_of_another_kind_type_or_way_to_count_is_refused(open_series):
    open_series(type="count", table_name="taken")
    for more in ({"type": "series"}, {"type": "count", "counts": "log"}, {"type": "histogram"}):
        with pytest.raises(SchemaMismatch, match="choose another table_name"):
            open_series(table_name="taken", **more)
    open_series(type="gauge", table_name="typed", value_type="str")
    with pytest.raises(SchemaMismatch, match="value text"):
        open_series(type="gauge", table_name="typed")


def test_a_live_session_is_used_and_stays_open(open_series, session):
    open_series(type="count", table_name="lives").insert("a", 3, timestamp=0)
    with kairos.Timeseries(session, type="count", table_name="lives", intervals=BOTH) as hits:
        hits.insert("a", 4, timestamp=0)
        assert hits.get("a", "minute", timestamp=0) == {0: 7}
    assert session.execute("SELECT key FROM system.local").one() == {"key": "local"}


def test_a_session_that_nobody_uses_is_freed(place, engine):
    node = engine("cassandra").nodes[0]
    profiles = {EXEC_PROFILE_DEFAULT: ExecutionProfile(DCAwareRoundRobinPolicy("datacenter1"))}
    cluster = Cluster([node.host], port=node.port, protocol_version=5, execution_profiles=profiles)
    session = cluster.connect(parse(place[0]).keyspace)
    with kairos.Timeseries(session, type="count", table_name="freed", intervals=BOTH) as hits:
        with kairos.Timeseries(session, type="count", table_name="freed", intervals=BOTH) as other:
            assert other._storage._shared is hits._storage._shared
        hits.insert("a", timestamp=0)
    seen = weakref.ref(session)
    cluster.shutdown()
    del session, cluster, hits, other
    gc.collect()
    assert seen() is None


def test_a_session_with_the_drivers_older_settings_is_used_too(place, engine, open_series):
    open_series(type="count", table_name="older").insert("a", 3, timestamp=0)
    node = engine("cassandra").nodes[0]
    with pytest.warns(DeprecationWarning, match="Legacy execution parameters"):
        cluster = Cluster(
            [node.host], port=node.port, protocol_version=5, load_balancing_policy=RoundRobinPolicy()
        )
    session = cluster.connect(parse(place[0]).keyspace)
    with kairos.Timeseries(session, type="count", table_name="older", intervals=BOTH) as hits:
        assert hits.get("a", "minute", timestamp=0) == {0: 3}
    other = cluster.connect(parse(place[0]).keyspace)
    other.row_factory = dict_factory
    with pytest.raises(InvalidValue, match="row_factory"):
        kairos.Timeseries(other, type="count", table_name="older", intervals=BOTH)
    cluster.shutdown()


def test_handles_of_one_url_share_their_connections(open_series):
    one, two = open_series(table_name="sharing"), open_series(table_name="sharing")
    assert one._storage._shared is two._storage._shared
    one.close()
    two.insert("a", 1.5)


def test_statements_have_the_consistency_that_was_asked_for(open_series):
    for asked, level in ((None, "LOCAL_QUORUM"), ("quorum", "QUORUM"), (ConsistencyLevel.ONE, "ONE")):
        more = {} if asked is None else {"consistency": asked}
        statement = open_series(type="count", table_name="levels", **more)._storage._data.write.statement
        assert ConsistencyLevel.value_to_name[statement.consistency_level] == level


def test_kinds_with_the_same_columns_never_share_a_table(open_series):
    open_series(type="set", table_name="like_a_gauge").insert("a", [1.0, 2.0])
    with pytest.raises(SchemaMismatch, match=r"value double .clustering.*value double .regular"):
        open_series(type="gauge", table_name="like_a_gauge")


def test_a_user_with_a_password_over_tls(engine):
    secure = engine("cassandra", secure=True)
    place = {"type": "count", "intervals": BOTH}
    with kairos.Timeseries(secure.tls_url, **place) as hits:
        hits.insert("a", 3, timestamp=0)
        assert hits.get("a", "minute", timestamp=0) == {0: 3}
        clients = hits._storage._shared.session.execute(
            "SELECT username, ssl_enabled FROM system_views.clients"
        )
        assert ("cassandra", True) in {tuple(client) for client in clients}
    with pytest.raises(NoHostAvailable, match=r"credentials|incorrect") as caught:
        kairos.Timeseries(secure.url.replace(":cassandra@", ":Secret-1@"), **place)
    assert "Secret-1" not in str(caught.value)


def test_nodes_whose_certificate_somebody_else_signed_are_not_trusted(engine, tmp_path):
    secure = engine("cassandra", secure=True)
    others = certificates(tmp_path)
    with pytest.raises(NoHostAvailable, match="certificate verify failed"):
        kairos.Timeseries(f"{secure.url}?tls_ca={others.ca}", type="count", intervals=BOTH)
