"""A kill that cannot be written down: what it ends, and that it holds."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import STUBBORN, python

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.claim import take
from tomoline.queue.control import Control
from tomoline.queue.halting import MENDED, ended_all, pointed_to_kill
from tomoline.queue.job import EventWriter
from tomoline.queue.job_files import JobFiles
from tomoline.queue.launch import LOCK, ensure_runner, lock_holder, lock_project, sign_lock
from tomoline.queue.model import BatchState, RunState
from tomoline.queue.permit import give_permit, is_withdrawn, withdraw_permit
from tomoline.queue.process import birth_of, group_of, is_alive
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state, wanted_of
from tomoline.queue.store import Store

S = BatchState
RUNNER = "import time; print('ready', flush=True); time.sleep(60)"


@dataclass
class Night:
    """A project with two data sets, of which the first is being run by real processes."""

    project: Project
    worker: int
    runner: int
    started: int = 0

    def control(self) -> Control:
        return Control(self.project.store, ensure=self._ensure, alive=self._alive)

    def _ensure(self, store: Store) -> int:
        self.started += 1
        return 1

    def _alive(self, store: Store) -> int | None:
        found = lock_holder(store.folder)
        return found[0] if found is not None else None

    def states(self) -> dict[str, BatchState]:
        return {one.name: one.state for one in self.project.queue.batches()}

    def files(self) -> JobFiles:
        return JobFiles.of(self.project.store, 1, 0)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    with (
        Project.create(tmp_path / "night") as project,
        python(STUBBORN) as worker,
        python(RUNNER) as runner,
    ):
        for name in ("TS_1.mrc", "TS_2.mrc"):
            (tmp_path / name).touch()
        project.data_sets.add([tmp_path / "TS_1.mrc", tmp_path / "TS_2.mrc"])
        made = Night(project, worker.pid, runner.pid)
        made.control().start(processors=1)
        give_permit(project.store)
        lock = f"{runner.pid} {birth_of(runner.pid)}\n"
        (project.store.work / LOCK).write_text(lock)
        one = next(one for one in project.queue.batches() if one.name == "TS_1")
        words = {"processor": 1, "pid": worker.pid, "birth": birth_of(worker.pid)}
        change_state(project.store, one, S.RUNNING, "begins", **words)
        files = made.files()
        files.job.parent.mkdir()
        files.job.write_text('{"name": "TS_1"}')
        events = EventWriter(files.events)
        events.write("started", pid=worker.pid, birth=birth_of(worker.pid))
        events.close()
        yield made


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the store's disk be full, as far as the store can tell."""

    @contextmanager
    def refuse(store: Store) -> Iterator[None]:
        raise errors.files.DISK_FULL.error(store.path, "The disk is full.")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", refuse)
        yield


