"""The folders that a project watches, and what was seen there.

A watch looks at its folder again and again (`queue.watching.service`), and queues acquisitions as
they become complete. It asks the file system each time: network file systems tell nobody of changes
that another machine made.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.queue.listing import state_is
from tomoline.queue.model import LIVE, EventKind, RunState
from tomoline.queue.store import Store, to_json
from tomoline.queue.watch_settings import Settings, check_settings


@dataclass(frozen=True)
class Watch:
    """A folder that is, or was, watched."""

    id: int
    folder: Path
    recipe: str
    active: bool
    on_top: bool
    settings: Settings
    began: float
    looked: float


@dataclass(frozen=True)
class Seen:
    """What a watch knows of an acquisition.

    Attributes
    ----------
    path : Path
        Its main file, or its folder.
    state : str
        ``growing`` (it changes, or has not been the same for long enough), ``incomplete`` (what it
        needs is not there), ``taken``, ``away`` (its folder cannot be reached), ``gone`` (after it
        was taken), ``duplicate``.
    since : float
        It has been as it is since then.
    reason : str
        What it waits for, in words.
    data_set : int or None
        Number of the data set that it became.
    """

    path: Path
    state: str
    since: float
    reason: str
    data_set: int | None


class Watches:
    """The watches of a project's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, folder: Path, recipe: str, *, on_top: bool = False, **settings: Any) -> int:
        """Watch a folder; one that was stopped goes on with what it had seen.

        Parameters
        ----------
        folder : Path
            It must be there.
        recipe : str
            ``tilt`` or ``scan``: what kind of acquisitions to take.
        on_top : bool
            Whether the newest acquisition is run first.
        **settings
            Fields of `Settings`.

        Returns
        -------
        int
            Number of the watch.

        Raises
        ------
        TomolineError
            WATCH-01 no such folder, WATCH-08 if it, one in it or one around it is watched,
            PARAM-06 unknown recipe or numbers that make no sense.
        """
        path = _checked(folder)
        chosen = Settings(**settings)
        check_settings(recipe, chosen)
        now = time.time()
        with self._store.write() as db:
            for other in self.all(active=True):
                _refuse_overlap(path, other.folder)
            row = db.execute("SELECT id, settings FROM watch WHERE folder = ?", (path,)).fetchone()
            if row is None:
                done = db.execute(
                    "INSERT INTO watch (folder, recipe, on_top, settings, began)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (path, recipe, on_top, to_json(asdict(chosen)), now),
                )
                number = int(done.lastrowid or 0)
            else:
                number = int(row["id"])
                before = _settings(row["settings"])
                chosen = replace(chosen, device=before.device, mounts=before.mounts)
                db.execute(
                    "UPDATE watch SET recipe = ?, active = 1, on_top = ?, settings = ?, began = ?"
                    " WHERE id = ?",
                    (recipe, on_top, to_json(asdict(chosen)), now, number),
                )
            self._store.add_event(
                EventKind.WATCH, f"watching {path} for acquisitions of recipe {recipe}", when=now
            )
        return number

    def begin(self, ensure: Callable[[Store], int] | None = None) -> int:
        """Have the runner look, and run what is found; a run that is paused stays so.

        Parameters
        ----------
        ensure : callable, optional
            Starts a runner where there is none; by default `launch.ensure_runner`.

        Returns
        -------
        int
            Number of the last event of the log before that.

        Raises
        ------
        TomolineError
            PROJ-07 where another machine runs the project, QUEUE-09 if the runner does not start.
        """
        from tomoline.queue.asking import go_on
        from tomoline.queue.log import Log
        from tomoline.queue.recovery import refuse_other_host, start_runner
        from tomoline.queue.rows import wanted_of

        refuse_other_host(self._store)
        with self._store.write() as db:
            last = Log(self._store).last()
            if wanted_of(self._store) is not RunState.PAUSED:
                go_on(db, None, None, None)
        (ensure or start_runner)(self._store)
        return last

    def stop(self, folder: Path) -> tuple[int, RunState]:
        """Stop watching a folder; what it has queued stays, and it remembers what it saw.

        Returns
        -------
        int, RunState
            How many of the batches that it has queued have not ended, and whether they are run.

        Raises
        ------
        TomolineError
            WATCH-03 if it is not watched.
        """
        path = os.path.abspath(folder)
        with self._store.write() as db:
            done = db.execute(
                "UPDATE watch SET active = 0 WHERE folder = ? AND active = 1", (path,)
            )
            if done.rowcount != 1:
                watched = ", ".join(str(one.folder) for one in self.all(active=True))
                raise errors.watch.NO_WATCH.error(
                    path, f"this project watches {watched}." if watched else "nothing is watched."
                )
            self._store.add_event(EventKind.WATCH, f"no longer watching {path}")
            row = db.execute(
                "SELECT (SELECT count(*) FROM batch WHERE origin = ?"
                f" AND {state_is(LIVE)}), wanted FROM run",
                (origin_of(path),),
            ).fetchone()
        return int(row[0]), RunState(row[1])

    def all(self, *, active: bool | None = None) -> list[Watch]:
        """Return the watches, in the order in which they were made; active ones, or the others."""
        with self._store.read() as db:
            rows = db.execute("SELECT * FROM watch ORDER BY id").fetchall()
        found = [_watch(row) for row in rows]
        return [one for one in found if active is None or one.active == active]

    def seen(self, watch: Watch, *, states: tuple[str, ...] = (), limit: int = 0) -> list[Seen]:
        """Return what a watch has seen, in these states if any are given, by path.

        With a limit so many of them, and those that wait first.
        """
        order = "state IN ('taken', 'gone'), path LIMIT ?" if limit else "path LIMIT ?"
        with self._store.read() as db:
            rows = db.execute(
                "SELECT path, state, since, reason, data_set FROM seen WHERE watch = ?"
                f" AND (? OR state IN ({','.join('?' * len(states))})) ORDER BY {order}",
                (watch.id, not states, *states, limit or -1),
            ).fetchall()
        return [Seen(Path(row[0]), *row[1:]) for row in rows]

    def counts(self, watch: Watch) -> dict[str, int]:
        """Return how many acquisitions a watch has seen in each state."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT state, count(*) FROM seen WHERE watch = ? GROUP BY state", (watch.id,)
            ).fetchall()
        return {row[0]: row[1] for row in rows}


def origin_of(folder: Path | str) -> str:
    """Return what the batches of a watched folder have as their origin."""
    return f"watch {folder}"


def _watch(row: sqlite3.Row) -> Watch:
    return Watch(
        id=row["id"],
        folder=Path(row["folder"]),
        recipe=row["recipe"],
        active=bool(row["active"]),
        on_top=bool(row["on_top"]),
        settings=_settings(row["settings"]),
        began=row["began"],
        looked=row["looked"],
    )


def _settings(text: str) -> Settings:
    return Settings(**json.loads(text))


def _checked(folder: Path) -> str:
    path = os.path.abspath(folder)
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="backslashreplace").decode()
        raise errors.watch.NO_FOLDER.error(shown, "its name is not UTF-8.") from None
    if not os.path.isdir(path):
        found = "it is a file." if os.path.exists(path) else "it does not exist."
        raise errors.watch.NO_FOLDER.error(path, found)
    return path


def _refuse_overlap(path: str, other: Path) -> None:
    new, old = os.path.realpath(path), os.path.realpath(other)
    if new == old:
        raise errors.watch.WATCHED_TWICE.error(path, "this project watches it.")
    if os.path.commonpath([new, old]) in (new, old):
        inside = "it lies in" if new.startswith(old) else "it holds"
        raise errors.watch.WATCHED_TWICE.error(
            path,
            f"{inside} {other}, which this project watches.",
            f"Stop that one first: 'tomoline watch {other} --stop'.",
        )
