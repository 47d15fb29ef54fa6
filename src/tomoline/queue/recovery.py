"""Noticing that the runner is gone that was to go on, or that another machine has the project."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Sequence

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.queue.listing import SERVED
from tomoline.queue.model import Batch, EventKind, RunState
from tomoline.queue.process import boot_id
from tomoline.queue.rows import BATCHES, running_batches, to_batch, wanted_of
from tomoline.queue.store import Store
from tomoline.queue.store_faults import is_full
from tomoline.queue.words import utc_text

NAMED = 8
"""How many batches a notice names."""


def recover(
    store: Store, alive: Callable[[Store], int | None], ensure: Callable[[Store], int]
) -> list[Notice]:
    """Start the runner again where it was to go on and is gone, and tell what it was doing.

    It costs two queries and a look at a process and at the disk when all is well, so that every
    command can do it.
    """
    from tomoline.queue.permit import is_withdrawn, write_down_kill

    notices = []
    if is_withdrawn(store):
        refuse_other_host(store)
        try:
            late = write_down_kill(store)
        except TomolineError as error:
            if error.kind is not errors.files.DISK_FULL:
                raise
            found = "the run was killed; that cannot be written down yet, since the disk is full."
            return [errors.queue.KILLED.notice(store.folder, found, "Free some space.")]
        notices += [late] if late is not None else []
    with store.read() as db:
        run = db.execute(
            "SELECT *, EXISTS (SELECT 1 FROM batch WHERE state = 'running') AS busy,"
            f" EXISTS (SELECT 1 FROM batch WHERE state = 'paused') AS halted, {SERVED} AS served"
            " FROM run"
        ).fetchone()
    if run["wanted"] != RunState.RUNNING and not run["busy"] and not run["served"]:
        return notices
    refuse_other_host(store)
    if run["halted"] and run["wanted"] == RunState.RUNNING:
        _go_on_with_late(store)
    if alive(store) is not None:
        return notices + _no_room(store)
    if run["pid"] is not None and not notices:  # else it is just being started, or was killed
        what = _what_was(run, running_batches(store))
        gone = errors.queue.RUNNER_GONE.notice(store.folder, f"{what}.")
        notices.append(gone)
        with store.write():
            store.add_event(EventKind.RUN, gone.found, level="warning", code=gone.code)
    ensure(store)
    return notices


def _no_room(store: Store) -> list[Notice]:
    """Tell that a run only seems to go on, where it is so: nothing can be written down."""
    if not is_full(store.folder):
        return []
    return [
        errors.files.DISK_FULL.notice(
            store.folder,
            "the project's disk is full, so that nothing can be written down and nothing begins.",
            "Free some space: the run goes on by itself then. 'tomoline kill' works even so.",
        )
    ]


def _go_on_with_late(store: Store) -> None:
    """Let batches go on that stopped at a step when the run had been resumed already."""
    from tomoline.queue.batches import Queue

    with store.write() as db:
        if wanted_of(store) is RunState.RUNNING:
            for row in db.execute(f"{BATCHES} WHERE batch.state = 'paused'").fetchall():
                Queue(store).wait_again(to_batch(row), "goes on, since the run goes on")


def refuse_other_host(store: Store) -> None:
    """Refuse to touch a run that another machine has, or had when it was last seen.

    Raises
    ------
    TomolineError
        PROJ-07.
    """
    with store.read() as db:
        run = db.execute(
            "SELECT *, EXISTS (SELECT 1 FROM batch WHERE state = 'running') AS busy FROM run"
        ).fetchone()
    host = run["host"]
    if not host or host == socket.gethostname():
        return
    if run["wanted"] == RunState.STOPPED and not run["busy"]:
        return
    # A machine may have been given another name since; its boot tells.
    if run["birth"].partition(":")[0] == boot_id():
        return
    raise errors.project.OTHER_HOST.error(
        store.folder,
        f"{host} runs it, seen last at {utc_text(run['seen'])}; this is another machine.",
    )


def take_over_from(store: Store) -> None:
    """Make the run this machine's; what ran there is found to have ended."""
    with store.write() as db:
        host = db.execute("SELECT host FROM run").fetchone()[0]
        db.execute("UPDATE run SET host = ?, pid = NULL, birth = ''", (socket.gethostname(),))
        if host and host != socket.gethostname():
            store.add_event(EventKind.RUN, f"taken over from {host}", level="warning")


def _what_was(run: sqlite3.Row, running: Sequence[Batch]) -> str:
    parts = [
        f"P{one.processor} {one.name}{f' ({one.step})' if one.step else ''}"
        for one in running[:NAMED]
    ]
    more = f" and {len(running) - NAMED} more" if len(running) > NAMED else ""
    what = f"it was running {', '.join(parts)}{more}" if parts else "nothing was being run"
    return f"last seen at {utc_text(run['seen'])}; {what}"


def start_runner(store: Store) -> int:
    """Start a runner where there is none; see `launch.ensure_runner`."""
    from tomoline.queue.launch import ensure_runner

    return ensure_runner(store)


def find_runner(store: Store) -> int | None:
    """Return the process id of the living runner, None where there is none."""
    from tomoline.queue.launch import runner_process

    return runner_process(store)
