"""Data sets with which something cannot be done."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.queue.model import DataSetEntry


def refuse_running(db: sqlite3.Connection, entries: Sequence[DataSetEntry]) -> None:
    """Refuse data sets that a process works on.

    Raises
    ------
    Faults
        PROJ-10 for each of them.
    """
    rows = db.execute("SELECT data_set FROM batch WHERE state = 'running'").fetchall()
    running = {row[0] for row in rows}
    faults: list[TomolineError] = [
        errors.project.IN_USE.error(entry.name, "a process works on it.")
        for entry in entries
        if entry.id in running
    ]
    if faults:
        raise Faults(faults)


def refuse_single(entries: Sequence[DataSetEntry]) -> None:
    """Refuse data sets that have one axis only.

    Raises
    ------
    Faults
        PROJ-11 for each of them.
    """
    faults: list[TomolineError] = [
        errors.project.NOT_DUAL.error(entry.name, "it has no axis b.")
        for entry in entries
        if not entry.dual
    ]
    if faults:
        raise Faults(faults)
