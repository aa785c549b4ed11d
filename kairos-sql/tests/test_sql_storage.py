"""The storage against its contract, kind by kind: rows, names, spans, deleting, expiring, layouts."""

import gc
import sqlite3
import threading
import weakref

import pytest
import sqlalchemy as sa

from kairos.errors import InvalidValue, SchemaMismatch
from kairos.storage import Read
from kairos_sql import catalog, sqlite, statements
from kairos_sql.plugin import kairos_open

PAYLOADS = {
    "series": ([2.5, 1.0, 2.5], [0.5], [2.5, 1.0, 2.5, 0.5]),
    "histogram": ({2.5: 2, 1.0: 1}, {1.0: 3, 7.0: 1}, {2.5: 2, 1.0: 4, 7.0: 1}),
    "count": (3, 4, 7),
    "gauge": (2.5, 1.0, 1.0),
    "set": ({2.5, 1.0}, {1.0, 7.0}, {2.5, 1.0, 7.0}),
}
KINDS = sorted(PAYLOADS)


def read(storage, interval, first, last, *names):
    return storage.read(Read(names or ("a",), interval, first, last, lambda: range(first, last + 1))).data


@pytest.fixture(params=["file", "memory"])
def target(request, url):
    return url if request.param == "file" else "sqlite://"


@pytest.mark.parametrize("kind", KINDS)
class TestRows:
    def test_two_writes_of_a_bucket_read_back_as_one_row(self, opened, batch, target, kind):
        first, second, both = PAYLOADS[kind]
        storage = opened(target, kind)
        storage.write(batch(("minute", 5, None, {"a": first}), ("hour", 0, 5, {"a": first})))
        storage.write(batch(("minute", 5, None, {"a": second}), ("hour", 0, 5, {"a": second})))
        assert read(storage, "minute", 0, 10) == {"a": {5: {None: both}}}
        assert read(storage, "hour", 0, 0) == {"a": {0: {5: both}}}
        assert read(storage, "minute", 5, 5) == {"a": {5: {None: both}}}

    def test_large_batches_are_what_single_writes_are(self, opened, batch, url, kind):
        """Over all shapes of statement: one name in many buckets, many names in one, and few of both."""
        first, second, _ = PAYLOADS[kind]
        writes = [("hour", i, i * 60 + k, {"long": first, "a": second}) for i in range(9) for k in range(7)]
        writes.append(("minute", 3, None, {f"n{k}": second for k in range(300)} | {"a": first}))
        one, each = opened(url, kind, table_name="one"), opened(url, kind, table_name="each")
        one.write(batch(*writes))
        for interval, i, r, rows in writes:
            for name, payload in rows.items():
                each.write(batch((interval, i, r, {name: payload})))
        names = ("long", "a", *(f"n{k}" for k in range(300)))
        for interval in ("hour", "minute"):
            assert read(one, interval, -10, 10, *names) == read(each, interval, -10, 10, *names)
        assert read(one, "hour", 0, 8, "long")["long"] == {
            i: {i * 60 + k: first for k in range(7)} for i in range(9)
        }

    def test_rows_are_kept_apart(self, opened, batch, url, kind):
        payload = PAYLOADS[kind][0]
        storage = opened(url, kind)
        names = ["a", "A", "a ", " a", "ä", "a\u0308", "a%", "a_", "a\n", "'; DROP TABLE x; --", "😀"]
        storage.write(batch(*(("minute", k, None, {name: payload}) for k, name in enumerate(names))))
        for k, name in enumerate(names):
            assert read(storage, "minute", -5, 50, name) == {name: {k: {None: payload}}}
        assert sorted(storage.names({"minute": None})) == sorted(names)

    def test_what_is_handed_out_is_a_copy(self, opened, batch, url, kind):
        storage = opened(url, kind)
        storage.write(batch(("minute", 5, None, {"a": PAYLOADS[kind][0]})))
        assert read(storage, "minute", 0, 10) is not read(storage, "minute", 0, 10)
        read(storage, "minute", 5, 5)["a"].clear()
        assert read(storage, "minute", 5, 5)["a"]

    def test_what_is_written_outlives_the_storage(self, opened, batch, url, kind):
        first, _, _ = PAYLOADS[kind]
        storage = opened(url, kind)
        storage.write(
            batch(("minute", -(2**63), None, {"a": first}), ("minute", 2**63 - 1, None, {"a": first}))
        )
        storage.close()
        again = opened(url, kind)
        assert read(again, "minute", -(2**63), 2**63 - 1)["a"] == {
            -(2**63): {None: first},
            2**63 - 1: {None: first},
        }

    def test_deleting_and_expiring_leave_other_intervals_alone(self, opened, batch, url, kind):
        payload = PAYLOADS[kind][0]
        storage = opened(url, kind)
        storage.write(batch(("minute", 1, None, {"a": payload}), ("other", 1, None, {"a": payload})))
        storage.expire({"minute": 2}, None)
        assert read(storage, "minute", 0, 9) == {"a": {}}
        assert read(storage, "other", 0, 9)["a"].keys() == {1}
        assert storage.delete(["a"], {"minute": None}) == 0
        assert storage.delete_all({"minute": None}) == 0
        assert read(storage, "other", 0, 9)["a"].keys() == {1}
        assert storage.delete_all({"minute": None, "other": None}) == 1
        assert list(storage.names({"minute": None, "other": None})) == []


