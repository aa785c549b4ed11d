"""From a target and options to a storage: without I/O, and with errors that say what to do."""

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import InvalidURI

from kairos import BackendNotFound, Timeseries
from kairos.errors import InvalidType, InvalidValue
from kairos_mongo.plugin import kairos_open


def database_of(storage):
    return storage._driver._database


@pytest.fixture
def opened(config):
    storages = []

    def opened(target, *arguments, **options):
        storages.append(kairos_open(target, config(*arguments, **options)))
        return storages[-1]

    yield opened
    for storage in storages:
        storage.close()


@pytest.mark.parametrize(
    ("url", "client_config", "name"),
    [
        ("mongodb://", {}, "kairos"),
        ("mongodb:///shop", {}, "shop"),
        ("mongodb://h", {}, "kairos"),
        ("mongodb://h/", {}, "kairos"),
        ("mongodb://h:1,i:2/shop?replicaSet=x", {}, "shop"),
        ("mongodb://h/shop", {"database": "other"}, "other"),
        ("mongodb://h", {"database": "other"}, "other"),
        ("MongoDB://h/Shop", {}, "Shop"),
        ("mongodb://u:p@h/auth", {"database": "other"}, "other"),
        ("mongodb+srv://cluster.example.com/shop", {}, "shop"),
        ("mongodb+srv://cluster.example.com", {}, "kairos"),
    ],
)
def test_the_database(opened, url, client_config, name):
    assert database_of(opened(url, client_config=client_config)).name == name


def test_the_bare_scheme_is_the_drivers_local_default(opened):
    client = database_of(opened("mongodb://")).client
    assert set(client.topology_description.server_descriptions()) == {("localhost", 27017)}


@pytest.mark.parametrize(("database", "error"), [(5, InvalidType), ("", InvalidValue), ("a.b", InvalidValue)])
def test_a_database_that_cannot_be(config, database, error):
    with pytest.raises(error, match="client_config\\['database'\\]"):
        kairos_open("mongodb://h", config(client_config={"database": database}))


def test_keywords_reach_the_driver_and_the_callers_dictionary_stays(config):
    mine = {"database": "other", "tz_aware": True, "appname": "shop"}
    storage = kairos_open("mongodb://h", config(client_config=mine))
    assert database_of(storage).codec_options.tz_aware
    assert mine == {"database": "other", "tz_aware": True, "appname": "shop"}


def test_live_clients(opened):
    with MongoClient("mongodb://h/shop", connect=False) as client:
        assert database_of(opened(client)).name == "shop"
        assert database_of(opened(client.other)).name == "other"
    with MongoClient("mongodb://h", connect=False) as client:
        assert database_of(opened(client)).name == "kairos"


def test_other_clients_are_told_what_to_pass(config):
    with (
        MongoClient("mongodb://h", connect=False) as client,
        pytest.raises(InvalidType, match="its client or database"),
    ):
        kairos_open(client.shop.hits, config())
    with pytest.raises(InvalidType, match="AsyncTimeseries"):
        kairos_open(AsyncMongoClient("mongodb://h", connect=False), config())
    assert kairos_open(object(), config()) is None
    assert kairos_open("redis://h", config()) is None
    assert kairos_open("mongodb", config()) is None


@pytest.mark.parametrize("more", ["?w=0", "?w=0&journal=false"])
def test_no_acknowledgement_is_refused_with_the_reason(config, more):
    with pytest.raises(InvalidValue, match="w=0 gives no answer"):
        kairos_open(f"mongodb://h/{more}", config())


def test_no_acknowledgement_by_a_live_client_or_a_keyword(config):
    with MongoClient("mongodb://h", w=0, connect=False) as client, pytest.raises(InvalidValue, match="w=0"):
        kairos_open(client, config())
    with pytest.raises(InvalidValue, match="w=0"):
        kairos_open("mongodb://h", config(client_config={"w": 0}))


@pytest.mark.parametrize(
    "interval",
    [
        "a$b",
        "$a",
        "system.users",
        ".a",
        "a.",
        "a..b",
        "a.system.b",
        "kairos_layouts",
        "x" * 253,
        "\u00e9" * 127,
    ],
)
def test_names_of_intervals_that_no_collection_can_have(config, interval):
    with pytest.raises(InvalidValue, match="interval"):
        kairos_open("mongodb://h/db", config(intervals={interval: {"step": 1}}))


@pytest.mark.parametrize("interval", ["a.b", "a b", "A", "\u00e9", "x" * 252, "1", "system", "a:b", "%"])
def test_names_of_intervals_that_are_taken(opened, interval):
    assert opened("mongodb://h/db", intervals={interval: {"step": 1}}) is not None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prefix": None}, InvalidType, "prefix must be a str"),
        ({"prefix": "a\0"}, InvalidValue, "without NUL"),
        ({"prefix": "\ud800"}, InvalidValue, "surrogates"),
        ({"prefix": "a$"}, InvalidValue, "'\\$'"),
        ({"prefix": "system."}, InvalidValue, "system"),
        ({"escape_character": "ab"}, InvalidValue, "one character"),
    ],
)
def test_options_that_cannot_be(config, options, error, message):
    with pytest.raises(error, match=message):
        kairos_open("mongodb://h", config(**options))


def test_a_prefix_that_would_meet_the_collection_of_layouts(config):
    with pytest.raises(InvalidValue, match="own collection"):
        kairos_open("mongodb://h", config(intervals={"layouts": {"step": 1}}, prefix="kairos_"))


def test_an_unknown_option_is_named():
    with pytest.raises(InvalidType, match=r"table_name.*escape_character, prefix"):
        Timeseries("mongodb://h", intervals={"a": {"step": 1}}, table_name="x")


def test_a_url_that_the_driver_does_not_take_is_its_error(config):
    with pytest.raises(InvalidURI):
        kairos_open("mongodb://h/a b", config())


def test_a_scheme_that_is_not_ours():
    with pytest.raises(BackendNotFound):
        Timeseries("mongo://h", intervals={"a": {"step": 1}})
