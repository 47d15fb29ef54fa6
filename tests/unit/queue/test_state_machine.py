"""Faces, runner and workers act in random order: no batch is lost, none runs twice at once.

The store is a real one, with a connection for the faces and one for each runner, as in life. The
runner is the real one; only its processes are played, by workers that write real event files.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_worker import FakeLauncher, FakeWorker, RunnerDied
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tomoline.errors import TomolineError
from tomoline.queue.control import Control
from tomoline.queue.log import explain_states
from tomoline.queue.model import LIVE, BatchState, RunState
from tomoline.queue.project import Project
from tomoline.queue.runner import Runner
from tomoline.queue.store import Store

S = BatchState
PROCESSORS = 2
REFUSED = {"QUEUE-05", "QUEUE-06", "QUEUE-07", "PROJ-08", "PROJ-10"}
"""What a face may be told when it asks for something that makes no sense just now."""
MOST = 6


class Night(RuleBasedStateMachine):
    """A project, its faces, its runner, its workers, and the ways in which they die."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tomoline-states-"))
        self.project = Project.create(self.folder / "project")
        self.now = 1_000.0
        self.launcher = FakeLauncher()
        self.runner: Runner | None = None
        self.runner_store: Store | None = None
        self.asked: set[str] = set()
        self.made = 0
        self.control = Control(
            self.project.store,
            ensure=lambda store: self.start_runner(),
            alive=lambda store: None if self.runner is None else 1,
        )
        self.project.store.set_setting("retries", "2")
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
                ticks=lambda: self.now,
                machine=lambda: (PROCESSORS, 16 << 30),
            )
            self.runner.begin()
        return 1

    def end_runner(self) -> None:
        if self.runner_store is not None:
            self.runner_store.close()
        self.runner = self.runner_store = None

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            self.finish_all()
        finally:
            self.end_runner()
            self.project.close()
            shutil.rmtree(self.folder)

    # Faces

    def names(self) -> list[str]:
        return [entry.name for entry in self.project.data_sets.entries()]

    def ask(self, action: Callable[[], object]) -> bool:
        """Do something that may be refused, but only with a reason that we know."""
        try:
            action()
        except TomolineError as error:
            if error.code not in REFUSED:
                raise
            return False
        return True

    def pick(self, number: int) -> str:
        names = self.names()
        return names[number % len(names)]

    @precondition(lambda self: len(self.names()) < MOST)
    @rule(count=st.integers(1, 3))
    def add_and_run(self, count: int) -> None:
        paths = []
        for _ in range(count):
            self.made += 1
            paths.append(self.folder / f"TS_{self.made}.mrc")
            paths[-1].touch()
        names = [entry.name for entry in self.project.data_sets.add(paths)]
        self.control.start(names, processors=PROCESSORS, threads=1)
        self.asked.update(names)

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST))
    def run_again(self, number: int) -> None:
        name = self.pick(number)
        if self.ask(lambda: self.control.start([name])):
            self.asked.add(name)

    @rule()
    def run_all(self) -> None:
        if self.ask(self.control.start):
            self.asked.update(self.names())

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST), place=st.integers(1, MOST))
    def move(self, number: int, place: int) -> None:
        self.ask(lambda: self.project.queue.move([self.pick(number)], place))

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST))
    def top(self, number: int) -> None:
        self.ask(lambda: self.project.queue.top([self.pick(number)]))

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST))
    def take_out(self, number: int) -> None:
        name = self.pick(number)
        if self.ask(lambda: self.project.queue.take_out([name])):
            self.forget_unless_there(name)

    @rule(at_step=st.booleans())
    def pause(self, at_step: bool) -> None:
        self.ask(lambda: self.control.pause(at_step=at_step))

    @rule()
    def kill(self) -> None:
        self.ask(lambda: self.control.kill(wait=False))

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST))
    def kill_one(self, number: int) -> None:
        self.ask(lambda: self.control.kill([self.pick(number)], wait=False))

    @rule()
    def resume(self) -> None:
        self.ask(self.control.resume)

    @rule()
    def retry(self) -> None:
        self.ask(self.project.queue.retry)

    @precondition(lambda self: len(self.names()) > MOST // 2)
    @rule(number=st.integers(0, MOST))
    def reset(self, number: int) -> None:
        name = self.pick(number)
        if self.ask(lambda: self.control.reset([name])):
            self.asked.discard(name)

    @precondition(lambda self: len(self.names()) > MOST // 2)
    @rule(number=st.integers(0, MOST))
    def remove(self, number: int) -> None:
        name = self.pick(number)
        if self.ask(lambda: self.project.data_sets.remove([name])):
            self.asked.discard(name)

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST), pixels=st.integers(10, 400))
    def change_parameter(self, number: int, pixels: int) -> None:
        key = "reconstruct.thickness_px"
        self.project.data_sets.set([self.pick(number)], {key: (pixels, "test")})

    @rule()
    def any_command(self) -> None:
        """Every command first notices a runner that is gone."""
        self.control.recover()

    def forget_unless_there(self, name: str) -> None:
        entry = self.project.data_sets.entry(name)
        kept = [one for one in self.project.queue.batches() if one.data_set == entry.id]
        if not any(one.state is not S.DROPPED for one in kept):
            self.asked.discard(name)

    # Runner

    @rule(times=st.integers(1, 3))
    def turn_once_more(self, times: int) -> None:
        self.turn(times)

    @rule(times=st.integers(1, 3), seconds=st.floats(0.1, 20.0))
    def turn_later(self, times: int, seconds: float) -> None:
        self.now += seconds
        self.turn(times)

    @rule()
    def resume_and_turn(self) -> None:
        self.ask(self.control.resume)
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
        self.now += seconds

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
    def nothing_asked_for_is_lost(self) -> None:
        if hasattr(self, "project"):
            there = {one.name for one in self.project.queue.batches() if one.state is not S.DROPPED}
            assert self.asked <= there, self.asked - there

    def finish_all(self) -> None:
        """Whatever has happened: resumed and retried, all that was asked for ends well."""
        self.launcher.before = self.launcher.after = None
        for _ in range(40):
            self.start_runner()
            self.ask(self.control.resume)
            self.ask(self.project.queue.retry)
            assert self.runner is not None
            for _ in range(3):
                if self.runner is not None and not self.runner.turn():
                    self.end_runner()
                for worker in self.launcher.living:
                    if worker.signals == [] and not worker.stop_asked():
                        worker.finish()
                    elif worker.stop_asked():
                        worker.pause()
            self.now += 400.0
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
    run_state_machine_as_test(
        Night,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
