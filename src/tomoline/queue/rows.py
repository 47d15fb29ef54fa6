"""From rows of the store to the queue's nouns, and the one place where a batch changes state."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.queue.model import (
    TRANSITIONS,
    Batch,
    BatchState,
    DataSetEntry,
    Event,
    EventKind,
    RunState,
)
from tomoline.queue.store import Store

BATCHES = "SELECT batch.*, data_set.name FROM batch JOIN data_set ON data_set.id = batch.data_set"
"""Beginning of every query for batches."""


def to_data_set(row: sqlite3.Row) -> DataSetEntry:
    """Return the data set of a row of ``data_set``."""
    return DataSetEntry(
        id=row["id"],
        name=row["name"],
        recipe=row["recipe"],
        source=Path(row["source"]),
        source_b=Path(row["source_b"]) if row["source_b"] else None,
        folder=Path(row["folder"]),
        run=bool(row["run"]),
        added=row["added"],
    )


def to_batch(row: sqlite3.Row) -> Batch:
    """Return the batch of a row that begins with `BATCHES`."""
    fields: dict[str, Any] = dict(zip(row.keys(), row, strict=True))
    fields["state"] = BatchState(fields["state"])
    fields["alone"] = bool(fields["alone"])
    return Batch(**fields)


def to_batches(rows: Sequence[sqlite3.Row]) -> list[Batch]:
    """Return the batches of many rows as `to_batch` does.

    A frozen dataclass sets its fields one by one, which takes half a second for 20,000.
    """
    states = {str(state): state for state in BatchState}
    names = rows[0].keys() if rows else ()
    found = []
    for row in rows:
        one = Batch.__new__(Batch)
        fields = one.__dict__
        fields.update(zip(names, row, strict=True))
        fields["state"] = states[fields["state"]]
        fields["alone"] = bool(fields["alone"])
        found.append(one)
    return found


def to_event(row: sqlite3.Row) -> Event:
    """Return the event of a row of ``event``."""
    return Event(**dict(zip(row.keys(), row, strict=True)))


def batch(store: Store, number: int) -> Batch | None:
    """Return the batch of that number, if it is there."""
    with store.read() as db:
        row = db.execute(f"{BATCHES} WHERE batch.id = ?", (number,)).fetchone()
    return to_batch(row) if row else None


def running_batches(store: Store) -> list[Batch]:
    """Return the batches that are being run, by processor."""
    with store.read() as db:
        rows = db.execute(f"{BATCHES} WHERE batch.state = 'running' ORDER BY batch.processor")
        return [to_batch(row) for row in rows]


def wanted_of(store: Store) -> RunState:
    """Return what is wanted of the run."""
    with store.read() as db:
        return RunState(db.execute("SELECT wanted FROM run").fetchone()[0])


def change_state(
    store: Store,
    one: Batch,
    becomes: BatchState,
    message: str,
    *,
    level: str = "info",
    code: str = "",
    when: float | None = None,
    **fields: Any,
) -> None:
    """Change the state of a batch, and write the event that explains it; nothing else does.

    Parameters
    ----------
    one : Batch
        As it was read; if it has changed since, nothing is done.
    becomes : BatchState
        The new state.
    message : str
        Why, for people.
    level, code : str
        Of the event; the batch keeps the code, too.
    when : float, optional
        Time, for tests.
    **fields
        Other columns of the batch that change with it.

    Raises
    ------
    TomolineError
        QUEUE-07 if the batch is in another state than it was read in, or that change is impossible.
    """
    now = time.time() if when is None else when
    if becomes not in TRANSITIONS[one.state]:
        raise errors.queue.WRONG_STATE.error(
            one.name, f"its batch {one.id} is {one.state} and cannot become {becomes}."
        )
    fields["code"] = code
    if becomes is not BatchState.RUNNING:
        fields |= {"processor": None, "pid": None, "birth": "", "wanted": ""}
    if becomes in (BatchState.FINISHED, BatchState.FAILED, BatchState.KILLED):
        fields.setdefault("ended", now)
    columns = "".join(f", {name} = ?" for name in fields)
    with store.write() as db:
        step = ""
        if one.state is BatchState.RUNNING and becomes is not BatchState.FINISHED:
            # Where it was, which may have changed since it was read.
            (last,) = db.execute("SELECT step FROM batch WHERE id = ?", (one.id,)).fetchone()
            step = fields.get("step") or last
        changed = db.execute(
            f"UPDATE batch SET state = ?{columns} WHERE id = ? AND state = ?",
            (becomes, *fields.values(), one.id, one.state),
        )
        if changed.rowcount != 1:
            raise errors.queue.WRONG_STATE.error(
                one.name, f"its batch {one.id} is not {one.state} any more."
            )
        store.add_event(
            EventKind.STATE,
            message,
            level=level,
            processor=fields.get("processor") or one.processor,
            data_set=one.name,
            batch=one.id,
            step=step,
            was=one.state,
            becomes=becomes,
            code=code,
            when=now,
        )
