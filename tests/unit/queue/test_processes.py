"""Processes of batches: whose they are, what they are started with, when they are gone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import wait_for

from tomoline import errors
from tomoline.queue.halting import ended_all
from tomoline.queue.job import Job
from tomoline.queue.job_files import JobFiles
from tomoline.queue.killing import UNSEEN, Group, _set_aside, wait_until_killed
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.process import birth_of, group_of, is_alive
from tomoline.queue.processors import SystemLauncher, SystemWorker
from tomoline.queue.project import Project
from tomoline.queue.rows import batch, change_state

S = BatchState
# It ends when nobody talks to it any more, and leaves a child behind; both refuse to be ended.
# They hold a lock, as a worker does.
PARENT = """
import fcntl, os, signal, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if not os.fork():
    time.sleep(60)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """The file that the parent and its child have locked."""
    return tmp_path / "lock"


@pytest.fixture
def parent(lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child, which leads a group of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


@pytest.fixture
def project(queued: Project) -> Project:
    return queued


def begin(project: Project, pid: int | None, attempt: int = 1) -> Batch:
    """Let the batch run, as a runner does."""
    (one,) = project.queue.batches()
    birth = birth_of(pid) if pid else ""
    change_state(project.store, one, S.RUNNING, "begins", pid=pid, birth=birth, attempt=attempt)
    return now(project)


def job_of(project: Project) -> Path:
    """Return the path of the batch's job file."""
    jobs = project.store.work / "jobs"
    jobs.mkdir(exist_ok=True)
    return jobs / "1-1.json"


def now(project: Project) -> Batch:
    found = batch(project.store, 1)
    assert found is not None
    return found


def test_a_process_that_has_got_the_number_since_is_left_alone(
    parent: subprocess.Popen[bytes],
) -> None:
    stranger = SystemWorker(parent.pid, "boot:1")
    stranger.terminate()
    stranger.kill()
    time.sleep(0.1)
    assert len(group_of(parent.pid)) == 2
    own = SystemLauncher().attach(parent.pid, birth_of(parent.pid))
    own.kill()
    assert parent.wait(10) == -9
    assert not own.alive()


def test_a_process_that_nobody_has_waited_for_is_gone() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        birth = birth_of(process.pid)
        assert is_alive(process.pid, birth)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(process.pid, birth)


def test_a_kill_ends_what_a_process_has_left_behind(
    project: Project, parent: subprocess.Popen[bytes], lock: Path
) -> None:
    one = begin(project, parent.pid)
    os.link(lock, job_of(project))
    assert parent.stdin is not None
    parent.stdin.close()
    parent.wait(10)
    assert len(group_of(parent.pid)) == 1
    wait_until_killed(project.store, [one], lambda store: None)
    assert group_of(parent.pid) == []
    assert now(project).state is S.KILLED


def test_a_kill_ends_what_outlives_a_worker_that_obeys(project: Project) -> None:
    """Say a program that the worker has started, which knows nothing of its lock."""
    text = "trap '' TERM; sleep 60 & trap - TERM; echo ready; wait"
    with subprocess.Popen(
        ["/bin/sh", "-c", text], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        one = begin(project, process.pid)
        assert len(group_of(process.pid)) == 2
        wait_until_killed(project.store, [one], lambda store: None)
        assert group_of(process.pid) == []
        assert now(project).state is S.KILLED


def test_a_number_that_is_anothers_here_is_not_a_worker_that_cannot_be_seen(
    project: Project, parent: subprocess.Popen[bytes], lock: Path
) -> None:
    os.link(lock, job_of(project))
    group = Group(JobFiles(job_of(project).with_suffix("")))
    assert group.pids(parent.pid, "boot:1") == [UNSEEN]
    assert len(group.pids(parent.pid, birth_of(parent.pid))) == 2


@pytest.mark.parametrize("is_full", [False, True])
def test_a_group_that_has_got_the_number_since_is_left_alone(
    project: Project, parent: subprocess.Popen[bytes], is_full: bool
) -> None:
    """Say after the machine was started anew; its leader has ended, so that no birth tells."""
    assert parent.stdin is not None
    parent.stdin.close()
    parent.wait(10)
    one = begin(project, parent.pid)
    with project.store.write() as db:
        db.execute("UPDATE batch SET birth = 'boot:1'")
    job = job_of(project)
    job.write_text('{"name": "TS"}')
    started = {"event": "started", "pid": parent.pid, "birth": "boot:1"}
    job.with_suffix(".events").write_text(json.dumps(started) + "\n")
    if is_full:
        full = errors.files.DISK_FULL.error(project.store.path, "The disk is full.")
        assert "Nothing ran." in ended_all(full).found
    else:
        wait_until_killed(project.store, [replace(one, birth="boot:1")], lambda store: None)
        assert now(project).state is S.KILLED
    assert len(group_of(parent.pid)) == 1


def test_a_kill_waits_for_processes_that_the_runner_has_written_off(
    project: Project, parent: subprocess.Popen[bytes]
) -> None:
    one = begin(project, parent.pid)
    change_state(project.store, one, S.KILLED, "killed")
    wait_until_killed(project.store, [one], lambda store: 1)
    assert group_of(parent.pid) == []


def test_what_a_runner_has_begun_just_now_is_not_set_aside(
    project: Project, parent: subprocess.Popen[bytes]
) -> None:
    one = begin(project, parent.pid, attempt=2)
    before = replace(one, pid=None, birth="")  # as it was before the runner wrote its number
    _set_aside(project.store, before)
    assert now(project).state is S.RUNNING
    os.killpg(parent.pid, 9)
    parent.wait(10)
    wait_for(lambda: group_of(parent.pid) == [])
    _set_aside(project.store, replace(one, attempt=1))
    assert now(project).state is S.RUNNING
    _set_aside(project.store, before)
    assert now(project).state is S.KILLED


def test_what_has_finished_before_it_was_killed_has_finished(project: Project) -> None:
    one = begin(project, None)
    jobs = project.store.work / "jobs"
    jobs.mkdir(exist_ok=True)
    (jobs / "1-1.events").write_text('{"event": "ended", "state": "finished"}\n')
    wait_until_killed(project.store, [one], lambda store: None)
    assert now(project).state is S.FINISHED


@pytest.mark.parametrize(("asked", "found"), [("", "3 3 3"), ("5", "5 3 3")])
def test_libraries_get_as_many_threads_as_the_batch_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, found: str
) -> None:
    program = tmp_path / "program"
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    program.write_text(f"#!/bin/sh\necho {' '.join(f'${name}' for name in variables)}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))
    for name in variables:
        monkeypatch.delenv(name, raising=False)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    job = Job(1, 1, "TS", "tilt", [], "", "", [], "", 3, 1 << 30, "", "")
    worker = SystemLauncher().start(tmp_path / "1-1.json", job)
    wait_for(lambda: worker.returncode is not None)
    assert (tmp_path / "1-1.out").read_text().strip() == found


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_kill_that_cannot_be_written_down_ends_what_the_job_files_name(
    project: Project, parent: subprocess.Popen[bytes], is_ours: bool
) -> None:
    birth = birth_of(parent.pid) if is_ours else "boot:1"
    jobs = project.store.work / "jobs"
    jobs.mkdir(exist_ok=True)
    (jobs / "1-1.json").write_text('{"name": "TS"}')
    started = {"event": "started", "pid": parent.pid, "birth": birth}
    (jobs / "1-1.events").write_text(json.dumps(started) + "\n")
    full = errors.files.DISK_FULL.error(project.store.path, "The disk is full.")
    told = ended_all(full).found
    if is_ours:
        assert group_of(parent.pid) == []
        assert "Ended all the same" in told
        assert told.endswith(": TS. The kill is not written down yet.")
    else:
        assert len(group_of(parent.pid)) == 2
        assert "Nothing ran." in told