class TestCounts:
    def test_ints_stay_exact(self, opened, batch, url):
        storage = opened(url)
        storage.write(batch(("minute", 0, None, {"a": 2**63 - 2, "b": -(2**63)})))
        storage.write(batch(("minute", 0, None, {"a": 1})))
        assert read(storage, "minute", 0, 0, "a", "b") == {
            "a": {0: {None: 2**63 - 1}},
            "b": {0: {None: -(2**63)}},
        }

    @pytest.mark.parametrize(
        ("there", "more"), [(2**63 - 1, 1), (-(2**63), -1), (1.7e308, 1.7e308), (-1.7e308, -1.7e308)]
    )
    @pytest.mark.parametrize("size", [1, 500])
    def test_overflow_is_an_error_of_the_whole_batch(self, opened, batch, url, there, more, size):
        storage = opened(url)
        storage.write(batch(("minute", 0, None, {"a": there})))
        with pytest.raises(InvalidValue, match="64 bits"):
            storage.write(batch(("minute", 0, None, {f"n{k}": 1 for k in range(size)} | {"a": more})))
        assert read(storage, "minute", 0, 0) == {
            "a": {0: {None: there if isinstance(there, int) else int(there)}}
        }
        assert list(storage.names({"minute": None})) == ["a"]

    def test_fractions_are_added_beside(self, opened, batch, url):
        storage = opened(url)
        for number in (2**40, 0.5, 0.25, -2.75):
            storage.write(batch(("minute", 0, None, {"a": number})))
        total = read(storage, "minute", 0, 0)["a"][0][None]
        assert (total, type(total)) == (2**40 - 2, int)
        storage.write(batch(("minute", 1, None, {"a": 0.5}), ("hour", 0, 1, {"a": 0.5})))
        assert read(storage, "minute", 1, 1)["a"] == {1: {None: 0.5}}
        assert read(storage, "hour", 0, 0)["a"] == {0: {1: 0.5}}

    def test_a_histogram_overflows_like_a_count(self, opened, batch, url):
        storage = opened(url, "histogram")
        storage.write(batch(("minute", 0, None, {"a": {1.0: 2**63 - 1}})))
        with pytest.raises(InvalidValue, match="64 bits"):
            storage.write(batch(("minute", 0, None, {"a": {1.0: 1, 2.0: 1}})))
        assert read(storage, "minute", 0, 0) == {"a": {0: {None: {1.0: 2**63 - 1}}}}


