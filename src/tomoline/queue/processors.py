"""Processes of batches: starting them, finding them again, ending them.

A worker leads a session of its own: what it starts ends with it, and closing a terminal, or the
end of the runner, does not touch it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from tomoline.queue.job import Job
from tomoline.queue.process import birth_of, is_alive

# Each library would start as many threads as there are cores, in every worker.
LIBRARY_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Worker(Protocol):
    """The process of a batch."""

    pid: int
    birth: str

    @property
    def returncode(self) -> int | None:
        """How it ended, as `subprocess` tells it; None while it lives, or where nobody knows."""

    def alive(self) -> bool:
        """Whether it is still there."""

    def terminate(self) -> None:
        """Ask it to end at once."""

    def kill(self) -> None:
        """End it."""


class Launcher(Protocol):
    """Where the processes of batches come from."""

    def start(self, job_path: Path, job: Job) -> Worker:
        """Start the process of a job."""

    def attach(self, pid: int, birth: str) -> Worker:
        """Return a process that another runner has started."""


class SystemWorker:
    """A process of this machine."""

    def __init__(
        self, pid: int, birth: str, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.pid = pid
        self.birth = birth
        self._process = process

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it lives, or if another runner has started it."""
        return None if self._process is None else self._process.poll()

    def alive(self) -> bool:
        """Whether it is still there."""
        if self._process is not None:
            return self._process.poll() is None
        return is_alive(self.pid, self.birth)

    def terminate(self) -> None:
        """Ask its whole group to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End its whole group."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self.alive():  # its number may be another's by now
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass  # it has just ended


class SystemLauncher:
    """Starts workers as processes of this machine."""

    def start(self, job_path: Path, job: Job) -> SystemWorker:
        """Start the process of a job; what it prints goes to ``JOB.out``."""
        threads = {name: str(job.threads) for name in LIBRARY_THREADS}
        with out_path(job_path).open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tomoline.queue.worker", str(job_path)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=threads | os.environ,
                start_new_session=True,
            )
        return SystemWorker(process.pid, birth_of(process.pid), process)

    def attach(self, pid: int, birth: str) -> SystemWorker:
        """Return a process that another runner has started."""
        return SystemWorker(pid, birth)


def out_path(job_path: Path) -> Path:
    """Return where a worker's own output goes, which is empty unless something is wrong."""
    return job_path.with_suffix(".out")
