"""Runner and batches are killed at random moments of a real run; nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from command import content, succeed, tomoline
from night import GOLD, make_series

from tomoline.queue.launch import runner_process
from tomoline.queue.log import explain_states
from tomoline.queue.model import BatchState
from tomoline.queue.project import Project

KILLS = 50
SERIES = 4
PATIENCE_S = 240.0


def victims(project: Project) -> dict[str, list[int]]:
    """Return the processes of a project's run that there are to kill."""
    running = project.queue.batches(states=[BatchState.RUNNING])
    runner = runner_process(project.store)
    return {
        "runner": [runner] if runner else [],
        "batch": [one.pid for one in running if one.pid],
    }


@pytest.mark.slow
def test_killed_at_fifty_random_moments(tmp_path: Path) -> None:
    series = [make_series(tmp_path / "raw", f"TS_{number}", number) for number in range(SERIES)]
    for one in series:
        succeed("run", one, "--set", GOLD, "--deliver", tmp_path / "alone", "--threads", "1")
    folder = tmp_path / "project"
    succeed("project", "new", folder)
    succeed("project", "set", "-p", folder, "--set", GOLD)
    succeed("project", "add", "-p", folder, *series)
    rng = np.random.default_rng(50)
    with Project.open(folder) as project:
        # Batches that die are tried again at once, as often as this test kills them.
        project.store.set_setting("retries", str(10 * KILLS))
        project.store.set_setting("retry_waits_s", "0.1")
        succeed("run", folder, "--processors", "2", "--threads", "1", "--detach")
        killed = {"runner": 0, "batch": 0}
        while sum(killed.values()) < KILLS:
            time.sleep(rng.uniform(0.0, 1.2))
            kind = "runner" if rng.random() < 0.4 else "batch"
            there = victims(project)
            for pid in there[kind] if rng.random() < 0.5 else there[kind][:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed[kind] += 1
            if not any(there.values()) or rng.random() < 0.1:  # all done: begin again
                succeed("reset", "-p", folder, "--remove-results", "--yes") if not any(
                    victims(project).values()
                ) else None
                tomoline("run", folder, "--processors", "2", "--threads", "1", "--detach")
            succeed("status", "-p", folder)  # any command notices a runner that is gone
        assert killed["runner"] >= KILLS // 5
        assert killed["batch"] >= KILLS // 5

        deadline = time.monotonic() + PATIENCE_S
        while any(victims(project).values()) or project.queue.counts().get(BatchState.WAITING):
            assert time.monotonic() < deadline, succeed("status", "-p", folder).stdout
            time.sleep(0.3)
        latest = project.queue.latest()
        assert [one.state for one in latest.values()] == [BatchState.FINISHED] * SERIES
        explained = explain_states(project.log.events(kind="state"))
        for batch in project.queue.batches():
            assert explained[batch.id] == batch.state
    for one in series:
        assert content(folder / one.stem) == content(tmp_path / "alone" / one.stem)
