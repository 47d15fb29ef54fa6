"""The runner with processes that the test controls, on a real store."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from fake_worker import FakeLauncher, FakeWorker, RunnerDied
from waiting import wait_for

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue import attempts
from tomoline.queue.background import ServiceThread
from tomoline.queue.job import Job, read_events
from tomoline.queue.job_files import JobFiles
from tomoline.queue.log import explain_states
from tomoline.queue.model import Batch, BatchState, EventKind
from tomoline.queue.project import Project
from tomoline.queue.resources import OVERHEAD_BYTES
from tomoline.queue.runner import Runner
from tomoline.queue.watches import Watches

S = BatchState
GIB = 1 << 30


class Night:
    """A project with data sets, a runner, and clocks."""

    def __init__(self, folder: Path, names: str) -> None:
        self.project = Project.create(folder / "night")
        self.store = self.project.store
        sources = [folder / f"{name}.mrc" for name in names.split()]
        for source in sources:
            source.write_bytes(b"not looked into")
        self.entries = self.project.data_sets.add(sources)
        self.launcher = FakeLauncher()
        self.time = 1000.0
        self.cores = 2
        self.memory = 8 * GIB
        self.runner = self.new_runner()

    def new_runner(self, services: Sequence[ServiceThread] = ()) -> Runner:
        runner = Runner(
            self.store,
            self.launcher,
            clock=lambda: self.time,
            ticks=lambda: self.time,
            machine=lambda: (self.cores, self.memory),
            services=services,
        )
        runner.begin()
        self.runner = runner
        return runner

    def want(self, wanted: str) -> None:
        with self.store.write() as db:
            db.execute("UPDATE run SET wanted = ?", (wanted,))

    def want_of(self, name: str, wanted: str) -> None:
        with self.store.write() as db:
            db.execute("UPDATE batch SET wanted = ? WHERE id = ?", (wanted, self.batch(name).id))

    def go(self, *, first: str = "") -> None:
        self.project.queue.add(self.entries, first=first)
        self.want("running")
        self.turn()

    def turn(self, passes: float = 0.1) -> bool:
        self.time += passes
        goes_on = self.runner.turn()
        self.launcher.check()
        return goes_on

    def batch(self, name: str) -> Batch:
        return next(one for one in self.project.queue.batches() if one.name == name)

    def states(self) -> dict[str, str]:
        return {one.name: str(one.state) for one in self.project.queue.batches()}

    def told(self, kind: str = "state") -> list[str]:
        return [one.message for one in self.project.log.events(kind=kind)]

    def worker(self, name: str) -> FakeWorker:
        return self.launcher.of(name)

    def leftovers(self) -> list[str]:
        folder = self.store.work / "jobs"
        return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    made = Night(tmp_path, "one two three")
    yield made
    for worker in made.launcher.workers:
        if worker.alive():
            worker.die()
    # Whatever happened, the log explains every state.
    explained = explain_states(made.project.log.events())
    with made.store.read() as db:
        rows = db.execute("SELECT id, state FROM batch").fetchall()
    assert explained == {row["id"]: row["state"] for row in rows}
    made.project.close()


def test_batches_run_side_by_side_in_order_until_all_is_done(night: Night) -> None:
    night.go()
    assert night.states() == {"one": "running", "two": "running", "three": "waiting"}
    assert (night.batch("one").processor, night.batch("two").processor) == (1, 2)
    assert night.batch("one").pid == night.worker("one").pid  # a kill needs it at once
    night.worker("two").step("setup")
    night.worker("two").finish()
    night.turn()
    assert night.states() == {"one": "running", "two": "finished", "three": "running"}
    assert night.batch("three").processor == 2
    night.worker("one").finish()
    night.worker("three").fail("ALIGN-01", found="no gold.", remedy="Add gold.")
    assert night.turn()
    assert not night.turn()
    assert night.states() == {"one": "finished", "two": "finished", "three": "failed"}
    failed = night.batch("three")
    assert (failed.code, failed.found, failed.remedy) == ("ALIGN-01", "no gold.", "Add gold.")
    assert night.told("run")[-1] == "all done: 2 finished, 1 failed"
    assert night.leftovers() == []
    with night.store.read() as db:
        run = db.execute("SELECT wanted, pid FROM run").fetchone()
    assert tuple(run) == ("stopped", None)


def test_a_run_says_that_it_lives_and_what_it_has_done_this_time(night: Night) -> None:
    with night.store.write() as db:  # as the process that runs it has written
        db.execute("UPDATE run SET pid = 77, birth = 'boot:1'")
    night.go()
    with night.store.read() as db:
        assert db.execute("SELECT seen FROM run").fetchone()[0] == night.time
    for name in ("one", "two"):  # the processor that is free, whichever that is
        night.worker(name).finish()
        night.turn()
    assert night.batch("three").processor == 1
    night.worker("three").finish()
    while night.turn():
        pass
    with night.store.read() as db:
        assert tuple(db.execute("SELECT pid, birth FROM run").fetchone()) == (None, "")
    night.project.queue.add(night.entries[:1])
    night.want("running")
    night.turn()
    night.worker("one").fail()
    while night.turn():
        pass
    assert night.told("run") == [
        "all done: 3 finished, 0 failed",
        "all done: 0 finished, 1 failed",
    ]


def test_a_job_says_all_that_a_process_has_to_know(night: Night) -> None:
    night.project.layers.update({"setup.gold_diameter_nm": (10.0, "a test")})
    night.store.set_setting("scratch", "/fast")
    night.go(first="align")
    job = Job.read(JobFiles.of(night.store, night.batch("one").id, 1).job)
    assert (job.name, job.recipe, job.first, job.threads) == ("one", "tilt", "align", 1)
    assert job.scratch == "/fast"
    assert job.memory_bytes == night.memory // 2 - OVERHEAD_BYTES
    assert job.parts[0].source == str(night.entries[0].source)
    assert job.parts[0].layers[0]["values"]["setup.gold_diameter_nm"] == [10.0, "a test"]


def test_what_a_process_tells_can_be_seen_at_once(night: Night) -> None:
    night.go()
    night.worker("one").step("setup")
    night.worker("one").tell("step", axis="", step="align", state="starts", reason="asked for")
    night.turn()
    one = night.batch("one")
    assert (one.step, one.reached) == ("align", ":setup")
    night.worker("one").tell("progress", axis="", step="align", label="fit", done=3, total=7)
    night.turn(1.0)
    one = night.batch("one")
    assert (one.label, one.done, one.total) == ("fit", 3, 7)
    night.worker("one").tell("warning", step="align", code="X-1", where="v", found="f.", remedy="r")
    night.turn()
    warned = night.project.log.events(kind="warning")[0]
    assert (warned.code, warned.step, warned.message) == ("X-1", "align", "v: f. r")
    assert warned.processor == 1


def test_all_events_stand_in_the_log_file_once(night: Night) -> None:
    night.go()
    night.turn(2.0)
    log = night.store.folder / "tomoline.log"
    with log.open("a") as file:
        file.write("what a runner wrote before it could note that it had\n")
    night.new_runner()
    for name in ("one", "two"):
        night.worker(name).finish()
    night.turn(2.0)
    night.turn(2.0)
    lines = log.read_text().splitlines()
    assert len(lines) == len(night.project.log.events())
    assert sum("begins on processor" in line for line in lines) == 3


def test_a_kill_ends_the_processes_and_the_run(night: Night) -> None:
    night.go()
    night.worker("two").stubborn = True
    night.want("stopped")
    night.turn()
    assert night.worker("one").signals == ["TERM"]
    night.turn()
    assert night.states() == {"one": "killed", "two": "running", "three": "waiting"}
    assert night.batch("one").code == "QUEUE-03"
    night.turn(1.0)
    assert night.worker("two").signals == ["TERM", "KILL"]
    assert not night.turn()
    assert night.states()["two"] == "killed"
    assert night.batch("two").wanted == ""


def test_one_batch_is_killed_and_the_others_go_on(night: Night) -> None:
    night.go()
    night.want_of("one", "kill")
    night.turn()
    night.turn()
    assert night.states() == {"one": "killed", "two": "running", "three": "running"}
    assert night.batch("one").wanted == ""
    of_first = night.project.log.events(processor=1, kind="state")
    assert [one.becomes for one in of_first] == ["running", "killed", "running"]


def test_what_finished_before_the_kill_reached_it_is_finished(night: Night) -> None:
    night.go()
    night.worker("one").finish()
    night.want("stopped")
    night.turn()
    night.turn()
    assert night.states() == {"one": "finished", "two": "killed", "three": "waiting"}


def test_a_pause_starts_nothing_and_ends_nothing(night: Night) -> None:
    night.go()
    night.want("paused")
    night.worker("one").finish()
    assert night.turn()
    assert night.states() == {"one": "finished", "two": "running", "three": "waiting"}
    assert not night.worker("two").stop_asked()
    night.worker("two").finish()
    assert not night.turn()  # nothing runs: whoever resumes starts a runner
    assert night.states()["three"] == "waiting"


def test_a_paused_run_with_nothing_left_is_done(night: Night) -> None:
    night.go()
    night.want("paused")
    night.project.queue.take_out(["three"])
    night.worker("one").finish()
    night.worker("two").finish()
    night.turn()
    assert not night.turn()
    assert night.told("run")[-1] == "all done: 2 finished, 0 failed"
    with night.store.read() as db:
        assert db.execute("SELECT wanted FROM run").fetchone()[0] == "stopped"


def test_a_pause_between_steps_can_be_taken_back(night: Night) -> None:
    night.go()
    night.want("paused")
    night.want_of("one", "pause")
    night.want_of("two", "pause")
    night.turn()
    assert night.worker("one").stop_asked()
    night.worker("one").step("setup")
    night.worker("one").pause()
    night.want_of("two", "")
    night.turn()
    assert night.states() == {"one": "paused", "two": "running", "three": "waiting"}
    assert not night.worker("two").stop_asked()
    assert night.batch("one").reached == ":setup"
    night.project.queue.resume_ended()
    night.want("running")
    night.turn()
    job = Job.read(JobFiles.of(night.store, night.batch("one").id, 2).job)
    assert (job.attempt, job.reached) == (2, ":setup")


def test_one_that_stops_just_when_it_is_to_go_on_goes_on(night: Night) -> None:
    night.go()
    night.want("paused")
    night.want_of("one", "pause")
    night.turn()
    assert night.worker("one").stop_asked()
    night.want_of("one", "")
    night.want("running")
    night.worker("one").pause()  # it had seen the file already
    night.turn()
    assert night.states()["one"] == "running"
    assert night.batch("one").attempt == 2


def test_a_new_runner_follows_what_an_earlier_one_started(night: Night) -> None:
    night.go()
    night.worker("one").step("setup")
    night.turn()
    night.new_runner()
    night.worker("one").step("align")
    night.turn()
    assert len(night.launcher.workers) == 2
    assert night.batch("one").reached == ":align"
    night.worker("one").finish()
    night.turn()
    assert night.states() == {"one": "finished", "two": "running", "three": "running"}
    steps = [one.message for one in night.project.log.events(kind="step", data_set="one")]
    assert len(steps) == 4  # two starts, two ends, none told twice


def test_what_ended_while_there_was_no_runner_is_taken_note_of(night: Night) -> None:
    night.go()
    night.worker("one").step("setup")
    night.worker("one").finish()
    night.worker("two").fail("SETUP-01")
    night.new_runner()
    night.turn()
    assert night.states() == {"one": "finished", "two": "failed", "three": "running"}


def test_what_died_with_the_runner_goes_on_and_no_try_is_counted(night: Night) -> None:
    night.go()
    night.worker("one").step("setup")
    night.launcher.die_all()
    night.new_runner()
    night.turn()
    one = night.batch("one")
    assert (one.state, one.attempt, one.retries, one.reached) == (S.RUNNING, 2, 0, ":setup")
    assert any("ended together with the runner" in text for text in night.told())


@pytest.mark.parametrize("slow", [False, True])
def test_a_runner_that_dies_after_starting_a_process_leaves_it_to_the_next(
    night: Night, slow: bool
) -> None:
    def die() -> None:
        raise RunnerDied

    night.launcher.after = die
    night.launcher.slow = slow
    with pytest.raises(RunnerDied):
        night.go()
    night.launcher.after = None
    (orphan,) = night.launcher.workers
    night.launcher.slow = False
    night.new_runner()
    night.turn()
    if slow:  # its job was taken back before it began
        orphan.begin()
        assert not orphan.alive()
        night.launcher.check()
        assert [one.job.name for one in night.launcher.workers] == ["one", "one", "two"]
    else:
        assert [one.job.name for one in night.launcher.workers] == ["one", "two"]
        assert night.batch("one").pid == orphan.pid
    night.worker("one").finish()
    night.turn()
    assert night.states()["one"] == "finished"


def test_a_runner_that_dies_before_starting_a_process_loses_nothing(night: Night) -> None:
    def die() -> None:
        raise RunnerDied

    night.launcher.before = die
    with pytest.raises(RunnerDied):
        night.go()
    assert night.states()["one"] == "running"
    night.launcher.before = None
    night.new_runner()
    night.turn()
    assert [one.job.name for one in night.launcher.workers] == ["one", "two"]
    assert night.batch("one").retries == 0


def test_what_earlier_runners_left_is_cleaned_away(night: Night) -> None:
    night.go()
    folder = night.store.work / "jobs"
    (folder / ".2-1.json.77-75eaf686.part").touch()
    for name in ("9-1.json", "9-1.events", "9-1.stop", "8-3.out"):
        (folder / name).touch()
    (folder / "7-1.out").write_text("Fatal Python error")
    night.new_runner()
    kept = {"1-1.json", "1-1.events", "2-1.json", "2-1.events", "7-1.out"}
    assert set(night.leftovers()) == kept


def test_a_process_that_nobody_wants_any_more_is_ended(night: Night) -> None:
    def die() -> None:
        raise RunnerDied

    night.launcher.after = die
    with pytest.raises(RunnerDied):
        night.go()
    night.launcher.after = None
    (orphan,) = night.launcher.workers
    with night.store.write() as db:  # a face that found no runner and no pid set it aside
        db.execute("UPDATE batch SET state = 'killed' WHERE id = ?", (orphan.job.batch,))
        night.store.add_event(
            EventKind.STATE, "killed", batch=orphan.job.batch, was="running", becomes="killed"
        )
    night.new_runner()
    assert orphan.signals == ["KILL"]


def test_as_long_as_anything_holds_its_job_a_batch_runs(night: Night) -> None:
    night.go()
    child = os.dup(night.worker("one")._claim or -1)  # which a process inherits
    try:
        night.worker("one").die()
        night.turn()
        assert night.states()["one"] == "running"
    finally:
        os.close(child)
    night.turn()
    assert night.states()["one"] == "waiting"


def test_a_process_that_has_told_its_end_and_stays_is_ended(night: Night) -> None:
    night.go()
    night.worker("one").tell("ended", state="finished")
    night.turn()
    night.turn(4.0)
    assert night.states()["one"] == "running"
    assert night.worker("one").signals == []
    night.turn(2.0)
    assert night.worker("one").signals == ["KILL"]
    night.turn()
    assert night.states()["one"] == "finished"


def test_what_is_transient_is_tried_again_and_then_set_aside(night: Night) -> None:
    night.store.set_setting("retries", "2")
    night.go()
    night.worker("one").fail("FILE-01", transient=True)
    night.turn()
    one = night.batch("one")
    assert (one.state, one.retries, one.code) == (S.WAITING, 1, "FILE-01")
    assert one.not_before == pytest.approx(night.time + 10)
    assert night.states()["three"] == "running"  # it holds nobody up
    night.worker("three").finish()
    night.turn(9.0)
    assert night.states()["one"] == "waiting"
    night.turn(2.0)
    assert night.states()["one"] == "running"
    night.worker("one").fail("FILE-01", transient=True)
    night.turn()
    assert night.batch("one").not_before == pytest.approx(night.time + 60)
    night.turn(61.0)
    night.worker("one").fail("FILE-01", transient=True)
    night.turn()
    one = night.batch("one")
    assert (one.state, one.code, one.attempt) == (S.FAILED, "FILE-01", 3)
    assert any("QUEUE-11" in text for text in night.told())


def test_a_crash_is_tried_again(night: Night) -> None:
    night.go()
    worker = night.worker("one")
    JobFiles.of(night.store, worker.job.batch, 1).out.write_text("Fatal Python error: oh\n  more\n")
    worker.die(-signal.SIGSEGV)
    night.turn()
    one = night.batch("one")
    assert (one.state, one.code, one.retries) == (S.WAITING, "QUEUE-02", 1)
    assert "SIGSEGV" in one.found
    assert "Fatal Python error: oh" in one.found
    assert night.leftovers().count("1-1.out") == 1  # kept, to be looked at


def test_a_process_that_somebody_else_ended_is_tried_again(night: Night) -> None:
    night.go()
    night.worker("one").fail("RUN-07")
    night.turn()
    one = night.batch("one")
    assert (one.state, one.code, one.retries) == (S.WAITING, "QUEUE-02", 1)


def test_without_memory_it_gets_fewer_threads_then_all_the_memory_alone(night: Night) -> None:
    with night.store.write() as db:
        db.execute("UPDATE run SET threads = 2, processors = 2")
    night.go()
    night.worker("two").finish()
    night.worker("one").die(-signal.SIGKILL)  # by the kernel
    night.turn()
    one = night.batch("one")
    assert (one.state, one.threads, one.attempt, one.retries) == (S.RUNNING, 1, 2, 0)
    assert night.worker("one").job.threads == 1
    night.worker("one").fail("RUN-08", memory=True)
    night.turn()
    one = night.batch("one")
    assert (one.state, one.alone) == (S.WAITING, True)
    assert night.states()["three"] == "running"
    night.worker("three").finish()
    night.turn()
    assert night.batch("one").state is S.RUNNING
    assert night.worker("one").job.memory_bytes == night.memory - OVERHEAD_BYTES
    night.worker("one").fail("RUN-08", memory=True)
    night.turn()
    assert night.batch("one").state is S.FAILED
    assert night.batch("one").code == "RUN-08"


def test_a_piece_that_does_not_fit_the_limit_is_run_alone_at_once(night: Night) -> None:
    with night.store.write() as db:
        db.execute("UPDATE run SET threads = 2, processors = 2")
    night.go()
    night.worker("two").finish()
    night.worker("one").fail("RUN-01", memory=True)
    night.turn()
    one = night.batch("one")
    assert (one.state, one.alone, one.threads) == (S.RUNNING, True, 0)
    assert night.states()["three"] == "waiting"  # nothing runs beside it


def test_with_one_processor_a_piece_that_does_not_fit_fails_at_once(night: Night) -> None:
    night.cores = 1
    night.new_runner()
    night.go()
    night.worker("one").fail("RUN-01", memory=True)
    night.turn()
    assert night.states() == {"one": "failed", "two": "running", "three": "waiting"}


def test_a_process_that_cannot_be_started_is_started_later(night: Night) -> None:
    def refuse() -> None:
        raise OSError(errno.EAGAIN, "no more processes")

    night.launcher.before = refuse
    with pytest.raises(TomolineError, match="no more processes"):
        night.go()
    assert night.states() == {"one": "waiting", "two": "waiting", "three": "waiting"}
    assert night.batch("one").code == "QUEUE-09"  # why it waits
    night.launcher.before = None
    night.turn(5.0)
    assert night.states()["one"] == "waiting"
    night.turn(6.0)
    assert night.states() == {"one": "running", "two": "running", "three": "waiting"}
    assert night.batch("one").retries == 0


def test_a_batch_of_broken_layers_fails_and_the_others_go_on(night: Night) -> None:
    with night.store.write() as db:
        db.execute("UPDATE data_set SET given = 'no JSON' WHERE name = 'one'")
    night.go()
    assert night.states() == {"one": "failed", "two": "running", "three": "running"}
    assert night.batch("one").code == "RUN-99"


def test_fewer_processors_take_effect_as_batches_end(night: Night) -> None:
    night.go()
    with night.store.write() as db:
        db.execute("UPDATE run SET processors = 1")
    night.worker("one").finish()
    night.turn()
    assert night.states() == {"one": "finished", "two": "running", "three": "waiting"}
    night.worker("two").finish()
    night.turn()
    assert night.states()["three"] == "running"


def test_two_batches_never_have_more_than_the_memory_together(night: Night) -> None:
    with night.store.write() as db:
        db.execute("UPDATE run SET processors = 1")
    night.go()
    with night.store.write() as db:
        db.execute("UPDATE run SET processors = 2")
    night.turn()  # one was given all of it
    assert night.states() == {"one": "running", "two": "waiting", "three": "waiting"}
    night.worker("one").finish()
    night.turn()
    assert night.states() == {"one": "finished", "two": "running", "three": "running"}


def test_a_new_runner_knows_how_much_memory_was_given(night: Night) -> None:
    with night.store.write() as db:
        db.execute("UPDATE run SET processors = 1")
    night.go()
    with night.store.write() as db:
        db.execute("UPDATE run SET processors = 2")
    night.new_runner()
    night.turn()
    assert night.states() == {"one": "running", "two": "waiting", "three": "waiting"}


def test_more_memory_is_no_reason_to_run_more_than_there_are_processors(night: Night) -> None:
    night.go()
    with night.store.write() as db:
        db.execute("UPDATE run SET memory = ?", (64 * GIB,))
    night.turn()
    assert night.states() == {"one": "running", "two": "running", "three": "waiting"}
    night.worker("one").finish()
    night.worker("two").finish()
    with night.store.write() as db:
        db.execute("UPDATE run SET memory = ?", (8 * GIB,))
        db.execute("UPDATE batch SET alone = 1 WHERE state = 'waiting'")
    night.project.queue.add(night.entries[:1])
    night.turn()
    with night.store.write() as db:
        db.execute("UPDATE run SET memory = ?", (64 * GIB,))
    night.turn()
    assert [one.job.name for one in night.launcher.living] == ["three"]  # which is to be alone


def test_one_that_waits_behind_a_paused_one_keeps_no_runner(night: Night) -> None:
    night.project.queue.add(night.entries[:1])
    night.want("running")
    night.turn()
    night.want_of("one", "pause")
    night.turn()
    night.worker("one").pause()
    night.turn()
    night.project.queue.add(night.entries[:1])
    night.want("running")
    assert not all(night.turn() for _ in range(5))


def test_queued_again_while_it_runs_it_runs_again_afterwards(night: Night) -> None:
    night.go()
    night.project.queue.add([night.entries[0]])
    night.turn()
    assert len(night.launcher.living) == 2
    night.worker("one").finish()
    night.turn()
    assert [one.job.name for one in night.launcher.living] == ["two", "three"]
    night.worker("two").finish()
    night.turn()
    assert [one.job.name for one in night.launcher.living] == ["three", "one"]


def test_a_failure_is_joined_to_the_batch_that_waits_already(night: Night) -> None:
    night.go()
    (again,) = night.project.queue.add([night.entries[0]])
    first = night.worker("one")
    first.fail("FILE-01", transient=True)
    night.worker("two").finish()
    night.turn()
    assert night.project.queue.latest()[night.entries[0].id].id == again
    assert len(night.launcher.living) == 1  # it waits as long as the first would have
    night.turn(11.0)
    assert night.worker("one").job.batch == again
    assert [one.job.name for one in night.launcher.living] == ["three", "one"]
    night.worker("one").finish()
    night.worker("three").finish()
    while night.turn():
        pass
    # Nothing has failed that was not made good.
    assert "all done: 3 finished, 0 failed" in night.told("run")


@pytest.mark.parametrize("line", ['{"event":"step"}', '{"event":"progress","done":null}', "7", ""])
def test_a_spoilt_line_of_one_process_stops_nothing(night: Night, line: str) -> None:
    night.go()
    with Path(night.worker("one").job.events).open("a") as file:
        file.write(f"{line}\n")
    night.worker("one").step("align")
    for name in ("one", "two"):
        night.worker(name).finish()
    night.turn()
    assert night.states() == {"one": "finished", "two": "finished", "three": "running"}
    assert "align" in [event.step for event in night.project.log.events(kind="step")]


def test_events_that_cannot_be_read_stop_only_their_own_batch(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.go()
    broken = Path(night.worker("one").job.events)

    def read(path: Path, offset: int) -> object:
        if path == broken:
            raise OSError(errno.EIO, "Input/output error")
        return read_events(path, offset)

    monkeypatch.setattr(attempts, "read_events", read)
    night.worker("two").finish()
    with pytest.raises(OSError, match="Input/output"):
        night.turn()
    assert night.states() == {"one": "running", "two": "finished", "three": "running"}
    night.worker("one").die()
    night.turn()
    # As one that died without a word: it goes on from what is complete.
    assert night.batch("one").state is S.WAITING
    assert night.batch("one").code == "QUEUE-02"


def test_a_store_that_goes_wrong_for_one_batch_does_not_stop_the_others(night: Night) -> None:
    night.go()
    one = night.batch("one")
    with night.store.write() as db:  # a face has set it aside
        db.execute("UPDATE batch SET state = 'killed' WHERE id = ?", (one.id,))
        night.store.add_event(
            EventKind.STATE, "killed", batch=one.id, was="running", becomes="killed"
        )
    night.worker("two").finish()
    night.turn()
    assert night.states()["two"] == "finished"
    assert night.runner.active == 1


def test_codes_of_outcomes_are_declared() -> None:
    assert {"QUEUE-02", "QUEUE-03", "QUEUE-10", "QUEUE-11"} <= set(errors.KINDS)


# What may go wrong around it.


@pytest.fixture
def other(night: Night) -> Iterator[sqlite3.Connection]:
    """Another process's connection to the store; the runner does not wait for it."""
    night.store._connection.execute("PRAGMA busy_timeout = 1")
    connection = sqlite3.connect(night.store.path, isolation_level=None)
    yield connection
    connection.close()


