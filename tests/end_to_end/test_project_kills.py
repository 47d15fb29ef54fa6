"""Runner and batches are killed at random moments of a real run; nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from command import content, succeed
from night import GOLD, make_series
from processes import processes_left
from waiting import wait_for

from tomoline.queue.launch import runner_process
from tomoline.queue.log import explain_states
from tomoline.queue.model import BatchState, EventKind
from tomoline.queue.project import Project

KILLS = 50
SERIES = 3
SEED = int(os.environ.get("TOMOLINE_KILLS_SEED", "50"))
PATIENCE_S = 600.0
DIED = "QUEUE-02"
MEANS = {"processors": 2, "threads": 1}


def victims(project: Project) -> dict[str, list[int]]:
    """Return the processes of a project's run that there are to kill."""
    running = project.queue.batches(states=[BatchState.RUNNING])
    runner = runner_process(project.store)
    return {
        "runner": [runner] if runner else [],
        "batch": [one.pid for one in running if one.pid],
    }


def is_done(project: Project) -> bool:
    counts = project.queue.counts()
    return not (counts[BatchState.WAITING] or counts[BatchState.RUNNING])


def check(project: Project, alone: Path) -> None:
    """See to it that all has ended well, and that the log tells so and nothing else."""
    latest = project.queue.latest().values()
    assert [one.state for one in latest] == [BatchState.FINISHED] * SERIES
    states = project.log.events(kind="state")
    explained = explain_states(states)
    for batch in project.queue.batches():
        assert explained[batch.id] == batch.state
    # Had two processes worked on one data set at once, the second would have said RUN-06.
    assert {one.code for one in states} <= {"", DIED}
    for batch in latest:
        assert content(project.folder / batch.name) == content(alone / batch.name)


def check_nothing_complete_ran_again(project: Project) -> None:
    """See to it that a step that had finished was not run again, except after a reset."""
    finished: set[tuple[str, str]] = set()
    for event in project.log.events():
        if event.kind == EventKind.PROJECT and event.message.startswith("reset"):
            finished = {one for one in finished if one[0] != event.data_set}
        if event.kind == EventKind.STEP:
            step = (event.data_set, event.step)
            if event.message.startswith("finished"):
                finished.add(step)
            assert step not in finished or not event.message.startswith("starts"), event


@pytest.mark.slow
def test_killed_at_fifty_random_moments(tmp_path: Path) -> None:
    alone, folder = tmp_path / "alone", tmp_path / "project"
    series = [make_series(tmp_path / "raw", f"TS_{number}", number) for number in range(SERIES)]
    for one in series:
        succeed("run", one, "--set", GOLD, "--deliver", alone, "--threads", "1")
    succeed("project", "new", folder)
    succeed("project", "set", "-p", folder, "--set", GOLD)
    succeed("project", "add", "-p", folder, *series)
    rng = np.random.default_rng(SEED)
    with Project.open(folder) as project:
        # Batches that die are tried again at once, as often as this test kills them.
        project.store.set_setting("retries", str(10 * KILLS))
        project.store.set_setting("retry_waits_s", "0.1")
        succeed("run", folder, "--processors", "2", "--threads", "1", "--detach")
        killed = {"runner": 0, "batch": 0}
        deadline = time.monotonic() + PATIENCE_S
        while sum(killed.values()) < KILLS or not is_done(project):
            assert time.monotonic() < deadline, project.control.status()
            more = sum(killed.values()) < KILLS
            time.sleep(rng.exponential(0.5) if more else 0.2)
            if more and is_done(project) and not victims(project)["runner"]:  # begin again
                check(project, alone)
                project.control.reset(remove_results=True)
                project.control.start(**MEANS)
            if more:
                kind = "runner" if rng.random() < 0.4 else "batch"
                there = victims(project)[kind]
                for pid in there if rng.random() < 0.5 else there[:1]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed[kind] += 1
            if not more or rng.random() < 0.7:  # else batches go on, or end, without a runner
                project.control.recover()  # as every command does
        left_s = deadline - time.monotonic()
        wait_for(lambda: runner_process(project.store) is None, patience_s=left_s)
        assert min(killed.values()) >= KILLS // 5, killed
        check(project, alone)
        check_nothing_complete_ran_again(project)
    assert processes_left(folder) == []
