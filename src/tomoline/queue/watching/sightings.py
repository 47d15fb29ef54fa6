"""What a watch has seen, as the project's store keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, replace

from tomoline.errors import Notice
from tomoline.queue.model import DataSetEntry, EventKind
from tomoline.queue.rows import to_data_set
from tomoline.queue.store import Store, to_json
from tomoline.queue.watches import Watch
from tomoline.queue.watching.names import shown
from tomoline.queue.watching.settle import Row, SeenState

LOOKED_S = 60.0
"""Without news, the time of the last look is written so often."""


class Sightings:
    """Reads and writes for one watch.

    Parameters
    ----------
    store : Store
        Of the project.
    watch : Watch
        Whose sightings they are.
    """

    def __init__(self, store: Store, watch: Watch) -> None:
        self.store = store
        self.watch = watch
        self._wrote = False
        self._before: float | None = None

    def load(self) -> dict[str, Row]:
        """Return what the watch has seen, by path."""
        with self.store.read() as db:
            rows = db.execute("SELECT * FROM seen WHERE watch = ?", (self.watch.id,)).fetchall()
        return {row["path"]: _row(row) for row in rows}

    def save(self, rows: Mapping[str, Row | None]) -> None:
        """Write rows; None forgets one."""
        if not rows:
            return
        self._wrote = True
        with self.store.write() as db:
            db.executemany(
                "DELETE FROM seen WHERE watch = ? AND path = ?",
                [(self.watch.id, path) for path, row in rows.items() if row is None],
            )
            db.executemany(
                "INSERT OR REPLACE INTO seen (watch, path, state, mark, since, reason, data_set)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        self.watch.id,
                        path,
                        str(row.state),
                        f"{row.mark} {row.taken}",
                        row.since,
                        row.reason,
                        row.data_set,
                    )
                    for path, row in rows.items()
                    if row is not None
                ],
            )

    def looked(self, now: float, device: int, mounts: Mapping[str, int]) -> float:
        """Write when the folder was looked at, and on which file systems it lies.

        Without anything new this is written now and then only: each time the disk is waited for.

        Returns
        -------
        float
            What is written there now; it differs whenever a watcher has written anything else.
        """
        before = self.watch.looked if self._before is None else self._before
        settings = replace(self.watch.settings, device=device, mounts=dict(mounts))
        same = settings == self.watch.settings
        if same and not self._wrote and before <= now < before + LOOKED_S:
            return before
        now = now if now != before else now + 1e-3
        with self.store.write() as db:
            db.execute(
                "UPDATE watch SET looked = ?, settings = ? WHERE id = ?",
                (now, to_json(asdict(settings)), self.watch.id),
            )
        self.watch = replace(self.watch, settings=settings)
        return now

    def looked_at(self) -> float | None:
        """Return when the folder was looked at last; None if the watch has been stopped."""
        with self.store.read() as db:
            row = db.execute(
                "SELECT looked FROM watch WHERE id = ? AND active = 1", (self.watch.id,)
            ).fetchone()
        self._before = None if row is None else float(row[0])
        return self._before

    def tell(self, notice: Notice, now: float, *, data_set: str = "") -> None:
        """Write a warning to the project's log."""
        self._wrote = True
        where = f"{shown(notice.where)}: " if notice.where else ""
        self.store.add_event(
            EventKind.WATCH,
            f"{where}{shown(notice.found)}",
            level="warning",
            data_set=data_set,
            code=notice.code,
            when=now,
        )

    def by_name(self, name: str) -> DataSetEntry | None:
        """Return the data set of that name, if there is one."""
        with self.store.read() as db:
            row = db.execute("SELECT * FROM data_set WHERE name = ?", (name,)).fetchone()
        return to_data_set(row) if row else None

    def results_in(self, folder: str) -> set[str]:
        """Return the folders of results that are, or lie in, a folder."""
        with self.store.read() as db:
            rows = db.execute(
                "SELECT folder FROM data_set WHERE folder = ? OR (folder > ? AND folder < ?)",
                (folder, f"{folder}/", f"{folder}0"),  # 0 is next to /
            )
            return {row[0] for row in rows}


def _row(row: sqlite3.Row) -> Row:
    mark, _, taken = row["mark"].partition(" ")
    return Row(
        row["path"],
        SeenState(row["state"]),
        mark,
        taken,
        row["since"],
        row["reason"],
        row["data_set"],
    )
