"""The runner's permit: a file that a kill deletes where it cannot be written down.

Every runner makes it when it begins, and the store knows that. Where the store cannot be written,
because its disk is full, a file can still be deleted. So whoever finds that the file is gone knows
of a kill, writes it down as soon as there is room, and starts nothing again.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from tomoline import errors
from tomoline.errors import Notice
from tomoline.queue.model import EventKind, RunState
from tomoline.queue.rows import running_batches, wanted_of
from tomoline.queue.store import WORK, Store

PERMIT = "permit"


def give_permit(store: Store) -> None:
    """Make the file, as a runner that begins; without it, a kill cannot be kept in it."""
    with store.write() as db:
        try:
            (store.work / PERMIT).touch()
        except OSError:
            return
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, '1')", (PERMIT,))


def withdraw_permit(folder: Path) -> bool:
    """Delete the file of a project, and tell whether it is gone."""
    try:
        (folder / WORK / PERMIT).unlink(missing_ok=True)
    except OSError:  # a file system that may only be read
        return False
    return True


def is_withdrawn(store: Store) -> bool:
    """Whether somebody has deleted the file since a runner made it."""
    with store.read() as db:
        given = db.execute("SELECT 1 FROM meta WHERE key = ?", (PERMIT,)).fetchone()
    return given is not None and not os.path.lexists(store.work / PERMIT)


def overrule_kill(db: sqlite3.Connection) -> None:
    """Forget a kill that is not written down yet: what is asked for now is newer."""
    folder = Path(db.execute("PRAGMA database_list").fetchone()["file"]).parent
    if not os.path.lexists(folder / WORK / PERMIT):
        db.execute("DELETE FROM meta WHERE key = ?", (PERMIT,))


def write_down_kill(store: Store) -> Notice | None:
    """Write down a kill that could not be when it was asked for, if there is one.

    Returns
    -------
    Notice or None
        What to tell about it; None if there was none, or if nothing ran.
    """
    from tomoline.queue.killing import set_ended_aside
    from tomoline.queue.reach import shortened

    with store.write() as db:
        if not is_withdrawn(store):
            return None
        running = running_batches(store)
        before = wanted_of(store)
        db.execute("UPDATE run SET wanted = ?", (RunState.STOPPED,))
        db.execute("UPDATE batch SET wanted = 'kill' WHERE state = 'running'")
        overrule_kill(db)
        if before is RunState.STOPPED and not running:
            return None
        names = f": {shortened([one.name for one in running])}" if running else ""
        notice = errors.queue.KILLED.notice(
            store.folder,
            f"the run was killed when that could not be written down; it is now{names}.",
            "'tomoline resume' goes on from what is complete.",
        )
        store.add_event(EventKind.RUN, notice.found, level="warning", code=notice.code)
        set_ended_aside(store, running)
    return notice
