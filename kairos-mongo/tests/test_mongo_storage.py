"""What is stored, by a real server: raw documents, exact totals, and what is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from bson import Decimal128, MaxKey, ObjectId
from pymongo import MongoClient

from kairos import SchemaMismatch, Timeseries, Unsupported
from kairos.errors import InvalidValue
from kairos.storage import Batch, Write
from kairos_mongo import requests as ask
from kairos_mongo.plugin import kairos_open

PLAIN = {"minute": {"step": 60}}
NAME = "a.b:$c"


@pytest.mark.parametrize(
    ("kind", "values", "stored"),
    [
        ("series", [2, "x", 2], [2, "x", 2]),
        ("set", [2, 2], [2]),
        ("gauge", [1, 2.5], 2.5),
        ("count", [2, 3], 5),
        ("histogram", [2, "a.b", 2, True], {"i:2": 2, "s:a\uffffdb": 1, "b:1": 1}),
    ],
)
def test_the_raw_document(url, database, timeseries, kind, values, stored):
    handle = timeseries(url, kind)
    handle.insert(NAME, values, timestamp=601)
    found = list(database.minute.find())
    assert len(found) == 1
    expire_at = found[0].pop("expire_at")
    assert isinstance(expire_at, datetime)
    assert found[0] == {
        "_id": f"{kind}:{NAME}:10:",
        "kind": kind,
        "name": NAME,
        "interval": 10,
        "resolution": None,
        "value": stored,
    }
    (hour,) = database.hour.find()
    assert (hour["_id"], hour["interval"], hour["resolution"]) == (f"{kind}:{NAME}:0:10", 0, 10)
    assert hour["expire_at"] == MaxKey()


def test_only_collections_of_the_configured_intervals_and_of_the_layouts_are_made(url, database, timeseries):
    handle = timeseries(url, prefix="p.")
    handle.insert(NAME)
    assert sorted(database.list_collection_names()) == ["kairos_layouts", "p.hour", "p.minute"]
    (minute, hour) = database.kairos_layouts.find().sort("collection", -1)
    assert minute.keys() == {"_id", "kind", "collection", "layout"}
    assert (minute["_id"], minute["collection"]) == ("count:p.minute", "p.minute")
    assert (hour["_id"], hour["kind"]) == ("count:p.hour", "count")


# Counts


def test_whole_increments_stay_exact_beside_fractions(url, database, timeseries):
    handle = timeseries(url, intervals=PLAIN)
    for value in (2**53 + 1, 0.5, 0.5):
        handle.insert("n", value)
    assert handle.get("n", "minute") == {600: 2**53 + 2}
    assert type(handle.get("n", "minute")[600]) is int
    (document,) = database.minute.find()
    assert (document["value"], document["fraction"]) == (2**53 + 1, 1.0)


def test_a_count_of_ints_has_no_fraction(url, database, timeseries):
    timeseries(url, intervals=PLAIN).insert("n", 2.0)
    (document,) = database.minute.find()
    assert document["value"] == 2
    assert "fraction" not in document


@pytest.mark.parametrize(
    ("written", "total"),
    [({"value": 1.5}, 1.5), ({"value": 3.0}, 3), ({"fraction": 2}, 3), ({"fraction": 0.5}, 1.5)],
)
def test_a_count_that_somebody_changed_by_hand(url, database, timeseries, written, total):
    handle = timeseries(url, intervals=PLAIN)
    handle.insert("n", 1)
    database.minute.update_one({}, {"$set": written})
    found = handle.get("n", "minute")[600]
    assert (found, type(found)) == (total, type(total))


@pytest.mark.parametrize("kind", ["count", "histogram"])
def test_beyond_64_bits_is_an_error_and_the_total_stays(url, database, timeseries, kind):
    handle = timeseries(url, kind, intervals=PLAIN)
    handle.insert("n", 1)
    field = "value" if kind == "count" else "value.i:1"
    database.minute.update_one({}, {"$set": {field: 2**63 - 1}})
    with pytest.raises(InvalidValue, match=rf"64 bits.*{kind}:n:10:"):
        handle.insert("n", 1)
    total = handle.get("n", "minute")[600]
    assert total == (2**63 - 1 if kind == "count" else {1: 2**63 - 1})


def test_the_error_of_one_document_of_many_says_that_the_others_were_written(url, timeseries):
    handle = timeseries(url, intervals=PLAIN)
    handle.insert("n", 2**63 - 1)
    with pytest.raises(InvalidValue, match="everything else of this call was written"):
        handle.bulk_insert({None: {"m": [1], "n": [1], "o": [1]}})
    assert [handle.get(name, "minute")[600] for name in "mno"] == [1, 2**63 - 1, 1]


# Values


@pytest.mark.parametrize("kind", ["series", "gauge", "set", "histogram"])
@pytest.mark.parametrize(
    "value",
    [
        1,
        2**40,
        -(2**63),
        2.5,
        1.0,
        "a.b$",
        b"\x00\xff",
        True,
        ObjectId("6b059a285fe860a8ef082cd9"),
        datetime(2013, 6, 1, 12, 0, 0, 1000),
    ],
    ids=str,
)
def test_a_value_comes_back_as_it_was(url, timeseries, kind, value):
    handle = timeseries(url, kind, intervals=PLAIN)
    name = uuid4().hex
    handle.insert(name, value)
    row = handle.get(name, "minute")[600]
    (back,) = [row] if kind == "gauge" else row
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize("kind", ["series", "gauge"])
def test_decimals(url, timeseries, kind):
    handle = timeseries(url, kind, intervals=PLAIN)
    handle.insert("n", Decimal128("1.50"))
    row = handle.get("n", "minute")[600]
    assert row in (Decimal128("1.50"), [Decimal128("1.50")])


@pytest.mark.parametrize("kind", ["series", "gauge", "set", "histogram"])
def test_aware_datetimes_where_the_client_reads_them_so(url, timeseries, kind):
    handle = timeseries(url, kind, intervals=PLAIN, client_config={"tz_aware": True})
    value = datetime(2013, 6, 1, 12, tzinfo=UTC)
    handle.insert("n", value)
    row = handle.get("n", "minute")[600]
    assert row in (value, [value], {value}, {value: 1})


def test_keys_that_are_equal_are_one_key(url, database, timeseries):
    handle = timeseries(url, "histogram", intervals=PLAIN)
    for value in (1, 1.0, True, "1"):
        handle.insert("n", value)
    assert handle.get("n", "minute") == {600: {1: 3, "1": 1}}
    (document,) = database.minute.find()
    assert document["value"] == {"i:1": 1, "f:1\uffffd0": 1, "b:1": 1, "s:1": 1}


@pytest.mark.parametrize("character", ["~", "1", "e"])
def test_another_escape_character(url, timeseries, character):
    handle = timeseries(url, "histogram", intervals=PLAIN, escape_character=character)
    values = ["a.b", "~", "1e1", 2.5, "$", 10, character]
    handle.insert("n", list(dict.fromkeys(values)))
    assert handle.get("n", "minute") == {600: dict.fromkeys(values, 1)}


def test_a_histogram_written_with_another_escape_character_is_not_misread(url, timeseries):
    timeseries(url, "histogram", intervals=PLAIN, escape_character="~").insert("n", 2.5)
    with pytest.raises(SchemaMismatch, match="escape_character '~'"):
        timeseries(url, "histogram", intervals=PLAIN)
    timeseries(url, "series", intervals=PLAIN)


# 16 MB


@pytest.mark.parametrize("kind", ["series", "set", "histogram"])
def test_a_bucket_near_16_mb_refuses_more_and_keeps_what_it_had(url, timeseries, kind):
    handle = timeseries(url, kind, intervals=PLAIN)
    size = 2**20 if kind == "histogram" else 5 * 2**20
    values = [str(number) + "x" * (size - 2) for number in range(10, 10 + 15 * 2**20 // size)]
    for value in values:
        handle.insert("n", value)
    with pytest.raises(InvalidValue, match=r"16 MB.*keeps what it had.*smaller step"):
        handle.insert("n", "y" * size)
    with pytest.raises(InvalidValue, match=r"16 MB.*keeps what it had.*smaller step"):
        handle.bulk_insert({None: {"n": ["z" * size]}})
    assert sorted(handle.get("n", "minute")[600]) == values
    handle.insert("n", "small")
    assert len(handle.get("n", "minute")[600]) == len(values) + 1


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("series", [str(number) + "x" * (8 * 2**20 - 1) for number in range(3)]),
        ("set", [str(number) + "x" * (8 * 2**20 - 1) for number in range(7)]),
        ("series", [0.5] * 1_600_000),
        ("histogram", [f"{number:020}" + "." * 1000 for number in range(8_000)]),
    ],
    ids=["3 texts", "7 texts", "numbers", "keys"],
)
def test_values_for_one_bucket_beyond_16_mb_are_refused_before_anything_is_written(
    url, timeseries, kind, values
):
    handle = timeseries(url, kind, intervals=PLAIN)
    handle.insert("n", 1)
    with pytest.raises(InvalidValue, match=r"16 MB.*nothing was written.*smaller step"):
        handle.insert("n", values)
    with pytest.raises(InvalidValue, match=r"16 MB.*nothing was written"):
        handle.bulk_insert({600: {"before": [1], "n": values, "n2": [1]}})
    assert handle.list() == ["n"]
    assert len(handle.get("n", "minute")[600]) == 1


@pytest.mark.parametrize("documents", [1, 60])
@pytest.mark.parametrize("more", [-400, -64, 0, 400, 8_000])
def test_a_new_document_about_as_large_as_can_be(url, timeseries, documents, more):
    handle = timeseries(url, "series", intervals=PLAIN)
    values = ["x" * 8 * 2**20, "x" * (8 * 2**20 - 8 * 2**10 + more - 64)]
    refused = None
    try:
        handle.bulk_insert({600: {"n": values, **{f"m{number}": [1] for number in range(documents - 1)}}})
    except InvalidValue as error:
        refused = str(error)
    assert handle.get("n", "minute") == {600: values if refused is None else []}
    assert refused is None or ("16 MB" in refused and len(refused) < 1000)


def test_the_largest_values_fit(url, timeseries):
    series, histogram = (
        timeseries(url, "series", intervals=PLAIN),
        timeseries(url, "histogram", intervals=PLAIN),
    )
    large, dots = "x" * (8 * 2**20), "." * 2**20
    series.insert("n" * 1024, large)
    histogram.insert("n" * 1024, dots)
    assert series.get("n" * 1024, "minute") == {600: [large]}
    assert histogram.get("n" * 1024, "minute") == {600: {dots: 1}}


@pytest.mark.parametrize(("server", "number"), [("mongo", 5_000), ("mongo-set", 500)])
def test_counts_with_the_longest_names_fit_their_requests(engine, timeseries, server, number):
    """The server's messages cut names short, also within a character."""
    handle = timeseries(engine(server).url.replace("/kairos", "/long"), intervals=PLAIN)
    names = [f"{number:05}" + "\U0001f600" * 254 for number in range(number)]
    for _ in range(3):  # inserted, inserted and updated, updated
        handle.bulk_insert({600: {name: [1] for name in names}})
    assert handle.get(names, "minute") == {600: 3 * number}


