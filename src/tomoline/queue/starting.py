"""Starting and resuming a run: batches are queued, or wait again, and a runner is seen to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tomoline import errors
from tomoline.queue.answers import Started
from tomoline.queue.asking import enqueue, go_on
from tomoline.queue.batches import Queue
from tomoline.queue.data_sets import DataSets
from tomoline.queue.listing import SERVED, TO_RESUME
from tomoline.queue.model import Batch, BatchState, EventKind, RunState
from tomoline.queue.reach import asked_for, refuse_missing_axes, shortened
from tomoline.queue.recovery import take_over_from
from tomoline.queue.rows import BATCHES, to_batches, wanted_of
from tomoline.queue.store import Store
from tomoline.queue.words import count_of


@dataclass(frozen=True)
class Means:
    """What a run is given: batches side by side, threads of each, bytes for all together.

    What is None stays as it was, 0 is what the machine has.
    """

    processors: int | None
    threads: int | None
    memory: int | None


def start(
    store: Store,
    ensure: Callable[[Store], int],
    patterns: Sequence[str],
    steps: tuple[str, str],
    means: Means,
    *,
    any_step: bool,
    dry_run: bool,
) -> Started:
    """Queue data sets with the steps from one to another, and run; see `Control.start`."""
    entries = DataSets(store).entries(patterns, flagged=not patterns, as_named=True)
    queue = Queue(store)
    if not entries and not queue.batches(states=(BatchState.WAITING,), limit=1):
        raise errors.queue.NOTHING_TO_DO.error(
            store.folder, "it has no data set whose run flag is set."
        )
    refuse_missing_axes(store, entries)
    asked = asked_for(entries, *steps, any_step=any_step)
    if dry_run:
        from tomoline.queue.rehearsal import rehearse

        plans = [one for entry in entries for one in rehearse(store, entry, asked[entry.recipe])]
        return Started([], [entry.name for entry in entries], plans=plans)
    with store.write() as db:
        numbers, already = enqueue(queue, entries, asked, named=bool(patterns))
        # What is just being killed will not do what is asked for: it runs once more behind that.
        killed = {one.name for one in being_killed(store)}.intersection(already)
        ending = [entry for entry in entries if entry.name in killed]
        numbers += enqueue(queue, ending, asked, named=True)[0]
        already = [name for name in already if name not in killed]
        go_on(db, means.processors, means.threads, means.memory)
        store.add_event(EventKind.RUN, f"run asked for, with {count_of(len(numbers), 'data set')}")
        event = _last_event(db)
    ensure(store)
    names = [entry.name for entry in entries if entry.name not in set(already)]
    return Started(numbers, names, already, event=event)


def resume(
    store: Store, ensure: Callable[[Store], int], means: Means, *, take_over: bool
) -> Started:
    """Let wait again what was ended, and run; see `Control.resume`."""
    ending = being_killed(store)
    if ending and not take_over:
        ensure(store)  # somebody has to see it to its end
        raise errors.queue.WRONG_STATE.error(
            shortened([one.name for one in ending]),
            "it is just being killed.",
            "Give the command again in a moment.",
        )
    with store.write() as db:
        if take_over:
            take_over_from(store)
        again = Queue(store).resume_ended()
        if not _has_use(store):
            raise errors.queue.NOTHING_TO_DO.error(
                store.folder,
                "nothing is paused, killed or waiting.",
                "'tomoline run PROJECT' queues data sets, 'tomoline retry' those that failed.",
            )
        go_on(db, means.processors, means.threads, means.memory)
        found = count_of(len(again), "data set")
        store.add_event(EventKind.RUN, f"resume asked for, {found} to go on with")
        event = _last_event(db)
    ensure(store)
    return Started([one.id for one in again], [one.name for one in again], event=event)


def run_queue(store: Store, ensure: Callable[[Store], int], origin: str) -> None:
    """Run the queue as it is; see `Control.run_queue`."""
    with store.write() as db:
        go_on(db, None, None, None)
        store.add_event(EventKind.RUN, f"run asked for by {origin}")
    ensure(store)


def being_killed(store: Store) -> list[Batch]:
    """Return the batches that run still, but are to end at once."""
    with store.read() as db:
        query = f"{BATCHES} WHERE batch.state = 'running' AND batch.wanted = 'kill'"
        return to_batches(db.execute(query).fetchall())


def could_resume(store: Store) -> bool:
    """Whether `resume` would find anything to go on with."""
    with store.read() as db:
        ended = db.execute(f"SELECT EXISTS (SELECT 1 FROM batch WHERE {TO_RESUME})").fetchone()
    return bool(ended[0]) or _has_use(store)


def _has_use(store: Store) -> bool:
    """Whether there is anything that could go on, or come while the run goes on."""
    with store.read() as db:
        row = db.execute(
            f"SELECT {SERVED} OR EXISTS (SELECT 1 FROM batch WHERE state IN ('waiting', 'running'))"
        ).fetchone()
    return bool(row[0]) or wanted_of(store) is RunState.PAUSED


def _last_event(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT max(id) FROM event").fetchone()[0])
