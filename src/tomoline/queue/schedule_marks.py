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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomoline.queue.layers import Layers
from tomoline.queue.model import LIVE, BatchState, DataSetEntry
from tomoline.queue.rows import to_data_set
from tomoline.queue.store import Store, to_json

RECORD_SUFFIX = ".tomoline.json"
DONE = ("finished", "off")


@dataclass(frozen=True)
class RecordFacts:
    """What matters here of a data set's record.

    Attributes
    ----------
    done : frozenset of str
        Steps that have finished, or are switched off.
    prints : dict
        Fingerprint of each step.
    digests : dict
        Of the parameters that each step has run with, by name of the parameter.
    """

    done: frozenset[str]
    prints: Mapping[str, str]
    digests: Mapping[str, Mapping[str, int]]


@dataclass
class Taken:
    """What a round takes, and what it leaves.

    Attributes
    ----------
    entries : list of DataSetEntry
        To be queued.
    marks : dict
        Mark of each, by number of the data set.
    live, not_ready, failed : int
        Left: waiting or worked on already; without what the steps need; failed or killed before,
        with nothing changed since.
    """

    entries: list[DataSetEntry] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    live: int = 0
    not_ready: int = 0
    failed: int = 0


def record_of(folder: Path, root: str) -> RecordFacts | None:
    """Return what a data set's record tells; None where there is none that can be read."""
    try:
        content = json.loads((folder / f"{root}{RECORD_SUFFIX}").read_bytes())
        steps = content["steps"]
        return RecordFacts(
            frozenset(one["name"] for one in steps if one["state"] in DONE),
            {one["name"]: one["fingerprint"] for one in steps},
            {
                one["name"]: {name: _hash(value) for name, value in one["parameters"].items()}
                for one in steps
            },
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Records:
    """Records of data sets, read again only when they have changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], RecordFacts | None]] = {}

    def facts(self, entry: DataSetEntry) -> list[RecordFacts | None]:
        """Return what is known of each axis of a data set."""
        return [self._one(entry.folder, root) for root in entry.roots]

    def _one(self, folder: Path, root: str) -> RecordFacts | None:
        path = f"{folder}/{root}{RECORD_SUFFIX}"
        try:
            found = os.stat(path)
        except OSError:
            self._known.pop(path, None)
            return None
        stamp = (found.st_mtime_ns, found.st_size)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = (stamp, record_of(folder, root))
        return known[1]


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
        live = {
            row[0]
            for row in db.execute(
                f"SELECT data_set FROM batch WHERE state IN ({', '.join('?' * len(LIVE))})", LIVE
            )
        }
    shared = _values(Layers(store).all().values(), steps)
    for row in rows:
        if row["id"] in live:
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
            wanted = not (done and _as_given(own, facts))
        elif item["mark"] != mark:
            wanted = True
        else:
            wanted = _again(item["state"], facts, done)
            if not wanted and not done:
                taken.failed += 1
        if wanted:
            taken.entries.append(entry)
            taken.marks[entry.id] = mark
    return taken


def _again(state: str | None, facts: Sequence[RecordFacts | None], done: bool) -> bool:
    """Whether a data set that has not changed is taken again after its batch has ended so."""
    if state == BatchState.FINISHED:  # its results may have been deleted since
        return any(one is None for one in facts)
    # One that failed, or was killed, is for those who look after it: retry, resume.
    return not done and state not in (BatchState.FAILED, BatchState.KILLED)


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
    prints = [[one.prints.get(step) for step in needs] if one else None for one in facts]
    told = to_json([list(map(str, sources)), [sorted(one.items()) for one in own], prints])
    return f"{files}/{hashlib.sha256(told.encode(errors='replace')).hexdigest()[:32]}"


def _as_given(own: Sequence[Mapping[str, Any]], facts: Sequence[RecordFacts | None]) -> bool:
    """Whether steps have run with all that is given for them now."""
    for values, one in zip(own, facts, strict=True):
        for key, value in values.items():
            step, _, name = key.partition(".")
            known = one.digests.get(step, {}) if one is not None else {}
            # A step that is switched off has no parameters in its record.
            if known and known.get(name) != _hash(value):
                return False
    return True


def _hash(value: Any) -> int:
    """Return a number that stands for a value; 10 and 10.0 are the same."""
    if isinstance(value, int | float):
        return hash(float(value))
    return hash(to_json(value))
