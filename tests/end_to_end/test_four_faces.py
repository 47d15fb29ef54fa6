"""Four faces at once do what they like with a real run: no batch is lost, none runs twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import restless_face
from command import succeed
from night import GOLD, make_series
from processes import processes_left, processes_of
from restless_face import LAST, NAMES

from tomoline.errors import TomolineError
from tomoline.queue.log import explain_states
from tomoline.queue.model import LIVE, BatchState
from tomoline.queue.project import Project

FACES = 4
SECONDS = float(os.environ.get("TOMOLINE_FACES_S", "10"))
PATIENCE_S = 300.0


def check(project: Project) -> None:
    states = project.log.events(kind="state")
    explained = explain_states(states)
    for one in project.queue.batches(states=list(BatchState)):
        assert explained[one.id] == one.state
    # Had two processes worked on one data set at once, the second would have said RUN-06.
    assert "RUN-06" not in {one.code for one in states}


@pytest.mark.slow
def test_four_faces_at_once(tmp_path: Path) -> None:
    folder, raw = tmp_path / "project", tmp_path / "raw"
    for number in range(3):
        make_series(raw, f"TS_{number}", number)
    (raw / "short.mrc").write_bytes((raw / "TS_0.mrc").read_bytes()[:100_000])
    (raw / "short.rawtlt").write_bytes((raw / "TS_0.rawtlt").read_bytes())
    succeed("project", "new", folder)
    succeed("project", "set", "-p", folder, "--set", GOLD)
    seed = random.SystemRandom().randrange(10**6)
    face = [sys.executable, restless_face.__file__, str(folder), str(raw)]
    faces = [
        subprocess.Popen(
            [*face, str(seed + number), str(SECONDS)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(FACES)
    ]
    told = [one.communicate(timeout=SECONDS + PATIENCE_S)[1] for one in faces]
    assert [one.returncode for one in faces] == [0] * FACES, (seed, told)
    with Project.open(folder) as project:
        check(project)
        project.control.kill()
        assert not [one for one in processes_of(folder) if "worker" in one], seed
        project.data_sets.add([raw / f"{name}.mrc" for name in NAMES])
        with suppress(TomolineError):  # there may be nothing to resume
            project.control.resume()
        project.control.start(last=LAST)
        until = time.monotonic() + PATIENCE_S
        while project.queue.batches(states=LIVE) or processes_of(folder):
            assert time.monotonic() < until, (seed, project.control.status())
            time.sleep(0.1)
        check(project)
        ended = {one.name: one.state for one in project.queue.latest().values()}
        assert ended == {
            name: BatchState.FAILED if name == "short" else BatchState.FINISHED for name in NAMES
        }, seed
    assert processes_left(folder) == []
