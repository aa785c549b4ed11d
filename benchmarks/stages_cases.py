"""The read stages alone, over 10⁶ rows in memory, against a hand loop over the same storage reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from harness import Case, Work, bound
from kairos.intervals import parse_intervals
from kairos.kinds import KIND_BY_NAME
from kairos.memory import CAPABILITIES
from kairos.reads import Reader
from kairos.stages import NO_STAGES, Call
from kairos.storage import Buckets, Reply

ROWS = 1_000_000
HOURS = ROWS // 60
INTERVALS = parse_intervals(
    {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}, ZoneInfo("UTC")
)
NO_PUSHDOWN = evolve(CAPABILITIES, folds=frozenset(), transforms=frozenset())


def _stages(kind: str, interval: str, buckets: Buckets, call: Call) -> Callable[[int], Work]:
    """Return kairos' side: from a call and a reply to the answer, as `Timeseries.series` does it."""
    reader = Reader(KIND_BY_NAME[kind], INTERVALS, NO_PUSHDOWN, None, None, "benchmarks")
    reply = Reply({"name": buckets})
    last = (len(buckets) - 1) * INTERVALS[interval].step.nominal

    def run() -> dict[int, Any]:
        return reader.series("name", interval, 0, last, None, 0, call).answer(reply).by_interval()

    return lambda _: Work(run)


def _by_hand(loop: Callable[[Buckets, int], dict[int, Any]], buckets: Buckets) -> Callable[[int], Work]:
    """Return the hand-written side, for the buckets 0 to the last."""
    last = len(buckets) - 1
    return lambda _: Work(lambda: loop(buckets, last))


def _case(name: str, stages: Callable[[int], Work], loop: Callable[[int], Work]) -> Case:
    return Case(
        name, "ms", (bound(2, "hand loop"),), {"hand loop": loop, "kairos": stages}, 7, computing=True
    )


def counts_by_hand(buckets: Buckets, last: int) -> dict[int, Any]:
    find = buckets.get
    answer = {}
    for i in range(last + 1):
        cells = find(i)
        answer[i * 60] = 0 if cells is None else cells[None]
    return answer


def sums_by_hand(buckets: Buckets, last: int) -> dict[int, Any]:
    find = buckets.get
    answer = {}
    for i in range(last + 1):
        cells = find(i)
        answer[i * 60] = 0 if cells is None else sum(cells[None])
    return answer


def condensed_by_hand(buckets: Buckets, last: int) -> dict[int, Any]:
    find = buckets.get
    answer = {}
    for i in range(last + 1):
        cells = find(i)
        values: list[Any] = []
        if cells is not None:
            for r in sorted(cells):  # type: ignore[type-var]
                values += cells[r]
        answer[i * 3600] = sum(values)
    return answer


def collapsed_by_hand(buckets: Buckets, last: int) -> dict[int, Any]:
    find = buckets.get
    values: list[Any] = []
    for i in range(last + 1):
        cells = find(i)
        if cells is not None:
            for r in sorted(cells):  # type: ignore[type-var]
                values += cells[r]
    return {0: sum(values)}


def _minutes(row: Callable[[int], Any]) -> Buckets:
    return {i: {None: row(i)} for i in range(ROWS)}


def _hours(row: Callable[[int], Any]) -> Buckets:
    return {i: {r: row(r) for r in range(i * 60, i * 60 + 60)} for i in range(HOURS)}


def counts() -> Case:
    """Show 10⁶ counts."""
    buckets = _minutes(lambda i: i % 7)
    return _case(
        "count: 10⁶ buckets",
        _stages("count", "minute", buckets, NO_STAGES),
        _by_hand(counts_by_hand, buckets),
    )


def sums() -> Case:
    """Sum each of 10⁶ buckets."""
    buckets = _minutes(lambda i: [i / 7])
    return _case(
        'series: 10⁶ buckets, `transform="sum"`',
        _stages("series", "minute", buckets, Call(transform="sum")),
        _by_hand(sums_by_hand, buckets),
    )


def condensed() -> Case:
    """Merge 60 rows each, and sum them."""
    buckets = _hours(lambda r: [r / 7])
    return _case(
        'series: 60 rows a bucket, `condense=True, transform="sum"`',
        _stages("series", "hour", buckets, Call(condense=True, transform="sum")),
        _by_hand(condensed_by_hand, buckets),
    )


def collapsed() -> Case:
    """Merge everything, and sum it."""
    buckets = _hours(lambda r: [r / 7])
    return _case(
        'series: 60 rows a bucket, `collapse=True, transform="sum"`',
        _stages("series", "hour", buckets, Call(collapse=True, transform="sum")),
        _by_hand(collapsed_by_hand, buckets),
    )


CASES: Mapping[str, Callable[[], Case]] = {
    "stages-count": counts,
    "stages-sum": sums,
    "stages-condense": condensed,
    "stages-collapse": collapsed,
}
