"""A face that does what it likes with a project for some time: a program, to be run several times.

``python restless_face.py PROJECT RAW SEED SECONDS``; it imports little, to be quick to begin.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tomoline.errors import TomolineError
from tomoline.queue.project import Project

NAMES = ["TS_0", "TS_1", "TS_2", "short"]
LAST = "coarse_align"
# Not possible just now, or not in the queue, or its data set is just being run or has been removed.
REFUSED = {"QUEUE-05", "QUEUE-06", "QUEUE-07", "PROJ-08", "PROJ-10", "RUN-06"}


def act(project: Project, raw: Path, rng: random.Random) -> None:
    """Do what a person might do."""
    name = rng.choice(NAMES)
    control, queue = project.control, project.queue
    actions: list[Callable[[], object]] = [
        lambda: control.start(last=LAST),
        lambda: control.start([name], last=LAST),
        lambda: control.start([name], first="preprocess", last=LAST, any_step=True),
        lambda: control.pause(at_step=rng.random() < 0.5),
        control.kill,
        lambda: control.kill([name]),
        control.resume,
        control.resume,
        control.recover,
        lambda: control.reset([name], remove_results=rng.random() < 0.5),
        lambda: queue.move([name], rng.randint(1, 4)),
        lambda: queue.take_out([name]),
        queue.retry,
        lambda: project.data_sets.remove([name]),
        lambda: project.data_sets.add([raw / f"{name}.mrc"]),
        lambda: project.data_sets.add([raw / f"{name}.mrc"]),
        lambda: project.data_sets.set([name], {"coarse_align.binning": (rng.randint(1, 2), "")}),
    ]
    try:
        rng.choice(actions)()
    except TomolineError as error:
        codes = {one.code for one in getattr(error, "faults", [error])}
        if not codes <= REFUSED:
            raise


def be_a_face(folder: Path, raw: Path, seed: int, seconds: float) -> None:
    """Act for some time."""
    rng = random.Random(seed)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with Project.open(folder) as project:
            act(project, raw, rng)
        time.sleep(rng.expovariate(5.0))


if __name__ == "__main__":
    be_a_face(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
