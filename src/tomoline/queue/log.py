"""The log of a project: what happened, filtered and sorted, and the states that it explains."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from tomoline.queue.levels import Level, Order
from tomoline.queue.model import TRANSITIONS, BatchState, Event
from tomoline.queue.spelling import logged
from tomoline.queue.store import Store
from tomoline.queue.watching.names import shown
from tomoline.queue.words import time_text

_LEVEL_RANK = "CASE level WHEN 'error' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END"
_FIELDS = ", ".join(field.name for field in fields(Event))
_COLUMNS = {Order.DATA_SET: "data_set", Order.LEVEL: _LEVEL_RANK}


class Log:
    """The events of a project."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def events(
        self,
        *,
        processor: int | None = None,
        data_set: str = "",
        step: str = "",
        level: str = "",
        kind: str = "",
        message: str = "",
        batch: int | None = None,
        since: float = 0.0,
        until: float = 0.0,
        after: int = 0,
        sort: str = "time",
        descending: bool = False,
        limit: int = 0,
        newest: int = 0,
    ) -> list[Event]:
        """Return the events that meet all conditions.

        Parameters
        ----------
        processor, batch : int, optional
            Number of a processor, of a batch.
        data_set : str
            Name, ``*`` and ``?`` may be used.
        step, kind : str
            Name of a step; of a kind, see `EventKind`.
        level : str
            This or worse, see `Level`.
        message : str
            Part of the message, or of the code; capitals do not matter.
        since, until : float
            Times, the second one is not included; 0 for no bound.
        after : int
            Only events of a higher number, for following the log.
        sort : str
            See `Order`.
        descending : bool
            Whether the highest, or latest, comes first.
        limit : int
            At most so many of that order; 0 for all.
        newest : int
            Only the newest so many that meet the conditions, in that order; 0 for all.

        Raises
        ------
        ValueError
            If there is no such level or order.
        """
        least = Level(level or Level.INFO)
        order = Order(sort)
        conditions: list[str] = []
        given: list[Any] = []

        def need(condition: str, value: Any) -> None:
            conditions.append(condition)
            given.append(value)

        if processor is not None:
            need("processor = ?", processor)
        if message:
            sought = re.sub(r"([\\%_])", r"\\\1", message)
            conditions.append("(message LIKE ? ESCAPE '\\' OR code LIKE ? ESCAPE '\\')")
            given += [f"%{sought}%"] * 2
        if batch is not None:
            need("batch = ?", batch)
        if data_set:
            with self._store.read() as db:
                condition, names = logged(db, data_set)
            conditions.append(condition)
            given += names
        if step:
            need("step = ?", step)
        if kind:
            need("kind = ?", kind)
        if least is not Level.INFO:
            worse = list(Level)[list(Level).index(least) :]
            conditions.append(f"level IN ({', '.join('?' * len(worse))})")
            given += worse
        if since:
            need("time >= ?", since)
        if until:
            need("time < ?", until)
        if after:
            need("id > ?", after)
        direction = "DESC" if descending else "ASC"
        columns = list(dict.fromkeys([_COLUMNS.get(order, str(order)), "time", "id"]))
        # The newest are found by their number; the index of times would be read from its beginning.
        query = f"SELECT {_FIELDS} FROM event{' NOT INDEXED' if after else ''}"
        if conditions:
            query += " WHERE " + " AND ".join(conditions)
        if newest > 0:
            # Not by time: once a clock was set back, what is new would stay behind the old.
            query = f"SELECT {_FIELDS} FROM ({query} ORDER BY id DESC LIMIT {newest:d})"
        query += " ORDER BY " + ", ".join(f"{column} {direction}" for column in columns)
        if limit > 0:
            query += f" LIMIT {limit:d}"
        with self._store.read() as db:
            return [Event(*row) for row in db.execute(query, given)]

    def last(self) -> int:
        """Return the number of the newest event, 0 where there is none."""
        with self._store.read() as db:
            return int(db.execute("SELECT coalesce(max(id), 0) FROM event").fetchone()[0])


def line_of(event: Event, *, local: bool = False) -> str:
    """Return an event as a line for people.

    >>> line_of(Event(1, 0.0, "info", "step", 2, "TS_01", 7, "align", "", "", "", "starts"))
    '1970-01-01 00:00:00 info    P2   TS_01  align  starts'
    """
    processor = f"P{event.processor}" if event.processor is not None else "-"
    code = "" if event.code in event.message else event.code
    words = [event.data_set, event.step, f"{code} {event.message}"]
    # What a name of a file holds must not steer a terminal.
    text = shown("  ".join(" ".join(word.split()) for word in words if word))
    return f"{time_text(event.time, local=local)} {event.level:<7} {processor:<4} {text}"


def explain_states(events: Iterable[Event]) -> dict[int, BatchState]:
    """Replay the events of states from nothing, and return the state of each batch.

    Parameters
    ----------
    events : iterable of Event
        Taken in the order in which they were written; other kinds are passed over.

    Returns
    -------
    dict
        State by number of the batch; those of data sets that were removed too.

    Raises
    ------
    ValueError
        At the first event that could not happen after those before it.
    """
    states: dict[int, BatchState] = {}
    for event in sorted(events, key=lambda one: one.id):
        if event.kind != "state":
            continue
        number = event.batch
        if number is None:
            raise ValueError(f"event {event.id} names no batch")
        becomes = BatchState(event.becomes)
        before = states.get(number)
        if before is None:
            if event.was or becomes is not BatchState.WAITING:
                raise ValueError(
                    f"event {event.id}: batch {number} begins {event.was!r} -> {becomes}"
                )
        elif event.was != before:
            raise ValueError(f"event {event.id}: batch {number} was {before}, not {event.was!r}")
        elif becomes not in TRANSITIONS[before]:
            raise ValueError(f"event {event.id}: batch {number} goes from {before} to {becomes}")
        states[number] = becomes
    return states
