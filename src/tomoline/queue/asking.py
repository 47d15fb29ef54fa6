"""Queueing data sets for a run that somebody asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tomoline.queue.batch_range import Range, range_of
from tomoline.queue.batches import Queue
from tomoline.queue.model import BatchState, DataSetEntry
from tomoline.queue.reach import Asked

ORIGIN = "run"


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
        In order. One that is paused begins anew.
    asked : mapping
        What is asked for, by recipe.
    named : bool
        Whether they were named. If not, those that are being run, just so, are left alone: who
        asks for the same run again wants to see it, not to have it twice.

    Returns
    -------
    list of int, list of str
        Numbers of the batches, and the names of those left alone.
    """
    ids = {entry.id for entry in entries}
    live = {
        one.data_set: one
        for one in queue.batches(states=(BatchState.RUNNING, BatchState.PAUSED))
        if one.data_set in ids
    }
    for one in live.values():
        if one.state is BatchState.PAUSED:
            queue.drop(one, "queued anew")
    already = []
    groups: dict[Asked, list[DataSetEntry]] = {}
    for entry in entries:
        part = asked[entry.recipe]
        runs = live.get(entry.id)
        if (
            not named
            and runs is not None
            and runs.state is BatchState.RUNNING
            and range_of(runs) == Range(part.first, part.last)
        ):
            already.append(entry.name)
        else:
            groups.setdefault(part, []).append(entry)
    numbers: list[int] = []
    for part, group in groups.items():
        numbers += queue.add(group, first=part.first, last=part.last, origin=ORIGIN)
    return numbers, already
