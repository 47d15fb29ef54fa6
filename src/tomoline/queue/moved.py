"""A project whose folder was moved or copied: its paths follow."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.queue.store_faults import FILE

LEAVES_S = 3.0
"""How long a runner may take to notice that its project's folder was moved."""
PLACE = "folder"
"""Where the store keeps the project's folder: as it was called, and without links."""


def follow_folder(db: sqlite3.Connection, folder: Path, lock: Path) -> None:
    """Write down where a project is; where it was elsewhere before, let its paths follow.

    What lay in the project's folder, or beside it and is no longer there, is looked for at the
    same place as seen from the new folder. A copy does not go on with the run of its original.

    Parameters
    ----------
    db : sqlite3.Connection
        Of the store.
    folder : Path
        Where it is now.
    lock : Path
        The file that the project's runner has locked as long as it lives.

    Raises
    ------
    TomolineError
        PROJ-19 where its runner is at work in the former place, as seen there: the folder was not
        moved, but mounted here as well, say in a container.
    """
    real = os.path.realpath(folder)
    row = db.execute("SELECT value FROM meta WHERE key = ?", (PLACE,)).fetchone()
    before: list[str] = json.loads(row[0]) if row else []
    if before and (before[1] == real or _same(before[1], real)):
        return
    if before and not _is_left(lock):
        found = f"its runner is at work, and knows it as {before[0]}."
        raise errors.project.OTHER_PLACE.error(folder, found)
    db.execute("BEGIN IMMEDIATE")  # whatever breaks, the store is closed, and nothing has changed
    if before:
        _follow(db, before, str(folder), copied=os.path.exists(os.path.join(before[1], FILE)))
    place = _json([str(folder), real])
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (PLACE, place))
    db.execute("COMMIT")


def _is_left(lock: Path) -> bool:
    """Whether no runner has the lock; one whose folder was moved away ends within a moment."""
    try:
        file = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    until = time.monotonic() + LEAVES_S
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.05)
            else:
                return True
    finally:
        os.close(file)


def _same(one: str, other: str) -> bool:
    """Whether two folders, say two mounts of one disk, hold the same store."""
    try:
        return os.path.samefile(os.path.join(one, FILE), os.path.join(other, FILE))
    except OSError:
        return False


def _follow(db: sqlite3.Connection, before: list[str], now: str, *, copied: bool) -> None:
    moved = _Moved(before, now)
    row = db.execute("SELECT value FROM meta WHERE key = 'setting.deliver'").fetchone()
    if row and row[0] and (deliver := moved.path(row[0])) != row[0]:
        moved.former.append((row[0], deliver))
        db.execute("UPDATE meta SET value = ? WHERE key = 'setting.deliver'", (deliver,))
    for column in ("source", "source_b", "folder"):
        rows = db.execute(f"SELECT id, {column} FROM data_set WHERE {column} != ''").fetchall()
        changes = [(path, row[0]) for row in rows if (path := moved.path(row[1])) != row[1]]
        db.executemany(f"UPDATE data_set SET {column} = ? WHERE id = ?", changes)
    _follow_watches(db, moved)
    for table, column, key in (
        ("data_set", "given", "id"),
        ("data_set", "given_b", "id"),
        ("layer", "given", "name"),
    ):
        for number, text in db.execute(f"SELECT {key}, {column} FROM {table}").fetchall():
            # Of many thousands only those that can hold a path are read.
            if '"/' in text and moved.follow(given := json.loads(text)):
                db.execute(
                    f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (_json(given), number)
                )
    # What runs is known by its job files, which have moved too; a copy's have nobody.
    db.execute("UPDATE run SET pid = NULL, birth = ''")
    db.execute("UPDATE batch SET pid = NULL, birth = '' WHERE state = 'running'")
    if copied:
        db.execute("UPDATE run SET wanted = 'stopped'")
        db.execute("UPDATE watch SET active = 0")
        db.execute("UPDATE schedule SET state = 'stopped' WHERE state = 'running'")
    what = "copied" if copied else "moved"
    db.execute(
        "INSERT INTO event (time, level, kind, message) VALUES (?, 'warning', 'project', ?)",
        (time.time(), f"{what} from {before[0]} to {now}; paths follow"),
    )


def _follow_watches(db: sqlite3.Connection, moved: _Moved) -> None:
    from tomoline.queue.watches import origin_of  # which imports the store itself

    for watch, folder, text in db.execute("SELECT id, folder, settings FROM watch").fetchall():
        if (there := moved.path(folder)) != folder:
            db.execute("UPDATE watch SET folder = ? WHERE id = ?", (there, watch))
            origins = (origin_of(there), origin_of(folder))
            db.execute("UPDATE batch SET origin = ? WHERE origin = ?", origins)
            moved.former.append((folder, there))  # with what is missing there just now
        settings = json.loads(text)
        if moved.follow(settings.get("values", {})):
            db.execute("UPDATE watch SET settings = ? WHERE id = ?", (_json(settings), watch))
    for watch, path in db.execute("SELECT watch, path FROM seen").fetchall():
        if (there := moved.path(path)) != path:
            db.execute(
                "UPDATE seen SET path = ? WHERE watch = ? AND path = ?", (there, watch, path)
            )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Moved:
    """Tells where a path is after the project has moved."""

    def __init__(self, before: list[str], now: str) -> None:
        self.former = [(one, now) for one in dict.fromkeys(before)]
        self._before = before[0]
        self._now = now

    def path(self, path: str) -> str:
        """Return where a file or folder is now."""
        for inside in self._inside(path):
            return inside
        if os.path.lexists(path):
            return path
        beside = os.path.normpath(os.path.join(self._now, os.path.relpath(path, self._before)))
        return beside if os.path.lexists(beside) else path

    def follow(self, given: dict[str, Any]) -> bool:
        """Change parameters that are files which have moved; tell whether there were any."""
        changed = False
        for key, (value, where) in given.items():
            if isinstance(value, str) and os.path.isabs(value):
                given[key] = [self.path(value), where]
                changed = changed or given[key][0] != value
        return changed

    def _inside(self, path: str) -> Iterator[str]:
        for folder, now in self.former:
            if path == folder or path.startswith(f"{folder.rstrip('/')}/"):
                yield now + path[len(folder.rstrip("/")) :]