class TestNames:
    def scope(self, storage, batch):
        storage.write(
            batch(("minute", 1, None, {"old": 1, "both": 1}), ("minute", 9, None, {"both": 1, "new": 1}))
        )
        storage.write(batch(("hour", 0, 7, {"hourly": 1}), ("other", 0, None, {"hidden": 1})))

    def test_only_live_data_of_the_scope_counts(self, opened, batch, url):
        storage = opened(url)
        self.scope(storage, batch)
        assert sorted(storage.names({"minute": None, "hour": None})) == ["both", "hourly", "new", "old"]
        assert sorted(storage.names({"minute": 5, "hour": 5})) == ["both", "new"]
        assert sorted(storage.names({"minute": 10})) == []

    def test_spans(self, opened, batch, url):
        storage = opened(url)
        self.scope(storage, batch)
        assert storage.span("both", "minute", None) == (1, 9)
        assert storage.span("both", "minute", 2) == (9, 9)
        assert storage.span("both", "minute", 10) is None
        assert storage.span("both", "hour", None) is None
        assert storage.span("nobody", "minute", None) is None

    def test_delete_counts_names_with_live_data_and_removes_the_dead_too(self, opened, batch, url):
        storage = opened(url)
        self.scope(storage, batch)
        assert storage.delete(["old", "both", "nobody"], {"minute": 5, "hour": None}) == 1
        assert sorted(storage.names({"minute": None})) == ["new"]
        assert sorted(storage.names({"other": None})) == ["hidden"]

    def test_delete_all_counts_names_with_live_data(self, opened, batch, url):
        storage = opened(url)
        self.scope(storage, batch)
        storage.record_layouts({"minute": "{}", "hour": "{}", "other": "{}"}, {})
        assert storage.delete_all({"minute": 5, "hour": None}) == 3
        assert sorted(storage.names({"minute": None, "hour": None, "other": None})) == ["hidden"]
        assert storage.layouts() == {"other": "{}"}

    @pytest.mark.parametrize("buckets", [1, 2, 12, 40])
    def test_listing_many_names(self, opened, batch, url, monkeypatch, buckets):
        """Small pages, so that the lister goes from scanning to seeking and back."""
        monkeypatch.setattr("kairos_sql.shelf._kept", {})  # those have the usual sizes in their text
        monkeypatch.setattr(sqlite, "_PAGE", 64)
        monkeypatch.setattr(sqlite, "_SEEKS", 8)
        storage = opened(url)
        names = [f"name {k:03}" for k in range(200)]
        for i in range(buckets):
            storage.write(batch(("minute", i, None, dict.fromkeys(names, 1))))
        more = [f"name {k:03}" for k in range(150, 350)]
        storage.write(batch(("hour", 0, 0, dict.fromkeys(more, 1))))
        assert list(storage.names({"minute": None})) == names
        assert sorted(storage.names({"minute": None, "hour": None})) == sorted({*names, *more})


class TestExpiring:
    def test_it_removes_what_is_below_the_first_live_bucket(self, opened, batch, url):
        storage = opened(url, "series")
        for i in range(10):
            storage.write(
                batch(("minute", i, None, {"a": [1.0, 2.0], "b": [3.0]}), ("hour", i, i, {"a": [4.0]}))
            )
        storage.expire({"minute": 4}, ["a"])
        assert storage.span("a", "minute", None) == (4, 9)
        assert storage.span("b", "minute", None) == (0, 9)
        storage.expire({"minute": 6, "hour": 20}, None)
        assert storage.span("a", "minute", None) == storage.span("b", "minute", None) == (6, 9)
        assert storage.span("a", "hour", None) is None

    def test_it_goes_in_chunks(self, opened, batch, url, monkeypatch):
        monkeypatch.setattr("kairos_sql.shelf._kept", {})  # those have the usual size in their text
        monkeypatch.setattr(catalog, "CHUNK", 10)
        storage = opened(url, "series")
        for i in range(8):
            storage.write(batch(("minute", i, None, {"a": [1.0] * 7, "b": [2.0], "c": [3.0] * 25})))
        expired, transactions = storage._statements.catalog.expire, []

        def expire(*arguments, **more):
            transactions.append(arguments)
            return expired(*arguments, **more)

        monkeypatch.setattr(storage._statements.catalog, "expire", expire)
        storage.expire({"minute": 6}, None)
        assert [storage.span(name, "minute", None) for name in "abc"] == [(6, 7)] * 3
        assert len(transactions) > 8


