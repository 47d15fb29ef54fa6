"""Looking up lines of a project's table of data sets."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue._many import without_collecting
from tomoline.queue.layers import Values
from tomoline.queue.model import DataSetEntry
from tomoline.queue.rows import to_data_set
from tomoline.queue.spelling import NOT_ASCII, WILD, composed, other_spelling
from tomoline.queue.store import Store


class Lookup:
    """Reads the table of data sets; `data_sets.DataSets` changes it as well."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def entries(
        self, patterns: Sequence[str] = (), *, flagged: bool = False, as_named: bool = False
    ) -> list[DataSetEntry]:
        """Return data sets in the order of the table.

        Parameters
        ----------
        patterns : sequence of str
            Names, or patterns with ``*``, ``?`` and ``[..]``; all if empty. Accents may be written
            in another way than in the table, unless it has the name just so.
        flagged : bool
            Only those whose run flag is set.
        as_named : bool
            In the order of the patterns instead; of each pattern in the order of the table.

        Raises
        ------
        TomolineError
            PROJ-08 if nothing has the name or fits the pattern, PROJ-20 for a name that could be
            several, written in other ways.
        """
        condition = " WHERE run = 1" if flagged else ""
        with self.store.read() as db:
            if not patterns:
                rows = db.execute(f"SELECT * FROM data_set{condition} ORDER BY place")
                with without_collecting():
                    return [to_data_set(row) for row in rows]
            found = self._matching(db, patterns)
        chosen = list(found.values())
        if not as_named:
            chosen.sort(key=lambda row: (row["place"], row["id"]))
        return [to_data_set(row) for row in chosen if row["run"] or not flagged]

    def entry(self, name: str) -> DataSetEntry:
        """Return the data set of that name.

        Raises
        ------
        TomolineError
            PROJ-08 if there is none, PROJ-20 as by `entries`.
        """
        with self.store.read() as db:
            row = _named(db, name)
            if row is None:
                raise self._unknown(db, name)
        return to_data_set(row)

    def by_id(self, number: int) -> DataSetEntry | None:
        """Return the data set of that number, if it is there."""
        with self.store.read() as db:
            row = db.execute("SELECT * FROM data_set WHERE id = ?", (number,)).fetchone()
        return to_data_set(row) if row else None

    def by_source(self, source: Path) -> DataSetEntry | None:
        """Return the data set that has this acquisition, if there is one."""
        path = os.path.realpath(source)
        with self.store.read() as db:
            row = db.execute(
                "SELECT * FROM data_set WHERE source = ? OR source_b = ?", (path, path)
            ).fetchone()
        return to_data_set(row) if row else None

    def given(self, entry: DataSetEntry, axis: str = "") -> Values:
        """Return the parameters of a data set's own, those of axis b alone with `axis` b."""
        column = "given_b" if axis == "b" else "given"
        with self.store.read() as db:
            row = db.execute(f"SELECT {column} FROM data_set WHERE id = ?", (entry.id,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def all_given(self) -> dict[int, tuple[Values, Values]]:
        """Return the own parameters of all data sets, and those of axis b, by number.

        They are to be looked at only: data sets with the same ones share them.
        """
        decoded: dict[str, Values] = {}  # most have the same
        with self.store.read() as db:
            rows = db.execute("SELECT id, given, given_b FROM data_set").fetchall()
        for row in rows:
            for text in (row[1], row[2]):
                if text not in decoded:
                    decoded[text] = json.loads(text)
        return {row[0]: (decoded[row[1]], decoded[row[2]]) for row in rows}

    def count_given(self, key: str) -> int:
        """Return how many data sets have a value of their own for a parameter."""
        with self.store.read() as db:
            row = db.execute(
                "SELECT count(*) FROM data_set WHERE instr(given, ?) OR instr(given_b, ?)",
                (f'"{key}":', f'"{key}":'),
            ).fetchone()
        return int(row[0])

    def _matching(self, db: sqlite3.Connection, patterns: Sequence[str]) -> dict[int, sqlite3.Row]:
        found: dict[int, sqlite3.Row] = {}
        for pattern in patterns:
            row = _named(db, pattern)
            if row is not None:
                found[row["id"]] = row
                continue
            if not WILD & set(pattern):
                raise self._unknown(db, pattern)
            # Most patterns mean the same to SQLite, which need not ask for every name then.
            glob = "*" if "[" in pattern else composed(pattern)
            rows = db.execute(
                "SELECT * FROM data_set WHERE (name GLOB ? OR name GLOB ?) AND fits(name, ?)"
                " ORDER BY place, id",
                (glob, NOT_ASCII, pattern),
            )
            fitting = {one["id"]: one for one in rows}
            if not fitting:
                raise self._unknown(db, pattern)
            found |= fitting
        return found

    def _unknown(self, db: sqlite3.Connection, name: str) -> TomolineError:
        from difflib import get_close_matches

        names = [
            row[0]
            for row in db.execute(
                "SELECT name FROM data_set WHERE abs(length(name) - ?) <= 2 LIMIT 5000",
                (len(name),),
            )
        ]
        near = get_close_matches(name, names, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        kind = "fits that pattern" if WILD & set(name) else "has that name"
        return errors.project.UNKNOWN_DATA_SET.error(name, f"no data set {kind}.{hint}")


def _named(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """Return the row of the data set of that name, however its accents are written."""
    query = "SELECT * FROM data_set WHERE name = ?"
    row: sqlite3.Row | None = db.execute(query, (name,)).fetchone()
    if row is None and (other := other_spelling(db, name)) is not None:
        row = db.execute(query, (other,)).fetchone()
    return row
