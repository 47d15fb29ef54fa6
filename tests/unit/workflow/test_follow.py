"""Following an acquisition: patience, completeness, and what is done meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tomoline.errors import TomolineError
from tomoline.steps.following import Arrived
from tomoline.workflow.follow import follow


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Recording:
    """Frames that come at given times; the last `want` is the number that is expected."""

    def __init__(self, clock: Clock, times: list[float], want: int | None, gap: bool) -> None:
        self.clock, self.times, self.want, self.gap = clock, times, want, gap
        self.seen: list[int] = []
        self.done = 0

    def look(self) -> Arrived:
        there = sum(time <= self.clock.now for time in self.times)
        self.seen.append(there)
        return Arrived(there, there == self.want, not self.gap, f"frame {there + 1} is missing")

    def work(self) -> bool:
        if self.done < self.seen[-1]:
            self.done += 1
            return True
        return False

    def prepared(self) -> Mapping[str, Any]:
        return {"frames": self.done}


def run(times: list[float], want: int | None, patience_s: float, gap: bool = False) -> Recording:
    clock = Clock()
    recording = Recording(clock, times, want, gap)
    assert follow(recording, patience_s, clock=clock, sleep=clock.sleep)["frames"] <= len(times)
    return recording


def test_it_ends_as_soon_as_all_is_there() -> None:
    recording = run([1.0, 2.0, 3.0], 3, 60.0)
    assert recording.clock.now == pytest.approx(3.0, abs=0.6)
    assert recording.done >= 2


def test_every_new_frame_renews_the_patience() -> None:
    recording = run([0.0, 5.0, 10.0, 15.0], 4, 6.0)
    assert recording.clock.now == pytest.approx(15.0, abs=0.6)


def test_without_a_known_number_it_ends_when_nothing_more_comes() -> None:
    recording = run([0.0, 1.0, 2.0], None, 4.0)
    assert recording.clock.now == pytest.approx(6.0, abs=0.6)
    assert recording.done == 3


def test_it_says_what_is_missing() -> None:
    with pytest.raises(TomolineError, match="frame 3 is missing") as caught:
        run([0.0, 1.0], 5, 4.0, gap=True)
    assert caught.value.code == "RUN-09"
