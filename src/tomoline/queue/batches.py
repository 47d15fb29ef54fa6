"""The queue: batches in order, first come first served, unless someone moves one."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tomoline import errors
from tomoline.queue.again import Again, phrase
from tomoline.queue.batch_range import Range, range_of, range_text
from tomoline.queue.line import (
    between,
    highest,
    last_number,
    lowest,
    queued_named,
    waiting,
    waiting_of,
)
from tomoline.queue.listing import TO_RESUME
from tomoline.queue.model import Batch, BatchState, DataSetEntry, EventKind
from tomoline.queue.rows import BATCHES, change_state, to_batch

S = BatchState


class Queue(Again):
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
        words = phrase(range_text(part), f"by {origin}" if origin else "")
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
                        phrase("queued", words),
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
                        phrase("queued anew", words or "from the beginning"),
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
