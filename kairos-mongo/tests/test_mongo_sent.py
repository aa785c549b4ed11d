"""What is sent to the server: how many commands, with which concerns, and which errors come back."""

import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.errors import BulkWriteError, OperationFailure, WriteConcernError

PLAIN = {"minute": {"step": 60}}


def test_a_call_sends_one_command_for_each_collection_and_one_update_for_each_document(
    url, timeseries, commands
):
    handle = timeseries(url, client_config={"event_listeners": [commands]})
    handle.insert("n", 1)
    commands.sent.clear()
    handle.insert("n", 1)
    assert [command["update"] for command in commands.sent] == ["minute", "hour"]
    commands.sent.clear()
    handle.bulk_insert({600: {"n": [1, 2], "m": [3]}, 601: {"n": [4]}, 660: {"n": [5]}})
    assert [(command["update"], len(command["updates"])) for command in commands.sent] == [
        ("minute", 3),
        ("hour", 3),
    ]
    assert {command["ordered"] for command in commands.sent} == {False}
    commands.sent.clear()
    handle.get("n", "minute")
    handle.series("n", "minute")
    handle.series("n", "hour")
    assert len(commands.sent) == 3


@pytest.mark.parametrize("bulk", [False, True])
def test_the_callers_concerns_are_used(engine, timeseries, commands, bulk):
    url = engine("mongo", durable=True).url
    config = {
        "event_listeners": [commands],
        "w": 1,
        "journal": True,
        "wTimeoutMS": 5000,
        "readConcernLevel": "local",
    }
    handle = timeseries(url, client_config=config)
    commands.sent.clear()
    if bulk:
        handle.bulk_insert({600: {"n": [1], "m": [1]}})
    else:
        handle.insert("n")
    handle.get("n", "minute")
    handle.series("n", "minute", steps=2)
    concerns = [dict(one["writeConcern"]) for one in commands.named("update")]
    assert concerns
    assert all(concern == {"w": 1, "j": True, "wtimeout": 5000} for concern in concerns)
    data = [one for one in commands.named("find") if one["find"] != "kairos_layouts"]
    assert len(data) == 2
    assert all(one["readConcern"] == {"level": "local"} for one in data)


def test_a_live_database_keeps_its_own_concerns(url, timeseries, commands):
    with MongoClient(url, event_listeners=[commands]) as client:
        database = client.get_default_database().with_options(write_concern=WriteConcern(w=1, wtimeout=77))
        handle = timeseries(database)
        handle.insert("n")
        handle.close()
        assert client.admin.command("ping")["ok"]
    assert {one["writeConcern"]["wtimeout"] for one in commands.named("update")} == {77}


@pytest.mark.parametrize(
    ("more", "concern"),
    [
        ("", {"w": "majority"}),
        ("&journal=true", {"w": "majority", "j": True}),
        ("&w=1", {"w": 1}),
        ("&w=2&wTimeoutMS=5000", {"w": 2, "wtimeout": 5000}),
    ],
)
def test_the_url_of_a_set_asks_for_the_majority_unless_it_says_otherwise(
    engine, timeseries, commands, more, concern
):
    url = engine("mongo-set").url.replace("/kairos", "/asked") + more
    handle = timeseries(url, client_config={"event_listeners": [commands]})
    handle.insert("n")
    handle.bulk_insert({None: {f"n{number}": [1] for number in range(60)}})
    writes = commands.named("update", "insert")
    assert {next(iter(one)) for one in writes} == {"update", "insert"}
    assert all(one["writeConcern"] == concern for one in writes)


def test_a_live_client_of_a_set_asks_for_what_it_says_alone(engine, timeseries, commands):
    with MongoClient(engine("mongo-set").url, event_listeners=[commands]) as client:
        handle = timeseries(client.own)
        handle.insert("n")
    assert not any("writeConcern" in one for one in commands.named("update"))


def test_the_callers_read_preference_is_used_for_data_and_never_for_layouts_or_deleting(
    engine, timeseries, commands
):
    url = engine("mongo-set").url.replace("/kairos", "/secondary") + "&readPreference=secondary&w=3"
    handle = timeseries(url, client_config={"event_listeners": [commands]})
    handle.insert("n")
    assert handle.get("n", "minute") == handle.series("n", "minute", steps=1) == {600: 1}
    assert handle.list() == ["n"]
    assert handle.properties("n")["minute"] == {"first": 600, "last": 600}
    reads = commands.named("find")
    layouts = [one for one in reads if one["find"] == "kairos_layouts"]
    assert layouts
    assert not any("$readPreference" in one for one in layouts)
    data = [one for one in reads if one["find"] != "kairos_layouts"]
    assert {one["$readPreference"]["mode"] for one in data} == {"secondary"}
    commands.sent.clear()
    assert handle.delete("n") == 1
    assert not any("$readPreference" in one for one in commands.sent)


def test_a_write_concern_that_is_not_reached_is_raised_at_once(engine, timeseries, commands):
    url = engine("mongo-set").url.replace("/kairos", "/concern") + "&w=5&wTimeoutMS=100"
    timeseries(engine("mongo-set").url.replace("/kairos", "/concern")).insert("other")
    for more in ("", "&retryWrites=false"):
        handle = timeseries(url + more, client_config={"event_listeners": [commands]})
        handle._handle.recorded = handle._handle.epoch  # the record of the layout would fail as well
        commands.sent.clear()
        with pytest.raises(OperationFailure, match="Not enough data-bearing nodes") as caught:
            handle.insert("n")
        assert isinstance(caught.value, WriteConcernError)
        assert len(commands.sent) == 1


def test_what_the_server_refuses_otherwise_is_the_drivers_error(url, database, timeseries):
    handle = timeseries(url, intervals=PLAIN)
    handle.insert("n")
    database.minute.update_one({}, {"$set": {"value": "text"}})
    with pytest.raises(BulkWriteError) as caught:
        handle.insert("n")
    (refused,) = caught.value.details["writeErrors"]
    assert refused["code"] == 14
