"""Ending the processes of batches at once, with the runner or, where it is gone, without it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue import rows
from tomoline.queue.claim import Claim, holder, is_held, take_back
from tomoline.queue.ending import write_end
from tomoline.queue.job import read_events
from tomoline.queue.job_files import JobFiles
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.outcome import End
from tomoline.queue.process import GRACE_S, birth_of, group_of
from tomoline.queue.reach import shortened
from tomoline.queue.reading import store_events
from tomoline.queue.store import Store

UNWRITTEN_S = 1.3
"""How long the runner may take to write down what has ended; it may hang."""
GIVE_UP_S = 10.0
TURN_S = 0.02
UNSEEN = 1 << 30
"""Stands for a process that is there, but cannot be seen; more than Linux gives."""


class Group:
    """The processes of an attempt at a batch: its worker, and what that has started.

    Parameters
    ----------
    files : JobFiles
        Of the attempt.
    """

    def __init__(self, files: JobFiles) -> None:
        self._files = files
        self._known: dict[int, str] = {}

    def pids(self, leader: int | None, birth: str) -> list[int]:
        """Return the living processes; `UNSEEN` for one that is there but cannot be seen.

        Parameters
        ----------
        leader, birth : int or None, str
            The worker's, where they are known.
        """
        files = self._files
        if leader is None:
            # The runner died while it started the process; that tells in its files who it is.
            if take_back(files.job) is Claim.VOID:
                return []
            found = holder(files.job, files.events)
            if found is None:
                return [UNSEEN]  # there is one, and it will tell in a moment
            leader, birth = found
        now = birth_of(leader)
        group = group_of(leader)
        if now == birth or any(self._known.get(pid) == birth_of(pid) for pid in group):
            self._known |= {pid: birth_of(pid) for pid in group}
            return group
        # By now its number may be another's, since then or in another container: the lock of
        # the job is the truth. Those whom a worker has left behind keep it.
        if not is_held(files.job):
            return []
        return (group if not now else []) or [UNSEEN]


class _Hunt:
    """Batches that a face wants killed."""

    def __init__(self, store: Store, batches: Sequence[Batch]) -> None:
        self.left = list(batches)
        self._store = store
        self._groups = {one.id: Group(JobFiles.of(store, one.id, one.attempt)) for one in batches}
        self._told: set[int] = set()

    def pids(self, one: Batch) -> list[int]:
        """Return the living processes of a batch."""
        return self._groups[one.id].pids(one.pid, one.birth)

    def signal(self, *, refusable: bool) -> None:
        """Ask all processes to end, once, or end them."""
        for one in self.left:
            if refusable and one.id in self._told:
                continue
            for pid in self.pids(one):
                if pid == UNSEEN:
                    continue
                self._told.add(one.id)
                # It has ended meanwhile, or is somebody else's: then his runner does it.
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGTERM if refusable else signal.SIGKILL)

    def look(self) -> None:
        """Leave out what has ended, and is written down."""
        self.left = [one for one in self.left if self.pids(one) or _runs(self._store, one)]

    def write_down(self) -> None:
        """Write down what has ended."""
        try:
            for one in self.left:
                if not self.pids(one):
                    _set_aside(self._store, one)
        except TomolineError as error:
            names = shortened([one.name for one in self.left])
            found = f"{error.found} The end of {names} cannot be written down."
            raise error.kind.error(error.where, found, error.remedy) from error

    def refusal(self) -> TomolineError:
        """Return the error that tells what does not end."""
        one = self.left[0]
        pids = self.pids(one)
        if UNSEEN in pids:
            found = "its process holds its job, but cannot be seen from here"
            remedy = "It may run in another container: give the command there."
        elif pids:
            found = f"its processes {', '.join(map(str, pids))} live"
            remedy = "Look whose they are, and whether they wait for a disk ('ps'); kill again."
        else:
            found = "that it has ended cannot be written down"
            remedy = "Look whether the runner lives ('tomoline status'), and kill again."
        return errors.queue.WRONG_STATE.error(
            one.name, f"batch {one.id} does not end: {found}.", remedy
        )


def wait_until_killed(
    store: Store, batches: Sequence[Batch], alive: Callable[[Store], int | None]
) -> None:
    """Return when batches that a face wants killed have ended and their processes are gone.

    The runner ends them too, and writes it down. But it may hang, or be gone: so that it never
    takes long, this process ends them as well, and if need be writes it down.

    Raises
    ------
    TomolineError
        QUEUE-07 if processes cannot be ended; FILE-08 and the like if they are, but that cannot
        be written down, so that the store still says that they run.
    """
    began = time.monotonic()
    hunt = _Hunt(store, batches)
    while hunt.left:
        passed = time.monotonic() - began
        hunt.signal(refusable=passed <= GRACE_S)
        if passed > UNWRITTEN_S or alive(store) is None:
            hunt.write_down()
        hunt.look()
        if hunt.left and passed > GIVE_UP_S:
            raise hunt.refusal()
        if hunt.left:
            time.sleep(TURN_S)


def _runs(store: Store, one: Batch) -> bool:
    now = rows.batch(store, one.id)
    return now is not None and now.state is BatchState.RUNNING and now.attempt == one.attempt


def set_ended_aside(store: Store, batches: Sequence[Batch]) -> None:
    """Write down of batches that were killed, and have no processes, that they have ended."""
    _Hunt(store, batches).write_down()


def _set_aside(store: Store, one: Batch) -> None:
    """Write down that a batch was killed, unless its runner has just done so."""
    with store.write():
        now = rows.batch(store, one.id)
        if now is None or now.state is not BatchState.RUNNING or now.attempt != one.attempt:
            return
        files = JobFiles.of(store, now.id, now.attempt)
        if Group(files).pids(now.pid, now.birth):  # its pid has been written down just now
            return
        try:
            events, end = read_events(files.events, now.read_bytes)
        except OSError:  # as if it had ended without a word
            events, end = [], now.read_bytes
        last = next((event for event in events if event["event"] == "ended"), None)
        store_events(store, now, events, end)
        write_end(store, now, End(last, killed=True), time.time())
