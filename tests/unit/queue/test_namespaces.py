"""One project from two containers: pids mean nothing there, locks do."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from processes import in_another_namespace

from tomoline.queue.claim import is_held, take
from tomoline.queue.job_files import JobFiles
from tomoline.queue.launch import lock_project, runner_process, sign_lock
from tomoline.queue.model import BatchState
from tomoline.queue.process import birth_of
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state
from tomoline.queue.store import Store

S = BatchState
KILL = """
import sys
from pathlib import Path
from tomoline.errors import TomolineError
from tomoline.queue import killing
from tomoline.queue.control import Control
from tomoline.queue.project import Project
killing.GIVE_UP_S = 0.3
with Project.open(Path(sys.argv[1])) as project:
    try:
        Control(project.store).kill()
    except TomolineError as error:
        print(error)
"""
FIND = """
import sys
from pathlib import Path
from tomoline.queue.launch import runner_process
from tomoline.queue.store import Store
with Store.open(Path(sys.argv[1])) as store:
    print(runner_process(store))
"""


def apart(text: str, folder: Path) -> str:
    """Run Python where none of our processes is seen."""
    command = [*in_another_namespace(), sys.executable, "-c", text, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_what_cannot_be_seen_is_not_told_as_killed(tmp_path: Path) -> None:
    """There is no runner any more; the worker is this process."""
    (tmp_path / "TS.mrc").touch()
    with Project.create(tmp_path / "night") as project:
        project.queue.add(project.data_sets.add([tmp_path / "TS.mrc"]))
        (one,) = project.queue.batches()
        words = {"pid": os.getpid(), "birth": birth_of(os.getpid())}
        change_state(project.store, one, S.RUNNING, "begins", **words)
        job = JobFiles.of(project.store, one.id, one.attempt).job
        job.parent.mkdir()
        job.touch()
        held = take(job)
        assert held is not None
        told = apart(KILL, project.folder)
        assert told.startswith("QUEUE-07: TS: ")
        assert "cannot be seen from here" in told
        (one,) = project.queue.batches()
        assert (one.state, one.wanted) == (S.RUNNING, "kill")
        os.close(held)
        assert apart(KILL, project.folder) == ""  # now it is over, whatever its number
        (one,) = project.queue.batches()
        assert one.state is S.KILLED


def test_a_runner_that_cannot_be_seen_is_known_by_its_lock(tmp_path: Path) -> None:
    with Store.create(tmp_path / "night") as store:
        lock = lock_project(store)
        assert lock is not None
        with store.write() as db:
            words = (os.getpid(), birth_of(os.getpid()))
            db.execute("UPDATE run SET pid = ?, birth = ?", words)
        assert runner_process(store) == os.getpid()
        assert apart(FIND, store.folder) == "None"  # another may have the lock by now
        sign_lock(lock)
        assert apart(FIND, store.folder) == str(os.getpid())
        os.close(lock)
        assert apart(FIND, store.folder) == "None"


def test_those_who_look_at_a_lock_do_not_take_each_other_for_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with path.open("w") as first:
        fcntl.flock(first, fcntl.LOCK_SH)
        assert not is_held(path)
        fcntl.flock(first, fcntl.LOCK_EX)
        assert is_held(path)
