"""Who works on an attempt of a batch: whoever holds the lock of its job file.

A runner can die between writing down that a batch runs and learning the process that runs it. The
next runner then has to know whether there is such a process, or will be: it may just be starting.
So a worker locks its job file before anything else, and goes on only if the file still has its
name; and a runner that finds the lock free takes the file away while it holds the lock. One of the
two comes first: either the worker runs and is found, or it never does.
"""

from __future__ import annotations

import fcntl
import os
from enum import Enum, auto
from pathlib import Path

from tomoline.queue.job import read_events


class Claim(Enum):
    """What a runner found when it wanted to take a job back."""

    HELD = auto()
    """A worker has it."""
    VOID = auto()
    """No worker had it, and none will."""


def take(job_path: Path) -> int | None:
    """Lock a job file for this process, as its worker.

    Returns
    -------
    int or None
        The open file, to be kept open; None if the job was taken back, or has a worker.
    """
    try:
        file = _locked(job_path)
    except FileNotFoundError:
        return None
    if file is not None and os.fstat(file).st_nlink == 0:  # taken back while it was opened
        os.close(file)
        return None
    return file


def take_back(job_path: Path) -> Claim:
    """Take a job back, so that no worker can begin it any more, unless one has it."""
    try:
        file = _locked(job_path)
    except FileNotFoundError:
        return Claim.VOID
    if file is None:
        return Claim.HELD
    try:
        job_path.unlink(missing_ok=True)
    finally:
        os.close(file)
    return Claim.VOID


def _locked(job_path: Path) -> int | None:
    """Open a job file and lock it; None while somebody else has locked it."""
    file = os.open(job_path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except BaseException:
        os.close(file)
        raise
    return file


def is_held(path: Path) -> bool:
    """Whether a process, wherever it can be seen, has locked a file; the file stays as it is."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def holder(job_path: Path, events: Path) -> tuple[int, str] | None:
    """Return pid and birth of the worker that holds a job; None if it has not told them yet.

    Only who holds the job writes its events, so what they say of him is true.
    """
    found, _ = read_events(events, 0) if job_path.exists() else ([], 0)
    for event in found:
        if event["event"] == "started":
            return int(event["pid"]), str(event["birth"])
    return None