class TestLayouts:
    def test_the_first_record_of_an_interval_stays(self, opened, url):
        one, two = opened(url), opened(url)
        assert one.layouts() == {}
        assert one.record_layouts({"minute": "1"}, {}) == {"minute": "1"}
        assert two.record_layouts({"minute": "2", "hour": "3"}, {}) == {"minute": "1", "hour": "3"}
        assert one.layouts() == {"minute": "1", "hour": "3"}
        two.forget_layouts(["minute", "nothing"])
        assert one.layouts() == {"hour": "3"}

    def test_tables_have_their_own(self, opened, url):
        opened(url, table_name="one").record_layouts({"minute": "1"}, {})
        assert opened(url, table_name="two").layouts() == {}
        assert opened(url, table_name="ONE").layouts() == {"minute": "1"}  # SQLite folds names of tables

    def test_those_of_a_dropped_table_are_forgotten(self, opened, url, tmp_path):
        opened(url).record_layouts({"minute": "1"}, {})
        with sqlite3.connect(tmp_path / "test.sqlite") as connection:
            connection.execute("DROP TABLE count")
        connection.close()
        assert opened(url).layouts() == {}


class TestSchemas:
    def test_a_table_of_another_kind_is_refused(self, opened, url):
        opened(url, "count", table_name="t")
        with pytest.raises(
            SchemaMismatch, match=r"'t' holds count \(.*\), this timeseries is a gauge .*table_name"
        ):
            opened(url, "gauge", table_name="t")

    def test_a_table_of_somebody_else_is_refused(self, opened, url, tmp_path):
        with sqlite3.connect(tmp_path / "test.sqlite") as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
        with pytest.raises(SchemaMismatch, match=r"'t' holds no kind of kairos \(columns x\)"):
            opened(url, "count", table_name="t")

    def test_a_table_of_layouts_of_somebody_else_is_refused(self, opened, url, tmp_path):
        with sqlite3.connect(tmp_path / "test.sqlite") as connection:
            connection.execute("CREATE TABLE kairos_layouts (x)")
        connection.close()
        with pytest.raises(SchemaMismatch, match="'kairos_layouts' has the columns x"):
            opened(url)

    @pytest.mark.parametrize("other", ["int", "str", "decimal", "datetime", "blob"])
    def test_another_type_of_value_is_refused(self, opened, url, other):
        opened(url, "gauge")
        with pytest.raises(
            SchemaMismatch, match=r"column 'value' is DOUBLE, this timeseries asks for \w+: choose"
        ):
            opened(url, "gauge", value_type=other)

    def test_another_length_is_the_same_type(self, opened, url):
        opened(url, "gauge", value_type="str")
        opened(url, "gauge", value_type="str", string_length=1000)

    def test_text_and_decimal_are_two_types(self, opened, url):
        opened(url, "gauge", value_type="decimal")
        with pytest.raises(SchemaMismatch, match=r"DECIMAL_TEXT.*VARCHAR"):
            opened(url, "gauge", value_type="str")

    @pytest.mark.parametrize(
        "table", ['a"b', "a b", "select", "per%cent", "a:b", "a?b", "ä.😀", "x;--", "[x]", "'", "set"]
    )
    def test_any_name_of_a_table_works(self, opened, batch, url, table):
        storage = opened(url, table_name=table)
        for size in (1, 3, 200):
            storage.write(batch(("minute", size, None, {f"n{k}": 1 for k in range(size)})))
        assert read(storage, "minute", 0, 500, "n0")["n0"].keys() == {1, 3, 200}
        storage.expire({"minute": 2}, None)
        assert storage.delete(["n0"], {"minute": None}) == 1
        assert storage.delete_all({"minute": None}) == 199
        assert opened(url, table_name=table).layouts() == {}


