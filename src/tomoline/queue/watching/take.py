"""Taking acquisitions into the project, each once.

What was seen is written in the same transaction as the data set and its batch: after a crash either
all of it is there, or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.queue._acquisitions import Looked
from tomoline.queue._adding import FOUND
from tomoline.queue.batch_range import Range, joined, range_of
from tomoline.queue.batches import Queue
from tomoline.queue.data_sets import DataSets
from tomoline.queue.layers import Layers, Values, effective
from tomoline.queue.line import waiting_of
from tomoline.queue.model import Batch, BatchState, DataSetEntry, EventKind
from tomoline.queue.store import Store
from tomoline.queue.table_keys import DUAL, TABLE_RECIPE
from tomoline.queue.watches import Watch, origin_of
from tomoline.queue.watching.group import Acquisition
from tomoline.queue.watching.names import shown
from tomoline.queue.watching.settle import Row, SeenState
from tomoline.queue.watching.sightings import Sightings

PIECE = 300
"""So many acquisitions are taken in one transaction, or one more where that parts two axes."""


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


@dataclass
class _Found:
    """What the disk says of acquisitions; it is asked before the store is held.

    Attributes
    ----------
    paths : dict of str to str
        Path without links of each.
    looked : list of Looked
        What is to be added: all under the names of their files together, others by themselves.
    others : dict of str to DataSetEntry
        The data set of the other axis, where that is one.
    """

    paths: dict[str, str] = field(default_factory=dict)
    looked: list[Looked] = field(default_factory=list)
    others: dict[str, DataSetEntry] = field(default_factory=dict)


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

    @property
    def pairs(self) -> bool:
        """Whether two axes become one data set."""
        return effective(DUAL, [self.watch.settings.values]) is not False

    @cached_property
    def shared(self) -> list[Values]:
        """What the project says of all data sets, and the watch of those that it takes."""
        return [*Layers(self.store).all().values(), dict(self.watch.settings.values)]

    @property
    def needs_both(self) -> bool:
        """Whether somebody has said that all tilt series have two axes."""
        return self.watch.recipe == TABLE_RECIPE and bool(effective(DUAL, self.shared))

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
        units = self._units(ready)
        if not units:
            return {}
        if len(ready) > PIECE + 1:  # others want to write, too
            pieces: list[list[Ready]] = [[]]
            for unit in units:
                if len(pieces[-1]) >= PIECE:
                    pieces.append([])
                pieces[-1] += unit
            if self.watch.on_top:  # what is queued last comes first
                pieces.reverse()
            return {path: row for one in pieces for path, row in self.take(one, now).items()}
        try:
            return self._take(ready, now)
        except TomolineError as fault:
            if len(units) == 1:
                refused = (self._refused(one, fault, now) for one in ready)
                return {path: row for one in refused for path, row in one.items()}
        done: dict[str, Row | None] = {}
        for unit in units:
            done |= self.take(unit, now)
        return done

    def _units(self, ready: Sequence[Ready]) -> list[list[Ready]]:
        """Put what is taken together or not at all together: both axes of a specimen."""
        left = {one.acquisition.path: one for one in ready}
        units = []
        for one in ready:
            if left.pop(one.acquisition.path, None) is not None:
                other = left.pop(one.acquisition.other_axis, None) if self.pairs else None
                units.append([one] if other is None else [one, other])
        return units

    def _look(self, ready: Sequence[Ready]) -> _Found:
        """Ask the disk all that has to be known: where it does not answer, nobody else waits."""
        found = _Found()
        named: dict[str, list[Path]] = {}
        for one in ready:
            path, other = one.acquisition.path, one.acquisition.other_axis
            found.paths[path] = os.path.realpath(path)
            if one.entry is None:
                named.setdefault(one.name, []).append(Path(path))
                entry = self.data_sets.by_source(Path(other)) if other and self.pairs else None
                if entry is not None:
                    found.others[path] = entry
        found.looked = [
            self.data_sets.look(paths, name=name, recipe=self.watch.recipe, pair=self.pairs)
            for name, paths in named.items()
        ]
        return found

    def _take(self, ready: Sequence[Ready], now: float) -> dict[str, Row | None]:
        found = self._look(ready)
        with self.store.write():
            if self.looked_at() is None:
                return {}
            known: dict[str, DataSetEntry] = {}
            for looked in found.looked:
                for added in self._add(looked):
                    known |= {str(added.source): added, str(added.source_b): added}
            rows: dict[str, Row | None] = {}
            queued: dict[int, DataSetEntry] = {}
            for one in ready:
                path = one.acquisition.path
                entry = one.entry or known.get(found.paths[path])
                if entry is None:  # a link that was changed this moment
                    raise errors.files.MISSING.error(path, "it has become another file.")
                if one.entry is None and not entry.dual:
                    self._single(one, entry, found.others.get(path), now)
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
                    origin=origin_of(self.watch.folder),
                    top=self.watch.on_top,
                )

    def _add(self, looked: Looked) -> list[DataSetEntry]:
        return self.data_sets.add(
            looked,
            values=self.watch.settings.values,
            origin=origin_of(self.watch.folder),
        )

    def _single(
        self, one: Ready, entry: DataSetEntry, other: DataSetEntry | None, now: float
    ) -> None:
        """See that what is run alone is not marked dual axis, and tell why it is alone."""
        if entry.recipe == TABLE_RECIPE:
            own = self.data_sets.given(entry)
            if effective(DUAL, [*self.shared, own]):  # as no run of the project would take it
                self.data_sets.set([entry.name], {DUAL: (False, FOUND)})
        if self.pairs and one.acquisition.other_axis:
            path, axis = shown(one.acquisition.path), shown(one.acquisition.other_axis)
            why = "had been run already" if other is not None else "is not complete"
            message = f"{path} is a data set of its own: its other axis, {axis}, {why}"
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
