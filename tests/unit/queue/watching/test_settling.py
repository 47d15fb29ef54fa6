"""How long an acquisition must have been the same, by the rule alone."""

from __future__ import annotations

from tomoline.queue.watching.group import Acquisition
from tomoline.queue.watching.settle import Row, judge


def settles_after(one: Acquisition, settle_s: float) -> float:
    """Return after how many seconds an acquisition that does not change is taken."""
    rows: dict[str, Row] = {}
    for now in range(0, 1000, 10):
        verdict = judge(rows, [one], float(now), settle_s)
        rows |= {path: row for path, row in verdict.rows.items() if row is not None}
        if verdict.settled:
            return now
    raise AssertionError("it is never taken")


def test_what_tells_no_end_of_its_own_is_waited_for_longer() -> None:
    usual = Acquisition("/in/TS.mrc", "TS", "a.b.0", 0)
    open_ended = Acquisition("/in/scan", "scan", "a.b.0", 0, patience=4.0)
    assert settles_after(usual, 30.0) == 30.0
    assert settles_after(open_ended, 30.0) == 120.0
