"""Ending the processes of batches at once, with the runner or, where it is gone, without it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue import rows
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.process import birth_of
from tomoline.queue.store import Store

GRACE_S = 1.0
"""From the signal to end until the one that cannot be refused."""
STUCK_S = 1.4
"""A runner that has not killed by then is helped."""
GIVE_UP_S = 10.0
TURN_S = 0.02


def group_of(leader: int) -> list[int]:
    """Return the living processes of a process group."""
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


def members(one: Batch) -> list[int]:
    """Return the living processes of a batch, none where its pid belongs to another by now."""
    if one.pid is None:
        return []
    # While a group has members, its number is not given to a new process.
    if birth_of(one.pid) not in ("", one.birth):
        return []
    return group_of(one.pid)


def send(one: Batch, number: signal.Signals) -> None:
    """Send a signal to all processes of a batch."""
    if one.pid is not None and members(one):
        try:
            os.killpg(one.pid, number)
        except ProcessLookupError:
            pass  # they have ended meanwhile


def wait_until_killed(
    store: Store, batches: Sequence[Batch], alive: Callable[[Store], int | None]
) -> None:
    """Return when batches that a face wants killed have ended and their processes are gone.

    A living runner does it, and is helped where it does not come to it; without a runner this
    process does all of it.

    Raises
    ------
    TomolineError
        QUEUE-07 if processes cannot be ended.
    """
    began = time.monotonic()
    left = list(batches)
    told = False
    while left:
        passed = time.monotonic() - began
        runner = alive(store)
        if runner is None and not told:
            _send_all(left, signal.SIGTERM)
            told = True
        if passed > (STUCK_S if runner is not None else GRACE_S):
            _send_all(left, signal.SIGKILL)
        if runner is None:
            for one in left:
                if not members(one):
                    _set_aside(store, one)
        left = [one for one in left if members(one) or _runs(store, one)]
        if left and passed > GIVE_UP_S:
            raise errors.queue.WRONG_STATE.error(
                left[0].name,
                f"its batch {left[0].id} does not end; processes {members(left[0])} are left.",
                "Look whether the runner lives ('tomoline status'), and kill again.",
            )
        if left:
            time.sleep(TURN_S)


def _send_all(batches: Sequence[Batch], number: signal.Signals) -> None:
    for one in batches:
        send(one, number)


def _runs(store: Store, one: Batch) -> bool:
    now = rows.batch(store, one.id)
    return now is not None and now.state is BatchState.RUNNING and now.attempt == one.attempt


def _set_aside(store: Store, one: Batch) -> None:
    """Write down that a batch was killed, unless a runner that has come back did so."""
    now = rows.batch(store, one.id)
    if now is None or now.state is not BatchState.RUNNING or now.pid != one.pid:
        return
    try:
        rows.change_state(
            store, now, BatchState.KILLED, "killed", level="warning", code=errors.queue.KILLED.code
        )
    except TomolineError:
        return
