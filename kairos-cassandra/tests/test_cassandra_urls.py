"""Targets and options: what is taken, and what is refused before anything is connected to."""

import re
from decimal import Decimal

import pytest
from cassandra.cluster import Cluster

import kairos
from kairos.errors import InvalidType, InvalidValue, KairosError
from kairos_cassandra.urls import Address, parse

NOWHERE = "cassandra://127.0.0.1:1/kairos"
MINUTE = {"minute": {"step": 60}}


@pytest.mark.parametrize(
    ("url", "hosts", "keyspace"),
    [
        ("cql://", (("localhost", 9042),), None),
        ("cassandra://h", (("h", 9042),), None),
        ("cassandra://h1,h2:9043/metrics", (("h1", 9043), ("h2", 9043)), "metrics"),
        ("CASSANDRA://h1:1,h2:2/k", (("h1", 1), ("h2", 2)), "k"),
        ("cql://[::1]:9043,[fe80::2]/k", (("::1", 9043), ("fe80::2", 9042)), "k"),
    ],
)
def test_hosts_and_keyspace(url, hosts, keyspace):
    address = parse(url)
    assert (address.hosts, address.keyspace) == (hosts, keyspace)


def test_the_rest_of_a_url():
    address = parse("cassandra://me:p%40ss:word@h/k?local_dc=dc1&consistency=QUORUM&timeout=2.5")
    assert address == Address(
        (("h", 9042),), "k", "me", "p@ss:word", consistency="QUORUM", local_dc="dc1", timeout=2.5
    )
    assert "ss:word" not in repr(address)
    assert parse("redis://h") is None


def test_tls_needs_to_know_whom_to_trust(tmp_path):
    assert parse("cql://h").ssl_context() is None
    with pytest.raises(InvalidValue, match="tls_ca must be a file"):
        parse(f"cql://h?tls_ca={tmp_path / 'none.pem'}").ssl_context()


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("cql://h/k", "contact_points"),
        ("cql://h/k", "port"),
        ("cql://me:secret@h/k", "auth_provider"),
        ("cql://h/k?tls_ca=ca.pem", "ssl_context"),
        ("cql://h/k?timeout=3", "execution_profiles"),
        ("cql://h/k?local_dc=dc1", "load_balancing_policy"),
    ],
)
def test_what_url_and_client_config_say_both_is_refused(url, key):
    with pytest.raises(InvalidValue, match=f"client_config has '{key}'"):
        kairos.Timeseries(url, intervals=MINUTE, client_config={key: object()})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("cassandra://h:9160/k", "9160.*use 9042"),
        ("cassandra://h:99999/k", "hosts"),
        ("cassandra://h,/k", "hosts"),
        ("cassandra://h/k/l", "keyspace"),
        ("cassandra://h/k-l", "keyspace"),
        ("cassandra://h/k?pool=3", "unknown parameter 'pool'"),
        ("cassandra://h/k?timeout=0", "timeout"),
        ("cassandra://h/k?tls=yes", "unknown parameter"),
    ],
)
def test_urls_that_are_refused(url, message):
    with pytest.raises(InvalidValue, match=message):
        kairos.Timeseries(url, intervals=MINUTE)


@pytest.mark.parametrize(
    "url", ["cql://me:se/cret@h/k", "cql://me:se?cret@h/k", "cql://me:secret/@h", "cql://me:sec:ret"]
)
def test_a_password_that_is_not_encoded_is_not_shown(url):
    with pytest.raises(InvalidValue, match="percent-encoded") as caught:
        kairos.Timeseries(url, intervals=MINUTE)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"table_name": "a-b"}, InvalidValue, "table_name"),
        ({"table_name": ""}, InvalidValue, "table_name"),
        ({"table_name": b"a"}, InvalidType, "table_name"),
        ({"table_name": "kairos_names"}, InvalidValue, "own tables"),
        ({"value_type": "uuid"}, InvalidValue, "value_type must be one of ascii, bigint"),
        ({"value_type": list}, InvalidType, "value_type"),
        ({"counts": "rows"}, InvalidValue, "counts must be 'counter' or 'log'"),
        ({"consistency": "MOST"}, InvalidValue, "consistency must be one of ALL"),
        ({"create_keyspace": True}, InvalidType, "create_keyspace must be a mapping"),
        ({"create_keyspace": {"replication_factor": 1}}, InvalidValue, "which 'class'"),
        ({"create_keyspace": {"class": "a'b"}}, InvalidValue, "quotes"),
        ({"client_config": {"database": "a b"}}, InvalidValue, "keyspace"),
        ({"ttl": 3}, InvalidType, "unknown option 'ttl'"),
        ({"intervals": {"x" * 1025: {"step": 60}}}, InvalidValue, "1024 bytes"),
        ({"intervals": {"x" * 1000 + str(n): {"step": 60} for n in range(40)}}, InvalidValue, "32768 bytes"),
    ],
)
def test_options_that_are_refused(options, error, message):
    with pytest.raises(error, match=message) as caught:
        kairos.Timeseries(NOWHERE, **{"intervals": MINUTE, **options})
    assert isinstance(caught.value, KairosError)


def test_a_cluster_is_no_target():
    with pytest.raises(InvalidType, match="pass what its connect"):
        kairos.Timeseries(Cluster(protocol_version=5), intervals=MINUTE)


@pytest.mark.parametrize(
    ("value_type", "bad", "message"),
    [
        ("ascii", "é", "ASCII"),
        ("int", 2**63, "an int value must be from"),
        ("long", 2**5000, "an int value must be from"),
        ("decimal", Decimal("1e7000"), "exponent"),
        ("decimal", Decimal("NaN"), "finite"),
        ("float", 2**53 + 1, "a float"),
        ("inet", "10.0.0.1", "IPv4Address"),
        ("boolean", 1, "must be bool"),
    ],
)
def test_values_that_a_column_would_not_give_back(place, value_type, bad, message):
    url, options = place
    options = options | {"value_type": value_type, "table_name": f"refusing_{value_type}"}
    with kairos.Timeseries(url, intervals=MINUTE, **options) as series:
        with pytest.raises(KairosError, match=re.escape(message)):
            series.insert("a", bad)
        assert series.list() == []