def test_a_store_that_is_locked_is_tried_again(night: Night, other: sqlite3.Connection) -> None:
    night.go()
    night.worker("one").step("setup")
    night.worker("one").finish()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TomolineError, match="locked"):
        night.turn()
    other.execute("ROLLBACK")
    night.turn()
    assert night.states() == {"one": "finished", "two": "running", "three": "running"}
    assert len(night.project.log.events(kind="step", data_set="one")) == 2


def test_a_store_that_is_locked_just_when_a_process_has_been_started(
    night: Night, other: sqlite3.Connection
) -> None:
    night.launcher.after = lambda: other.execute("BEGIN IMMEDIATE")  # type: ignore[assignment]
    with pytest.raises(TomolineError, match="locked"):
        night.go()
    night.launcher.after = None
    assert night.batch("one").pid is None
    other.execute("ROLLBACK")
    night.turn(20.0)
    assert [one.job.name for one in night.launcher.workers] == ["one", "two"]
    assert night.batch("one").pid == night.worker("one").pid


def test_a_full_disk_delays_what_is_written_down_and_loses_nothing(night: Night) -> None:
    night.go()
    for number in range(300):
        facts = {"code": "X-1", "where": "v", "found": f"{number} " + "long " * 50, "remedy": ""}
        night.worker("one").tell("warning", step="setup", **facts)
    night.worker("two").finish()
    pages = night.store._connection.execute("PRAGMA page_count").fetchone()[0]
    night.store._connection.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(3):
        with pytest.raises(TomolineError, match="FILE-08"):
            night.turn()
    assert night.project.log.events(kind="warning") == []
    assert night.batch("two").state is not S.RUNNING  # there was room for that
    night.store._connection.execute("PRAGMA max_page_count = 1000000")
    night.turn(20.0)
    assert len(night.project.log.events(kind="warning")) == 300


