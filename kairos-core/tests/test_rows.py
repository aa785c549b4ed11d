"""What helps authors of storages that keep one value per bucket."""

from typing import Any

import pytest

from kairos import InvalidValue
from kairos.rows import add, dumps, loads, merge

ROWS = [
    ("series", [1, 2.5, "é", b"\0\xff", True, 2**70, -0.0]),
    ("histogram", {1: 2, 2.5: 1, "1": 3, b"1": 4}),
    ("count", 2**62),
    ("count", 0.5),
    ("gauge", b"x"),
    ("gauge", "x"),
    ("set", {1, "1", b"1", 2.5}),
]


@pytest.mark.parametrize(("kind", "row"), ROWS)
def test_rows_come_back_as_they_were(kind: str, row: Any) -> None:
    found = loads(kind, dumps(kind, row))
    assert found == row
    assert type(found) is type(row)


@pytest.mark.parametrize(
    ("kind", "payload", "more", "total"),
    [
        ("series", [1], [1, 2], [1, 1, 2]),
        ("histogram", {1: 1}, {True: 1, 2: 3}, {1: 2, 2: 3}),
        ("count", 1, 2, 3),
        ("gauge", 1, 2, 2),
        ("set", {1}, {1.0, 2}, {1, 2}),
    ],
)
def test_add_starts_from_none_and_leaves_payloads_alone(
    kind: str, payload: Any, more: Any, total: Any
) -> None:
    before, after = repr(payload), repr(more)
    assert add(kind, add(kind, None, payload), more) == total
    assert (repr(payload), repr(more)) == (before, after)


@pytest.mark.parametrize(("row", "payload"), [(2**63 - 1, 1), (-(2**63), -1), (1.7e308, 1.7e308)])
def test_add_refuses_a_total_out_of_range(row: Any, payload: Any) -> None:
    with pytest.raises(InvalidValue, match="a count must stay"):
        add("count", row, payload)


def test_merge_of_totals_is_exact_and_does_not_overflow() -> None:
    assert merge("count", [2**63 - 1, 2**63 - 1]) == 2**64 - 2
    assert merge("count", [0.5, 2, 0.5]) == 3
    assert type(merge("count", [0.5, 0.5])) is int
    assert merge("count", [int(1.7e308), int(1.7e308), 0.5]) == 2 * int(1.7e308)
