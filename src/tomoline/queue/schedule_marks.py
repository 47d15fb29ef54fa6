"""Which data sets a round of a schedule takes: what is new, or has changed, since it was done.

Whether a step is up to date is decided when it is run, by fingerprints. Here it is only seen to
that thousands of finished data sets are not queued in every round: from records read as plain JSON
and kept in memory, and from a mark that says what a data set was made from when it was queued.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomoline.queue.layers import Layers
from tomoline.queue.listing import state_is
from tomoline.queue.model import LIVE, BatchState, DataSetEntry
from tomoline.queue.records import DONE, read_record, record_path
from tomoline.queue.rows import to_data_set
from tomoline.queue.store import Store, to_json

S = BatchState


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What matters here of a data set's record; little, for there may be tens of thousands.

    Attributes
    ----------
    done : frozenset of str
        Steps that have finished, or are switched off.
    names : tuple of str
        Steps that have been run at all.
    prints : tuple of int
        Of each, a number that changes with its fingerprint.
    """

    done: frozenset[str]
    names: tuple[str, ...]
    prints: tuple[int, ...]

    def print_of(self, step: str) -> int:
        """Return what changes with a step's fingerprint; 0 where it has not been run."""
        return self.prints[self.names.index(step)] if step in self.names else 0


@dataclass
class Taken:
    """What a round takes, and what it leaves.

    Attributes
    ----------
    entries : list of DataSetEntry
        To be queued.
    marks : dict
        Mark of each, by number of the data set.
    known : dict
        Marks of data sets that had been finished before the schedule first saw them.
    live, not_ready, failed : int
        Left: waiting or worked on already; without what the steps need; failed or killed before,
        with nothing changed since.
    """

    entries: list[DataSetEntry] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    known: dict[int, str] = field(default_factory=dict)
    live: int = 0
    not_ready: int = 0
    failed: int = 0

    def leave_out(self, free: Collection[int]) -> None:
        """Leave out data sets that have been queued or removed since they were looked at."""
        there = [entry for entry in self.entries if entry.id in free]
        self.live += len(self.entries) - len(there)
        self.entries = there


