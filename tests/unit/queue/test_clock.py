"""A clock that is set while a run goes on: forward by a day, back by an hour."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_worker import FakeLauncher

from tomoline.queue import background
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.project import Project
from tomoline.queue.runner import Runner

S = BatchState
DAY_S, HOUR_S = 86400.0, 3600.0


class Night:
    """A project with one data set, whose runner has two clocks; one of them can be set."""

    def __init__(self, folder: Path) -> None:
        self.project = Project.create(folder / "night")
        source = folder / "one.mrc"
        source.touch()
        self.project.queue.add(self.project.data_sets.add([source]))
        with self.project.store.write() as db:
            db.execute("UPDATE run SET wanted = 'running'")
        self.launcher = FakeLauncher()
        self.time = 1_000_000.0
        self.ticks = 0.0
        self.runner = Runner(
            self.project.store,
            self.launcher,
            clock=lambda: self.time,
            ticks=lambda: self.ticks,
            machine=lambda: (1, 8 << 30),
        )
        self.runner.begin()

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and the runner do what there is to do."""
        self.time += seconds
        self.ticks += seconds
        self.runner.turn()
        self.launcher.check()

    def batch(self) -> Batch:
        (one,) = self.project.queue.batches()
        return one

    def fail_for_now(self) -> None:
        """Let the batch fail so that it is tried again after a while."""
        self.launcher.of("one").fail("FILE-01", transient=True)
        self.pass_by(0.1)
        assert self.batch().state is S.WAITING


class Daily:
    """A service that has something to do at a time of day, a day from now."""

    name = "daily"

    def __init__(self) -> None:
        self.turns = 0
        self.often = threading.Event()

    def turn(self, now: float) -> float:
        self.turns += 1
        if self.turns >= 3:
            self.often.set()
        return DAY_S

    def busy(self) -> bool:
        return True

    def close(self) -> None:
        pass


def test_a_service_looks_again_at_what_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert background.LONGEST_S <= 60.0
    monkeypatch.setattr(background, "LONGEST_S", 0.01)
    service = Daily()
    thread = background.ServiceThread("daily", tmp_path, lambda: service, holds_run=True)
    thread.begin()
    assert service.often.wait(10.0)
    thread.end()


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    made = Night(tmp_path)
    made.pass_by(0.1)
    assert made.batch().state is S.RUNNING
    yield made
    for worker in made.launcher.workers:
        if worker.alive():
            worker.die()
    made.project.close()


@pytest.mark.parametrize("jump", [DAY_S, -HOUR_S])
def test_a_batch_has_taken_as_long_as_it_took(night: Night, jump: float) -> None:
    night.pass_by(20.0)
    night.time += jump
    night.pass_by(10.0)
    assert night.batch().state is S.RUNNING
    night.launcher.of("one").finish()
    night.pass_by(1.0)
    one = night.batch()
    assert one.state is S.FINISHED
    assert one.started is not None
    assert one.ended is not None
    assert one.ended - one.started == pytest.approx(31.0)
    told = [event.message for event in night.project.log.events(kind="state")]
    assert "finished after 31.0 s" in told


def test_set_back_it_waits_at_most_as_long_as_ever(night: Night) -> None:
    night.project.set_retries(3, [60.0])
    night.fail_for_now()
    night.time -= HOUR_S
    night.pass_by(30.0)
    assert night.batch().state is S.WAITING
    night.pass_by(55.0)
    night.pass_by(10.0)
    assert night.batch().state is S.RUNNING


def test_set_forward_it_is_tried_at_once_and_only_once(night: Night) -> None:
    night.fail_for_now()
    night.time += DAY_S
    night.pass_by(0.1)
    assert (night.batch().state, night.batch().attempt) == (S.RUNNING, 2)
    night.fail_for_now()
    night.pass_by(30.0)
    assert (night.batch().state, night.batch().retries) == (S.WAITING, 2)  # the second wait is 60 s


@pytest.mark.parametrize("jump", [DAY_S, -HOUR_S])
def test_a_process_that_does_not_end_is_killed_after_its_second(night: Night, jump: float) -> None:
    worker = night.launcher.of("one")
    worker.stubborn = True
    with night.project.store.write() as db:
        db.execute("UPDATE run SET wanted = 'stopped'")
    night.pass_by(0.1)
    night.time += jump
    night.pass_by(0.5)
    assert worker.alive()
    night.pass_by(0.6)
    assert not worker.alive()