@pytest.mark.parametrize("kind", KINDS)
def test_no_statement_scans_the_table(opened, batch, url, kind):
    """All that kairos sends, as SQLite plans it."""
    storage, sent = opened(url, kind), []
    lent = storage._connections._take()
    lent.checkout.dbapi_connection.set_trace_callback(sent.append)
    storage._connections._idle = [lent]
    payload = PAYLOADS[kind][0]
    storage.write(batch(("minute", 1, None, {"a": payload})))
    storage.write(batch(*(("hour", i, i, {"a": payload, "b": payload}) for i in range(99))))
    scope = {"minute": 0, "hour": None}
    for interval in ("minute", "hour"):
        read(storage, interval, 0, 9)
        read(storage, interval, 1, 1)
        storage.span("a", interval, 3)
    storage.names(scope)
    storage.layouts()
    storage.record_layouts({"minute": "1"}, {})
    storage.expire({"minute": 5, "hour": 5}, None)
    storage.delete(["a"], scope)
    storage.delete_all(scope)
    lent.checkout.dbapi_connection.set_trace_callback(None)
    plans = 0
    for statement in sent:
        if statement.startswith(("SELECT", "WITH", "INSERT", "DELETE")):
            lent.cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            for *_, step in lent.cursor.fetchall():
                plans += 1
                assert f"SCAN {kind}" not in step, statement
                assert "SCAN kairos_layouts" not in step, statement
                assert "B-TREE" not in step, statement
    assert plans > 20


def test_names_are_sought_where_they_have_many_buckets(opened, batch, url):
    storage = opened(url)
    for i in range(0, 5000, 100):
        storage.write(batch(*(("minute", i + k, None, {"a": 1, "b": 1, "c": 1}) for k in range(100))))
    lent, steps = storage._connections._take(), [0]
    storage._connections._idle = [lent]

    def count():
        steps[0] += 1

    lent.checkout.dbapi_connection.set_progress_handler(count, 1000)
    assert list(storage.names({"minute": None})) == ["a", "b", "c"]
    lent.checkout.dbapi_connection.set_progress_handler(None, 0)
    assert steps[0] < 60  # thousands of instructions; a scan of 15,000 rows takes more


def test_a_reader_sees_whole_batches_while_another_thread_writes(opened, batch, target):
    storage = opened(target)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            storage.write(batch(*(("hour", 0, r, {"a": 1}) for r in range(60))))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            rows = read(storage, "hour", 0, 0)["a"].get(0, {})
            assert len(set(rows.values())) <= 1
    finally:
        stop.set()
        writer.join()


def test_who_opens_a_table_again_compiles_nothing(opened, batch, tmp_path, monkeypatch):
    """Also another file's of the same layout; a type of the caller's own is not known by its name."""

    def use(file, **options):
        storage = opened(f"sqlite:///{tmp_path / file}", "series", **options)
        storage.write(batch(("minute", 1, None, {"a": [1.0]})))
        assert {*read(storage, "minute", 1, 1)["a"][1][None]} == {1.0}
        assert list(storage.names({"minute": None})) == ["a"]

    compiled = []
    own = statements.compile_statement
    monkeypatch.setattr(statements, "compile_statement", lambda *given: compiled.append(given) or own(*given))
    monkeypatch.setattr("kairos_sql.shelf._kept", {})
    use("a")
    assert compiled
    compiled.clear()
    use("a")
    use("b")
    assert not compiled
    use("c", table_name="other")
    assert compiled


def test_statements_that_are_kept_keep_no_engine(config, url):
    engine = sa.create_engine(url)
    storage = kairos_open(engine, config("count"))
    storage.ready()
    storage.close()
    engine.dispose()
    gone = weakref.ref(engine)
    del storage, engine
    gc.collect()
    assert gone() is None