def test_all_is_ended_and_a_kill_is_written_down_later(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(group_of(night.worker)) == 2
    began = time.monotonic()
    with full_disk(monkeypatch), pytest.raises(TomolineError) as caught:
        night.control().kill()
    assert time.monotonic() - began < 2.0
    assert caught.value.code == "FILE-08"
    assert "TS_1, the runner." in caught.value.found
    assert "the next command writes the kill down" in caught.value.remedy
    assert group_of(night.worker) == []
    assert group_of(night.runner) == []
    assert night.states()["TS_1"] is S.RUNNING  # as far as the store knows

    with full_disk(monkeypatch):
        (notice,) = night.control().recover()
    assert "cannot be written down yet" in notice.found
    (notice,) = night.control().recover()
    assert notice.code == "QUEUE-03"
    assert "TS_1" in notice.found
    assert night.started == 1  # by the start, and not again
    assert night.states() == {"TS_1": S.KILLED, "TS_2": S.WAITING}
    assert wanted_of(night.project.store) is RunState.STOPPED
    assert night.project.log.events(kind="run", level="warning")[-1].code == "QUEUE-03"
    assert night.control().recover() == []
    assert night.control().resume().names == ["TS_1"]


def test_what_is_asked_for_later_is_newer_than_the_kill(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    with full_disk(monkeypatch), pytest.raises(TomolineError):
        night.control().kill()
    assert is_withdrawn(night.project.store)
    night.control().resume()  # by a face that did not look first whether all is well
    night.control().recover()
    assert wanted_of(night.project.store) is RunState.RUNNING


def test_a_kill_holds_too_where_the_runner_was_asked_for_more(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.control().pause()
    night.control().resume()
    with full_disk(monkeypatch), pytest.raises(TomolineError):
        night.control().kill()
    assert [one.code for one in night.control().recover()] == ["QUEUE-03"]
    assert wanted_of(night.project.store) is RunState.STOPPED


def test_a_kill_that_cannot_be_kept_says_so(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(30, "Read-only file system")

    with full_disk(monkeypatch), monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(TomolineError) as caught:
            night.control().kill()
    assert "'tomoline kill' again, before any other command" in caught.value.remedy
    assert group_of(night.worker) == []
    night.control().kill()
    assert wanted_of(night.project.store) is RunState.STOPPED
    assert night.states()["TS_1"] is S.KILLED


def test_a_store_that_another_program_holds_is_not_waited_for(night: Night) -> None:
    with closing(sqlite3.connect(night.project.store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(TomolineError, match=r"TS_1, the runner\.") as caught:
            night.control().kill()
        assert time.monotonic() - began < 2.5
        assert caught.value.code == "PROJ-18"
    assert group_of(night.worker) == []
    assert [one.code for one in night.control().recover()] == ["QUEUE-03"]


def test_what_had_finished_before_it_was_killed_has_finished(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = EventWriter(night.files().events)
    events.write("step", step="setup", state="finished", seconds=1.0)
    events.write("ended", state="finished")
    events.close()
    with full_disk(monkeypatch), pytest.raises(TomolineError):
        night.control().kill()
    night.control().recover()
    assert night.states()["TS_1"] is S.FINISHED
    one = next(one for one in night.project.queue.batches() if one.name == "TS_1")
    assert one.reached == ":setup"


def test_pause_and_a_kill_of_some_end_nothing_and_point_to_the_kill(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = night.control()
    with full_disk(monkeypatch):
        for call in (control.pause, lambda: control.kill(["TS_1"])):
            with pytest.raises(TomolineError) as caught:
                call()
            assert caught.value.code == "FILE-08"
            assert "'tomoline kill' without names" in caught.value.remedy
    assert len(group_of(night.worker)) == 2
    assert is_alive(night.runner, birth_of(night.runner))
    assert not is_withdrawn(night.project.store)


def test_other_errors_are_left_alone(night: Night) -> None:
    error = errors.queue.WRONG_STATE.error("TS_1", "it waits.")
    assert ended_all(error) is error
    assert pointed_to_kill(error) is error
    elsewhere = errors.files.DISK_FULL.error("/nowhere/x", "The disk is full.")
    assert ended_all(elsewhere) is elsewhere
    assert len(group_of(night.worker)) == 2


@pytest.mark.parametrize("kind", MENDED, ids=lambda kind: kind.code)
def test_whatever_is_in_the_way_its_remedy_is_told(
    night: Night, kind: errors.ErrorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tomoline.queue.halting._living", lambda folder, groups: [])
    error = kind.error(night.project.store.path, "in the way.")
    for told in (pointed_to_kill(error), ended_all(error)):
        assert told.kind is kind
        assert told.remedy.startswith(MENDED[kind])
        assert "'tomoline " in told.remedy


def test_a_process_of_that_number_but_another_birth_lives_on(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.files().events.unlink()
    events = EventWriter(night.files().events)
    events.write("started", pid=night.worker, birth="another:1")
    events.close()
    (night.project.store.work / LOCK).write_text(f"{night.runner} another:1\n")
    with full_disk(monkeypatch), pytest.raises(TomolineError, match="Nothing ran"):
        night.control().kill()
    assert len(group_of(night.worker)) == 2
    assert is_alive(night.runner, birth_of(night.runner))


def test_a_runner_that_cannot_write_down_the_end_is_ended_too(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish is written, with the last room there was."""

    def refuse(store: Store, *arguments: object) -> None:
        raise errors.files.DISK_FULL.error(store.path, "The disk is full.")

    monkeypatch.setattr("tomoline.queue.killing.write_end", refuse)
    began = time.monotonic()
    with pytest.raises(TomolineError, match=r"The end of TS_1 .* the runner\.") as caught:
        night.control().kill()
    assert time.monotonic() - began < 2.5
    assert caught.value.code == "FILE-08"
    monkeypatch.undo()
    assert [one.code for one in night.control().recover()] == ["QUEUE-03"]
    assert night.states()["TS_1"] is S.KILLED


def test_a_runner_and_a_worker_that_cannot_be_seen_are_told_of(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if this were another container: of others there are only their locks."""
    lock = lock_project(night.project.store)
    job = take(night.files().job)
    assert lock is not None
    assert job is not None
    monkeypatch.setattr("tomoline.queue.killing.birth_of", lambda pid: "")
    monkeypatch.setattr("tomoline.queue.killing.group_of", lambda pid: [])
    monkeypatch.setattr("tomoline.queue.launch.is_alive", lambda pid, birth: False)
    monkeypatch.setattr("tomoline.queue.halting.is_alive", lambda pid, birth: False)
    monkeypatch.setattr("tomoline.queue.halting.LONGEST_S", 0.3)
    with full_disk(monkeypatch), pytest.raises(TomolineError) as caught:
        night.control().kill()
    monkeypatch.undo()
    assert f"TS_1 (process {night.worker})" in caught.value.found
    assert f"the runner (process {night.runner})" in caught.value.found
    assert "another container" in caught.value.found
    assert len(group_of(night.worker)) == 2
    assert is_alive(night.runner, birth_of(night.runner))
    os.close(lock)
    os.close(job)


def test_a_project_whose_permit_was_never_given_is_not_stopped(tmp_path: Path) -> None:
    with Project.create(tmp_path / "night") as project:
        assert not is_withdrawn(project.store)
        give_permit(project.store)
        assert not is_withdrawn(project.store)


def test_a_runner_that_begins_writes_the_kill_down_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "TS_1.mrc").touch()
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add([tmp_path / "TS_1.mrc"])
        Control(project.store, ensure=lambda store: 1).start()
        give_permit(project.store)
        assert withdraw_permit(project.folder)
        ensure_runner(project.store)
        (one,) = project.queue.batches()
        assert (one.state, one.attempt) == (S.WAITING, 0)
        assert wanted_of(project.store) is RunState.STOPPED
        assert not is_withdrawn(project.store)


def test_the_lock_tells_who_holds_it(tmp_path: Path) -> None:
    with Store.create(tmp_path / "night") as store:
        assert lock_holder(store.folder) is None
        (store.work / LOCK).write_text("9" * 200)  # longer than what is written over it
        lock = lock_project(store)
        assert lock is not None
        sign_lock(lock)
        assert lock_holder(store.folder) == (os.getpid(), birth_of(os.getpid()))
        os.close(lock)