def test_a_log_file_that_cannot_be_written_stops_nothing(night: Night) -> None:
    (night.store.folder / "tomoline.log").mkdir()
    told: list[Exception] = []
    night.runner = Runner(
        night.store,
        night.launcher,
        clock=lambda: night.time,
        ticks=lambda: night.time,
        machine=lambda: (1, 8 * GIB),
        tell=told.append,
    )
    night.go()
    night.turn(2.0)
    assert night.states()["one"] == "running"
    assert all(isinstance(one, IsADirectoryError) for one in told)
    assert told


# Services.


class Busy:
    """A service that is busy as long as the test wants."""

    name = "busy"

    def __init__(self) -> None:
        self.until_free = threading.Event()
        self.turns = 0
        self.fails = False

    def turn(self, now: float) -> float:
        self.turns += 1
        if self.fails:
            raise ZeroDivisionError("made to fail")
        return 0.01

    def busy(self) -> bool:
        return not self.until_free.is_set()

    def close(self) -> None:
        self.turns = -self.turns


@pytest.mark.parametrize("holds_run", [True, False])
def test_the_runner_stays_while_a_service_is_busy(night: Night, holds_run: bool) -> None:
    service = Busy()
    thread = ServiceThread("busy", night.store.folder, lambda: service, holds_run=holds_run)
    night.cores = 3
    night.new_runner(services=[thread])
    try:
        night.go()
        for name in ("one", "two", "three"):
            night.worker(name).finish()
        for _ in range(5):
            assert night.turn()
            time.sleep(0.02)
        done = any(text.startswith("all done") for text in night.told("run"))
        assert done is not holds_run
        service.until_free.set()
        wait_for(lambda: not night.turn(), every_s=0.01)
        assert any(text.startswith("all done") for text in night.told("run"))
    finally:
        night.runner.end()


