"""Putting lines into a project's table of data sets, within one transaction."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

from tomoline import errors
from tomoline.queue._acquisitions import Acquisition
from tomoline.queue.axes import other_axis, stack_key
from tomoline.queue.layers import Layers, Values, effective
from tomoline.queue.model import DataSetEntry, EventKind
from tomoline.queue.records import RECORD_SUFFIX
from tomoline.queue.rows import to_data_set
from tomoline.queue.store import Store, to_json
from tomoline.queue.table_keys import BOXES, DUAL, TABLE_RECIPE

BEFORE = "from the line before"
FOUND = "from the stacks given"
AUTOMATIC = frozenset({BEFORE, FOUND})
"""Where values of `BOXES` are from that nobody has decided on."""


class Table:
    """The table of data sets while lines are put into it; its block must write."""

    def __init__(self, store: Store, db: sqlite3.Connection) -> None:
        self._store = store
        self._db = db
        self._deliver = store.setting("deliver")
        self._place = float(db.execute("SELECT max(place) FROM data_set").fetchone()[0] or 0.0)
        self._shared = list(Layers(store).all().values())
        self._before: dict[str, object] | None = None
        row = db.execute(
            "SELECT given FROM data_set WHERE recipe = ? ORDER BY place DESC LIMIT 1",
            (TABLE_RECIPE,),
        ).fetchone()
        if row is not None:
            self._before = self._boxes(json.loads(row[0]))

    def put(self, one: Acquisition, own: Values, origin: str, pair: bool) -> list[DataSetEntry]:
        """Return the data sets that have an acquisition, which is added where it is new.

        Raises
        ------
        TomolineError
            PROJ-09 where its name or folder is taken.
        """
        sources = [source for source in (one.source, one.source_b) if source is not None]
        there = [self._of_source(source) for source in sources]
        known = [number for number in there if number is not None]
        if len(known) == len(sources):
            return [self._entry(number) for number in known]
        if known:  # one axis was added before
            missing = sources[there.index(None)]
            single = Acquisition(missing.stem, one.recipe, missing)
            added = self.put(single, own, origin, pair)
            return [self._entry(known[0]), *added]
        joined = self.join(one) if pair and one.letter else None
        return [joined or self.insert(one, own, origin)]

    def join(self, one: Acquisition) -> DataSetEntry | None:
        """Make a stack the other axis of a data set that waits for nothing else.

        Returns
        -------
        DataSetEntry or None
            The data set of both; None where there is none that it could belong to.
        """
        key = other_axis(one.source)
        number = self._stack(key) if key is not None else None
        if number is None or one.name != one.source.stem:
            return None
        entry = self._entry(number)
        if entry.dual or entry.recipe != one.recipe or entry.name != entry.source.stem:
            return None
        value, where = self._given(entry).get(DUAL, [True, FOUND])
        if (not value and where not in AUTOMATIC) or self._has_run(entry):
            return None
        return self._joined(entry, one.source)

    def insert(self, one: Acquisition, own: Values, origin: str) -> DataSetEntry:
        """Add a line at the end.

        Raises
        ------
        TomolineError
            PROJ-09 where its name or folder is taken.
        """
        folder = str(one.folder or self._folder_for(one))
        self._refuse_taken(one.name, folder, one.source)
        before, before_b = self._recorded(one)
        given = before | own
        if one.recipe == TABLE_RECIPE:
            if not one.records:  # which goes on as it was
                given = self._inherited() | given
            if one.source_b is not None:
                given[DUAL] = [True, FOUND]
            elif not one.letter and DUAL not in own and self._boxes(given)[DUAL]:
                given[DUAL] = [False, FOUND]
            self._before = self._boxes(given)
        self._place += 1.0
        now = time.time()
        cursor = self._db.execute(
            "INSERT INTO data_set (name, place, recipe, source, source_b, folder, given, given_b,"
            " added) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                one.name,
                self._place,
                one.recipe,
                str(one.source),
                str(one.source_b or ""),
                folder,
                to_json(given),
                to_json(before_b),
                now,
            ),
        )
        number = cursor.lastrowid or 0
        by = f" by {origin}" if origin else ""
        axes = f" and {one.source_b.name}" if one.source_b else ""
        aside = ""
        if one.beside_others and Path(folder) != one.source.parent:
            aside = f"; results go to {folder}, away from those of another program beside it"
        self._tell(one.name, f"added{by}: {one.source}{axes}{aside}", now)
        return DataSetEntry(
            number, one.name, one.recipe, one.source, one.source_b, Path(folder), True, now
        )

    def pair(self, entry: DataSetEntry, other: Path | None) -> DataSetEntry:
        """Make a data set dual axis, with the stack of the other axis that lies beside its own.

        Raises
        ------
        TomolineError
            PROJ-11 where there is none.
        """
        if entry.dual:
            return entry
        key = other_axis(entry.source)
        if other is None or entry.name != entry.source.stem:
            wanted = (
                f"no stack {key[1]} lies beside it"
                if key
                else "its name is not a root name that a or b follows"
            )
            raise errors.project.NOT_DUAL.error(entry.name, f"{entry.source}: {wanted}.")
        taken = self._of_source(other)
        if taken is not None:
            name = self._entry(taken).name
            text = f"{other.name} is a data set of its own, {name}; remove that one first."
            raise errors.project.NOT_DUAL.error(entry.name, text)
        return self._joined(entry, other)

    def redirect(self, entry: DataSetEntry, folder: Path) -> DataSetEntry:
        """Give a data set another folder for its results; what it has so far stays where it is.

        Raises
        ------
        TomolineError
            PROJ-09 where the folder is that of another data set.
        """
        self._refuse_taken(entry.name, str(folder), entry.source, entry.id)
        self._db.execute("UPDATE data_set SET folder = ? WHERE id = ?", (str(folder), entry.id))
        self._tell(entry.name, f"its results go to {folder}", time.time())
        return replace(entry, folder=folder)

    def part(self, entry: DataSetEntry) -> DataSetEntry:
        """Make a data set single axis; of one with two axes, axis a stays."""
        if not entry.dual:
            self._set_dual(entry, False, "project set --no-dual")
            return entry
        one = Acquisition(entry.roots[0], entry.recipe, entry.source)
        return self._changed(entry, one, False, "project set --no-dual")

    def _joined(self, entry: DataSetEntry, other: Path) -> DataSetEntry:
        a, b = sorted((entry.source, other), key=lambda path: path.stem)
        one = Acquisition(a.stem[:-1], entry.recipe, a, b)
        return self._changed(entry, one, True, FOUND)

    def _changed(
        self, entry: DataSetEntry, one: Acquisition, dual: bool, where: str
    ) -> DataSetEntry:
        folder = str(self._folder_for(one))
        before = Acquisition(entry.name, entry.recipe, entry.source, entry.source_b)
        if entry.folder != self._folder_for(before):  # somebody chose it
            folder = str(entry.folder)
        self._refuse_taken(one.name, folder, one.source, entry.id)
        source_b = str(one.source_b or "")
        self._db.execute(
            "UPDATE data_set SET name = ?, source = ?, source_b = ?, folder = ? WHERE id = ?",
            (one.name, str(one.source), source_b, folder, entry.id),
        )
        changed = replace(
            entry, name=one.name, source=one.source, source_b=one.source_b, folder=Path(folder)
        )
        self._set_dual(changed, dual, where)
        axes = f"{one.source.name} and {one.source_b.name}" if one.source_b else one.source.name
        self._tell(one.name, f"was {entry.name}, now of {axes}", time.time())
        return changed

    def _set_dual(self, entry: DataSetEntry, dual: bool, where: str) -> None:
        given = self._given(entry) | {DUAL: [dual, where]}
        self._db.execute("UPDATE data_set SET given = ? WHERE id = ?", (to_json(given), entry.id))

    def _inherited(self) -> Values:
        """Return the boxes of the line before; the first line has those of the layers."""
        if self._before is None:
            return {}
        return {key: [value, BEFORE] for key, value in self._before.items()}

    def _recorded(self, one: Acquisition) -> tuple[Values, Values]:
        """Return the parameters of an earlier run, and those of its axis b that differ."""
        if not one.records:
            return {}, {}
        from tomoline.queue._recorded import recorded_values

        first = recorded_values(one.records[0], one.recipe, self._shared)
        if len(one.records) == 1:
            return first, {}
        return first, recorded_values(one.records[1], one.recipe, [*self._shared, first])

    def _boxes(self, given: Values) -> dict[str, object]:
        layers = [*self._shared, given]
        return {key: bool(effective(key, layers, False)) for key in BOXES}

    def _folder_for(self, one: Acquisition) -> Path:
        from tomoline.recipes import RECIPES

        beside = one.source.parent
        in_place = RECIPES[one.recipe].in_place and not self._deliver
        if in_place and one.source_b is None and beside.name == one.name:
            place = beside
        else:
            place = Path(self._deliver or self._store.folder) / one.name
        if place == beside and one.beside_others:
            place = self._store.folder / one.name
        # Nothing is written among the files of a scan that is a folder.
        return place / one.name if place == one.source else place

    def _refuse_taken(self, name: str, folder: str, source: Path, but: int = 0) -> None:
        """Refuse a name or folder that another data set has, `but` that of this number."""
        for number, other, there, path in self._db.execute(
            "SELECT id, name, folder, source FROM data_set WHERE name = ? OR folder = ?",
            (name, folder),
        ):
            if number != but:
                text = f"{name} is in the table, of {path}."
                if other != name:
                    text = f"its folder of results, {there}, is that of {other}."
                remedy = (
                    "Name it with --name; --name '{folder}_{name}' names many by their folders."
                )
                raise errors.project.SAME_NAME.error(source, text, remedy)

    def _has_run(self, entry: DataSetEntry) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM batch WHERE data_set = ? AND (attempt > 0 OR state = 'running')",
            (entry.id,),
        ).fetchone()
        return row is not None or os.path.exists(
            os.path.join(entry.folder, f"{entry.name}{RECORD_SUFFIX}")
        )

    def _entry(self, number: int) -> DataSetEntry:
        row = self._db.execute("SELECT * FROM data_set WHERE id = ?", (number,)).fetchone()
        return to_data_set(row)

    def _given(self, entry: DataSetEntry) -> Values:
        row = self._db.execute("SELECT given FROM data_set WHERE id = ?", (entry.id,)).fetchone()
        return dict(json.loads(row[0]))

    def _of_source(self, source: Path) -> int | None:
        """Return the data set that has this acquisition."""
        row = self._db.execute(
            "SELECT id FROM data_set WHERE source = ? UNION ALL"
            " SELECT id FROM data_set WHERE source_b = ? AND source_b != ''",
            (str(source), str(source)),
        ).fetchone()
        return None if row is None else int(row[0])

    def _stack(self, key: tuple[str, str, str]) -> int | None:
        """Return the data set whose first stack this is, whatever its extension."""
        stem = os.path.join(key[0], key[1])
        rows = self._db.execute(  # all that begin with the stem and a dot, which comes before /
            "SELECT id, source FROM data_set WHERE source > ? AND source < ?",
            (f"{stem}.", f"{stem}/"),
        )
        return next((row[0] for row in rows if stack_key(Path(row[1])) == key), None)

    def _tell(self, name: str, text: str, when: float) -> None:
        self._store.add_event(EventKind.PROJECT, text, data_set=name, when=when)
