"""The present state of a project's run: all that a face shows."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tomoline.queue.listing import LAST_FAILED, TO_RESUME
from tomoline.queue.model import Batch, BatchState, RunState
from tomoline.queue.outcome import retries_of
from tomoline.queue.resources import MACHINE, Plan, available, plan_processors
from tomoline.queue.rows import BATCHES, to_batch
from tomoline.queue.store import Store

MANY = 20
"""How many failed batches are listed."""
RECENT = 50
"""From how many finished batches the time that is left is estimated."""
# A data set counts as its newest batch, but as running while it runs, whatever waits behind that.
# SQLite gives the state of the row that has the highest value.
BY_DATA_SET = (
    "SELECT state, count(*) FROM (SELECT max(id + (state = 'running') * (1 << 60)), state"
    " FROM batch WHERE state != 'dropped' GROUP BY data_set) GROUP BY state"
)


@dataclass(frozen=True)
class Status:
    """The present state of a run.

    Attributes
    ----------
    time : float
        When this was so.
    name, folder
        The project.
    wanted : RunState
        Whether batches are started.
    runner : int or None
        Process id of the runner; None where there is none.
    host : str
        Machine that runs it, or ran it last.
    began : float or None
        When the runner began.
    processors, threads, memory_bytes : int
        As they were asked for; 0 means from the machine's cores and memory.
    plan : Plan
        What comes of that on this machine.
    data_sets : int
        In the project.
    sets : dict
        Data sets by the state of their newest batch; those that have none are left out.
    counts : dict
        Batches in each state, also those of earlier runs.
    last_ended : float or None
        When a batch ended the last time.
    running, paused, later, failed : list of Batch
        The first ones of these; `later` are those that wait to be tried again, failed ones, but
        those that a newer batch of their data set has followed, come the latest first.
    to_retry, to_resume : int
        How many `retry` and `resume` would queue again.
    left_s : float or None
        Estimate of the time until all is done; None where nothing has finished yet.
    retries : int
        How often a batch is tried again by itself.
    retry_waits_s : tuple of float
        Seconds before the first, second and each later time.
    watches, schedules : int
        Folders that are watched, and schedules that run.
    """

    time: float
    name: str
    folder: Path
    wanted: RunState
    runner: int | None
    host: str
    began: float | None
    processors: int
    threads: int
    memory_bytes: int
    plan: Plan
    data_sets: int
    sets: dict[str, int]
    counts: dict[str, int]
    last_ended: float | None
    running: list[Batch]
    paused: list[Batch]
    later: list[Batch]
    failed: list[Batch]
    to_retry: int
    to_resume: int
    left_s: float | None
    retries: int
    retry_waits_s: tuple[float, ...]
    watches: int
    schedules: int

    def document(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return {**asdict(self), "folder": str(self.folder)}


def read_status(store: Store, runner: int | None, now: float | None = None) -> Status:
    """Return the present state of a run."""
    now = time.time() if now is None else now
    with store.read() as db:
        run = db.execute("SELECT * FROM run").fetchone()
        found = db.execute("SELECT state, count(*) FROM batch GROUP BY state")
        counts = {str(state): 0 for state in BatchState} | dict(map(tuple, found))
        sets = dict(map(tuple, db.execute(BY_DATA_SET)))
        listed = {
            state: [
                to_batch(row)
                for row in db.execute(f"{BATCHES} WHERE {which} ORDER BY {order} LIMIT ?", (limit,))
            ]
            for state, which, order, limit in (
                (BatchState.RUNNING, "batch.state = 'running'", "batch.processor", -1),
                (BatchState.PAUSED, "batch.state = 'paused'", "batch.place", MANY),
                (BatchState.FAILED, LAST_FAILED, "batch.ended DESC", MANY),
            )
        }
        seconds = [
            row[0]
            for row in db.execute(
                "SELECT ended - started FROM batch WHERE state = 'finished' AND started > 0"
                " ORDER BY id DESC LIMIT ?",
                (RECENT,),
            )
        ]
        later = [
            to_batch(row)
            for row in db.execute(
                f"{BATCHES} WHERE batch.state = 'waiting' AND batch.not_before > ?"
                " ORDER BY batch.not_before LIMIT ?",
                (now, MANY),
            )
        ]
        extra = [
            db.execute(query).fetchone()[0]
            for query in (
                "SELECT count(*) FROM data_set",
                "SELECT count(*) FROM watch WHERE active",
                "SELECT count(*) FROM schedule WHERE state = 'running'",
                f"SELECT count(*) FROM batch WHERE {LAST_FAILED}",
                f"SELECT count(*) FROM batch WHERE {TO_RESUME}",
                "SELECT max(ended) FROM batch",
            )
        ]
    retries, waits_s = retries_of(store)
    told = store.setting(MACHINE).split() if runner is not None else []
    cores, memory = map(int, told) if told else available()
    plan = plan_processors(run["processors"], run["threads"], run["memory"], cores, memory)
    return Status(
        time=now,
        name=store.folder.name,
        folder=store.folder,
        wanted=RunState(run["wanted"]),
        runner=runner,
        host=run["host"],
        began=run["began"],
        processors=run["processors"],
        threads=run["threads"],
        memory_bytes=run["memory"],
        plan=plan,
        data_sets=extra[0],
        sets={state: sets[state] for state in counts if state in sets},
        counts=counts,
        last_ended=extra[5],
        running=listed[BatchState.RUNNING],
        paused=listed[BatchState.PAUSED],
        later=later,
        failed=listed[BatchState.FAILED],
        to_retry=extra[3],
        to_resume=extra[4],
        left_s=_left(seconds, listed[BatchState.RUNNING], counts["waiting"], plan.processors, now),
        retries=retries,
        retry_waits_s=waits_s,
        watches=extra[1],
        schedules=extra[2],
    )


def _left(
    seconds: list[float], running: list[Batch], waiting: int, processors: int, now: float
) -> float | None:
    """Return an estimate of the time until all that waits and runs is done.

    >>> _left([10.0, 20.0], [], 4, 2, 0.0)
    30.0
    """
    if not seconds or not (running or waiting):
        return None
    each = sum(seconds) / len(seconds)
    begun = sum(max(0.0, each - (now - (one.started or now))) for one in running)
    return (begun + waiting * each) / min(processors, len(running) + waiting)
