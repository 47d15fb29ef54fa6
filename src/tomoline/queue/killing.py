"""Ending the processes of batches at once, with the runner or, where it is gone, without it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue import rows
from tomoline.queue.claim import Claim, holder, take_back
from tomoline.queue.ending import write_end
from tomoline.queue.job import read_events
from tomoline.queue.job_files import JobFiles
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.outcome import End
from tomoline.queue.process import birth_of
from tomoline.queue.reach import shortened
from tomoline.queue.reading import store_events
from tomoline.queue.store import Store
from tomoline.queue.store_faults import is_full

GRACE_S = 1.0
"""From the signal to end until the one that cannot be refused."""
UNWRITTEN_S = 1.7
"""How long the runner may take to write down what has ended, before the disk is looked at."""
GIVE_UP_S = 10.0
TURN_S = 0.02


def group_of(leader: int) -> list[int]:
    """Return the living processes of a process group."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return []  # the usual case, and much quicker than to look at all processes
    except PermissionError:
        pass  # somebody else's
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[2]) == leader and fields[0] not in "ZX":
            found.append(int(folder.name))
    return found


def members(store: Store, one: Batch) -> list[int]:
    """Return the living processes of a batch, none where its pid belongs to another by now."""
    pid, birth = one.pid, one.birth
    if pid is None:
        # The runner died while it started the process; that tells in its files who it is.
        files = JobFiles.of(store, one.id, one.attempt)
        if take_back(files.job) is Claim.VOID:
            return []
        found = holder(files.job, files.events)
        if found is None:
            return [0]  # there is one, and it will tell in a moment
        pid, birth = found
    return group_of_birth(pid, birth)


def group_of_birth(leader: int, birth: str) -> list[int]:
    """Return the living processes of a group, none where its leader's pid is another's by now."""
    # While a group has members, its number is not given to a new process.
    return group_of(leader) if birth_of(leader) in ("", birth) else []


def send(store: Store, one: Batch, number: signal.Signals) -> bool:
    """Send a signal to all processes of a batch; tell whether there was any."""
    found = [pid for pid in members(store, one) if pid]
    for pid in found:
        # It has ended meanwhile, or is somebody else's: then his runner does it.
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return bool(found)


def wait_until_killed(
    store: Store, batches: Sequence[Batch], alive: Callable[[Store], int | None]
) -> None:
    """Return when batches that a face wants killed have ended and their processes are gone.

    The runner ends them too, and writes it down. But it may hang, or be gone: so that it never
    takes long, this process ends them as well, and without a runner writes it down.

    Raises
    ------
    TomolineError
        QUEUE-07 if processes cannot be ended; FILE-08 if they are, but the disk is full, so that
        the store still says that they run.
    """
    began = time.monotonic()
    left = list(batches)
    told: set[int] = set()
    while left:
        passed = time.monotonic() - began
        for one in left:
            if passed > GRACE_S:
                send(store, one, signal.SIGKILL)
            elif one.id not in told and send(store, one, signal.SIGTERM):
                told.add(one.id)
        runner = alive(store)
        if runner is None:
            set_ended_aside(store, left)
        left = [one for one in left if members(store, one) or _runs(store, one)]
        if left and passed > UNWRITTEN_S and runner is not None and is_full(store.folder):
            _refuse_full(store, left)
        if left and passed > GIVE_UP_S:
            raise errors.queue.WRONG_STATE.error(
                left[0].name,
                f"batch {left[0].id} does not end; its processes {members(store, left[0])} live.",
                "Look whether the runner lives ('tomoline status'), and kill again.",
            )
        if left:
            time.sleep(TURN_S)


def _runs(store: Store, one: Batch) -> bool:
    now = rows.batch(store, one.id)
    return now is not None and now.state is BatchState.RUNNING and now.attempt == one.attempt


def _refuse_full(store: Store, left: Sequence[Batch]) -> None:
    """Say that what was killed has ended, but that the runner has no room to write it down."""
    if not any(members(store, one) for one in left):
        raise errors.files.DISK_FULL.error(
            store.path,
            f"The disk is full, so that the end of {shortened([one.name for one in left])} cannot "
            "be written down.",
        )


def set_ended_aside(store: Store, batches: Sequence[Batch]) -> None:
    """Write down of batches that were killed, and have no processes, that they have ended."""
    for one in batches:
        if not members(store, one):
            _set_aside(store, one)


def _set_aside(store: Store, one: Batch) -> None:
    """Write down that a batch was killed, unless a runner that has come back did so."""
    now = rows.batch(store, one.id)
    if now is None or now.state is not BatchState.RUNNING or now.attempt != one.attempt:
        return
    if members(store, now):  # its pid has been written down just now
        return
    files = JobFiles.of(store, now.id, now.attempt)
    try:
        events, end = read_events(files.events, now.read_bytes)
    except OSError:  # as if it had ended without a word
        events, end = [], now.read_bytes
    last = next((event for event in events if event["event"] == "ended"), None)
    try:
        with store.write():
            store_events(store, now, events, end)
            write_end(store, now, End(last, killed=True), time.time())
    except TomolineError as error:
        if error.kind is not errors.queue.WRONG_STATE:
            raise