def record_of(folder: Path, root: str) -> RecordFacts | None:
    """Return what a data set's record tells; None where there is none that can be read."""
    try:
        steps = _steps_of(folder, root)
        return RecordFacts(
            frozenset(sys.intern(one["name"]) for one in steps if one["state"] in DONE),
            tuple(sys.intern(one["name"]) for one in steps),
            tuple(_number(one["fingerprint"]) for one in steps),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _steps_of(folder: Path, root: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = read_record(record_path(folder, root))["steps"]
    return steps


def _number(fingerprint: str) -> int:
    return int.from_bytes(hashlib.blake2b(fingerprint.encode(), digest_size=7).digest())


def free_to_queue(db: sqlite3.Connection) -> set[int]:
    """Return the data sets with the run flag of which no batch waits, runs or is paused."""
    found = db.execute(
        "SELECT id FROM data_set WHERE run = 1 AND id NOT IN"
        f" (SELECT data_set FROM batch WHERE {state_is(LIVE)})"
    )
    return {row[0] for row in found}


class Records:
    """Records of data sets, read again only when they have changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, RecordFacts | None]] = {}
        # Most data sets have done the same: what is equal is kept once.
        self._equal: dict[Any, Any] = {}

    def facts(self, entry: DataSetEntry) -> list[RecordFacts | None]:
        """Return what is known of each axis of a data set."""
        return [self._one(entry.folder, root) for root in entry.roots]

    def _one(self, folder: Path, root: str) -> RecordFacts | None:
        path = str(record_path(folder, root))
        try:
            found = os.stat(path)
        except OSError:
            self._known.pop(path, None)
            return None
        known = self._known.get(path)
        if known is None or known[:2] != (found.st_mtime_ns, found.st_size):
            facts = record_of(folder, root)
            if facts is not None:
                done = self._equal.setdefault(facts.done, facts.done)
                names = self._equal.setdefault(facts.names, facts.names)
                facts = RecordFacts(done, names, facts.prints)
            known = self._known[path] = (found.st_mtime_ns, found.st_size, facts)
        return known[2]


def take(
    store: Store,
    name: str,
    recipe: str,
    steps: Sequence[str],
    needs: Sequence[str],
    records: Records,
) -> Taken:
    """Return which data sets a round takes.

    Parameters
    ----------
    store : Store
        The project's.
    name, recipe : str
        Of the schedule.
    steps, needs : sequence of str
        Its steps, and those that must have run before.
    records : Records
        What has been read before.
    """
    taken = Taken()
    with store.read() as db:
        free = free_to_queue(db)
        rows = db.execute(
            "SELECT * FROM data_set WHERE recipe = ? AND run = 1 ORDER BY place", (recipe,)
        ).fetchall()
        items = {
            row["data_set"]: row
            for row in db.execute(
                "SELECT i.data_set, i.mark, b.state FROM schedule_item AS i"
                " LEFT JOIN batch AS b ON b.id = i.batch WHERE i.schedule = ?",
                (name,),
            )
        }
    shared = _values(Layers(store).all().values(), steps)
    for row in rows:
        if row["id"] not in free:
            taken.live += 1
            continue
        entry = to_data_set(row)
        facts = records.facts(entry)
        if not all(one is not None and one.done.issuperset(needs) for one in facts) and needs:
            taken.not_ready += 1
            continue
        own = _axes_of(row, shared, steps)
        item = items.get(entry.id)
        mark = _mark(entry, own, facts, needs, item["mark"] if item else "")
        done = all(one is not None and one.done.issuperset(steps) for one in facts)
        if item is None:
            wanted = not (done and _as_given(entry, own))
            if not wanted:
                taken.known[entry.id] = mark
        elif item["mark"] != mark:
            wanted = True
        else:
            wanted = _again(item["state"], facts, done)
            if not wanted and not done and item["state"] in (S.FAILED, S.KILLED):
                taken.failed += 1
        if wanted:
            taken.entries.append(entry)
            taken.marks[entry.id] = mark
    return taken


def _again(state: str | None, facts: Sequence[RecordFacts | None], done: bool) -> bool:
    """Whether a data set that has not changed is taken again after its batch has ended so."""
    if state == S.FINISHED:  # its results may have been deleted since
        return any(one is None for one in facts)
    # One that failed, or was killed, is for those who look after it: retry, resume.
    return not done and state not in (S.FAILED, S.KILLED)


def _values(layers: Any, steps: Sequence[str]) -> dict[str, Any]:
    """Return what layers, in rising precedence, give for some steps."""
    found: dict[str, Any] = {}
    for layer in layers:
        for key, (value, _) in layer.items():
            if key.partition(".")[0] in steps:
                found[key] = value
    return found


def _axes_of(
    row: sqlite3.Row, shared: Mapping[str, Any], steps: Sequence[str]
) -> list[dict[str, Any]]:
    """Return what is given for some steps of a data set, for each of its axes."""
    first = {**shared, **_values([json.loads(row["given"])], steps)}
    if not row["source_b"]:
        return [first]
    return [first, {**first, **_values([json.loads(row["given_b"])], steps)}]


def _mark(
    entry: DataSetEntry,
    own: Sequence[Mapping[str, Any]],
    facts: Sequence[RecordFacts | None],
    needs: Sequence[str],
    before: str,
) -> str:
    """Return what a data set is made from: acquisition, parameters, results of earlier steps."""
    sources = [path for path in (entry.source, entry.source_b) if path is not None]
    try:
        files = ":".join(f"{found.st_size}.{found.st_mtime_ns}" for found in map(os.stat, sources))
    except OSError:  # a disk that is away for a while changes nothing
        files = before.partition("/")[0]
    prints = [one.print_of(step) if one else 0 for one in facts for step in needs]
    told = to_json([list(map(str, sources)), [sorted(one.items()) for one in own], prints])
    return f"{files}/{hashlib.sha256(told.encode(errors='replace')).hexdigest()[:32]}"


def _as_given(entry: DataSetEntry, own: Sequence[Mapping[str, Any]]) -> bool:
    """Whether steps have run with all that is given for them now."""
    try:
        for values, root in zip(own, entry.roots, strict=True):
            known = {one["name"]: one["parameters"] for one in _steps_of(entry.folder, root)}
            for key, value in values.items():
                step, _, name = key.partition(".")
                # A step that is switched off has no parameters in its record.
                if known.get(step) and known[step].get(name) != value:
                    return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True
