"""Run control: what is written down for the runner, and what happens without one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import STUBBORN, python

from tomoline.errors import Faults, TomolineError
from tomoline.queue.control import Control
from tomoline.queue.model import Batch, BatchState, RunState
from tomoline.queue.process import birth_of, group_of
from tomoline.queue.project import Project
from tomoline.queue.rows import batch, change_state
from tomoline.recipes import RECIPES

S = BatchState
STEPS = RECIPES["tilt"].step_names


class NoRunner:
    """Stands for the runner: counts how often it was to be started, and lives or not."""

    def __init__(self) -> None:
        self.started = 0
        self.pid: int | None = None

    def ensure(self, store: object) -> int:
        self.started += 1
        return 1

    def alive(self, store: object) -> int | None:
        return self.pid


@pytest.fixture
def runner() -> NoRunner:
    return NoRunner()


@pytest.fixture
def control(project: Project, runner: NoRunner) -> Control:
    return Control(project.store, ensure=runner.ensure, alive=runner.alive)


def add(project: Project, *names: str) -> None:
    """Add acquisitions, of which only the files have to be there."""
    folder = project.folder.parent / "raw"
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    project.data_sets.add([folder / name for name in names])


def wanted(project: Project) -> RunState:
    with project.store.read() as db:
        return RunState(db.execute("SELECT wanted FROM run").fetchone()[0])


def state(project: Project, name: str) -> BatchState:
    """Return the state of the last batch of a data set."""
    return project.queue.latest()[project.data_sets.entry(name).id].state


def begin(project: Project, name: str, pid: int | None = None) -> Batch:
    """Let a waiting batch run, as a runner does."""
    (one,) = project.queue.batches(states=(S.WAITING,), patterns=(name,))
    birth = birth_of(pid) if pid else ""
    change_state(project.store, one, S.RUNNING, "begins", processor=1, pid=pid, birth=birth)
    found = batch(project.store, one.id)
    assert found is not None
    return found


def end(project: Project, one: Batch, becomes: BatchState) -> None:
    change_state(project.store, one, becomes, "ended so")


def write_record(project: Project, name: str, states: dict[str, str]) -> Path:
    """Write a record as a run does."""
    entry = project.data_sets.entry(name)
    entry.folder.mkdir(exist_ok=True)
    path = entry.folder / f"{name}.tomoline.json"
    steps = [
        {"name": step, "number": place, "state": one, "outputs": {}}
        for place, (step, one) in enumerate(states.items())
    ]
    path.write_text(json.dumps({"schema": 1, "root": name, "recipe": "tilt", "steps": steps}))
    return path


def test_start_queues_what_has_the_run_flag(
    project: Project, control: Control, runner: NoRunner
) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc", "TS_3.mrc")
    project.data_sets.set_run(["TS_2"], False)
    started = control.start(processors=2, memory=1 << 30)
    assert started.names == ["TS_1", "TS_3"]
    assert [one.name for one in project.queue.batches()] == ["TS_1", "TS_3"]
    assert wanted(project) is RunState.RUNNING
    assert runner.started == 1
    status = control.status()
    assert (status.processors, status.threads, status.memory_bytes) == (2, 0, 1 << 30)
    control.start(["TS_2"], threads=3)  # by its name, whatever its flag
    status = control.status()
    assert (status.processors, status.threads) == (2, 3)
    assert status.counts["waiting"] == 3


@pytest.mark.parametrize(("processors", "memory"), [(1, 1024), (100_000, 0)])
def test_too_little_to_work_with_is_refused(
    project: Project, control: Control, runner: NoRunner, processors: int, memory: int
) -> None:
    add(project, "one.mrc")
    with pytest.raises(TomolineError, match=r"PARAM-06: --memory, --processors: .* GiB together"):
        control.start(processors=processors, memory=memory)
    assert runner.started == 0
    assert wanted(project) is RunState.STOPPED
    assert project.queue.batches() == []
    assert control.status().processors == control.status().memory_bytes == 0


def test_a_dry_run_tells_of_a_folder_that_may_not_be_looked_into(
    project: Project, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", "/far/one")

    add(project, "one.mrc")
    monkeypatch.setattr("tomoline.workflow.execution.check_destination", refuse)
    (one,) = control.start(dry_run=True).plans
    assert one.error is not None
    assert one.error.code == "FILE-10"


def test_start_of_nothing(project: Project, control: Control, runner: NoRunner) -> None:
    with pytest.raises(TomolineError, match="run flag") as caught:
        control.start()
    assert caught.value.code == "QUEUE-06"
    add(project, "TS_1.mrc")
    with pytest.raises(TomolineError) as caught:
        control.start(["TS_9"])
    assert caught.value.code == "PROJ-08"
    assert runner.started == 0
    project.data_sets.set_run(["TS_1"], False)
    project.queue.add([project.data_sets.entry("TS_1")])
    assert control.start().names == []  # what waits is run
    assert runner.started == 1


def test_one_stack_of_a_dual_axis_set_is_refused_before_anything_is_queued(
    project: Project, control: Control
) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc", "Xa.mrc", "Xb.mrc")
    project.data_sets.set(["TS_2"], {"setup.dual_axis": (True, "here")})
    with pytest.raises(Faults) as caught:
        control.start()
    assert [fault.where for fault in caught.value.faults] == ["TS_2"]
    assert caught.value.code == "PROJ-11"
    assert project.queue.batches() == []
    assert control.start(["X", "TS_*1"]).names == ["X", "TS_1"]  # as they are named


def test_a_dry_run_tells_that_a_montage_is_refused(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc")
    project.data_sets.set(["TS_2"], {"setup.montage": (True, "here")})
    plans = control.start(dry_run=True).plans
    assert [one.error.code if one.error else "" for one in plans] == ["", "SETUP-07"]


def test_a_start_later_than_what_was_reached(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc", "TS_3.mrc")
    write_record(project, "TS_1", dict.fromkeys(STEPS, "finished"))
    half = dict.fromkeys(STEPS[:3], "finished") | {STEPS[1]: "off", STEPS[3]: "failed"}
    write_record(project, "TS_2", half)
    with pytest.raises(Faults) as caught:
        control.start(first="align")
    faults = caught.value.faults
    assert [(fault.code, fault.where) for fault in faults] == [
        ("QUEUE-04", "TS_2"),
        ("QUEUE-04", "TS_3"),
    ]
    assert f"reached {STEPS[2]}" in faults[0].found
    assert "nothing" in faults[1].found
    assert project.queue.batches() == []
    control.start(["TS_1", "TS_2"], first=STEPS[3])
    assert [one.first for one in project.queue.batches()] == [STEPS[3]] * 2
    control.start(first="align", last="8", any_step=True)
    assert {(one.first, one.last) for one in project.queue.batches()} == {
        ("align", "aligned_stack")
    }


def test_the_axis_that_is_behind_counts(project: Project, control: Control) -> None:
    add(project, "Xa.mrc", "Xb.mrc")
    path = write_record(project, "X", dict.fromkeys(STEPS, "finished"))
    content = path.read_text()
    (path.parent / "Xa.tomoline.json").write_text(content)
    with pytest.raises(TomolineError, match="nothing of it has been run"):
        control.start(first="align")
    (path.parent / "Xb.tomoline.json").write_text(content)
    control.start(first="align")


def test_steps_of_several_recipes(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "tomo.par")
    with pytest.raises(TomolineError, match="recipe scan of tomo") as caught:
        control.start(first="align", any_step=True)
    assert caught.value.code == "PARAM-05"
    control.start(["TS_*"], first="align", any_step=True)
    control.start(last="0")  # a number is a step of each
    lasts = {one.name: one.last for one in project.queue.batches()}
    assert lasts == {"TS_1": "setup", "tomo": "scan"}
    with pytest.raises(TomolineError) as caught:
        control.start(["TS_1"], first="align", last="setup", any_step=True)
    assert caught.value.code == "PARAM-06"


def test_starting_again_does_not_run_twice_what_runs(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc")
    control.start()
    begin(project, "TS_1")
    again = control.start()
    assert again.already == ["TS_1"]
    assert again.names == ["TS_2"]
    assert len(project.queue.batches()) == 2
    # Its name is explicit, and so is another part of the recipe: a second batch comes behind it.
    control.start(["TS_1"])
    control.start(last="align")
    found = [(one.name, one.state, one.last) for one in project.queue.batches()]
    assert sorted(found) == [
        ("TS_1", "running", ""),
        ("TS_1", "waiting", "align"),
        ("TS_2", "waiting", "align"),
    ]


def test_what_is_new_comes_before_what_has_finished(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc", "TS_3.mrc")
    control.start()
    end(project, begin(project, "TS_1"), S.FINISHED)
    end(project, begin(project, "TS_2"), S.FAILED)
    add(project, "TS_4.mrc")
    control.start()
    line = [one.name for one in project.queue.batches(states=(S.WAITING,))]
    assert line == ["TS_3", "TS_2", "TS_4", "TS_1"]
    end(project, begin(project, "TS_3"), S.FINISHED)
    control.start(["TS_3", "TS_1"])  # whoever names them has an order in mind
    line = [one.name for one in project.queue.batches(states=(S.WAITING,))]
    assert line == ["TS_2", "TS_4", "TS_1", "TS_3"]


def test_a_paused_one_goes_on_or_begins_anew(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc")
    control.start()
    for name in ("TS_1", "TS_2"):
        end(project, begin(project, name), S.PAUSED)
    control.start(["TS_1"], last="align")
    found = {one.name: (one.state, one.last) for one in project.queue.batches()}
    assert found == {"TS_1": (S.WAITING, "align"), "TS_2": (S.WAITING, "")}


def test_pause(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc")
    with pytest.raises(TomolineError) as caught:
        control.pause()
    assert caught.value.code == "QUEUE-07"
    control.start()
    number = begin(project, "TS_1").id
    assert [one.name for one in control.pause()] == ["TS_1"]
    assert wanted(project) is RunState.PAUSED
    one = batch(project.store, number)
    assert one is not None
    assert one.wanted == ""
    control.pause(at_step=True)
    one = batch(project.store, number)
    assert one is not None
    assert one.wanted == "pause"
    control.resume()  # before it has come to its next step
    one = batch(project.store, number)
    assert one is not None
    assert one.wanted == ""
    assert wanted(project) is RunState.RUNNING


def test_resume_brings_back_what_was_ended(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc", "TS_3.mrc")
    with pytest.raises(TomolineError) as caught:
        control.resume()
    assert caught.value.code == "QUEUE-06"
    control.start()
    end(project, begin(project, "TS_1"), S.KILLED)
    end(project, begin(project, "TS_2"), S.PAUSED)
    assert control.resume().names == ["TS_1", "TS_2"]
    waiting = project.queue.batches(states=(S.WAITING,))
    assert [one.name for one in waiting] == ["TS_1", "TS_2", "TS_3"]


def test_resume_of_a_run_that_waits_for_acquisitions(
    project: Project, control: Control, runner: NoRunner, tmp_path: Path
) -> None:
    with project.store.write() as db:
        db.execute(
            "INSERT INTO watch (folder, recipe, began) VALUES (?, 'tilt', 0)", (str(tmp_path),)
        )
    control.kill()
    assert wanted(project) is RunState.STOPPED
    control.resume()
    assert wanted(project) is RunState.RUNNING
    assert runner.started == 1


def test_a_pause_that_came_too_late_is_undone(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc")
    control.start()
    one = begin(project, "TS_1")
    control.pause(at_step=True)
    control.resume()
    end(project, one, S.PAUSED)  # it had seen that it was to stop
    control.recover()
    assert state(project, "TS_1") is S.WAITING


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    with python(STUBBORN) as process:
        yield process


def test_kill_without_a_runner_ends_the_whole_group_in_time(
    project: Project, control: Control, stubborn: subprocess.Popen[bytes]
) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc")
    control.start()
    one = begin(project, "TS_1", stubborn.pid)
    assert len(group_of(stubborn.pid)) == 2
    began = time.monotonic()
    assert [killed.name for killed in control.kill()] == ["TS_1"]
    assert time.monotonic() - began < 2.0
    assert group_of(stubborn.pid) == []
    assert wanted(project) is RunState.STOPPED
    found = batch(project.store, one.id)
    assert found is not None
    assert (found.state, found.pid) == (S.KILLED, None)
    assert state(project, "TS_2") is S.WAITING


def test_a_runner_that_hangs_is_helped_with_the_kill(
    project: Project, control: Control, runner: NoRunner, stubborn: subprocess.Popen[bytes]
) -> None:
    add(project, "TS_1.mrc")
    control.start()
    one = begin(project, "TS_1", stubborn.pid)
    runner.pid = 1
    began = time.monotonic()
    control.kill()  # it does not write it down either
    assert time.monotonic() - began < 2.0
    assert group_of(stubborn.pid) == []
    assert state(project, "TS_1") is S.KILLED
    (told,) = [one for one in project.log.events(kind="state") if one.becomes == S.KILLED]
    assert told.batch == one.id


def test_kill_of_another_process_of_that_number_does_not_happen(
    project: Project, control: Control, stubborn: subprocess.Popen[bytes]
) -> None:
    add(project, "TS_1.mrc")
    control.start()
    one = begin(project, "TS_1", stubborn.pid)
    with project.store.write() as db:
        db.execute("UPDATE batch SET birth = 'another:1' WHERE id = ?", (one.id,))
    control.kill()
    assert len(group_of(stubborn.pid)) == 2
    assert state(project, "TS_1") is S.KILLED


def test_kill_of_some(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc", "TS_3.mrc")
    control.start()
    begin(project, "TS_1")
    begin(project, "TS_2")
    killed = control.kill(["TS_1", "TS_3"])
    assert {one.name for one in killed} == {"TS_1", "TS_3"}
    assert [state(project, f"TS_{n}") for n in (1, 2, 3)] == [S.KILLED, S.RUNNING, S.KILLED]
    assert wanted(project) is RunState.RUNNING
    with pytest.raises(TomolineError) as caught:
        control.kill(["TS_1"])
    assert caught.value.code == "QUEUE-07"


def test_kill_of_two_batches_of_one_data_set_loses_nothing(
    project: Project, control: Control
) -> None:
    add(project, "TS_1.mrc")
    control.start()
    begin(project, "TS_1")
    control.start(["TS_1"], last="align")
    control.kill(["TS_1"])
    assert control.resume().names == ["TS_1"]
    (one,) = project.queue.batches()
    assert (one.state, one.first, one.last) == (S.WAITING, "", "")


def test_a_pause_does_not_take_back_a_kill(
    project: Project, control: Control, runner: NoRunner
) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc")
    control.start()
    first, second = begin(project, "TS_1"), begin(project, "TS_2")
    runner.pid = 1
    control.kill(["TS_1"], wait=False)
    control.pause(at_step=True)
    found = [batch(project.store, one.id) for one in (first, second)]
    assert [one.wanted for one in found if one is not None] == ["kill", "pause"]


def test_kill_does_not_wait_if_it_need_not(
    project: Project, control: Control, runner: NoRunner
) -> None:
    add(project, "TS_1.mrc")
    control.start()
    begin(project, "TS_1")
    runner.pid = 1
    control.kill(wait=False)
    assert state(project, "TS_1") is S.RUNNING  # the runner does it


def test_what_is_still_being_killed_is_not_passed_over_by_a_resume(
    project: Project, control: Control, runner: NoRunner
) -> None:
    add(project, "TS_1.mrc")
    control.start()
    one = begin(project, "TS_1")
    control.kill(wait=False)
    with pytest.raises(TomolineError, match="it is just being killed") as caught:
        control.resume()
    assert caught.value.code == "QUEUE-07"
    assert wanted(project) is RunState.STOPPED
    assert runner.started == 2  # to see it to its end
    end(project, one, S.KILLED)
    assert control.resume().names == ["TS_1"]


def test_a_run_that_is_asked_for_while_a_kill_goes_on_comes_behind_it(
    project: Project, control: Control
) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc")
    control.start()
    one = begin(project, "TS_1")
    begin(project, "TS_2")
    control.kill(["TS_1"], wait=False)
    started = control.start()
    assert (len(started.batches), started.names, started.already) == (1, ["TS_1"], ["TS_2"])
    end(project, one, S.KILLED)
    assert state(project, "TS_1") is S.WAITING


def test_recover_starts_a_runner_that_is_gone_and_tells(
    project: Project, control: Control, runner: NoRunner
) -> None:
    assert control.recover() == []
    add(project, "TS_1.mrc", "TS_2.mrc")
    control.start()
    assert runner.started == 1
    with project.store.write() as db:
        db.execute(
            "UPDATE run SET pid = 4194304, birth = 'boot:1', host = ?, seen = 0",
            (socket.gethostname(),),
        )
    begin(project, "TS_1")
    with project.store.write() as db:
        db.execute("UPDATE batch SET step = 'align' WHERE state = 'running'")
    (notice,) = control.recover()
    assert notice.code == "QUEUE-08"
    assert "P1 TS_1 (align)" in notice.found
    assert "1970-01-01 00:00:00 UTC" in notice.found
    assert runner.started == 2
    assert project.log.events(kind="run", level="warning")[-1].code == "QUEUE-08"
    runner.pid = 77
    assert control.recover() == []
    assert runner.started == 2


def test_recover_tells_once_of_a_disk_that_is_full(
    project: Project, control: Control, runner: NoRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    monkeypatch.setattr("tomoline.queue.recovery.is_full", lambda folder: full)
    assert control.recover() == []  # nothing is to be run
    add(project, "TS_1.mrc")
    control.start()
    runner.pid = 77
    assert [notice.code for notice in control.recover()] == ["FILE-08"]
    assert control.recover() == []
    full = False
    assert control.recover() == []
    full = True
    assert [notice.code for notice in control.recover()] == ["FILE-08"]


def test_recover_leaves_alone_what_is_stopped_or_paused(
    project: Project, control: Control, runner: NoRunner
) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc")
    control.start()
    control.pause()
    assert control.recover() == []
    control.kill()
    assert control.recover() == []
    assert runner.started == 1


def test_another_machine_has_the_project(
    project: Project, control: Control, runner: NoRunner
) -> None:
    add(project, "TS_1.mrc")
    control.start()
    begin(project, "TS_1")
    with project.store.write() as db:
        db.execute("UPDATE run SET pid = 5, birth = 'otherboot:1', host = 'elsewhere'")
    for call in (control.recover, control.start, control.pause, control.kill, control.resume):
        with pytest.raises(TomolineError, match="elsewhere") as caught:
            call()
        assert caught.value.code == "PROJ-07"
    control.resume(take_over=True)
    assert runner.started == 2
    assert control.recover() == []


def test_what_another_machine_has_ended_is_free(
    project: Project, control: Control, runner: NoRunner
) -> None:
    add(project, "TS_1.mrc")
    with project.store.write() as db:
        db.execute("UPDATE run SET host = 'elsewhere', birth = 'otherboot:1'")
    control.start()
    assert runner.started == 1


def test_a_watched_folder_brings_a_runner_back_that_is_gone(
    project: Project, control: Control, runner: NoRunner, tmp_path: Path
) -> None:
    with project.store.write() as db:
        db.execute(
            "INSERT INTO watch (folder, recipe, began) VALUES (?, 'tilt', 0)", (str(tmp_path),)
        )
        db.execute("UPDATE run SET pid = 4194304, birth = 'boot:1'")
    assert [notice.code for notice in control.recover()] == ["QUEUE-08"]
    assert runner.started == 1


def test_a_machine_that_was_renamed_is_still_the_same(
    project: Project, control: Control, runner: NoRunner
) -> None:
    add(project, "TS_1.mrc")
    control.start()
    with project.store.write() as db:
        db.execute("UPDATE run SET pid = 5, birth = ?, host = 'before'", (birth_of(os.getpid()),))
    assert [notice.code for notice in control.recover()] == ["QUEUE-08"]


def test_status_is_a_document(project: Project, control: Control) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc", "TS_3.mrc")
    control.start()
    end(project, begin(project, "TS_1"), S.FAILED)
    begin(project, "TS_2")
    document = json.loads(json.dumps(control.status().document()))
    assert document["counts"]["waiting"] == 1
    assert document["counts"]["dropped"] == 0
    assert [one["name"] for one in document["running"]] == ["TS_2"]
    assert [one["name"] for one in document["failed"]] == ["TS_1"]
    assert document["wanted"] == "running"
    assert document["runner"] is None


def test_what_a_later_batch_has_made_good_is_told_no_more(
    project: Project, control: Control
) -> None:
    add(project, "TS_1.mrc", "TS_2.mrc", "TS_3.mrc")
    control.start()
    end(project, begin(project, "TS_1"), S.FAILED)
    end(project, begin(project, "TS_2"), S.FAILED)
    end(project, begin(project, "TS_3"), S.KILLED)
    status = control.status()
    assert (len(status.failed), status.to_retry, status.to_resume) == (2, 2, 1)
    control.start(["TS_1", "TS_3"])
    end(project, begin(project, "TS_1"), S.FINISHED)
    end(project, begin(project, "TS_3"), S.FINISHED)
    status = control.status()
    assert [one.name for one in status.failed] == ["TS_2"]
    assert (status.to_retry, status.to_resume) == (1, 0)
    assert status.counts["failed"] == 2
