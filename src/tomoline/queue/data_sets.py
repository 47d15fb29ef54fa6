"""A project's table of data sets: what is in it, in which order, with which parameters."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.queue._acquisitions import Looked, read_paths
from tomoline.queue._adding import Table
from tomoline.queue._copying import copied_down
from tomoline.queue._lookup import Lookup
from tomoline.queue._many import without_collecting
from tomoline.queue._refused import refuse_running, refuse_single
from tomoline.queue.axes import stack_beside
from tomoline.queue.layers import Layers, as_values, told
from tomoline.queue.model import BatchState, DataSetEntry, EventKind
from tomoline.queue.rows import BATCHES, change_state, to_batch
from tomoline.queue.store import Store, to_json
from tomoline.queue.table_keys import BOXES


class DataSets(Lookup):
    """The table of data sets of a project's store."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.layers = Layers(store)

    def look(
        self,
        paths: Sequence[Path],
        *,
        name: str = "",
        recipe: str = "",
        folder: Path | None = None,
        pair: bool = True,
    ) -> Looked:
        """Look what paths are, for `add`, which has these parameters, too.

        Whoever adds in a transaction of their own looks before it begins: where the disk of the
        acquisitions does not answer, the project's store must not be held.
        """
        with without_collecting():
            return read_paths(paths, name=name, recipe=recipe, folder=folder, pair=pair)

    def add(
        self,
        paths: Sequence[Path] | Looked,
        *,
        name: str = "",
        recipe: str = "",
        folder: Path | None = None,
        values: Mapping[str, Any] | None = None,
        origin: str = "",
        pair: bool = True,
    ) -> list[DataSetEntry]:
        """Add acquisitions at the end of the table: all of them, or with a fault none.

        Stacks ROOTa and ROOTb become one data set, also where one of them is in the table already
        and nothing was run of it. A path that is in the table stays as it is.

        Parameters
        ----------
        paths : sequence of Path or Looked
            Files, folders of scans, or folders DIR/ROOT of earlier runs; or what `look` has found,
            which was told name, recipe, folder and pair then.
        name : str
            Name of the one data set that is added, in place of its file's; ``{folder}_{name}``
            names many.
        recipe : str
            Kind of acquisition; by default the file tells.
        folder : Path, optional
            Folder of results of the one data set that is added, or is there already.
        values : mapping, optional
            Parameters of their own, ``{"step.field": (value, where)}``.
        origin : str
            Who adds them, for the log.
        pair : bool
            False to keep stacks ROOTa and ROOTb apart.

        Returns
        -------
        list of DataSetEntry
            Theirs, in the order of the paths, also of those that were there.

        Raises
        ------
        Faults
            FILE-01 for files that are not there, PROJ-09 for names or folders that are taken,
            PARAM-06 for another name of one that is there.
        """
        looked = (
            paths
            if isinstance(paths, Looked)
            else self.look(paths, name=name, recipe=recipe, folder=folder, pair=pair)
        )
        with without_collecting():
            faults = list(looked.faults)
            own = as_values(values or {})
            with self.store.write() as db:
                table = Table(self.store, db)
                entries: list[DataSetEntry] = []
                for one in looked.found:
                    try:
                        entries += table.put(one, own, origin, looked.pair)
                    except TomolineError as fault:
                        faults.append(fault)
                if faults:  # which takes back what was inserted
                    raise Faults(faults)
                if looked.name or looked.folder:
                    names = {one.name for one in looked.found if looked.name}
                    entries = [
                        self._as_asked(db, table, one, names, looked.folder) for one in entries
                    ]
            return list({entry.id: entry for entry in entries}.values())

    def _as_asked(
        self,
        db: sqlite3.Connection,
        table: Table,
        entry: DataSetEntry,
        names: Collection[str],
        folder: Path | None,
    ) -> DataSetEntry:
        """Give a data set that was added, or was there, what was asked for it."""
        if names and entry.name not in names:
            text = f"{entry.source} is in the table already, as {entry.name}."
            raise Faults([errors.parameters.BAD_OPTION.error("--name", text)])
        if folder is None or folder == entry.folder:
            return entry
        refuse_running(db, [entry])
        return table.redirect(entry, folder)

    def remove(self, names: Sequence[str]) -> list[DataSetEntry]:
        """Take data sets out of the table, with their batches; their files stay.

        Raises
        ------
        TomolineError
            PROJ-08 for a name that is not there, PROJ-10 for one that is being run.
        """
        with self.store.write() as db:
            entries = self.entries(names)
            refuse_running(db, entries)
            for entry in entries:
                rows = db.execute(
                    f"{BATCHES} WHERE batch.data_set = ? AND batch.state != 'dropped'", (entry.id,)
                )
                for row in rows.fetchall():
                    change_state(
                        self.store, to_batch(row), BatchState.DROPPED, "its data set was removed"
                    )
                db.execute("DELETE FROM data_set WHERE id = ?", (entry.id,))
                self._tell(entry, "removed from the project")
        return entries

    def set(
        self,
        names: Sequence[str],
        values: Mapping[str, Any],
        *,
        unset: Sequence[str] = (),
        axis: str = "",
    ) -> None:
        """Set and unset parameters of data sets; one that runs takes them at its next start.

        Parameters
        ----------
        names : sequence of str
            Names or patterns.
        values : mapping
            ``{"step.field": (value, where)}``, valid and as JSON holds them.
        unset : sequence of str
            ``step.field``, which come from the layers below again.
        axis : str
            ``b`` for those of axis b alone.

        Raises
        ------
        TomolineError
            PROJ-08 for a name that is not there, PROJ-11 for axis b of one that has none.
        """
        column = "given_b" if axis == "b" else "given"
        changed = as_values(values)
        text = told(changed, unset) + (" of axis b" if axis == "b" else "")
        with self.store.write() as db:
            entries = self.entries(names)
            if axis == "b":
                refuse_single(entries)
            for entry in entries:
                present = self.given(entry, axis)
                for key in unset:
                    present.pop(key, None)
                present |= changed
                db.execute(
                    f"UPDATE data_set SET {column} = ? WHERE id = ?", (to_json(present), entry.id)
                )
                self._tell(entry, text)

    def set_run(self, names: Sequence[str], run: bool) -> None:
        """Set the run flag: whether a run of the whole project takes these data sets.

        Raises
        ------
        TomolineError
            PROJ-08 for a name that is not there.
        """
        with self.store.write() as db:
            for entry in self.entries(names):
                db.execute("UPDATE data_set SET run = ? WHERE id = ?", (int(run), entry.id))
                self._tell(entry, f"run flag {'set' if run else 'cleared'}")

    def set_dual(self, names: Sequence[str], dual: bool) -> list[DataSetEntry]:
        """Make data sets dual axis, with the stack of the other axis beside theirs, or single.

        Raises
        ------
        Faults
            PROJ-08 for a name that is not there, PROJ-11 where there is no other stack, PROJ-10
            while one is being run.
        """
        faults: list[TomolineError] = []
        # Looked for before the store is held: that disk may not answer.
        others = {one.source: stack_beside(one.source) for one in self.entries(names) if dual}
        with self.store.write() as db:
            entries = self.entries(names)
            refuse_running(db, entries)
            table = Table(self.store, db)
            changed = []
            for entry in entries:
                try:
                    other = others.get(entry.source)
                    changed.append(table.pair(entry, other) if dual else table.part(entry))
                except TomolineError as fault:
                    faults.append(fault)
            if faults:
                raise Faults(faults)
        return changed

    def set_source(self, name: str, source: Path, *, axis: str = "") -> None:
        """Give a data set another acquisition; its name and folder stay.

        Raises
        ------
        TomolineError
            PROJ-08 for a name that is not there, PROJ-10 while it is being run, PROJ-11 for axis
            b of one that has none.
        """
        path = os.path.realpath(source)
        with self.store.write() as db:
            entry = self.entry(name)
            refuse_running(db, [entry])
            if axis == "b":
                refuse_single([entry])
            column = "source_b" if axis == "b" else "source"
            db.execute(f"UPDATE data_set SET {column} = ? WHERE id = ?", (path, entry.id))
            self._tell(entry, f"acquisition is now {path}")

    def copy_down(self, name: str, keys: Sequence[str] = BOXES) -> int:
        """Copy parameters, as they hold for a line of the table, to all lines below it.

        What no layer gives is unset there. Dual axis goes only where the stacks agree.

        Parameters
        ----------
        name : str
            Of the data set to copy from.
        keys : sequence of str
            ``step.field`` of each parameter.

        Returns
        -------
        int
            Number of lines that have changed.

        Raises
        ------
        TomolineError
            PROJ-08 if there is no such data set.
        """
        with self.store.write() as db:
            entry = self.entry(name)
            changed = copied_down(db, entry, list(self.layers.all().values()), keys)
            for below in changed:
                self._tell(below, f"copied down from {name}: {', '.join(keys)}")
        return len(changed)

    def _tell(self, entry: DataSetEntry, text: str) -> None:
        self.store.add_event(EventKind.PROJECT, text, data_set=entry.name, when=time.time())
