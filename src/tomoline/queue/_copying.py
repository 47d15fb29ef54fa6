"""Copying parameters from a line of a project's table to the lines below it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from tomoline.queue.layers import Values, effective
from tomoline.queue.model import DataSetEntry
from tomoline.queue.rows import to_data_set
from tomoline.queue.store import to_json
from tomoline.queue.table_keys import DUAL


def copied_down(
    db: sqlite3.Connection, entry: DataSetEntry, shared: Sequence[Values], keys: Sequence[str]
) -> list[DataSetEntry]:
    """Copy parameters, as they hold for a data set, to those of its recipe below it.

    Parameters
    ----------
    db : connection
        Of the store, for writing.
    entry : DataSetEntry
        The data set to copy from.
    shared : sequence of Values
        The layers that data sets share, in rising precedence.
    keys : sequence of str
        ``step.field`` of each parameter; what no layer gives is unset below.

    Returns
    -------
    list of DataSetEntry
        Those that have changed.
    """
    row = db.execute("SELECT place, given FROM data_set WHERE id = ?", (entry.id,)).fetchone()
    layers = [*shared, json.loads(row["given"])]
    copied = {key: effective(key, layers, ...) for key in keys}
    rows = db.execute(
        "SELECT * FROM data_set WHERE place > ? AND recipe = ? ORDER BY place",
        (row["place"], entry.recipe),
    ).fetchall()
    changed = []
    for below in rows:
        before: Values = json.loads(below["given"])
        present = dict(before)
        for key, value in copied.items():
            if key == DUAL and (value is True) != bool(below["source_b"]):
                continue  # which is a matter of its stacks
            if value is ...:
                present.pop(key, None)
            elif key not in present or present[key][0] != value:
                present[key] = [value, f"copied down from {entry.name}"]
        if present != before:
            db.execute(
                "UPDATE data_set SET given = ? WHERE id = ?", (to_json(present), below["id"])
            )
            changed.append(to_data_set(below))
    return changed
