"""Noticing that the runner is gone that was to go on, or that another machine has the project."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.queue.listing import SERVED
from tomoline.queue.model import EventKind, RunState
from tomoline.queue.rows import BATCHES, running_batches, to_batch, wanted_of
from tomoline.queue.store import Store
from tomoline.queue.store_faults import UNWRITABLE, is_full
from tomoline.queue.words import utc_text
from tomoline.workflow.boot import boot_id

NAMED = 8
"""How many batches a notice names."""


def recover(
    store: Store, alive: Callable[[Store], int | None], ensure: Callable[[Store], int]
) -> list[Notice]:
    """Start the runner again where it was to go on and is gone, and tell what it was doing.

    It costs two queries and a look at a process and at the disk when all is well, so that every
    command can do it. Where the store is opened to look, what cannot be written down is told.
    """
    try:
        if store.trouble is not None:
            raise store.trouble
        return _recover(store, alive, ensure)
    except TomolineError as error:
        if not store.looking or error.kind not in UNWRITABLE:
            raise
        return _only_told(store, alive, error)


def _recover(
    store: Store, alive: Callable[[Store], int | None], ensure: Callable[[Store], int]
) -> list[Notice]:
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
    run = _to_go_on(store)
    if run is None:
        return notices
    refuse_other_host(store)
    if run["halted"] and run["wanted"] == RunState.RUNNING:
        _go_on_with_late(store)
    if alive(store) is not None:
        return notices + _no_room(store)
    if store.looking and is_full(store.folder):  # a runner would end at once
        raise errors.files.DISK_FULL.error(store.folder)
    if run["pid"] is not None and not notices:  # else it is just being started, or was killed
        gone = errors.queue.RUNNER_GONE.notice(store.folder, _what_was(store, run))
        notices.append(gone)
        with store.write():
            store.add_event(EventKind.RUN, gone.found, level="warning", code=gone.code)
    ensure(store)
    return notices


def _to_go_on(store: Store) -> sqlite3.Row | None:
    """Return the row of the run if a runner is to be at work, else None."""
    with store.read() as db:
        run: sqlite3.Row = db.execute(
            "SELECT *, EXISTS (SELECT 1 FROM batch WHERE state = 'running') AS busy,"
            f" EXISTS (SELECT 1 FROM batch WHERE state = 'paused') AS halted, {SERVED} AS served"
            " FROM run"
        ).fetchone()
    goes_on = run["wanted"] == RunState.RUNNING or run["busy"] or run["served"]
    return run if goes_on else None


def _only_told(
    store: Store, alive: Callable[[Store], int | None], trouble: TomolineError
) -> list[Notice]:
    """Tell what cannot be written down by who only looks, and cannot be begun again."""
    from tomoline.queue.permit import is_withdrawn

    run = _to_go_on(store)
    if run is not None:
        refuse_other_host(store)
    full = trouble.kind is errors.files.DISK_FULL
    found = "the project's disk is full" if full else trouble.found.rstrip(".")
    mend = "Free some space" if full else trouble.remedy.rstrip(".")
    notices = [
        trouble.kind.notice(
            store.folder,
            f"{found}; the project is only looked at, and nothing is written down.",
            f"{mend}, to do more.",
        )
    ]
    if is_withdrawn(store):
        notices.append(
            errors.queue.KILLED.notice(
                store.folder, "the run was killed; that is not written down yet.", f"{mend}."
            )
        )
        return notices
    if run is not None and run["pid"] is not None and alive(store) is None:
        notices.append(
            errors.queue.RUNNER_GONE.notice(
                store.folder,
                _what_was(store, run),
                f"{mend}: the next command starts it again then, and what it was running goes on.",
            )
        )
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


def _what_was(store: Store, run: sqlite3.Row) -> str:
    """Tell what a runner was doing that is gone."""
    running = running_batches(store)
    parts = [
        f"P{one.processor} {one.name}{f' ({one.step})' if one.step else ''}"
        for one in running[:NAMED]
    ]
    more = f" and {len(running) - NAMED} more" if len(running) > NAMED else ""
    what = f"it was running {', '.join(parts)}{more}" if parts else "nothing was being run"
    return f"last seen at {utc_text(run['seen'])}; {what}."


def start_runner(store: Store) -> int:
    """Start a runner where there is none; see `launch.ensure_runner`."""
    from tomoline.queue.launch import ensure_runner

    return ensure_runner(store)


def find_runner(store: Store) -> int | None:
    """Return the process id of the living runner, None where there is none."""
    from tomoline.queue.launch import runner_process

    return runner_process(store)
