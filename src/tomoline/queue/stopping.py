"""Pausing and killing a run: what is wanted is written down, and a kill is seen to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.batches import Queue
from tomoline.queue.model import Batch, BatchState, EventKind, RunState
from tomoline.queue.rows import batch, wanted_of
from tomoline.queue.store import Store

S = BatchState
HELD_S = 0.8
"""How long a kill waits for others that write into the store, before it does without."""


def pause(store: Store, *, at_step: bool) -> list[Batch]:
    """Want the run to pause; see `Control.pause`."""
    try:
        with store.write() as db:
            running = Queue(store).batches(states=(S.RUNNING,))
            if wanted_of(store) is RunState.STOPPED and not running:
                raise errors.queue.WRONG_STATE.error(
                    store.folder, "nothing runs that could be paused."
                )
            db.execute("UPDATE run SET wanted = ?", (RunState.PAUSED,))
            if at_step:
                db.execute(
                    "UPDATE batch SET wanted = 'pause' WHERE state = 'running' AND wanted = ''"
                )
            when = "at the next step" if at_step else "after the present data sets"
            store.add_event(EventKind.RUN, f"pause asked for, {when}")
    except TomolineError as error:
        from tomoline.queue.halting import pointed_to_kill

        raise pointed_to_kill(error) from error
    return running


def kill(
    store: Store, patterns: Sequence[str], alive: Callable[[Store], int | None], *, wait: bool
) -> list[Batch]:
    """End what runs, or the data sets that are named; see `Control.kill`."""
    from tomoline.queue.killing import wait_until_killed

    try:
        with store.patience(HELD_S):
            # From here on nothing starts: a runner looks at what is wanted where it starts a batch.
            killed, running = _want_killed(store, patterns)
            if wait:
                wait_until_killed(store, running, alive)
    except TomolineError as error:
        from tomoline.queue.halting import ended_all, pointed_to_kill

        raise (pointed_to_kill if patterns else ended_all)(error) from error
    return killed


def finished_of(store: Store, killed: Sequence[Batch]) -> list[Batch]:
    """Return those of batches that ran when they were killed which had just finished."""
    ran = [one for one in killed if one.state is S.RUNNING]
    now = [(one, batch(store, one.id)) for one in ran]
    return [one for one, there in now if there is not None and there.state is S.FINISHED]


def _want_killed(store: Store, patterns: Sequence[str]) -> tuple[list[Batch], list[Batch]]:
    """Write down what is to be killed; return it, and that part of it that runs."""
    from tomoline.queue.asking import set_aside
    from tomoline.queue.reach import shortened

    with store.write() as db:
        if patterns:
            from tomoline.queue.data_sets import DataSets

            killed = set_aside(store, DataSets(store).entries(patterns))
        else:
            killed = Queue(store).batches(states=(S.RUNNING,))
            db.execute("UPDATE run SET wanted = ?", (RunState.STOPPED,))
        running = [one for one in killed if one.state is S.RUNNING]
        db.executemany(
            "UPDATE batch SET wanted = 'kill' WHERE id = ?", [(one.id,) for one in running]
        )
        names = f": {shortened([one.name for one in killed])}" if killed else ""
        store.add_event(
            EventKind.RUN,
            f"kill asked for{names}",
            level="warning",
            code=errors.queue.KILLED.code,
        )
    return killed, running