# Time to live


def test_the_engine_may_remove_a_bucket_some_minutes_after_its_deadline_by_the_callers_clock(
    url, database, timeseries
):
    handle = timeseries(url, "count", clock=lambda: 600)
    before = datetime.now(UTC).replace(tzinfo=None)
    handle.insert("n", timestamp=600)  # dies at 600 + 5 * 60
    (document,) = database.minute.find()
    lead = document["expire_at"] - before - timedelta(seconds=300)
    assert timedelta(minutes=9) < lead < timedelta(minutes=11)


def test_a_clock_that_is_right_gives_each_write_the_same_time_to_live(url, database, timeseries):
    now = int(time.time())
    handle = timeseries(url, "count", clock=time.time)
    expected = datetime(1970, 1, 1) + timedelta(seconds=(now // 60 + 5) * 60 + 600)
    for _ in range(3):
        handle.insert("n", timestamp=now)
        assert [document["expire_at"] for document in database.minute.find()] == [expected]


def test_more_steps_extend_a_buckets_life_and_fewer_do_not_shorten_it(url, database, timeseries):
    def lives():
        (document,) = database.minute.find()
        return document["expire_at"]

    few, more, ever = (
        timeseries(url, intervals={"minute": {"step": 60, **steps}})
        for steps in ({"steps": 5}, {"steps": 9}, {})
    )
    few.insert("n")
    first = lives()
    more.insert("n")
    assert timedelta(minutes=3) < lives() - first < timedelta(minutes=5)
    few.insert("n")
    assert lives() > first
    ever.insert("n")
    assert lives() == MaxKey()
    few.insert("n")
    assert lives() == MaxKey()


def test_a_deadline_beyond_the_calendar_is_never(url, database, timeseries):
    handle = timeseries(url, intervals={"year": {"step": "365d", "steps": 10**9}})
    handle.insert("n")
    (document,) = database.year.find()
    assert document["expire_at"] == MaxKey()


def test_the_servers_clock_counts_where_it_is_not_this_machines(config):
    protocol = kairos_open("mongodb://h", config()).protocol
    ready = protocol.ready()
    assert isinstance(next(ready), ask.Hello)
    ready.send({"localTime": datetime.now(UTC) + timedelta(hours=2)})
    request = next(protocol.write(Batch([Write("minute", 10, None, 900, {"n": 1})], 600.0, {})))
    until = request.updates[0]["u"]["$max"]["expire_at"].replace(tzinfo=UTC)
    assert timedelta(hours=2, minutes=14) < until - datetime.now(UTC) < timedelta(hours=2, minutes=16)


def test_the_server_removes_expired_documents_alone(engine, timeseries):
    url = engine("mongo", args=["--setParameter", "ttlMonitorSleepSecs=1"]).url.replace("/kairos", "/ttl")
    handle = timeseries(url)
    handle.insert("dead")
    handle.insert("live")
    with MongoClient(url) as client:
        minute = client.get_default_database().minute
        minute.update_one({"name": "dead"}, {"$set": {"expire_at": datetime(2000, 1, 1)}})
        deadline = datetime.now() + timedelta(seconds=30)
        while minute.count_documents({"name": "dead"}) and datetime.now() < deadline:
            time.sleep(0.05)
        assert [document["name"] for document in minute.find()] == ["live"]
        assert handle.series("live", "hour", steps=1, condense=True) == {0: 1}


def test_the_server_removes_no_documents_of_somebody_else(engine, timeseries):
    url = engine("mongo", args=["--setParameter", "ttlMonitorSleepSecs=1"]).url.replace("/kairos", "/others")
    with MongoClient(url) as client:
        minute = client.get_default_database().minute
        minute.insert_one({"kind": 5, "expire_at": datetime(2000, 1, 1)})
        handle = timeseries(url)
        handle.insert("dead")
        minute.update_one({"name": "dead"}, {"$set": {"expire_at": datetime(2000, 1, 1)}})
        deadline = datetime.now() + timedelta(seconds=30)
        while minute.count_documents({"name": "dead"}) and datetime.now() < deadline:
            time.sleep(0.05)
        assert [document["kind"] for document in minute.find()] == [5]


def test_expire_is_for_manual_expiry(url, timeseries):
    with pytest.raises(Unsupported, match="expire"):
        timeseries(url).expire()


def test_a_collection_that_folds_names_is_refused(url, database, timeseries):
    database.create_collection("minute", collation={"locale": "en", "strength": 2})
    with pytest.raises(SchemaMismatch, match="'minute' was created with a collation"):
        timeseries(url)


# Deleting, listing


def test_cost_grows_with_the_timeseries_own_data(url, database, timeseries):
    handle = timeseries(url)
    database.minute.insert_many({"somebody": "else's", "n": number} for number in range(10))
    timeseries(url, "gauge").insert("n", 1)
    handle.insert("n")
    assert handle.list() == ["n"]
    assert handle.delete_all() == 1
    assert database.minute.count_documents({}) == 11


def test_many_names_at_once(url, timeseries):
    handle = timeseries(url, intervals=PLAIN)
    names = [f"{number:05}" for number in range(2_500)]
    handle.bulk_insert({None: {name: [1] for name in names}})
    assert handle.get(names, "minute") == {600: 2_500}
    assert handle.series(names, "minute", steps=2) == {540: 0, 600: 2_500}
    assert handle.list() == names
    assert handle.delete_all() == 2_500
    assert handle.list() == []


def test_a_list_of_names_longer_than_a_document_can_be(url, timeseries, commands):
    handle = timeseries(url, intervals=PLAIN, client_config={"event_listeners": [commands]})
    names = [f"{number:05}" + "x" * 1019 for number in range(17_000)]
    handle.bulk_insert({None: {name: [1] for name in names}})
    assert handle.list() == names
    assert not commands.named("distinct")
    handle.bulk_insert({60 * minute: {name: [1] for name in names[:100]} for minute in range(10)})
    assert handle.list() == names
    assert commands.named("distinct")
    assert commands.named("aggregate"), "one array was enough"


def test_eight_may_open_and_write_a_new_place_at_once(url, database):
    def work(number):
        with Timeseries(url, type="count", intervals=PLAIN, clock=lambda: 600) as handle:
            for _ in range(50):
                handle.insert("n")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert [document["value"] for document in database.minute.find()] == [400]
