"""Everything goes by an index: what kairos sends is explained by the server, beside a crowd of others' data."""

import pytest
from pymongo import MongoClient

OWN = 40  # documents of the timeseries: 2 names, 20 buckets
CROWD = 500  # other names' and kinds' documents in the same collection
ENVELOPE = ("lsid", "$db", "$readPreference", "$clusterTime", "txnNumber", "writeConcern", "readConcern")


@pytest.fixture
def filled(url, timeseries, commands):
    """Return a timeseries with a crowd in its collection, whose commands are noted from now on."""
    intervals = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
    crowd = timeseries(url, "gauge", intervals=intervals)
    crowd.bulk_insert({600: {f"name{number}": [1] for number in range(CROWD)}})
    config = {"event_listeners": [commands]}
    handle = timeseries(url, intervals=intervals, client_config=config, clock=lambda: 1800)
    handle.bulk_insert({60 * minute: {"a": [1], "b": [1]} for minute in range(OWN // 2)})
    commands.sent.clear()
    return handle


def explain(url, command):
    """Return the stages of a command's plan, and how many keys and documents it looked at."""
    with MongoClient(url) as client:
        plain = {key: value for key, value in command.items() if key not in ENVELOPE}
        answer = client.get_default_database().command({"explain": plain, "verbosity": "executionStats"})
    stages, looked = set(), {"totalKeysExamined": 0, "totalDocsExamined": 0}

    def walk(part):
        if isinstance(part, dict):
            if "stage" in part:
                stages.add(part["stage"])
            for key, value in part.items():
                if key in looked:
                    looked[key] = max(looked[key], value)
                walk(value)
        elif isinstance(part, list):
            for one in part:
                walk(one)

    walk(answer)
    return stages, looked["totalKeysExamined"], looked["totalDocsExamined"]


def singles(command):
    """Return a command's updates as commands of their own: only such can be explained."""
    return [command | {"updates": [one]} for one in command["updates"]] if "updates" in command else [command]


def check(url, commands, keys, documents):
    """Assert that each command used an index, and how much it looked at at most; return all stages."""
    every = set()
    sent = commands.named("find", "distinct", "aggregate", "delete", "update")
    assert sent
    for command in (single for one in sent for single in singles(one)):
        stages, seen_keys, seen_documents = explain(url, command)
        assert "COLLSCAN" not in stages, command
        assert stages & {"IXSCAN", "IDHACK", "DISTINCT_SCAN"}, command
        assert (seen_keys <= keys, seen_documents <= documents) == (True, True), (
            seen_keys,
            seen_documents,
            command,
        )
        every |= stages
    return every


def test_list_reads_the_timeseries_own_keys_and_no_document(url, filled, commands):
    assert filled.list() == ["a", "b"]
    check(url, commands, keys=OWN, documents=0)


def test_list_skips_from_name_to_name_where_names_have_many_buckets(url, filled, commands):
    filled.bulk_insert({60 * minute: {"b": [1], "c": [1], "d": [1]} for minute in range(500)})
    commands.sent.clear()
    assert filled.list() == ["a", "b", "c", "d"]
    minutes, skips = (
        [one for one in commands.named(name) if one[name] == "minute"] for name in ("find", "distinct")
    )
    assert [one["limit"] for one in minutes] == [500]
    commands.sent[:] = skips
    assert "DISTINCT_SCAN" in check(url, commands, keys=4, documents=0)


def test_properties_read_one_key_at_each_end(url, filled, commands):
    assert filled.properties("a") == {"minute": {"first": 0, "last": 1140}, "hour": {"first": 0, "last": 0}}
    check(url, commands, keys=1, documents=0)


def test_iterate_reads_the_names_own_documents(url, filled, commands):
    assert len(list(filled.iterate("a", "minute"))) == OWN // 2
    check(url, commands, keys=OWN // 2, documents=OWN // 2)


def test_get_goes_by_the_id(url, filled, commands):
    assert filled.get("a", "minute", timestamp=0) == {0: 1}
    assert check(url, commands, keys=1, documents=1) >= {"IDHACK"}


def test_series_reads_its_range_alone(url, filled, commands):
    filled.series("a", "minute", start=60, end=300)
    filled.get("a", "hour", timestamp=0)
    check(url, commands, keys=OWN // 2, documents=OWN // 2)


def test_insert_goes_by_the_id(url, filled, commands):
    filled.insert("a", timestamp=0)
    filled.bulk_insert({0: {"a": [1], "b": [1]}})
    assert check(url, commands, keys=1, documents=1) >= {"IDHACK"}


def test_delete_reads_the_names_own_documents(url, filled, commands):
    assert filled.delete("a") == 1
    check(url, commands, keys=OWN // 2, documents=OWN // 2)


def test_delete_all_reads_the_timeseries_own_documents(url, filled, commands):
    assert filled.delete_all() == 2
    commands.sent[:] = [one for one in commands.sent if "kairos_layouts" not in one.values()]
    check(url, commands, keys=OWN, documents=OWN)
