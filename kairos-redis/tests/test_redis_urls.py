"""Targets and options: what is taken, and what is refused before any connection is made."""

import pytest
import redis
from redis.asyncio import Redis as AsyncRedis
from redis.sentinel import Sentinel

import kairos
from kairos.errors import InvalidType, InvalidValue
from kairos_redis.urls import client_for

INTERVALS = {"minute": {"step": 60}}
NOWHERE = "redis://127.0.0.1:1"


def open_(target=NOWHERE, intervals=INTERVALS, **options):
    return kairos.Timeseries(target, type="count", intervals=intervals, **options)


def connection_settings(url, **config):
    return client_for(url, config)().connection_pool.connection_kwargs


def test_a_bare_scheme_is_the_local_server():
    settings = connection_settings("redis://")
    assert (settings.get("host", "localhost"), settings.get("port", 6379), settings.get("db", 0)) == (
        "localhost",
        6379,
        0,
    )


def test_a_url_carries_user_password_host_port_and_database():
    settings = connection_settings("redis://user:p%40ss@example.org:6380/3?socket_timeout=7")
    wanted = {
        "username": "user",
        "password": "p@ss",
        "host": "example.org",
        "port": 6380,
        "db": 3,
        "socket_timeout": 7.0,
    }
    assert {key: settings[key] for key in wanted} == wanted


def test_client_config_goes_to_the_driver():
    assert connection_settings("redis://", socket_timeout=9.0)["socket_timeout"] == 9.0


@pytest.mark.parametrize(
    "url", ["redis://", "redis://a:1/0?retry_on_timeout=yes", "unix:///tmp/no.sock?db=2"]
)
def test_a_url_opens_a_client_that_never_retries(url):
    retry = client_for(url, {})().connection_pool.connection_kwargs["retry"]
    assert retry.get_retries() == 0


def test_the_url_of_a_sentinel_names_hosts_service_and_database():
    client = client_for("redis+sentinel://:secret@a:1,[::1]:2,c/mymaster/4", {})()
    pool = client.connection_pool
    hosts = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"]) for one in hosts] == [("a", 1), ("::1", 2), ("c", 26379)]
    assert (pool.service_name, pool.connection_kwargs["db"], pool.connection_kwargs["password"]) == (
        "mymaster",
        4,
        "secret",
    )
    assert pool.connection_kwargs["retry"].get_retries() == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://host/one", "number of a database"),
        ("redis+sentinel://host:1", "service's name"),
        ("redis+sentinel://host:1/mymaster/x", "service's name"),
        ("redis+cluster://host:1/2", "database 0 alone"),
        ("redis+cluster://host:x,other", "host:port"),
    ],
)
def test_a_url_that_can_not_be_is_refused(url, message):
    with pytest.raises(InvalidValue, match=message):
        open_(url)


def test_a_password_is_not_shown():
    for url in (
        "redis+sentinel://u:hidden@host:1",
        "redis+cluster://u:hidden@host:x",
        "redis://u:hidden@host/x",
    ):
        with pytest.raises(InvalidValue) as caught:
            open_(url)
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["a:b", ":", "7", "-7", "0012"])
def test_an_interval_whose_name_could_be_taken_for_part_of_a_key_is_refused(name):
    with pytest.raises(InvalidValue, match="name:interval:bucket"):
        open_(intervals={name: {"step": 60}})


@pytest.mark.parametrize(
    ("prefix", "error"), [(5, InvalidType), ("a\0b", InvalidValue), ("\ud800", InvalidValue)]
)
def test_a_prefix_that_can_not_be_is_refused(prefix, error):
    with pytest.raises(error, match="prefix must be"):
        open_(prefix=prefix)


@pytest.mark.parametrize(
    ("wait", "error"),
    [
        (1, InvalidType),
        ((1,), InvalidType),
        ((True, 1), InvalidType),
        ((1, "1"), InvalidType),
        ((0, 1), InvalidValue),
    ],
)
def test_a_wait_that_can_not_be_is_refused(wait, error):
    with pytest.raises(error, match="replicas, seconds"):
        open_(wait=wait)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        (redis.Redis().pipeline(), "pass the client"),
        (Sentinel([("localhost", 1)]), "master_for"),
        (AsyncRedis(), "asyncio"),
    ],
)
def test_other_objects_of_the_driver_are_refused_with_a_hint(target, hint):
    with pytest.raises(InvalidType, match=hint):
        open_(target)


def test_a_wait_that_the_driver_would_not_wait_for_is_refused(engine):
    with pytest.raises(InvalidValue, match=r"socket_timeout, 5\.0 s; got 6\.0 s"):
        open_(engine("redis").url, wait=(1, 6))


def test_tls_goes_to_the_sentinels_too():
    client = client_for("rediss+sentinel://a:1/mymaster", {"ssl_ca_certs": "ca.pem"})()
    for pool in (
        client.connection_pool,
        client.connection_pool.sentinel_manager.sentinels[0].connection_pool,
    ):
        assert issubclass(pool.connection_class, redis.SSLConnection)
        assert pool.connection_kwargs["ssl_ca_certs"] == "ca.pem"


def test_an_unreachable_server_is_the_drivers_error():
    with pytest.raises(redis.ConnectionError):
        open_()
