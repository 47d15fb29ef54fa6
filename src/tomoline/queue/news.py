"""What has happened in a project that somebody may want to be told, and how it reads."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoline.queue.listing import SERVED, state_is
from tomoline.queue.model import LIVE, Batch, BatchState, Event, EventKind
from tomoline.queue.rows import batch as batch_of
from tomoline.queue.rows import to_event
from tomoline.queue.store import LOG, Store

ENDS = (BatchState.FINISHED, BatchState.FAILED, BatchState.KILLED)
TROUBLE = ("WATCH-02", "WATCH-04", "WATCH-07", "WATCH-10")
"""Warnings of watching that somebody has to look at."""
MOST_LISTED = 40
_NEWS = f"""SELECT * FROM event WHERE id > ? AND (
    kind = '{EventKind.STATE}' AND becomes IN ({", ".join(f"'{one}'" for one in ENDS)})
    OR kind = '{EventKind.WATCH}' AND (level = 'error' OR code IN {TROUBLE})) ORDER BY id"""


def news_after(store: Store, number: int) -> list[Event]:
    """Return the events after that number that may be told."""
    with store.read() as db:
        return [to_event(row) for row in db.execute(_NEWS, (number,))]


def occasion_of(event: Event) -> str:
    """Return what an event is an occasion for, of `user_settings.OCCASIONS`."""
    return event.becomes if event.kind == EventKind.STATE else "watch"


def is_done(store: Store) -> bool:
    """Whether nothing waits or runs, and nothing is watched or scheduled that could bring more."""
    query = f"SELECT EXISTS (SELECT 1 FROM batch WHERE {state_is(LIVE)}) OR {SERVED}"
    with store.read() as db:
        return not db.execute(query).fetchone()[0]


@dataclass(frozen=True)
class Failure:
    """A batch that failed, as it is told."""

    name: str
    step: str
    code: str
    at: str
    found: str
    remedy: str
    log: Path

    def text(self) -> str:
        """Return it for people."""
        step = f" in step {self.step}" if self.step else ""
        found = ": ".join(one for one in (self.code, self.at, self.found) if one)
        lines = [f"{self.name} failed{step}", f"    {found}"]
        if self.remedy:
            lines.append(f"    remedy: {self.remedy}")
        lines.append(f"    log: {self.log}")
        return "\n".join(lines)


def failure_of(store: Store, event: Event) -> Failure:
    """Return what is known of a failure; the event alone if its batch has gone on since."""
    with store.read():  # a data set may be removed at any moment
        one = batch_of(store, event.batch) if event.batch is not None else None
        log = store.folder / LOG if one is None else _log_of(store, one)
    if one is None or one.state is not BatchState.FAILED or one.code != event.code:
        found = event.message.removeprefix(f"{event.code} ")
        return Failure(event.data_set, event.step, event.code, "", found, "", log)
    found = one.found or event.message
    return Failure(one.name, one.step, one.code, one.at, found, one.remedy, log)


def _log_of(store: Store, one: Batch) -> Path:
    with store.read() as db:
        row = db.execute(
            "SELECT folder, source_b FROM data_set WHERE id = ?", (one.data_set,)
        ).fetchone()
    # Of two axes each has a log of its own.
    return Path(row["folder"]) / ("" if row["source_b"] else f"{one.name}.log")


def facts_of(store: Store, event: Event) -> dict[str, Any]:
    """Return all that is known of an event, for the command hook."""
    with store.read() as db:
        one = batch_of(store, event.batch) if event.batch is not None else None
        query = "SELECT recipe, source, folder FROM data_set WHERE id = ?"
        rows = db.execute(query, (one.data_set if one is not None else None,)).fetchall()
    facts: dict[str, Any] = {
        "project": str(store.folder),
        "data_set": event.data_set,
        "state": event.becomes,
        "code": event.code,
        "id": event.id,
        "time": event.time,
        "level": event.level,
        "step": event.step,
        "batch": event.batch,
        "message": event.message,
    }
    if one is not None:
        facts |= {
            "found": one.found,
            "remedy": one.remedy,
            "seconds": _seconds(one.started, one.ended),
            **dict(rows[0]),
        }
    return facts


@dataclass(frozen=True)
class Ending:
    """What a run has come to: every data set counts as it ended last."""

    last: int
    """Number of the last event of it."""
    counts: dict[str, int]
    failures: list[Failure]
    seconds: float

    @property
    def title(self) -> str:
        """Return it in a few words.

        >>> Ending(9, {"finished": 3, "failed": 1}, [], 60.0).title
        'done: 3 finished, 1 failed'
        """
        told = [f"{self.counts[one]} {one}" for one in ENDS if self.counts.get(one)]
        return f"done: {', '.join(told)}"

    def text(self, folder: Path) -> str:
        """Return all about it for people."""
        return "\n".join(
            [
                f"Project {folder}",
                f"It took {duration(self.seconds)}.",
                f"Log: {folder / LOG}",
                *listed([one.text() for one in self.failures]),
            ]
        )


def ending_after(store: Store, number: int) -> Ending | None:
    """Return what ended after that event; None where nothing finished or failed."""
    ended = [one for one in news_after(store, number) if one.kind == EventKind.STATE]
    if not any(one.becomes != BatchState.KILLED for one in ended):
        return None
    latest = {one.data_set: one for one in ended}
    counts = Counter(one.becomes for one in latest.values())
    failed = [one for one in latest.values() if one.becomes == BatchState.FAILED]
    with store.read() as db:
        began = db.execute(
            "SELECT min(time) FROM event WHERE id > ? AND kind = ? AND becomes = ?",
            (number, EventKind.STATE, BatchState.RUNNING),
        ).fetchone()[0]
    return Ending(
        last=ended[-1].id,
        counts=dict(counts),
        failures=[failure_of(store, one) for one in failed],
        seconds=_seconds(began, ended[-1].time),
    )


def listed(entries: Sequence[str]) -> list[str]:
    """Return entries with a blank line before each; of very many only the first ones.

    >>> listed(["one"])
    ['', 'one']
    """
    lines = [line for entry in entries[:MOST_LISTED] for line in ("", entry)]
    if len(entries) > MOST_LISTED:
        more = len(entries) - MOST_LISTED
        lines += ["", f"and {more} more: 'tomoline log --level error' lists them."]
    return lines


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(12.3), duration(200), duration(3700)
    ('12 s', '3 min 20 s', '1 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _seconds(began: float | None, ended: float | None) -> float:
    return max(0.0, (ended or time.time()) - began) if began else 0.0


def addresses_of(store: Store) -> tuple[str, ...]:
    """Return the addresses that the project's messages go to instead of the user's; () for none."""
    return tuple(json.loads(store.setting("mail.to") or "[]"))
