"""The rounds of schedules: begun when they are due, ended when all that they queued has ended.

How far a round has come stands in the store, so that the next runner takes it up where one died.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.batches import Queue
from tomoline.queue.data_sets import DataSets
from tomoline.queue.kept_store import KeptStore
from tomoline.queue.model import BatchState, EventKind, RunState
from tomoline.queue.rows import wanted_of
from tomoline.queue.schedule_marks import Records, Taken, free_to_queue, take
from tomoline.queue.schedule_table import (
    Round,
    Schedule,
    ScheduleState,
    all_schedules,
    live_batches,
    origin_of,
    want_running,
)
from tomoline.queue.store import Store
from tomoline.queue.values import cell, values_of
from tomoline.queue.words import count_of

POLL_S = 1.0
VALUES_FILE = "values.csv"


class ScheduleService:
    """Runs the schedules of a project; the runner calls it now and then."""

    name = "schedules"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = KeptStore(folder)
        self._records = Records()

    def busy(self) -> bool:
        """Whether a schedule runs."""
        with self._store.use() as store:
            return any(one.state is ScheduleState.RUNNING for one in all_schedules(store))

    def turn(self, now: float) -> float:
        """Begin and end the rounds that are due; return the seconds until the next look."""
        with self._store.use() as store:
            for one in all_schedules(store):
                if one.state is ScheduleState.RUNNING:
                    self._advance(store, one, now)
        return POLL_S

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _advance(self, store: Store, one: Schedule, now: float) -> None:
        if one.busy is Round.ENDED:
            if one.round >= one.times:
                _finish(store, one, now)
                return
            if one.round and one.began > now:  # the clock was set back: count from now
                _set(store, one, "the clock was set back; the pause begins anew", now, began=now)
                return
            if one.due is None or now < one.due:
                return
            number = one.round + 1
            text = f"round {number} of {one.times} begins"
            if not _set(store, one, text, now, round=number, began=now, busy=Round.BEGUN):
                return
            one = next(other for other in all_schedules(store) if other.name == one.name)
        if one.busy is Round.BEGUN:
            if one.imports:
                self._import(store, one, now)
            self._queue(store, one, now)
        elif _was_killed(store, one):
            found = f"stopped, since round {one.round} of {one.times} was killed"
            _set(store, one, found, now, state=ScheduleState.STOPPED)
        elif not live_batches(store, one):
            self._end(store, one, now)

    def _import(self, store: Store, one: Schedule, now: float) -> None:
        """Look at the watched folders; what is there becomes a data set before the steps."""
        from tomoline.queue.watching.service import WatchService

        service = WatchService(self._folder)
        try:
            service.turn(now)
        except TomolineError as error:
            _complain(store, one, error, now)
        finally:
            service.close()

    def _queue(self, store: Store, one: Schedule, now: float) -> None:
        """Queue what the round takes, all of it or nothing."""
        taken = Taken()
        if one.recipe:  # files are looked at before the store is locked
            steps = one.recipe_steps
            taken = take(store, one.name, one.recipe, steps, one.needs, self._records)
        with store.write() as db:
            taken.leave_out(free_to_queue(db))
            if not _set(store, one, _queued(one, taken), now, busy=Round.QUEUED):
                return
            numbers = Queue(store).add(
                taken.entries, only=",".join(one.recipe_steps), origin=origin_of(one.name)
            )
            db.executemany(
                "INSERT OR REPLACE INTO schedule_item VALUES (?, ?, ?, ?, ?)",
                [
                    (one.name, entry.id, taken.marks[entry.id], number, one.round)
                    for entry, number in zip(taken.entries, numbers, strict=True)
                ],
            )
            db.executemany(
                "INSERT OR IGNORE INTO schedule_item SELECT ?, id, ?, 0, ? FROM data_set"
                " WHERE id = ?",
                [(one.name, mark, one.round, number) for number, mark in taken.known.items()],
            )
            if numbers:  # a run that is paused stays so, and its batches wait
                want_running(db)

    def _end(self, store: Store, one: Schedule, now: float) -> None:
        """End a round whose batches have all ended."""
        counts = _ended(store, one)
        told = [f"{counts[state]} {state}" for state in BatchState if counts[state]]
        text = ", ".join(told) or "nothing new"
        if one.writes_values:
            self._write_values(store, one, now)
        ended = f"round {one.round} of {one.times} has ended: {text}"
        if _set(store, one, ended, now, busy=Round.ENDED) and one.round >= one.times:
            _finish(store, one, now)

    def _write_values(self, store: Store, one: Schedule, now: float) -> None:
        """Write the table of the values of all data sets."""
        try:
            write_values(store)
        except TomolineError as error:
            _complain(store, one, error, now)


def write_values(store: Store) -> Path:
    """Write ``values.csv`` into the project's folder, whole or not at all.

    Raises
    ------
    TomolineError
        FILE-08, FILE-09 if it cannot be written.
    """
    path = store.folder / VALUES_FILE
    table = values_of(DataSets(store).entries(), batches=Queue(store).latest())
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, table.columns, restval="")
            writer.writeheader()
            writer.writerows(
                {name: cell(value) for name, value in row.items()} for row in table.rows
            )
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise errors.files.NOT_WRITABLE.error(path, f"{error.strerror}.") from error
    return path


def _complain(store: Store, one: Schedule, error: TomolineError, now: float) -> None:
    """Tell what went wrong in a round; it goes on."""
    notice = errors.schedule.ROUND_FAILED.notice(one.name, f"{error.where}: {error.found}")
    store.add_event(EventKind.SCHEDULE, str(notice), level="warning", code=notice.code, when=now)


def _queued(one: Schedule, taken: Taken) -> str:
    """Say what a round takes, and what it leaves and why."""
    left = [
        (taken.live, "in the queue already"),
        (taken.not_ready, f"without {', '.join(one.needs)}"),
        (taken.failed, "failed before ('tomoline retry' runs them again)"),
    ]
    told = [f"{number} {why}" for number, why in left if number]
    found = "; ".join([f"{len(taken.entries)} queued", *told])
    return f"round {one.round} of {one.times}: {found}"


def _ended(store: Store, one: Schedule) -> Counter[str]:
    """Count how the batches of the present round have ended."""
    with store.read() as db:
        rows = db.execute(
            "SELECT b.state, count(*) FROM schedule_item AS i JOIN batch AS b ON b.id = i.batch"
            " WHERE i.schedule = ? AND i.round = ? GROUP BY b.state",
            (one.name, one.round),
        )
        return Counter({row[0]: row[1] for row in rows})


def _was_killed(store: Store, one: Schedule) -> bool:
    """Whether somebody has killed the whole run in the present round."""
    return wanted_of(store) is RunState.STOPPED and bool(_ended(store, one)[BatchState.KILLED])


def _finish(store: Store, one: Schedule, now: float) -> None:
    """Write down that all rounds of a schedule have ended."""
    text = f"has run its {count_of(one.times, 'round')}"
    _set(store, one, text, now, state=ScheduleState.FINISHED)


def _set(store: Store, one: Schedule, message: str, now: float, **columns: float | str) -> bool:
    """Change a schedule as the service saw it, and tell; False if it was stopped or changed."""
    assignments = ", ".join(f"{name} = ?" for name in columns)
    with store.write() as db:
        done = db.execute(
            f"UPDATE schedule SET {assignments} WHERE name = ? AND state = 'running' AND round = ?",
            (*columns.values(), one.name, one.round),
        )
        if done.rowcount != 1:
            return False
        store.add_event(EventKind.SCHEDULE, f"{one.name}: {message}", when=now)
    return True
