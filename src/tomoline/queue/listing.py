"""The queue as it is: which batches there are, in which order, and which comes next."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Any

from tomoline.queue.line import matches, waiting
from tomoline.queue.model import LIVE, Batch, BatchState
from tomoline.queue.rows import BATCHES, to_batch, to_batches
from tomoline.queue.spelling import as_spelt
from tomoline.queue.store import Store

S = BatchState
# Those that run, those that wait, then what has ended, the newest first.
GROUPS = (
    ((S.RUNNING, S.PAUSED), "batch.state DESC, batch.place, batch.id"),
    ((S.WAITING,), "batch.place, batch.id"),
    ((S.FINISHED, S.FAILED, S.KILLED, S.DROPPED), "batch.ended DESC, batch.place, batch.id"),
)
NEWEST = "batch.id = (SELECT max(id) FROM batch AS b WHERE b.data_set = batch.data_set AND {})"
"""Condition for the newest batch of its data set among those of a condition on ``b``."""
NEWEST_OF_ALL = NEWEST.format("b.state != 'dropped'")
LAST_FAILED = f"batch.state = 'failed' AND {NEWEST_OF_ALL}"
# A batch that was killed has been made good when a later one of its data set was run.
TO_RESUME = (
    "(batch.state = 'paused' OR batch.state = 'killed' AND NOT EXISTS (SELECT 1 FROM batch AS b"
    " WHERE b.data_set = batch.data_set AND b.id > batch.id"
    " AND b.state IN ('running', 'finished', 'failed')))"
)
ANEW: dict[str, Any] = {
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
SERVED = (
    "(EXISTS (SELECT 1 FROM watch WHERE active)"
    " OR EXISTS (SELECT 1 FROM schedule WHERE state = 'running'))"
)
"""Condition for a project to which data sets may still come by themselves."""
CARRIED = frozenset({"retries", "threads", "alone", "not_before"})
"""Columns that a batch keeps when another one of its data set takes over what it was to do."""
TOLD = frozenset({"at", "found", "remedy", "when"})
"""What tells why it ended."""
# Told which index gives the order, SQLite does not sort tens of thousands to find the first.
LINE = BATCHES.replace("FROM batch", "FROM batch INDEXED BY batch_next")


class Listing:
    """What can be seen of a project's queue."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def batches(
        self,
        *,
        states: Sequence[BatchState] = (),
        patterns: Sequence[str] = (),
        limit: int = 0,
        newest: bool = False,
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
        newest : bool
            Of those that have finished, failed or been killed, only such as no later batch of the
            same data set has followed.
        """
        wanted = set(states) or set(BatchState) - {S.DROPPED}
        patterns = as_spelt(self._store, patterns)
        rows: list[sqlite3.Row] = []
        with self._store.read() as db:
            for group, order in GROUPS:
                chosen = [state for state in group if state in wanted]
                if not chosen or len(rows) >= limit > 0:
                    continue
                begin = LINE if chosen == [S.WAITING] else BATCHES
                which = state_is(chosen)
                if newest and not set(group) & set(LIVE):
                    which += f" AND (batch.state = 'dropped' OR {NEWEST_OF_ALL})"
                found = db.execute(f"{begin} WHERE {which} ORDER BY {order}")
                left = limit - len(rows) if limit > 0 else None
                kept = (one for one in found if not patterns or matches(one["name"], patterns))
                rows += islice(kept, left)
        return to_batches(rows)

    def latest(self, data_sets: Sequence[int] | None = None) -> dict[int, Batch]:
        """Return the newest batch that is not dropped, by the number of its data set.

        Parameters
        ----------
        data_sets : sequence of int, optional
            Numbers of data sets; by default all.
        """
        where = f" WHERE {NEWEST_OF_ALL}"
        with self._store.read() as db:
            if data_sets is None:
                rows = list(db.execute(BATCHES + where))
            else:
                one = f"{BATCHES}{where} AND batch.data_set = ?"
                rows = [row for number in data_sets for row in db.execute(one, (number,))]
        return {one.data_set: one for one in to_batches(rows)}

    def finished(self) -> set[int]:
        """Return the data sets whose newest batch that is not dropped has finished."""
        query = f"SELECT data_set FROM batch WHERE state = 'finished' AND {NEWEST_OF_ALL}"
        with self._store.read() as db:
            return {row[0] for row in db.execute(query)}

    def counts(self, *, newest: bool = False) -> dict[BatchState, int]:
        """Return how many batches there are of each state, dropped ones too; see `batches`."""
        counts = dict.fromkeys(BatchState, 0)
        kept = state_is((*LIVE, S.DROPPED))
        which = f"WHERE {kept} OR {NEWEST_OF_ALL} " if newest else ""
        query = f"SELECT batch.state, count(*) FROM batch {which}GROUP BY batch.state"
        with self._store.read() as db:
            for state, number in db.execute(query):
                counts[BatchState(state)] = number
        return counts

    def positions(self) -> dict[int, int]:
        """Return the position of each batch that waits, from 1, by its number."""
        with self._store.read() as db:
            return {number: place for place, (number, _) in enumerate(waiting(db), 1)}

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
                f"{LINE} WHERE batch.state = 'waiting' AND batch.not_before <= ?"
                " AND NOT EXISTS (SELECT 1 FROM batch AS b WHERE b.data_set = batch.data_set"
                " AND b.state IN ('running', 'paused'))"
                " ORDER BY batch.place, batch.id LIMIT 1",
                (now,),
            ).fetchone()
        if row is None or (row["alone"] and not alone_allowed):
            return None
        return to_batch(row)


def state_is(states: Sequence[BatchState]) -> str:
    """Return the condition for a batch's state.

    The names stand in it: only so does SQLite see that an index of some states serves.

    >>> state_is([BatchState.FAILED, BatchState.KILLED])
    "batch.state IN ('failed', 'killed')"
    """
    names = ", ".join(f"'{state}'" for state in states)
    return f"batch.state = {names}" if len(states) == 1 else f"batch.state IN ({names})"
