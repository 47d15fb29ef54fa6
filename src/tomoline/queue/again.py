"""Batches that wait again: after a failure, a pause, or a kill."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from tomoline.queue.batch_range import joined, range_of, range_text
from tomoline.queue.line import check_named, highest, lowest, matches, not_failed, waiting_of
from tomoline.queue.listing import ANEW, CARRIED, LAST_FAILED, TO_RESUME, TOLD, Listing
from tomoline.queue.model import Batch, BatchState, EventKind
from tomoline.queue.rows import BATCHES, change_state, to_batches
from tomoline.queue.spelling import as_spelt

S = BatchState


class Again(Listing):
    """What brings batches of a queue back into the line."""

    def retry(self, names: Sequence[str] = ()) -> list[Batch]:
        """Queue failed batches again, behind the others and in their order.

        Those that would be tried again by themselves later are tried at once. A failure that a
        newer batch of the same data set has followed is passed over.

        Parameters
        ----------
        names : sequence of str
            Names of data sets, patterns too; all that failed if empty.

        Returns
        -------
        list of Batch
            As they were, with their errors.

        Raises
        ------
        TomolineError
            QUEUE-07 if one that is named has not failed, PROJ-08 if there is no such data set.
        """
        with self._store.write() as db:
            failed = self._ordered(db, LAST_FAILED)
            later = self._ordered(db, "batch.state = 'waiting' AND batch.not_before > 0")
            if names:
                known = {one.name for one in [*failed, *later]}
                names = as_spelt(self._store, names)
                check_named(self._store, names, known, not_failed)
                failed = [one for one in failed if matches(one.name, names)]
                later = [one for one in later if matches(one.name, names)]
            place = highest(db) + 1
            for index, one in enumerate(failed):
                places = {"place": place + index, "retries": 0, "threads": 0, "alone": 0}
                self._wait(one, "to be tried again", **places)
            for one in later:
                self._hurry(db, one.name, one.id)
                db.execute("UPDATE batch SET retries = 0 WHERE id = ?", (one.id,))
        return [*later, *failed]

    def resume_ended(self) -> list[Batch]:
        """Queue paused and killed batches again, before the others and in their old order.

        Where the same data set waits already, the two become one that does what both were to do.

        Returns
        -------
        list of Batch
            As they were, one of each data set.
        """
        with self._store.write() as db:
            ended = self._ordered(db, TO_RESUME)
            place = lowest(db) - len(ended)
            for index, one in enumerate(ended):
                self.wait_again(one, "resumed", place=place + index)
        return list({one.data_set: one for one in reversed(ended)}.values())[::-1]

    def wait_again(
        self, batch: Batch, message: str, *, level: str = "info", code: str = "", **fields: Any
    ) -> None:
        """Make a batch wait again, or join it to the one of its data set that waits already.

        Parameters
        ----------
        batch : Batch
            Running, paused, killed or failed.
        message, level, code : str
            Of the event; the batch keeps the code, which says why it waits.
        **fields
            Columns that change with it, such as ``place``, ``retries``, ``not_before``.

        Raises
        ------
        TomolineError
            QUEUE-07 if it has changed since it was read.
        """
        with self._store.write() as db:
            other = waiting_of(db, batch.data_set)
            if other is None:
                self._wait(batch, message, level=level, code=code, **fields)
                return
            self._join(db, batch, other, fields)
            message = f"{message}, as part of batch {other['id']}"
            told = {name: value for name, value in fields.items() if name in TOLD}
            change_state(self._store, batch, S.DROPPED, message, level=level, code=code, **told)

    def _join(
        self, db: sqlite3.Connection, batch: Batch, other: sqlite3.Row, fields: dict[str, Any]
    ) -> None:
        """Let a batch that waits do what another of its data set was to do, too."""
        recipe = db.execute("SELECT recipe FROM data_set WHERE id = ?", (batch.data_set,))
        part = joined(range_of(batch), range_of(other), recipe.fetchone()[0])
        columns = {name: value for name, value in fields.items() if name in CARRIED}
        columns |= part._asdict()
        columns["place"] = min(other["place"], fields.get("place", other["place"]))
        columns["reached"] = other["reached"] if part == range_of(other) else ""
        names = ", ".join(f"{name} = ?" for name in columns)
        db.execute(f"UPDATE batch SET {names} WHERE id = ?", (*columns.values(), other["id"]))
        # A round of a schedule ends with what does its work now.
        db.execute("UPDATE schedule_item SET batch = ? WHERE batch = ?", (other["id"], batch.id))
        words = phrase(f"takes over batch {batch.id}", range_text(part))
        self._tell(batch.name, other["id"], words)

    def _wait(self, batch: Batch, message: str, **fields: Any) -> None:
        change_state(self._store, batch, S.WAITING, message, **(ANEW | fields))

    def _hurry(self, db: sqlite3.Connection, name: str, number: int) -> None:
        """Have a batch not wait any longer for its next try after a failure."""
        done = db.execute(
            "UPDATE batch SET not_before = 0 WHERE id = ? AND not_before > 0", (number,)
        )
        if done.rowcount:
            self._tell(name, number, "to be tried again at once")

    def _ordered(self, db: sqlite3.Connection, condition: str) -> list[Batch]:
        rows = db.execute(f"{BATCHES} WHERE {condition} ORDER BY batch.place, batch.id")
        return to_batches(rows.fetchall())

    def _tell(self, name: str, number: int, message: str) -> None:
        self._store.add_event(EventKind.QUEUE, message, data_set=name, batch=number)


def phrase(*parts: str) -> str:
    """Return words as one line, without those that are empty.

    >>> phrase("queued", "", "by run")
    'queued by run'
    """
    return " ".join(part for part in parts if part)
