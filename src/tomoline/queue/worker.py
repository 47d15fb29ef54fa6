"""The process of a batch: ``python -m tomoline.queue.worker JOB.json``.

It opens no database. What it has to know stands in the job file; what happens goes to the event
file (see `tomoline.queue.job`), from which the runner reads it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import Faults, Notice, TomolineError
from tomoline.interruption import stop_quietly
from tomoline.queue.claim import take
from tomoline.queue.job import EventWriter, Job
from tomoline.queue.process import birth_of

FINISHED, FAILED, PAUSED = 0, 1, 3
"""Exit codes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job that is named; do nothing if it was taken back or has a worker."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    path = Path(name)
    claim = take(path)
    if claim is None:
        return FINISHED
    try:
        return run_job(path)
    finally:
        os.close(claim)


def run_job(path: Path) -> int:
    """Run a job to its end, and write how it ended.

    Returns
    -------
    int
        `FINISHED`, `FAILED` or `PAUSED`.
    """
    try:
        stop_quietly(signal.SIGTERM, again=False)
        job = Job.read(path)
        events = Events(Path(job.events))
    except TomolineError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    with events:
        events.write("started", pid=os.getpid(), birth=birth_of(os.getpid()))
        try:
            from tomoline.queue.worker_parts import run_parts

            run_parts(job, events)
        except TomolineError as error:
            ending = _ending(error, job)
        except (KeyboardInterrupt, SystemExit):
            ending = _ending(errors.running.INTERRUPTED.error(job.name, "it was told to end."), job)
        except MemoryError:
            ending = _ending(errors.running.OUT_OF_MEMORY.error(job.name, "no memory left."), job)
        except Exception as error:
            traceback.print_exc()  # to the file that keeps what this process prints
            found = f"{type(error).__name__}: {error} (details in {path.with_suffix('.out')})."
            ending = _ending(errors.running.INTERNAL.error(job.name, found), job)
        else:
            ending = {"state": "finished"}
        events.write_last("ended", **ending)
    return {"finished": FINISHED, "failed": FAILED, "paused": PAUSED}[ending["state"]]


def _ending(error: TomolineError, job: Job) -> dict[str, Any]:
    """Return the facts of an ``ended`` event for what ended the job."""
    from tomoline.queue.transient import is_transient

    found = error.found
    if isinstance(error, Faults) and len(error.faults) > 1:
        rest = "; ".join(f"{one.code} {one.where}: {one.found}" for one in error.faults[1:6])
        found = f"{found} And {len(error.faults) - 1} more: {rest}"
    return {
        "state": "paused" if error.kind is errors.running.STOPPED else "failed",
        "code": error.code,
        "where": error.where,
        "found": found,
        "remedy": error.remedy,
        "transient": is_transient(error, job),
        "memory": error.kind in (errors.running.NO_MEMORY, errors.running.OUT_OF_MEMORY),
    }


class Events:
    """Writes events; a full disk delays them, and costs the less important ones."""

    def __init__(self, path: Path) -> None:
        self._writer = EventWriter(path)

    def __enter__(self) -> Events:
        """Use it in a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._writer.close()

    def write(self, event: str, **facts: Any) -> None:
        """Write an event, or do without it."""
        try:
            self._writer.write(event, **facts)
        except OSError:
            pass  # what it tells stands in the data set's log and record, too

    def write_last(self, event: str, **facts: Any) -> None:
        """Write the event that must arrive; wait for room if there is none."""
        for _ in range(60):
            try:
                self._writer.write(event, **facts)
            except OSError:
                time.sleep(1.0)
            else:
                return

    def warn(self, notice: Notice, step: str = "") -> None:
        """Write a warning."""
        self.write(
            "warning",
            step=step,
            code=notice.code,
            where=notice.where,
            found=notice.found,
            remedy=notice.remedy,
        )


if __name__ == "__main__":
    faulthandler.enable()
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All files are closed and on the disk. Taking the interpreter and its libraries apart would
    # take longer than many a step.
    os._exit(code)
