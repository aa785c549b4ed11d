"""Many documents at once: new ones are inserted, those that are there updated, whatever the guess was."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from bson import MaxKey

from kairos.errors import InvalidValue
from kairos.rows import merge

NAMES = [f"name{number:03}" for number in range(120)]
PLAIN = {"minute": {"step": 60}}
VALUES = {
    "series": ([1, 2.5], [3]),
    "histogram": ([1, 1, "a.b"], [1, 2.5]),
    "count": ([1, 0.5], [2]),
    "gauge": ([1, 2], [3]),
    "set": ([1, "a"], ["a", 2]),
}


def every(values):
    """Return the same values for each name."""
    return dict.fromkeys(NAMES, values)


def row(kind, *writes):
    """Return the row that writes make."""
    if kind == "count":
        return sum(sum(write) for write in writes)
    if kind == "gauge":
        return writes[-1][-1]
    shapes = {
        "series": lambda values: values,
        "set": set,
        "histogram": lambda values: {value: values.count(value) for value in values},
    }
    return merge(kind, map(shapes[kind], writes))


@pytest.mark.parametrize("kind", list(VALUES))
def test_new_then_half_new_then_old(url, timeseries, kind):
    one, two = VALUES[kind]
    handle = timeseries(url, kind, intervals=PLAIN)
    handle.bulk_insert({600: dict.fromkeys(NAMES[::2], one)})
    handle.bulk_insert({600: dict.fromkeys(NAMES, two)})
    for _ in range(2):
        handle.bulk_insert({600: dict.fromkeys(NAMES, two)})
    for number, name in enumerate(NAMES):
        first = [] if number % 2 else [one]
        assert handle.get(name, "minute") == {600: row(kind, *first, two, two, two)}


@pytest.mark.parametrize("kind", list(VALUES))
def test_an_inserted_document_is_like_an_upserted_one(url, database, timeseries, kind):
    handle = timeseries(url, kind)
    one, _ = VALUES[kind]
    handle.bulk_insert({600: dict.fromkeys(NAMES, one)})
    handle.bulk_insert({600: {"upserted": one}})
    for collection in (database.minute, database.hour):
        inserted, upserted = (collection.find_one({"name": name}) for name in (NAMES[0], "upserted"))
        assert inserted.keys() == upserted.keys()
        for document in (inserted, upserted):
            for key in ("_id", "name"):
                del document[key]
            if kind == "set":
                document["value"].sort(key=str)
        assert inserted == upserted


def test_old_documents_live_as_long_as_their_last_write_says(url, database, timeseries):
    few = timeseries(url, intervals={"minute": {"step": 60, "steps": 5}})
    more = timeseries(url, intervals={"minute": {"step": 60, "steps": 50}})
    for handle in (few, more):
        handle.bulk_insert({600: {name: [1] for name in NAMES}})
    (until,) = database.minute.distinct("expire_at")
    assert (until - datetime.now()).total_seconds() > 40 * 60


def test_the_guess_follows_what_was_found(url, timeseries, commands):
    handle = timeseries(url, intervals=PLAIN, client_config={"event_listeners": [commands]})

    def sent(second):
        handle.bulk_insert({second: {name: [1] for name in NAMES}})
        names = [next(iter(command)) for command in commands.sent]
        commands.sent.clear()
        return names

    sent(0)
    assert sent(600) == ["insert"]
    assert sent(600) == ["insert", "update"]
    assert sent(600) == ["update"]
    assert sent(660) == ["update"]
    assert sent(720) == ["insert"]


@pytest.mark.parametrize("kind", ["count", "series"])
def test_threads_that_make_the_same_many_documents_lose_nothing(url, timeseries, kind):
    handles = [timeseries(url, kind, intervals=PLAIN) for _ in range(6)]

    def work(handle):
        for second in range(0, 600, 60):
            handle.bulk_insert({second: {name: [1] for name in NAMES}})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, handles))
    expected = 6 if kind == "count" else [1] * 6
    for second in range(0, 600, 60):
        for name in NAMES[::40]:
            assert handles[0].get(name, "minute", timestamp=second) == {second: expected}


def test_more_documents_than_one_request_takes(url, database, timeseries):
    handle = timeseries(url, "count", intervals=PLAIN, clock=lambda: 3_000_000)
    handle.bulk_insert({60 * minute: {"n": [1]} for minute in range(5_100)})
    assert database.minute.count_documents({}) == 5_100
    handle.bulk_insert({60 * minute: {"n": [1]} for minute in range(5_100)})
    assert handle.series("n", "minute", start=0, steps=5_100, collapse=True) == {0: 10_200}


@pytest.mark.parametrize("guess", ["insert", "update"])
def test_documents_that_are_refused_take_no_others_with_them(url, timeseries, guess):
    handle = timeseries(url, "series", intervals=PLAIN)
    large = "x" * 8 * 2**20
    handle.bulk_insert({600: every([1])})
    if guess == "update":
        handle.bulk_insert({600: every([1])})
    handle.insert("large", large)
    before = handle.get(NAMES[0], "minute")[600]
    with pytest.raises(
        InvalidValue, match=r"series:large:10:.*keeps what it had; everything else .* was written"
    ):
        handle.bulk_insert({600: {**every([2]), "large": [large], "new": [2]}})
    for name in NAMES:
        assert handle.get(name, "minute") == {600: [*before, 2]}
    assert handle.get("new", "minute") == {600: [2]}
    assert handle.get("large", "minute") == {600: [large]}


def test_several_that_are_refused_are_counted(url, timeseries):
    handle = timeseries(url, "count", intervals=PLAIN)
    for name in NAMES[:3]:
        handle.insert(name, 2**63 - 1)
    with pytest.raises(InvalidValue, match="'count:name000:10:' keeps what it had, and so do 2 others"):
        handle.bulk_insert({600: every([1])})
    assert [handle.get(name, "minute")[600] for name in NAMES[2:4]] == [2**63 - 1, 1]


def test_many_values_of_a_set_are_united_at_once(url, database, timeseries):
    handle = timeseries(url, "set")
    handle.insert("n", ["$a", 0.5])
    mixed = [
        True,
        1,
        1.0,
        0,
        -0.0,
        "$name",
        "",
        b"",
        b"\x00",
        "a",
        "A",
        2**53 + 1,
        2.0**53,
        datetime(2013, 6, 1),
    ]
    one, two = [*range(6_000), *mixed], [*range(3_000, 9_000), *mixed]
    for values in (one, two, two):
        handle.insert("n", values)
        handle.insert("new", values)
    for name, expected in (("n", {*one, *two, "$a", 0.5}), ("new", {*one, *two})):
        assert handle.get(name, "minute") == {600: expected}
        assert handle.get(name, "hour") == {600: expected}
    few, many = (database.minute.find_one({"name": name}) for name in ("n", "new"))
    assert few.keys() == many.keys()
    assert few["expire_at"] == many["expire_at"]


def test_a_set_that_is_united_lives_as_long_as_the_latest_write_says(url, database, timeseries):
    few, ever = (
        timeseries(url, "set", intervals={"minute": {"step": 60, **steps}}) for steps in ({"steps": 5}, {})
    )
    for handle in (few, ever, few):
        handle.insert("n", list(range(200)))
    assert database.minute.distinct("expire_at") == [MaxKey()]
