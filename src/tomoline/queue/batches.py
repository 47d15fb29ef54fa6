"""The queue: batches in order, first come first served, unless someone moves one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from tomoline import errors
from tomoline.queue.batch_range import Range, joined, range_of, range_text
from tomoline.queue.line import (
    between,
    check_named,
    highest,
    last_number,
    lowest,
    matches,
    not_failed,
    queued_named,
    waiting,
    waiting_of,
)
from tomoline.queue.listing import ANEW, CARRIED, LAST_FAILED, TO_RESUME, TOLD, Listing
from tomoline.queue.model import Batch, BatchState, DataSetEntry, EventKind
from tomoline.queue.rows import BATCHES, change_state, to_batch, to_batches

S = BatchState


class Queue(Listing):
    """The ordered batches of a project.

    A data set waits at most once, and is worked on at most once; every change of a batch's state
    is written to the log in the same transaction.
    """

    def add(
        self,
        entries: Sequence[DataSetEntry],
        *,
        first: str = "",
        last: str = "",
        only: str = "",
        origin: str = "",
        top: bool = False,
    ) -> list[int]:
        """Queue data sets, at the end or on top, in the order given.

        One that waits already gets the new range, and keeps its place unless it goes on top; if it
        waits for its next try after a failure, it does so no longer. One that is being worked on
        gets a second batch, which starts when the first one has ended.

        Parameters
        ----------
        entries : sequence of DataSetEntry
            What to run; one that is there twice counts once.
        first, last, only : str
            Names of steps: to start from, to stop after, and all to run (joined by commas).
        origin : str
            Who queues them, for people.
        top : bool
            Whether they come before all others.

        Returns
        -------
        list of int
            Number of the batch of each entry.

        Raises
        ------
        TomolineError
            PROJ-08 if one of them has been removed since it was looked up; none is queued then.
        """
        now = time.time()
        part = Range(first, last, only)
        words = _words(range_text(part), f"by {origin}" if origin else "")
        numbers: dict[int, int] = {}
        with self._store.write() as db:
            number = last_number(db)
            place = lowest(db) - len(entries) if top else highest(db) + 1
            for entry in entries:
                if entry.id in numbers:
                    continue
                there = waiting_of(db, entry.id)
                if there is None:
                    number += 1
                    added = db.execute(
                        "INSERT INTO batch (id, data_set, state, place, first, last, only, origin,"
                        " queued) SELECT ?, id, 'waiting', ?, ?, ?, ?, ?, ? FROM data_set"
                        " WHERE id = ? AND name = ?",
                        (number, place, *part, origin, now, entry.id, entry.name),
                    )
                    if not added.rowcount:
                        raise errors.project.UNKNOWN_DATA_SET.error(
                            entry.name, "it has been removed meanwhile."
                        )
                    self._store.add_event(
                        EventKind.STATE,
                        _words("queued", words),
                        data_set=entry.name,
                        batch=number,
                        becomes=S.WAITING,
                        when=now,
                    )
                    place += 1
                    numbers[entry.id] = number
                    continue
                numbers[entry.id] = there["id"]
                self._hurry(db, entry.name, there["id"])
                if top:
                    db.execute("UPDATE batch SET place = ? WHERE id = ?", (place, there["id"]))
                    self._tell(entry.name, there["id"], "put on top")
                    place += 1
                if range_of(there) != part:
                    db.execute(
                        "UPDATE batch SET first = ?, last = ?, only = ?, origin = ?, reached = ''"
                        " WHERE id = ?",
                        (first, last, only, origin, there["id"]),
                    )
                    self._tell(
                        entry.name,
                        there["id"],
                        _words("queued anew", words or "from the beginning"),
                    )
        return [numbers[entry.id] for entry in entries]

    def move(self, names: Sequence[str], position: int) -> None:
        """Move batches that wait, so that the first of them gets a position and the rest follow.

        Parameters
        ----------
        names : sequence of str
            Names of data sets, patterns too, in the order wanted.
        position : int
            1 is next, also for those that wait for their next try after a failure; one past the
            end is the end.

        Raises
        ------
        TomolineError
            QUEUE-05 if one of them does not wait, PROJ-08 if there is no such data set.
        """
        with self._store.write() as db:
            moved = queued_named(self._store, db, names)
            line = waiting(db)
            rest = [one for one in line if one[0] not in moved]
            at = min(max(position, 1) - 1, len(rest))
            low = rest[at - 1][1] if at > 0 else None
            high = rest[at][1] if at < len(rest) else None
            order = list(moved)
            places = between(low, high, len(order))
            if places is None:  # numbers have run out of digits there: number the line anew
                order = [one[0] for one in rest[:at]] + order + [one[0] for one in rest[at:]]
                places = [float(index) for index in range(1, len(order) + 1)]
            db.executemany(
                "UPDATE batch SET place = ? WHERE id = ?", zip(places, order, strict=True)
            )
            for index, (number, name) in enumerate(moved.items()):
                if at == 0:
                    self._hurry(db, name, number)
                self._tell(name, number, f"moved to position {at + 1 + index}")

    def top(self, names: Sequence[str]) -> None:
        """Put batches that wait before all others, in the order given; see `move`."""
        self.move(names, 1)

    def take_out(self, names: Sequence[str]) -> list[Batch]:
        """Take batches that wait, or that a resume would bring back, out of the queue.

        Returns them as they were, one of each data set; errors as of `move`.
        """
        with self._store.write() as db:
            numbers = queued_named(self._store, db, names, also=TO_RESUME)
            taken = [
                to_batch(db.execute(f"{BATCHES} WHERE batch.id = ?", (number,)).fetchone())
                for number in numbers
            ]
            for one in taken:
                self.drop(one, "taken out of the queue")
        return list({one.data_set: one for one in taken}.values())

    def drop(self, batch: Batch, message: str) -> None:
        """Take a batch that does not run out of the queue, or forget one that has ended.

        Raises
        ------
        TomolineError
            QUEUE-07 if it runs, or has changed since it was read.
        """
        if batch.state is S.RUNNING:
            raise errors.queue.WRONG_STATE.error(batch.name, f"its batch {batch.id} is running.")
        change_state(self._store, batch, S.DROPPED, message)

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
                check_named(self._store, names, known, not_failed)
                failed = [one for one in failed if matches(one.name, names)]
                later = [one for one in later if matches(one.name, names)]
            place = highest(db) + 1
            for index, one in enumerate(failed):
                places = {"place": place + index, "retries": 0, "threads": 0, "alone": 0}
                self._wait(db, one, "to be tried again", **places)
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
            Of the event.
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
                self._wait(db, batch, message, level=level, code=code, **fields)
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
        words = _words(f"takes over batch {batch.id}", range_text(part))
        self._tell(batch.name, other["id"], words)

    def _wait(self, db: sqlite3.Connection, batch: Batch, message: str, **fields: Any) -> None:
        change_state(self._store, batch, S.WAITING, message, **(ANEW | fields))
        # Given to the above, this name means the event's.
        db.execute("UPDATE batch SET code = '' WHERE id = ?", (batch.id,))

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


def _words(*parts: str) -> str:
    return " ".join(part for part in parts if part)
