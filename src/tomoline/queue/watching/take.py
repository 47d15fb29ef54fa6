"""Taking acquisitions into the project, each once.

What was seen is written in the same transaction as the data set and its batch: after a crash either
all of it is there, or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.queue.batch_range import Range, joined, range_of
from tomoline.queue.batches import Queue
from tomoline.queue.data_sets import DataSets
from tomoline.queue.line import waiting_of
from tomoline.queue.model import Batch, BatchState, DataSetEntry, EventKind
from tomoline.queue.store import Store
from tomoline.queue.watches import Watch
from tomoline.queue.watching.group import Acquisition
from tomoline.queue.watching.names import shown
from tomoline.queue.watching.settle import Row, SeenState
from tomoline.queue.watching.sightings import Sightings

DUAL = "setup.dual_axis"
PIECE = 300
"""So many acquisitions are taken in one transaction."""


@dataclass(frozen=True)
class Ready:
    """An acquisition that is to be taken.

    Attributes
    ----------
    acquisition : Acquisition
        What is there.
    row : Row
        What was known of it.
    name : str
        Name of the data set, where it is not that of the file; else "".
    entry : DataSetEntry or None
        The data set that it belongs to already.
    """

    acquisition: Acquisition
    row: Row
    name: str = ""
    entry: DataSetEntry | None = None


class Taker(Sightings):
    """Writes what a watch has seen, and takes what it has found.

    Parameters
    ----------
    store : Store
        Of the project.
    watch : Watch
        Whose sightings are written.
    """

    def __init__(self, store: Store, watch: Watch) -> None:
        super().__init__(store, watch)
        self.data_sets = DataSets(store)
        self.queue = Queue(store)

    def latest(self, number: int) -> Batch | None:
        """Return the newest batch of a data set."""
        return self.queue.latest([number]).get(number)

    def take(self, ready: Sequence[Ready], now: float) -> dict[str, Row | None]:
        """Take acquisitions and queue them, many at once, or one by one if one of them cannot be.

        Returns
        -------
        dict of str to Row
            What is known of them now.
        """
        if not ready:
            return {}
        if len(ready) > PIECE:  # others want to write, too
            pieces = [ready[at : at + PIECE] for at in range(0, len(ready), PIECE)]
            if self.watch.on_top:  # what is queued last comes first
                pieces.reverse()
            return {path: row for one in pieces for path, row in self.take(one, now).items()}
        try:
            return self._take(ready, now)
        except TomolineError as fault:
            if len(ready) == 1:
                one = ready[0]
                return self._refused(one, fault, now)
        done: dict[str, Row | None] = {}
        for one in ready:
            done |= self.take([one], now)
        return done

    def _take(self, ready: Sequence[Ready], now: float) -> dict[str, Row | None]:
        pair = self.watch.settings.values.get(DUAL, [None])[0] is not False
        with self.store.write():
            if self.looked_at() is None:
                return {}
            fresh = [one for one in ready if one.entry is None and not one.name]
            entries = self._add([one.acquisition for one in fresh], "", pair)
            known = {str(one.source): one for one in entries}
            known |= {str(one.source_b): one for one in entries if one.source_b}
            rows: dict[str, Row | None] = {}
            queued: dict[int, DataSetEntry] = {}
            for one in ready:
                path = one.acquisition.path
                entry = one.entry or known.get(os.path.realpath(path))
                if entry is None:
                    entry = self._add([one.acquisition], one.name, pair)[0]
                if pair and one.acquisition.other_axis and not entry.dual and one.entry is None:
                    self._tell_single(one, entry, now)
                if one.entry is None or self._runs_again(one, entry, now):
                    queued[entry.id] = entry
                rows[path] = replace(
                    one.row,
                    state=SeenState.TAKEN,
                    taken=one.acquisition.mark,
                    reason="",
                    data_set=entry.id,
                )
            self._queue(queued.values())
            self.save(rows)
        return rows

    def _queue(self, entries: Iterable[DataSetEntry]) -> None:
        """Queue data sets; one that waits already does what it was to do besides."""
        own = Range(last=self.watch.settings.last)
        parts: dict[Range, list[DataSetEntry]] = {}
        with self.store.write() as db:
            for entry in entries:
                there = waiting_of(db, entry.id)
                part = joined(range_of(there), own, entry.recipe) if there is not None else own
                parts.setdefault(part, []).append(entry)
            for part, some in parts.items():
                self.queue.add(
                    some,
                    **part._asdict(),
                    origin=f"watch {self.watch.folder}",
                    top=self.watch.on_top,
                )

    def _add(
        self, acquisitions: Sequence[Acquisition], name: str, pair: bool
    ) -> list[DataSetEntry]:
        if not acquisitions:
            return []
        return self.data_sets.add(
            [Path(one.path) for one in acquisitions],
            name=name,
            recipe=self.watch.recipe,
            values=self.watch.settings.values,
            origin=f"watch {self.watch.folder}",
            pair=pair,
        )

    def _tell_single(self, one: Ready, entry: DataSetEntry, now: float) -> None:
        path, other = shown(one.acquisition.path), shown(one.acquisition.other_axis)
        message = f"{path} is a data set of its own: its other axis, {other}, had been run already"
        self.store.add_event(EventKind.WATCH, message, data_set=entry.name, when=now)

    def _runs_again(self, one: Ready, entry: DataSetEntry, now: float) -> bool:
        """Whether a data set that is there has to be queued, and tell why."""
        batch = self.latest(entry.id)
        if not one.row.taken:  # somebody else has added it, or it vanished before it was run
            failed = batch is not None and batch.state is BatchState.FAILED  # while it was away
            return batch is None or (failed and one.row.data_set is not None)
        ran = batch is not None and (batch.attempt > 0 or batch.state is not BatchState.WAITING)
        found = "it has changed since it was taken."
        if ran:
            notice = errors.watch.REPLACED.notice(one.acquisition.path, found)
            self.tell(notice, now, data_set=entry.name)
        else:
            message = f"{shown(one.acquisition.path)} has changed before it was run"
            self.store.add_event(EventKind.WATCH, message, data_set=entry.name, when=now)
        return True

    def _refused(self, one: Ready, fault: TomolineError, now: float) -> dict[str, Row | None]:
        row = replace(one.row, state=SeenState.INCOMPLETE, reason=f"{fault.code}: {fault.found}")
        if row == one.row:
            return {}
        with self.store.write():
            notice = Notice(fault.code, fault.where, fault.found, fault.remedy)
            self.tell(notice, now)
            self.save({row.path: row})
        return {row.path: row}
