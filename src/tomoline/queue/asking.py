"""What somebody asks of a run, written down for the runner: queue these, end those, go on."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from tomoline import errors
from tomoline.queue.batch_range import Range, range_of
from tomoline.queue.batches import Queue
from tomoline.queue.model import LIVE, Batch, BatchState, DataSetEntry, RunState
from tomoline.queue.permit import overrule_kill
from tomoline.queue.reach import Asked, shortened
from tomoline.queue.rows import BATCHES, change_state, to_batch
from tomoline.queue.store import Store

ORIGIN = "run"
FEW = 200
"""So many data sets are looked up one by one."""


def enqueue(
    queue: Queue,
    entries: Sequence[DataSetEntry],
    asked: Mapping[str, Asked],
    *,
    named: bool,
) -> tuple[list[int], list[str]]:
    """Queue data sets with the parts asked for; to be called in a transaction.

    Parameters
    ----------
    queue : Queue
        The queue.
    entries : sequence of DataSetEntry
        In order. One that is paused begins anew; other paused ones go on.
    asked : mapping
        What is asked for, by recipe.
    named : bool
        Whether they were named. If not, those that have finished come behind the others: they are
        only looked at again. Those that are being run, just so, are left alone: who asks for the
        same run again wants to see it, not to have it twice.

    Returns
    -------
    list of int, list of str
        Numbers of the batches, and the names of those left alone.
    """
    ids = {entry.id for entry in entries}
    live = queue.batches(states=(BatchState.RUNNING, BatchState.PAUSED))
    running = {one.data_set: one for one in live if one.state is BatchState.RUNNING}
    for one in live:
        if one.state is BatchState.PAUSED and one.data_set in ids:
            queue.drop(one, "queued anew")
        elif one.state is BatchState.PAUSED:
            queue.wait_again(one, "goes on, since the run goes on")
    finished = set() if named else queue.finished()
    already = []
    groups: dict[tuple[bool, Asked], list[DataSetEntry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.id in finished):
        part = asked[entry.recipe]
        runs = running.get(entry.id)
        if not named and runs is not None and range_of(runs) == Range(part.first, part.last):
            already.append(entry.name)
        else:
            groups.setdefault((entry.id in finished, part), []).append(entry)
    numbers: list[int] = []
    for (_, part), group in groups.items():
        numbers += queue.add(group, first=part.first, last=part.last, origin=ORIGIN)
    return numbers, already


def set_aside(store: Store, entries: Sequence[DataSetEntry]) -> list[Batch]:
    """Return the live batches of data sets; those that do not run become killed.

    Raises
    ------
    TomolineError
        QUEUE-07 if there are none.
    """
    live = [one for one in batches_of(store, entries) if one.state in LIVE]
    if not live:
        names = shortened([entry.name for entry in entries])
        raise errors.queue.WRONG_STATE.error(names, "it neither runs nor waits.")
    for one in live:
        if one.state is not BatchState.RUNNING:
            code = errors.queue.KILLED.code
            change_state(store, one, BatchState.KILLED, "set aside", code=code)
    return live


def batches_of(store: Store, entries: Sequence[DataSetEntry]) -> list[Batch]:
    """Return all batches of data sets that are not dropped."""
    query = f"{BATCHES} WHERE batch.state != 'dropped'"
    with store.read() as db:
        if len(entries) <= FEW:
            one = f"{query} AND batch.data_set = ? ORDER BY batch.id"
            rows = [row for entry in entries for row in db.execute(one, (entry.id,))]
        else:
            rows = db.execute(f"{query} ORDER BY batch.id").fetchall()
    chosen = {entry.id for entry in entries}
    return [to_batch(row) for row in rows if row["data_set"] in chosen]


def go_on(
    db: sqlite3.Connection, processors: int | None, threads: int | None, memory: int | None
) -> None:
    """Want the run to go on, with the means that are given; others stay as they were.

    Raises
    ------
    TomolineError
        PARAM-06 where they are too little.
    """
    given = {"processors": processors, "threads": threads, "memory": memory}
    for name, value in given.items():
        if value is not None:
            db.execute(f"UPDATE run SET {name} = ?", (value,))
    if memory or processors:
        from tomoline.queue.resources import available, plan_processors, refuse_too_little

        run = db.execute("SELECT processors, threads, memory FROM run").fetchone()
        plan = plan_processors(run["processors"], run["threads"], run["memory"], *available())
        refuse_too_little(plan)
    db.execute("UPDATE run SET wanted = ?", (RunState.RUNNING,))
    overrule_kill(db)
    # One that has not stopped at its step yet need not do so any more.
    db.execute("UPDATE batch SET wanted = '' WHERE state = 'running' AND wanted = 'pause'")
