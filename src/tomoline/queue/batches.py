"""The queue: batches in order, first come first served, unless someone moves one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.batch_range import Range, joined, range_of, range_text
from tomoline.queue.line import between, check_named, highest, last_number, lowest, matches, waiting
from tomoline.queue.model import Batch, BatchState, DataSetEntry, EventKind
from tomoline.queue.rows import BATCHES, change_state, to_batch
from tomoline.queue.store import Store

S = BatchState
# Those that run, then those that wait in their order, then what has ended, the newest first.
ORDER = (
    " ORDER BY CASE batch.state WHEN 'running' THEN 0 WHEN 'paused' THEN 1 WHEN 'waiting' THEN 2"
    " ELSE 3 END, CASE WHEN batch.ended IS NULL THEN 0 ELSE -batch.ended END,"
    " batch.place, batch.id"
)
NEWEST = "batch.id = (SELECT max(id) FROM batch AS b WHERE b.data_set = batch.data_set AND {})"
ANEW: dict[str, Any] = {
    "code": "",
    "at": "",
    "found": "",
    "remedy": "",
    "step": "",
    "label": "",
    "done": 0,
    "total": 0,
    "read_bytes": 0,
    "not_before": 0.0,
    "started": None,
    "ended": None,
}
"""Columns of a batch that waits again."""


class Queue:
    """The ordered batches of a project.

    A data set waits at most once, and is worked on at most once; every change of a batch's state
    is written to the log in the same transaction.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

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

        One that waits already gets the new range, and keeps its place unless it goes on top. One
        that is being worked on gets a second batch, which starts when the first one has ended.

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
                there = _waiting_of(db, entry.id)
                if there is None:
                    number += 1
                    db.execute(
                        "INSERT INTO batch (id, data_set, state, place, first, last, only, origin,"
                        " queued) VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?, ?)",
                        (number, entry.id, place, first, last, only, origin, now),
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

    def batches(
        self,
        *,
        states: Sequence[BatchState] = (),
        patterns: Sequence[str] = (),
        limit: int = 0,
    ) -> list[Batch]:
        """Return batches in order: those that run, those that wait, those that have ended.

        Parameters
        ----------
        states : sequence of BatchState
            Which; all but dropped ones if empty.
        patterns : sequence of str
            Names of data sets, ``*`` and ``?`` may be used; all if empty.
        limit : int
            At most so many; 0 for all.
        """
        wanted = tuple(states) or tuple(state for state in BatchState if state is not S.DROPPED)
        where = f" WHERE batch.state IN ({_marks(wanted)})"
        order = ORDER
        if wanted == (S.WAITING,):  # the index gives them in order, so that a limit is quick
            where, order = " WHERE batch.state = 'waiting'", " ORDER BY batch.place, batch.id"
            wanted = ()
        found = []
        with self._store.read() as db:
            stop = f" LIMIT {limit:d}" if limit > 0 and not patterns else ""
            for row in db.execute(BATCHES + where + order + stop, wanted):
                if not patterns or matches(row["name"], patterns):
                    found.append(to_batch(row))
                    if len(found) == limit:
                        break
        return found

    def latest(self, data_sets: Sequence[int] | None = None) -> dict[int, Batch]:
        """Return the newest batch that is not dropped, by the number of its data set.

        Parameters
        ----------
        data_sets : sequence of int, optional
            Numbers of data sets; by default all.
        """
        where = " WHERE " + NEWEST.format("b.state != 'dropped'")
        with self._store.read() as db:
            if data_sets is None:
                rows = list(db.execute(BATCHES + where))
            else:
                one = f"{BATCHES}{where} AND batch.data_set = ?"
                rows = [row for number in data_sets for row in db.execute(one, (number,))]
        return {row["data_set"]: to_batch(row) for row in rows}

    def latest_states(self) -> dict[int, BatchState]:
        """Return the state of each data set's newest batch that is not dropped.

        It is `latest` for long tables: quick with tens of thousands.
        """
        with self._store.read() as db:
            rows = db.execute(
                "SELECT data_set, state, max(id) FROM batch WHERE state != 'dropped'"
                " GROUP BY data_set"
            ).fetchall()
        states = {str(state): state for state in BatchState}
        return {row[0]: states[row[1]] for row in rows}

    def counts(self) -> dict[BatchState, int]:
        """Return how many batches there are of each state, dropped ones too."""
        counts = dict.fromkeys(BatchState, 0)
        with self._store.read() as db:
            for state, number in db.execute("SELECT state, count(*) FROM batch GROUP BY state"):
                counts[BatchState(state)] = number
        return counts

    def positions(self) -> dict[int, int]:
        """Return the position of each batch that waits, from 1, by its number."""
        with self._store.read() as db:
            return {number: place for place, (number, _) in enumerate(waiting(db), 1)}

    def move(self, names: Sequence[str], position: int) -> None:
        """Move batches that wait, so that the first of them gets a position and the rest follow.

        Parameters
        ----------
        names : sequence of str
            Names of data sets, patterns too, in the order wanted.
        position : int
            1 is next; one past the end is the end.

        Raises
        ------
        TomolineError
            QUEUE-05 if one of them does not wait, PROJ-08 if there is no such data set.
        """
        with self._store.write() as db:
            moved = self._named(db, names)
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
                self._tell(name, number, f"moved to position {at + 1 + index}")

    def top(self, names: Sequence[str]) -> None:
        """Put batches that wait before all others, in the order given; see `move`."""
        self.move(names, 1)

    def take_out(self, names: Sequence[str]) -> list[Batch]:
        """Take batches that wait out of the queue, and return them; errors as of `move`."""
        with self._store.write() as db:
            numbers = self._named(db, names)
            taken = [
                to_batch(db.execute(f"{BATCHES} WHERE batch.id = ?", (number,)).fetchone())
                for number in numbers
            ]
            for one in taken:
                self.drop(one, "taken out of the queue")
        return taken

    def drop(self, batch: Batch, message: str) -> None:
        """Take a batch that does not run out of the queue, or forget one that has ended.

        Raises
        ------
        TomolineError
            QUEUE-07 if it runs, or has changed since it was read.
        """
        change_state(self._store, batch, S.DROPPED, message)

    def retry(self, names: Sequence[str] = ()) -> list[Batch]:
        """Queue failed batches again, behind the others and in their order.

        A failure that a newer batch of the same data set has followed is passed over.

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
            failed = self._ended(db, (S.FAILED,))
            if names:
                check_named(self._store, names, {one.name for one in failed}, _not_failed)
                failed = [one for one in failed if matches(one.name, names)]
            place = highest(db) + 1
            for index, one in enumerate(failed):
                anew: dict[str, Any] = ANEW | {
                    "place": place + index,
                    "retries": 0,
                    "threads": 0,
                    "alone": 0,
                }
                change_state(self._store, one, S.WAITING, "to be tried again", **anew)
        return failed

    def resume_ended(self) -> list[Batch]:
        """Queue paused and killed batches again, before the others and in their old order.

        Where the same data set waits already, the two become one that does what both were to do.

        Returns
        -------
        list of Batch
            As they were.
        """
        with self._store.write() as db:
            ended = self._ended(db, (S.PAUSED, S.KILLED))
            place = lowest(db) - len(ended)
            for index, one in enumerate(ended):
                self.wait_again(one, "resumed", place=place + index)
        return ended

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
            other = _waiting_of(db, batch.data_set)
            if other is not None:
                recipe = db.execute("SELECT recipe FROM data_set WHERE id = ?", (batch.data_set,))
                part = joined(range_of(batch), range_of(other), recipe.fetchone()[0])
                reached = other["reached"] if part == range_of(other) else ""
                place = fields.get("place", other["place"])
                db.execute(
                    "UPDATE batch SET first = ?, last = ?, only = ?, reached = ?,"
                    " place = min(place, ?) WHERE id = ?",
                    (*part, reached, place, other["id"]),
                )
                message = f"{message}, as part of batch {other['id']}"
                becomes = S.FAILED if batch.state is S.RUNNING else S.DROPPED
                change_state(self._store, batch, becomes, message, level=level, code=code)
                return
            change_state(
                self._store,
                batch,
                S.WAITING,
                message,
                level=level,
                code=code,
                **(ANEW | fields),
            )

    def next(self, now: float, *, alone_allowed: bool) -> Batch | None:
        """Return the batch to start next, None where there is none that may start now.

        Parameters
        ----------
        now : float
            Time, for those that wait until then.
        alone_allowed : bool
            Whether nothing runs. A batch that has to be alone and is first in line waits for that,
            and so do those behind it: else it would never have its turn.
        """
        with self._store.read() as db:
            row = db.execute(
                f"{BATCHES} WHERE batch.state = 'waiting' AND batch.not_before <= ?"
                " AND NOT EXISTS (SELECT 1 FROM batch AS b WHERE b.data_set = batch.data_set"
                " AND b.state IN ('running', 'paused'))"
                " ORDER BY batch.place, batch.id LIMIT 1",
                (now,),
            ).fetchone()
        if row is None or (row["alone"] and not alone_allowed):
            return None
        return to_batch(row)

    def _ended(self, db: sqlite3.Connection, states: Sequence[BatchState]) -> list[Batch]:
        """Return batches of some states that no newer one has followed; paused ones always."""
        where = f" WHERE batch.state IN ({_marks(states)}) AND (batch.state = 'paused' OR "
        where += NEWEST.format("b.state != 'dropped'") + ")"
        rows = db.execute(f"{BATCHES}{where} ORDER BY batch.place, batch.id", tuple(states))
        return [to_batch(row) for row in rows]

    def _named(self, db: sqlite3.Connection, names: Sequence[str]) -> dict[int, str]:
        """Return numbers and data sets of the waiting batches that are named, in that order."""
        rows = db.execute(
            "SELECT batch.id, data_set.name FROM batch JOIN data_set ON data_set.id ="
            " batch.data_set WHERE batch.state = 'waiting' ORDER BY batch.place, batch.id"
        ).fetchall()
        line = {name: number for number, name in rows}
        check_named(self._store, names, line, _not_waiting)
        found: dict[int, str] = {}
        for name in names:
            if name in line:
                found.setdefault(line[name], name)
                continue
            for one, number in line.items():
                if fnmatchcase(one, name):
                    found.setdefault(number, one)
        return found

    def _tell(self, name: str, number: int, message: str) -> None:
        self._store.add_event(EventKind.QUEUE, message, data_set=name, batch=number)


def _waiting_of(db: sqlite3.Connection, data_set: int) -> Any:
    """Return the row of the batch of a data set that waits, None where there is none."""
    return db.execute(
        "SELECT * FROM batch WHERE data_set = ? AND state = 'waiting'", (data_set,)
    ).fetchone()


def _not_failed(name: str) -> TomolineError:
    return errors.queue.WRONG_STATE.error(name, "its last batch has not failed.")


def _not_waiting(name: str) -> TomolineError:
    return errors.queue.NOT_QUEUED.error(name, "no batch of it waits.")


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _words(*parts: str) -> str:
    return " ".join(part for part in parts if part)
