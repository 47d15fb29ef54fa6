"""Writing down how a batch ended."""

from __future__ import annotations

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.batches import Queue
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.outcome import End, outcome, retries_of
from tomoline.queue.rows import change_state
from tomoline.queue.store import Store

S = BatchState


def write_end(store: Store, batch: Batch, how: End, now: float) -> None:
    """Write down what follows from how a batch's process ended: a state, or that it waits again.

    Parameters
    ----------
    store : Store
        The project's.
    batch : Batch
        As it is in the store, but with its start by the clock of `now`, which may have been set.
    how : End
        How its process ended.
    now : float
        Time.
    """
    retries, waits_s = retries_of(store)
    result = outcome(batch, how, retries, now, waits_s)
    if result.state is S.WAITING:
        Queue(store).wait_again(
            batch,
            result.message,
            level=result.level,
            code=result.code,
            when=now,
            **result.fields,
        )
        return
    change_state(
        store,
        batch,
        result.state,
        result.message,
        level=result.level,
        code=result.code,
        when=now,
        **({"started": batch.started} | result.fields),
    )


def write_failure(store: Store, batch: Batch, error: Exception, now: float) -> None:
    """Write down that a job cannot even be made, say of layers that cannot be read."""
    if not isinstance(error, TomolineError):
        found = f"{type(error).__name__}: {error}."
        error = errors.running.INTERNAL.error(batch.name, found)
    change_state(
        store,
        batch,
        S.FAILED,
        f"{error.code} {error.where}: {error.found} {error.remedy}",
        level="error",
        code=error.code,
        when=now,
        at=error.where,
        found=error.found,
        remedy=error.remedy,
    )
