"""Processes of batches that a test controls: they write real job locks and real event files."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tomoline.queue.claim import take
from tomoline.queue.job import EventWriter, Job

STEPS = ("setup", "align", "reconstruct")


class RunnerDied(BaseException):
    """The runner dies here; nothing in it may catch this."""


class FakeWorker:
    """The process of a batch, as far as a runner can see it."""

    def __init__(self, pid: int, job_path: Path, job: Job) -> None:
        self.pid = pid
        self.birth = f"fake:{pid}"
        self.job = job
        self.attached = False
        """Found again by a later runner, which cannot know how it ends."""
        self._ended: int | None = None
        self.stubborn = False
        """Does not end when it is asked to."""
        self.signals: list[str] = []
        self.ended_as = ""
        """What it has told of its end."""
        self._job_path = job_path
        self._claim: int | None = None
        self._events: EventWriter | None = None

    def begin(self) -> None:
        """Do what a worker does first: take the job, or end if that cannot be."""
        if self._ended is not None or self._claim is not None:
            return
        self._claim = take(self._job_path)
        if self._claim is None:
            self._ended = 0
            return
        self._events = EventWriter(Path(self.job.events))
        self.tell("started", pid=self.pid, birth=self.birth)

    @property
    def returncode(self) -> int | None:
        """How it ended, where the runner can know that."""
        return None if self.attached else self._ended

    @property
    def works(self) -> bool:
        """Whether it has taken its job and has not ended."""
        return self._claim is not None and self._ended is None

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._ended is None

    def tell(self, event: str, **facts: Any) -> None:
        """Write an event."""
        assert self._events is not None
        self._events.write(event, **facts)

    def step(self, name: str, *, axis: str = "") -> None:
        """Run a step."""
        common = {"axis": axis, "step": name, "seconds": 1.0}
        self.tell("step", state="starts", reason="not run yet", **common)
        self.tell("progress", axis=axis, step=name, label="pieces", done=1, total=2)
        self.tell("step", state="finished", reason="", **common)

    def stop_asked(self) -> bool:
        """Whether it is to stop between two steps."""
        return Path(self.job.stop).exists()

    def finish(self) -> None:
        """End well."""
        self._end(0, state="finished")

    def pause(self) -> None:
        """Stop between two steps."""
        self._end(3, state="paused", code="RUN-10", found="told to stop before align.")

    def fail(self, code: str = "ALIGN-01", **facts: Any) -> None:
        """End with an error."""
        common = {"code": code, "where": "here", "found": "something.", "remedy": "Do it."}
        self._end(1, **(common | {"state": "failed", "transient": False, "memory": False} | facts))

    def die(self, returncode: int = -signal.SIGKILL) -> None:
        """End without a word."""
        self._ended = returncode
        if self._events is not None:
            self._events.close()
            self._events = None
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def terminate(self) -> None:
        """Be asked to end."""
        self.signals.append("TERM")
        if self._events is None:
            self.die(-signal.SIGTERM)
        elif not self.stubborn and self.alive():
            self.fail("RUN-07")

    def kill(self) -> None:
        """Be ended."""
        self.signals.append("KILL")
        self.die()

    def _end(self, returncode: int, **facts: Any) -> None:
        self.tell("ended", **facts)
        self.ended_as = facts["state"]
        self.die(returncode)


class FakeLauncher:
    """Starts fake workers, and sees to it that no data set is ever worked on twice at once.

    Attributes
    ----------
    workers : list of FakeWorker
        All that were started, in order.
    before, after : callable or None
        Called when a process is about to be started, and when it is but nobody knows it yet; may
        raise `RunnerDied`, or OSError.
    slow : bool
        Whether workers begin only when the test says so.
    """

    def __init__(self) -> None:
        self.workers: list[FakeWorker] = []
        self.before: Callable[[], None] | None = None
        self.after: Callable[[], None] | None = None
        self.slow = False
        self._pids = itertools.count(5_000_001)  # more than Linux gives

    def start(self, job_path: Path, job: Job) -> FakeWorker:
        """Start a worker."""
        if self.before is not None:
            self.before()
        worker = FakeWorker(next(self._pids), job_path, job)
        self.workers.append(worker)
        if not self.slow:
            worker.begin()
        self.check()
        if self.after is not None:
            self.after()
        return worker

    def attach(self, pid: int, birth: str) -> FakeWorker:
        """Return the worker of that pid and birth."""
        found = next((one for one in self.workers if (one.pid, one.birth) == (pid, birth)), None)
        if found is None:
            raise AssertionError(f"there never was a process {pid} born {birth}")
        found.attached = True
        return found

    @property
    def living(self) -> list[FakeWorker]:
        """Workers that have taken a job and have not ended."""
        return [one for one in self.workers if one.works]

    def of(self, name: str) -> FakeWorker:
        """Return the latest worker of a data set."""
        return [one for one in self.workers if one.job.name == name][-1]

    def check(self) -> None:
        """See to it that no data set is worked on twice."""
        names = [one.job.name for one in self.living]
        assert len(names) == len(set(names)), f"two processes of one data set: {names}"

    def die_all(self) -> None:
        """End all workers without a word, as when the machine stops."""
        for worker in self.workers:
            if worker.alive():
                worker.die()
