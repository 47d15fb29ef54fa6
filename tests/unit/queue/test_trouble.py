"""Trouble is told once in a while."""

from __future__ import annotations

from tomoline.queue.trouble import AGAIN_S, Told


def test_the_same_is_told_again_after_a_while_and_other_things_at_once() -> None:
    now = 0.0
    told = Told(lambda: now)
    assert told.is_new("full")
    now = AGAIN_S - 1.0
    assert not told.is_new("full")
    assert told.is_new("gone")
    now = AGAIN_S + 1.0  # ten minutes after it was told, however often it was met
    assert told.is_new("full")
    assert not told.is_new("gone")
