"""Faces, runner and workers act in random order: no batch is lost, none runs twice at once.

The store is a real one, with a connection for the faces and one for each runner, as in life. The
runner is the real one; only its processes are played, by workers that write real event files.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_worker import FakeLauncher, FakeWorker, RunnerDied
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from queue_faces import MOST, PROCESSORS, THICKNESS, Faces
from state_machines import run_in_any_order

from tomoline.queue.batch_range import Range, range_of
from tomoline.queue.control import Control
from tomoline.queue.job import Job
from tomoline.queue.log import explain_states
from tomoline.queue.model import LIVE, BatchState, RunState
from tomoline.queue.outcome import WAITS_S
from tomoline.queue.project import Project
from tomoline.queue.rows import wanted_of
from tomoline.queue.runner import Runner
from tomoline.queue.store import Store
from tomoline.recipes import TILT

S = BatchState
RETRIES = 2


class Launcher(FakeLauncher):
    """Has each job looked at before its process starts."""

    def __init__(self, look: Callable[[Job], None]) -> None:
        super().__init__()
        self.look = look

    def start(self, job_path: Path, job: Job) -> FakeWorker:
        """Start a worker."""
        self.look(job)
        return super().start(job_path, job)


def steps_of(part: Range) -> set[str]:
    """Return the steps that a batch runs."""
    names = TILT.step_names
    first = names.index(part.first) if part.first else 0
    last = names.index(part.last) if part.last else len(names) - 1
    chosen = set(names[first : last + 1])
    return chosen & set(part.only.split(",")) if part.only else chosen


class Night(Faces):
    """A project, its faces, its runner, its workers, and the ways in which they die."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tomoline-states-"))
        self.project = Project.create(self.folder / "project")
        self.now = self.ticks = 1_000_000.0
        self.launcher = Launcher(self.look_at)
        self.runner: Runner | None = None
        self.runner_store: Store | None = None
        self.asked, self.pixels, self.made = set(), {}, 0
        self.waits: dict[int, float] = {}
        self.ranges: dict[int, Range] = {}
        self.seen = 0
        self.intruder: tuple[str, Callable[[], object]] | None = None
        self.intruded = False
        self.control = Control(
            self.project.store,
            ensure=lambda store: self.start_runner(),
            alive=lambda store: None if self.runner is None else 1,
        )
        self.project.store.set_setting("retries", str(RETRIES))
        self.add_and_run(count=3)
        self.turn(times=1)

    def start_runner(self) -> int:
        if self.runner is None:
            self.runner_store = Store.open(self.project.folder)
            with self.runner_store.write() as db:
                db.execute("UPDATE run SET pid = 1, birth = 'fake', host = ''")
            self.runner = Runner(
                self.runner_store,
                self.launcher,
                clock=lambda: self.now,
                ticks=lambda: self.ticks,
                machine=lambda: (PROCESSORS, 16 << 30),
            )
            self.let_in(self.runner, "_running")
            self.let_in(self.runner._queue, "next")
            self.runner.begin()
        return 1

    def end_runner(self) -> None:
        if self.runner_store is not None:
            self.runner_store.close()
        self.runner = self.runner_store = None

    def let_in(self, where: Any, name: str) -> None:
        """Let a face act just when the runner has looked at something."""
        real = getattr(where, name)

        def called(*given: Any, **named: Any) -> Any:
            found = real(*given, **named)
            self.intrude(name)
            return found

        setattr(where, name, called)

    def intrude(self, name: str) -> None:
        if self.intruder is not None and self.intruder[0] == name:
            action, self.intruder = self.intruder[1], None
            self.intruded = True
            action()
            self.note()

    def look_at(self, job: Job) -> None:
        """See to it that a job is what was asked for, and that it may begin."""
        (batch,) = (one for one in self.project.queue.batches() if one.id == job.batch)
        running = self.project.queue.batches(states=[S.RUNNING])
        assert (batch.state, batch.attempt) == (S.RUNNING, job.attempt)
        assert wanted_of(self.project.store) is RunState.RUNNING
        until = self.waits.get(batch.id, 0.0)
        # One that is further off was set before the clock was set back.
        assert until <= self.now or until > self.now + max(WAITS_S)
        assert len(running) == 1 or not any(one.alone for one in running)
        assert batch.retries <= RETRIES
        assert Range(job.first, job.last, ",".join(job.only)) == range_of(batch)
        assert job.reached == batch.reached
        values = [layer["values"].get(THICKNESS) for layer in job.parts[0].layers]
        assert [one[0] for one in values if one] == [
            pixels for name, pixels in self.pixels.items() if name == job.name
        ]
        self.intrude("start")

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            self.finish_all()
        finally:
            self.end_runner()
            self.project.close()
            shutil.rmtree(self.folder)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += seconds

    # Runner

    @rule()
    def clock_is_set_back(self) -> None:
        self.now -= 3600.0
        self.waits = dict.fromkeys(self.waits, 0.0)

    @rule(times=st.integers(1, 3))
    def turn_once_more(self, times: int) -> None:
        self.turn(times)

    @rule(times=st.integers(1, 3), seconds=st.floats(0.1, 20.0))
    def turn_later(self, times: int, seconds: float) -> None:
        self.pass_time(seconds)
        self.turn(times)

    @rule()
    def resume_and_turn(self) -> None:
        self.resume()
        self.turn(2)

    @rule(times=st.integers(1, 3))
    def turn(self, times: int) -> None:
        for _ in range(times):
            if self.runner is None:
                return
            try:
                if not self.runner.turn():
                    self.end_runner()
            except RunnerDied:
                self.end_runner()
            self.note()

    @rule(
        moment=st.sampled_from(["_running", "next", "start"]),
        name=st.sampled_from(["pause", "kill", "kill_one", "take_out", "resume", "run_again"]),
        number=st.integers(0, MOST),
    )
    def face_acts_during_the_next_turn(self, moment: str, name: str, number: int) -> None:
        given = {"pause": {"at_step": bool(number % 2)}, "kill": {}, "resume": {}}
        self.intruder = (moment, lambda: getattr(self, name)(**given.get(name, {"number": number})))

    @rule(before=st.booleans())
    def runner_dies_while_starting(self, before: bool) -> None:
        def die() -> None:
            self.launcher.before = self.launcher.after = None
            raise RunnerDied

        if before:
            self.launcher.before = die
        else:
            self.launcher.after = die

    @rule()
    def runner_dies(self) -> None:
        self.end_runner()

    @rule()
    def machine_stops(self) -> None:
        self.launcher.die_all()
        self.end_runner()

    @rule(seconds=st.sampled_from([0.2, 1.5, 15.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.pass_time(seconds)

    # Workers

    def worker(self, number: int) -> FakeWorker | None:
        """Return a living worker, after the runner has had a chance to start some."""
        if not self.launcher.living:
            self.control.recover()
            self.turn(times=1)
        living = self.launcher.living
        return living[number % len(living)] if living else None

    @rule(number=st.integers(0, PROCESSORS), name=st.sampled_from(["setup", "align"]))
    def worker_runs_a_step(self, number: int, name: str) -> None:
        worker = self.worker(number)
        if worker is not None:
            worker.step(name)
            if worker.stop_asked():
                worker.pause()

    @rule(number=st.integers(0, PROCESSORS))
    def worker_finishes(self, number: int) -> None:
        worker = self.worker(number)
        if worker is not None:
            worker.finish()

    @rule(number=st.integers(0, PROCESSORS), transient=st.booleans(), memory=st.booleans())
    def worker_fails(self, number: int, transient: bool, memory: bool) -> None:
        worker = self.worker(number)
        if worker is not None:
            worker.fail(transient=transient, memory=memory)

    @rule(number=st.integers(0, PROCESSORS))
    def worker_dies(self, number: int) -> None:
        worker = self.worker(number)
        if worker is not None:
            worker.die()

    @rule(number=st.integers(0, PROCESSORS))
    def worker_is_stubborn(self, number: int) -> None:
        worker = self.worker(number)
        if worker is not None:
            worker.stubborn = True

    # What must hold

    @invariant()
    def nothing_runs_twice(self) -> None:
        if hasattr(self, "launcher"):
            self.launcher.check()
            running = self.project.queue.batches(states=[S.RUNNING])
            assert len({one.data_set for one in running}) == len(running)
            processors = [one.processor for one in running]
            assert len(set(processors)) == len(processors) <= PROCESSORS

    @invariant()
    def the_log_explains_every_state(self) -> None:
        if hasattr(self, "project"):
            explained = explain_states(self.project.log.events(kind="state"))
            with self.project.store.read() as db:
                for row in db.execute("SELECT id, state FROM batch"):
                    assert explained[row["id"]] == row["state"]

    @invariant()
    def what_ended_well_did_so(self) -> None:
        if hasattr(self, "project"):
            told = {(one.job.batch, one.job.attempt): one.ended_as for one in self.launcher.workers}
            for one in self.project.queue.batches(states=[S.FINISHED, S.PAUSED]):
                assert told[one.id, one.attempt] == one.state

    @invariant()
    def what_takes_over_does_it_all(self) -> None:
        if hasattr(self, "project"):
            batches = {one.id: one for one in self.project.queue.batches()}
            events = self.project.log.events(after=self.seen)
            # They come by time, which is not the order of their numbers once a clock was set back.
            self.seen = max((one.id for one in events), default=self.seen)
            for event in events:
                _, found, number = event.message.partition(", as part of batch ")
                # Who acted in the middle may have asked for other steps of what took over.
                known = event.batch in self.ranges and int(number or 0) in batches
                if found and known and not self.intruded:
                    part = steps_of(range_of(batches[int(number)]))
                    assert steps_of(self.ranges[event.batch]) <= part, event
            self.intruded = False
            self.ranges = {one.id: range_of(one) for one in batches.values()}
            self.note()

    def note(self) -> None:
        """Take note of how long batches have to wait."""
        waiting = self.project.queue.batches(states=[S.WAITING])
        self.waits = {one.id: one.not_before for one in waiting}

    @invariant()
    def nothing_asked_for_is_lost(self) -> None:
        if hasattr(self, "project"):
            there = {one.name for one in self.project.queue.batches() if one.state is not S.DROPPED}
            assert self.asked <= there, self.asked - there

    def finish_all(self) -> None:
        """Whatever has happened: resumed and retried, all that was asked for ends well."""
        self.launcher.before = self.launcher.after = self.intruder = None
        for _ in range(40):
            self.start_runner()
            self.resume()
            self.ask(self.project.queue.retry)
            self.note()
            assert self.runner is not None
            for _ in range(3):
                if self.runner is not None and not self.runner.turn():
                    self.end_runner()
                for worker in self.launcher.living:
                    if worker.signals == [] and not worker.stop_asked():
                        worker.finish()
                    elif worker.stop_asked():
                        worker.pause()
            self.pass_time(400.0)
            self.nothing_runs_twice()
            states = {one.state for one in self.project.queue.latest().values()}
            if not states - {S.FINISHED} and not self.project.queue.batches(states=LIVE):
                break
        self.the_log_explains_every_state()
        latest = {one.name: one.state for one in self.project.queue.latest().values()}
        assert {latest[name] for name in self.asked} <= {S.FINISHED}, latest
        assert not self.launcher.living
        for _ in range(3):
            if self.runner is not None and not self.runner.turn():
                self.end_runner()
        assert self.runner is None, "the runner does not end when all is done"
        with self.project.store.read() as db:
            assert db.execute("SELECT wanted FROM run").fetchone()[0] == RunState.STOPPED


@pytest.mark.slow
def test_faces_runner_and_workers_in_any_order() -> None:
    run_in_any_order(Night, nights=60, steps=40)
