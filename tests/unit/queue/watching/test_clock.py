"""A clock that is set while a folder is watched delays nothing for longer than it has to."""

from __future__ import annotations

from tomoline.queue.watching.group import Acquisition
from tomoline.queue.watching.settle import Row, judge

SETTLE_S = 30.0
ONE = Acquisition("/in/TS.mrc", "TS", "a.b.0", 0)


def test_a_clock_that_is_set_back_is_counted_from() -> None:
    rows: dict[str, Row] = {}
    settled = []
    for now in (10_000.0, 10_010.0, 6_410.0, 6_420.0, 6_439.0, 6_440.0):
        verdict = judge(rows, [ONE], now, SETTLE_S)
        rows |= {path: row for path, row in verdict.rows.items() if row is not None}
        settled.append(bool(verdict.settled))
    assert settled == [False] * 5 + [True]
