"""A custom `fetch`: what it is given, and what it may give."""

import pytest

from kairos.errors import InvalidType


def test_a_custom_fetch_of_one_bucket(url, timeseries):
    handle, calls = timeseries(url, "histogram"), []
    handle.insert("n", [1, 2.5])

    def fetch(handle, **keywords):
        calls.append(keywords)
        return getattr(handle, keywords["method"])(keywords["spec"], sort=keywords["sort"])

    assert handle.get("n", "minute", fetch=fetch) == {600: {1: 1, 2.5: 1}}
    assert handle.get("nobody", "minute", fetch=fetch) == {600: {}}
    spec = {"kind": "histogram", "name": "n", "interval": 10}
    assert calls[0] == {"spec": spec, "sort": None, "method": "find_one"}


def test_a_custom_fetch_of_a_range(url, timeseries):
    handle, calls = timeseries(url, "count"), []
    handle.bulk_insert({600: {"n": [1]}, 660: {"n": [0.5]}})

    def fetch(handle, spec, sort, method):
        calls.append((spec, sort, method))
        return getattr(handle, method)(spec, sort=sort)

    assert handle.series("n", "minute", start=600, end=660, fetch=fetch) == {600: 1, 660: 0.5}
    assert handle.get("n", "hour", fetch=fetch) == {600: 1, 660: 0.5}
    order = [("interval", 1), ("resolution", 1)]
    spec = {"kind": "count", "name": "n", "interval": {"$gte": 10, "$lte": 11}}
    assert calls == [(spec, order, "find"), ({"kind": "count", "name": "n", "interval": 0}, order, "find")]
    assert handle.series(["n", "n"], "minute", start=600, end=660, fetch=fetch) == {600: 2, 660: 1}


def test_a_custom_fetch_may_change_values_and_give_any_iterable(url, timeseries):
    handle = timeseries(url, "series")
    handle.insert("n", [1, 2, 3])

    def fetch(handle, spec, sort, method):
        for record in handle.find(spec):
            yield record | {"value": record["value"][:1]}

    assert handle.get("n", "hour", fetch=fetch) == {600: [1]}


def test_errors_of_a_custom_fetch_are_its_own(url, timeseries):
    handle = timeseries(url, "series")
    handle.insert("n", 1)

    def fetch(handle, spec, sort, method):
        yield from handle.find(spec)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        handle.get("n", "hour", fetch=fetch)


@pytest.mark.parametrize("found", [5, [5], [{"value": [1]}], [{"interval": 1, "resolution": 1}]])
def test_a_custom_fetch_that_gives_something_else(url, timeseries, found):
    handle = timeseries(url, "series")
    handle.insert("n", 1)
    with pytest.raises(InvalidType, match="records with value, interval and resolution"):
        handle.get("n", "hour", fetch=lambda *_, **__: found)
    with pytest.raises(InvalidType, match="a record with value"):
        handle.get("n", "minute", fetch=lambda *_, **__: {"no": "value"})