def test_a_watch_whose_service_fails_keeps_the_run(night: Night) -> None:
    service = Busy()
    service.fails = True
    thread = ServiceThread("busy", night.store.folder, lambda: service, holds_run=True)
    night.cores = 3
    night.new_runner(services=[thread])
    Watches(night.store).add(night.store.folder.parent, "tilt")
    try:
        night.want("running")
        for _ in range(20):
            assert night.turn()
            time.sleep(0.01)
        assert service.turns == 1
        with night.store.read() as db:
            assert db.execute("SELECT wanted FROM run").fetchone()[0] == "running"
        with night.store.write() as db:
            db.execute("UPDATE watch SET active = 0")
        wait_for(lambda: not night.turn(), every_s=0.01)
    finally:
        night.runner.end()


def test_a_service_that_fails_is_told_of_once_in_a_while_and_keeps_nobody(night: Night) -> None:
    service = Busy()
    service.fails = True
    thread = ServiceThread("busy", night.store.folder, lambda: service, holds_run=True)
    thread.begin()
    try:
        for _ in range(3):
            wait_for(partial(thread.is_free, thread.ask()), every_s=0.01)
    finally:
        thread.end()
    assert service.turns == -1  # and closed
    (event,) = night.project.log.events(kind="error")
    assert (event.code, event.level) == ("RUN-99", "error")
    assert "made to fail" in event.message
