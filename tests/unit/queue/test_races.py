"""What a face asks for just between the runner's look and what the runner does holds as well."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_worker import FakeLauncher

from tomoline.queue.control import Control
from tomoline.queue.job import read_events
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.project import Project
from tomoline.queue.runner import Runner
from tomoline.queue.store import Store

S = BatchState


class Race:
    """A project with two data sets, its runner, and a face with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.face = Project.create(folder / "night")
        for name in ("one", "two"):
            (folder / f"{name}.mrc").write_bytes(b"not looked into")
        self.face.data_sets.add([folder / "one.mrc", folder / "two.mrc"])
        self.control = Control(self.face.store, ensure=lambda store: 1, alive=lambda store: 1)
        self.store = Store.open(folder / "night")
        self.launcher = FakeLauncher()
        self.time = 1_000_000.0
        self.ticks = 0.0
        self.runner = Runner(
            self.store,
            self.launcher,
            clock=lambda: self.time,
            ticks=lambda: self.ticks,
            machine=lambda: (1, 8 << 30),
        )

    def batch(self, name: str) -> Batch:
        return next(one for one in self.face.queue.batches() if one.name == name)


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Race]:
    made = Race(tmp_path)
    yield made
    made.launcher.die_all()
    made.store.close()
    made.face.close()


def between(
    race: Race, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, act: Callable[[], object]
) -> None:
    """Have a face act once, right after the runner has called something."""
    real = getattr(where, name)
    left = [act]

    def called(*given: Any, **named: Any) -> Any:
        found = real(*given, **named)
        while left:
            left.pop()()
        return found

    monkeypatch.setattr(where, name, called)


def test_no_batch_begins_after_a_pause(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    race.control.start()
    between(race, monkeypatch, race.runner._queue, "next", race.control.pause)
    race.runner.turn()
    assert race.launcher.workers == []
    assert race.batch("one").state is S.WAITING


def test_one_that_is_just_taken_out_makes_room(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    race.control.start()
    act = lambda: race.face.queue.take_out(["one"])  # noqa: E731
    between(race, monkeypatch, race.runner._queue, "next", act)
    race.runner.turn()
    assert [one.job.name for one in race.launcher.living] == ["two"]


def test_steps_that_are_just_asked_for_are_run(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    race.control.start()
    entry = race.face.data_sets.entry("one")
    act = lambda: race.face.queue.add([entry], first="align", last="trim")  # noqa: E731
    between(race, monkeypatch, race.runner._queue, "next", act)
    race.runner.turn()
    job = race.launcher.of("one").job
    assert (job.first, job.last) == ("align", "trim")


@pytest.mark.parametrize("names", [["one"], []])
def test_a_kill_that_is_quicker_than_the_look_kills(
    race: Race, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    race.control.start()
    race.runner.turn()
    worker = race.launcher.of("one")

    def kill() -> None:
        race.control.kill(names, wait=False)
        worker.terminate()  # by the face, which does not wait for a runner that may hang

    between(race, monkeypatch, race.runner, "_running", kill)
    race.runner.turn()
    assert race.batch("one").state is S.KILLED


def test_one_that_stops_while_the_run_goes_on_again_goes_on(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    race.control.start()
    race.runner.turn()
    race.control.pause(at_step=True)
    race.runner.turn()
    race.launcher.of("one").pause()
    between(race, monkeypatch, race.runner, "_running", race.control.resume)
    race.runner.turn()
    assert race.batch("one").state is not S.PAUSED


def test_what_is_asked_for_just_when_all_seems_done_is_done(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    race.control.start(["one"])
    race.runner.turn()
    race.launcher.of("one").finish()
    act = lambda: race.control.start(["two"])  # noqa: E731
    between(race, monkeypatch, race.runner, "_services_are_free", act)
    assert race.runner.turn()
    assert race.runner.turn()
    assert [one.job.name for one in race.launcher.living] == ["two"]


def test_one_that_finishes_before_the_kill_takes_no_other_along(race: Race) -> None:
    race.control.start(["one"])
    race.runner.turn()
    race.control.start(["one"], first="align", any_step=True)
    race.launcher.of("one").finish()
    race.control.kill(["one"], wait=False)
    race.runner.turn()
    race.control.resume()
    race.runner.turn()
    assert race.launcher.living[0].job.first == "align"


def test_a_clock_that_is_set_back_delays_no_try(race: Race) -> None:
    race.control.start(["one"])
    race.runner.turn()
    race.launcher.of("one").fail(transient=True)
    race.runner.turn()
    race.time -= 3600.0
    race.ticks += 11.0
    race.runner.turn()
    race.time += 301.0
    race.runner.turn()
    assert race.batch("one").state is S.RUNNING


def test_a_batch_takes_as_long_as_it_takes_though_the_clock_is_set(race: Race) -> None:
    race.control.start(["one"])
    race.runner.turn()
    race.time -= 3600.0
    race.ticks += 20.0
    race.launcher.of("one").finish()
    race.runner.turn()
    one = race.batch("one")
    assert (one.started, one.ended) == (race.time - 20.0, race.time)
    told = [event.message for event in race.face.log.events(kind="state")]
    assert "finished after 20.0 s" in told


def test_files_that_cannot_be_read_do_not_stop_the_others(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    race.control.start(processors=2)
    race.runner.turn()
    race.launcher.of("two").finish()

    def read(path: Path, offset: int) -> Any:
        if path == Path(race.launcher.of("one").job.events):
            raise OSError(5, "Input/output error")
        return read_events(path, offset)

    monkeypatch.setattr("tomoline.queue.attempts.read_events", read)
    with pytest.raises(OSError, match="Input/output"):
        race.runner.turn()
    assert race.batch("two").state is S.FINISHED


@pytest.mark.parametrize(
    ("one", "other"), [("waiting", "waiting"), ("running", "running"), ("running", "paused")]
)
def test_whatever_the_code_does_a_data_set_waits_and_runs_once(
    race: Race, one: str, other: str
) -> None:
    insert = "INSERT INTO batch (data_set, state, place, queued) VALUES (1, ?, 1, 1)"
    with race.store.write() as db:
        db.execute(insert, (one,))
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            db.execute(insert, (other,))
        db.execute("DELETE FROM batch")
