"""The line of batches that wait: their places, and whom a name means."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.queue.spelling import as_spelt, fits
from tomoline.queue.store import Store


def last_number(db: sqlite3.Connection) -> int:
    """Return the highest number that a batch ever had: numbers are not given again.

    The log knows those of batches that went with their data set.
    """
    row = db.execute(
        "SELECT max(coalesce((SELECT max(id) FROM batch), 0),"
        " coalesce((SELECT max(batch) FROM event), 0))"
    ).fetchone()
    return int(row[0])


def lowest(db: sqlite3.Connection) -> float:
    """Return the lowest place of all batches."""
    return float(db.execute("SELECT coalesce(min(place), 1) FROM batch").fetchone()[0])


def highest(db: sqlite3.Connection) -> float:
    """Return the highest place of all batches."""
    return float(db.execute("SELECT coalesce(max(place), 0) FROM batch").fetchone()[0])


def waiting(db: sqlite3.Connection) -> list[tuple[int, float]]:
    """Return number and place of the batches that wait, in order."""
    rows = db.execute(
        "SELECT id, place FROM batch INDEXED BY batch_next WHERE state = 'waiting'"
        " ORDER BY place, id"
    )
    return [(row[0], row[1]) for row in rows]


def between(low: float | None, high: float | None, number: int) -> list[float] | None:
    """Return rising places between two others, None where they have no room for so many.

    >>> between(1.0, 2.0, 1), between(None, 2.0, 2), between(3.0, None, 1)
    ([1.5], [0.0, 1.0], [4.0])
    >>> between(1.0, 1.0, 1)
    """
    if low is None:
        start = 0.0 if high is None else high
        return [start - number + index for index in range(number)]
    if high is None:
        return [low + index for index in range(1, number + 1)]
    places = [low + (high - low) * index / (number + 1) for index in range(1, number + 1)]
    line = [low, *places, high]
    return places if all(one < two for one, two in pairwise(line)) else None


def queued_named(
    store: Store, db: sqlite3.Connection, names: Sequence[str], also: str = ""
) -> dict[int, str]:
    """Return numbers and data sets of the waiting batches that are named, in the order named.

    Parameters
    ----------
    store, db : Store and its connection
        Where they are.
    names : sequence of str
        Names of data sets, patterns too.
    also : str
        Condition for batches that count as well.

    Raises
    ------
    TomolineError
        QUEUE-05 for a data set that has none, PROJ-08 for what is none.
    """
    line: dict[str, list[int]] = {}
    # Asked one by one, each of them uses its index.
    for condition in ("batch.state = 'waiting'", also or "0"):
        rows = db.execute(
            "SELECT batch.id, data_set.name FROM batch JOIN data_set"
            f" ON data_set.id = batch.data_set WHERE {condition} ORDER BY batch.place, batch.id"
        )
        for number, name in rows:
            line.setdefault(name, []).append(number)
    names = as_spelt(store, names)
    check_named(store, names, line, lambda name: not_waiting(db, name))
    found: dict[int, str] = {}
    for name in names:
        fitting = (name,) if name in line else (one for one in line if fits(one, name))
        for one in fitting:
            found |= dict.fromkeys(line[one], one)
    return found


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a data set is named, itself or by a pattern."""
    return any(name == pattern or fits(name, pattern) for pattern in patterns)


def check_named(
    store: Store,
    names: Sequence[str],
    known: Collection[str],
    fault: Callable[[str], TomolineError],
) -> None:
    """Refuse names and patterns that mean nothing of what is known, all of them together.

    Parameters
    ----------
    names : sequence of str
        As given.
    known : collection of str
        Names that are right.
    fault : callable
        Gives the error for a data set that is there but not known.

    Raises
    ------
    TomolineError
        PROJ-08 for what is no data set at all, else what `fault` gives.
    """
    right = set(known)
    faults = []
    for name in names:
        if name in right or any(fits(one, name) for one in right):
            continue
        from tomoline.queue.data_sets import DataSets

        try:
            DataSets(store).entries([name])
        except TomolineError as error:
            faults.append(error)
        else:
            faults.append(fault(name))
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise Faults(faults)


def waiting_of(db: sqlite3.Connection, data_set: int) -> Any:
    """Return the row of the batch of a data set that waits, None where there is none."""
    return db.execute(
        "SELECT * FROM batch WHERE data_set = ? AND state = 'waiting'", (data_set,)
    ).fetchone()


def not_failed(name: str) -> TomolineError:
    """Return the error for a data set that has not failed."""
    return errors.queue.WRONG_STATE.error(name, "its last batch has not failed.")


def not_waiting(db: sqlite3.Connection, name: str) -> TomolineError:
    """Return the error for a data set that does not wait; it says what is done with it instead."""
    rows = db.execute(
        "SELECT state FROM batch WHERE state IN ('running', 'paused')"
        " AND data_set = (SELECT id FROM data_set WHERE name = ?)",
        (name,),
    ).fetchall()
    states = {row[0] for row in rows}
    kind, found = errors.queue.NOT_QUEUED, "no batch of it waits"
    if "running" in states:
        return kind.error(name, f"{found}; it is being run.", f"'tomoline kill {name}' ends it.")
    if "paused" in states:
        remedy = "'tomoline resume' goes on with it first; 'tomoline queue remove' takes it out."
        return kind.error(name, f"{found}; it is paused.", remedy)
    return kind.error(name, f"{found}.")
