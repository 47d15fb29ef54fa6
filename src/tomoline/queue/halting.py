"""Ending a run whose store cannot be written: its disk is full, or may only be read by now.

What is wanted cannot reach the runner then, so a kill ends it, and all that it has started, from
here. Who they are stands in the files of the lock and of the jobs, whatever the store can tell.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.claim import Claim, holder, take_back
from tomoline.queue.job_files import FOLDER, JobFiles
from tomoline.queue.killing import TURN_S, UNSEEN, Group
from tomoline.queue.launch import lock_holder
from tomoline.queue.permit import withdraw_permit
from tomoline.queue.process import GRACE_S, is_alive
from tomoline.queue.reach import shortened
from tomoline.queue.store import WORK
from tomoline.queue.store_faults import FILE

MENDED = {
    errors.files.DISK_FULL: "Free some space",
    errors.files.NOT_WRITABLE: "Let the disk be written again",
    errors.project.READ_ONLY: "Let the project's folder be written again",
    errors.project.DAMAGED: "Put a backup of the store in its place",
    errors.project.HELD: "End the program that holds the store",
}
"""Why a store cannot be written, and what to do about it."""
LONGEST_S = 5.0
RUNNER = "the runner"
KILL_ALL = "'tomoline kill' without names ends the whole run even so: finished steps are kept."


@dataclass(frozen=True)
class _Process:
    """A process to be ended, with all of its group that can be seen, if it leads one of ours."""

    name: str
    leader: int
    pids: tuple[int, ...]


def pointed_to_kill(error: TomolineError) -> TomolineError:
    """Return an error with the remedy that a kill works even so, if that is its kind.

    Whatever else is asked for cannot be kept where nothing can be written.
    """
    if error.kind not in MENDED:
        return error
    remedy = f"{MENDED[error.kind]}, and try again. Or: {KILL_ALL}"
    return error.kind.error(error.where, error.found, remedy)


def ended_all(error: TomolineError) -> TomolineError:
    """End a run whose kill could not be written down, and return the error that tells about it.

    Parameters
    ----------
    error : TomolineError
        What was in the way. One that says nothing about the store is returned as it is.
    """
    folder = _folder_of(error)
    if folder is None:
        return error
    began = time.monotonic()
    kept = withdraw_permit(folder)
    ended, left = _end(folder, began)
    took = f"{time.monotonic() - began:.1f} s"
    told = [f"Ended all the same, in {took}: {shortened(ended)}." if ended else "Nothing ran."]
    if left:
        told.append(f"Not ended, maybe another user's or in another container: {shortened(left)}.")
    told.append("The kill is not written down yet.")
    then = (
        "the next command writes the kill down, and 'tomoline resume' goes on."
        if kept
        else "'tomoline kill' again, before any other command: that would start the run again."
    )
    return error.kind.error(
        error.where, f"{error.found} {' '.join(told)}", f"{MENDED[error.kind]}; then {then}"
    )


def _folder_of(error: TomolineError) -> Path | None:
    """Return the folder of the project whose store an error is about."""
    if error.kind not in MENDED:
        return None
    where = Path(error.where)
    with suppress(OSError):
        return next((one for one in (where, *where.parents) if (one / FILE).is_file()), None)
    return None


def _end(folder: Path, began: float) -> tuple[list[str], list[str]]:
    """End runner and workers; return the names of those that ended, and of those that live on."""
    ended: dict[str, None] = {}
    told: set[int] = set()
    groups: dict[Path, Group] = {}
    while True:
        living = _living(folder, groups)
        passed = time.monotonic() - began
        if not living or passed > LONGEST_S:
            left = [f"{one.name} (process {one.leader or 'unknown'})" for one in living]
            gone = [name for name in ended if name not in {one.name for one in living}]
            return sorted(gone, key=lambda name: name == RUNNER), left
        for one in living:
            ended[one.name] = None
            if passed > GRACE_S:
                _send(one, signal.SIGKILL)
            elif one.leader not in told:
                _send(one, signal.SIGTERM)
                told.add(one.leader)
        time.sleep(TURN_S)


def _living(folder: Path, groups: dict[Path, Group]) -> list[_Process]:
    """Return what works for a project, the runner first: it could start another."""
    found = []
    runner = lock_holder(folder)
    if runner is not None:
        # Only itself: what it has begun to send or to run for people may come to its end.
        seen: tuple[int, ...] = (runner[0],) if is_alive(*runner) else ()
        found.append(_Process(RUNNER, runner[0], seen))
    for job in sorted((folder / WORK / FOLDER).glob("*.json")):
        files = JobFiles(job.with_suffix(""))
        worker = holder(job, files.events)
        if worker is not None:
            pids = groups.setdefault(job, Group(files)).pids(*worker)
            if pids:
                seen = tuple(pid for pid in pids if pid != UNSEEN)
                found.append(_Process(_name_of(job), worker[0], seen))
        elif _has_worker(job):  # that will tell in a moment who it is
            found.append(_Process(_name_of(job), 0, ()))
    return found


def _has_worker(job: Path) -> bool:
    """Whether a job has a worker; if not, it will have none any more."""
    try:
        return take_back(job) is Claim.HELD
    except OSError:  # a file system that may only be read
        return False


def _name_of(job: Path) -> str:
    """Return the data set of a job."""
    try:
        return str(json.loads(job.read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return job.stem


def _send(one: _Process, number: signal.Signals) -> None:
    for pid in one.pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
