"""The kit tested itself: it kills wrong cores, each wrong in one place, on the memory backend.

The model shares no line with the core, so that what the core gets wrong on every backend is seen too.
"""

import pytest
from attrs import evolve

import kairos_conformance.reproduction
import kairos_conformance.suite  # noqa: F401 - once, not once for each inner run
from kairos import aio, answers, handle, intervals, kinds, reads, stages, steps, storage, timeseries, writes

pytest_plugins = ["pytester"]

SUITE = """
import pytest
from kairos_conformance import Suite

class TestWrong(Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return "memory://wrong-core"
"""


def around(owner, name, change):
    """Return a patch: the method called ``name``, changed."""
    right = getattr(owner, name)
    return owner, name, change(right)


def after(binder, given):
    """Return the caller's process_row behind the native one."""
    own, native = given.process_row, binder.native.process_row
    return (lambda row: own(native(row))) if callable(own) else own


WRONG = {
    "a deadline is a second early": (
        "test_deadline",
        around(intervals.Interval, "first_live", lambda right: lambda self, now: right(self, now + 1)),
    ),
    "a deadline is a second late": (
        "test_deadline",
        around(intervals.Interval, "first_live", lambda right: lambda self, now: right(self, now - 1)),
    ),
    "weeks begin a day early": (
        "test_gregorian_buckets or test_starts",
        around(steps.Gregorian, "bucket", lambda right: lambda self, second: right(self, second + 86_400)),
    ),
    "days end an hour early": (
        "test_starts",
        around(steps.Gregorian, "locate", lambda right: lambda self, second: right(self, second + 3_600)),
    ),
    "buckets are cut toward zero": (
        "test_none_zero_and_before",
        around(steps.Relative, "bucket", lambda right: lambda self, second: int(second / self.seconds)),
    ),
    "copies go the other way": (
        "test_copies",
        around(intervals.Interval, "copies", lambda right: lambda self, bucket, n: right(self, bucket, -n)),
    ),
    "timestamps are rounded": (
        "test_datetimes or test_none_zero_and_before",
        around(
            writes,
            "to_second",
            lambda right: (
                lambda value, *more: (
                    round(value)
                    if type(value) is float and value == value and abs(value) < 1e18
                    else right(value, *more)
                )
            ),
        ),
    ),
    "edges do not cut": (
        "test_cut_resolutions",
        around(
            intervals.Interval,
            "window",
            lambda right: lambda self, i, r: (self.resolution.start(r), self.resolution.end(r)),
        ),
    ),
    "series merge backwards": (
        "test_merge_order",
        around(kinds._Series, "merge", lambda right: lambda self, rows: right(self, [*rows][::-1])),
    ),
    "gauges merge to the first": (
        "test_merge_order",
        around(kinds._Gauge, "merge", lambda right: lambda self, rows: right(self, [*rows][::-1])),
    ),
    "histograms merge by overwriting": (
        "test_histories",
        around(
            kinds._Histogram,
            "merge",
            lambda right: lambda self, rows: {k: n for r in rows for k, n in r.items()},
        ),
    ),
    "sets merge to the last": (
        "test_merge_order",
        around(kinds._Set, "merge", lambda right: lambda self, rows: right(self, [*rows][-1:])),
    ),
    "totals are not checked": (
        "test_beyond_64_bits",
        around(kinds._Count, "check", lambda right: lambda self, row, payload, added: None),
    ),
    "a series drops repeats": (
        "test_order",
        around(kinds._Series, "coalesce", lambda right: lambda self, values: [*dict.fromkeys(values)]),
    ),
    "a gauge keeps the first of a list": (
        "test_order",
        around(kinds._Gauge, "coalesce", lambda right: lambda self, values: values[0]),
    ),
    "names are not checked": (
        "test_bad_names",
        around(reads.Reader, "name", lambda right: lambda self, name: name),
    ),
    "steps are not checked": (
        "test_bad_steps",
        around(reads, "_check_steps", lambda right: lambda steps: int(steps or 0)),
    ),
    "copies are not checked": (
        "test_bad_copies",
        around(writes, "_check_copies", lambda right: lambda copies: int(copies or 0)),
    ),
    "write options are not checked": (
        "test_undeclared_write_options",
        around(writes.Writer, "_check_options", lambda right: lambda self, options: None),
    ),
    "every row lasts a minute": (
        "test_rates",
        around(answers.Answer, "_seconds", lambda right: lambda self, i, r: 60),
    ),
    "condense and join run by name": (
        "test_merge_order",
        around(answers.Answer, "_in_time_order", lambda right: lambda self, i: [*right(self, i)][::-1]),
    ),
    "layouts are not compared": (
        "test_schema_mismatch",
        around(handle.Handle, "check_layouts", lambda right: lambda self, recorded: None),
    ),
    "options are not refused": (
        "test_unknown_option",
        around(storage.Config, "refuse_unasked", lambda right: lambda self, backend: None),
    ),
    "list is not sorted": (
        "test_list",
        around(timeseries.Timeseries, "list", lambda right: lambda self: right(self)[::-1]),
    ),
    "close does nothing": (
        "test_closed",
        around(timeseries.Timeseries, "close", lambda right: lambda self: None),
    ),
    "deletes count what they are given": (
        "test_delete",
        around(timeseries.Timeseries, "delete", lambda right: lambda self, name: right(self, name) or 1),
    ),
    "iterate reads all at once": (
        "test_walk_sees_what_is_written_ahead",
        around(
            timeseries.Timeseries,
            "iterate",
            lambda right: lambda self, *args, **more: iter([*right(self, *args, **more)]),
        ),
    ),
    "iterate leaves out the first": (
        "test_three_ways_agree",
        around(
            timeseries.Timeseries,
            "iterate",
            lambda right: (
                lambda self, *args, **more: (pair for n, pair in enumerate(right(self, *args, **more)) if n)
            ),
        ),
    ),
    "a zone that nobody gave is not UTC": (
        "test_defaults",
        around(
            timeseries.Timeseries,
            "__init__",
            lambda right: lambda self, target, **more: right(self, target, **{"tz": "Asia/Kolkata", **more}),
        ),
    ),
    "a month has 31 days": (
        "test_spellings",
        (intervals, "_SPANS", {**intervals._SPANS, "m": 31 * 86_400}),
    ),
    "the errors of intervals do not name them": (
        "test_bad_intervals",
        around(intervals, "show", lambda right: lambda value: "?"),
    ),
    "the clock is read twice": (
        "test_the_clock_is_read_once",
        around(
            timeseries.Timeseries,
            "properties",
            lambda right: lambda self, name: (self._clock(), right(self, name))[1],
        ),
    ),
    "a hundred thousand copies are too many": (
        "test_bad_copies",
        around(
            writes,
            "_check_copies",
            lambda right: lambda copies: right(copies if copies != 100_000 else 100_001),
        ),
    ),
    "collapse=False collapses": (
        "test_true_false_and_none",
        around(
            stages.Binder,
            "bind",
            lambda right: (
                lambda self, call, names, interval, given, resolved: right(
                    self, call, names, interval, evolve(given, collapse=given.collapse is not None), resolved
                )
            ),
        ),
    ),
    "process_row gets rows that read_func has seen": (
        "test_process_row_replaces_read_func",
        around(
            stages.Binder,
            "bind",
            lambda right: (
                lambda self, call, names, interval, given, resolved: right(
                    self, call, names, interval, evolve(given, process_row=after(self, given)), resolved
                )
            ),
        ),
    ),
    "plan does not see what the call gives": (
        "test_plan",
        around(
            handle.Handle,
            "providers",
            lambda right: lambda self, interval, call: right(self, interval, stages.NO_STAGES),
        ),
    ),
    "who reads records the layout": (
        "test_schema_mismatch",
        around(timeseries.Timeseries, "list", lambda right: lambda self: (self._record({}), right(self))[1]),
    ),
    "asyncio's plan is no coroutine": (
        "test_every_method_is_awaited",
        (aio.AsyncTimeseries, "plan", lambda self, interval: {}),
    ),
    "asyncio's list is not sorted": ("test_list", (aio.AsyncTimeseries, "list", None)),
    "asyncio's delete counts nothing": ("test_delete", (aio.AsyncTimeseries, "delete", None)),
}


async def unsorted(self, _right=aio.AsyncTimeseries.list):
    return (await _right(self))[::-1]


async def uncounted(self, name, _right=aio.AsyncTimeseries.delete):
    return 0 * await _right(self, name)


ASYNC = {"list": unsorted, "delete": uncounted}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_core_is_killed(pytester, monkeypatch, name):
    laws, (owner, attribute, wrong) = WRONG[name]
    monkeypatch.setattr(owner, attribute, wrong or ASYNC[attribute])
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess(
        "-x", "-q", "-p", "no:cacheprovider", "-k", laws, "--kairos-profile=ci"
    )
    printed = result.stdout.str()
    assert result.parseoutcomes().get("failed"), f"{name}: survives {laws}"
    assert "kairos law" in printed, "the law does not name itself"


def test_the_kit_kills_at_least_eighty():
    from kairos_wrong import WRONG as BACKENDS

    assert len(BACKENDS) + len(WRONG) >= 80
