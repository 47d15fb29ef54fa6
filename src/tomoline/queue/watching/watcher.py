"""One watched folder: look, group, judge, look inside, take."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tomoline import errors
from tomoline.queue.store import Store
from tomoline.queue.watches import Watch
from tomoline.queue.watching import inside, whole_hdf5
from tomoline.queue.watching.choose import Chooser
from tomoline.queue.watching.gone import Gone, come_back
from tomoline.queue.watching.group import Acquisition
from tomoline.queue.watching.names import shown
from tomoline.queue.watching.scan import Disk, Look
from tomoline.queue.watching.settle import PENDING, Row, SeenState, judge
from tomoline.queue.watching.sort import sorter_for
from tomoline.queue.watching.take import Ready, Taker

LOCK = "watch.lock"


class Watcher:
    """Looks at a folder for one watch.

    Parameters
    ----------
    watch : Watch
        What to look at and how.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._taker: Taker
        self._disk = Disk(watch.folder, watch.settings.depth)
        self._told: set[str] = set()
        self._away = 0.0  # since when the whole folder is
        self._looked: float | None = None

    def look(self, store: Store, now: float) -> None:
        """Look once, and do what follows."""
        with open(store.work / LOCK, "w", encoding="utf-8") as lock:
            # A schedule looks too, with a watcher of its own.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._taker = Taker(store, self.watch)
            looked = self._taker.looked_at()
            if looked is None:
                return  # it was stopped
            if looked != self._looked:
                self._load(looked)
            look = self._see(now)
            if look is None:
                return
            self._looked = None  # after an error it begins with what the store knows
            found = self._follow(look, now)
            with store.write():  # by the time of the look the next runner knows who was warned of
                self._warn_late(found, now)
                self._looked = self._taker.looked(now, *self._gone.devices(look))
            self.watch = self._taker.watch
            self._first = False

    def _load(self, looked: float) -> None:
        """Begin with what the store knows."""
        self._rows = self._taker.load()
        self._sorter = sorter_for(self.watch, self._disk)
        self._groups: dict[str, list[Acquisition]] = {}
        self._owners: dict[str, str] = {}
        self._gone = Gone(self.watch)
        self._quiet: set[str] = set()
        self._parts: dict[str, str] = {}  # of which HDF5 file others hold the frames
        self._first = True
        self._pass_over = not looked and not self.watch.settings.existing
        # Those that were late already at the last look have been warned about.
        self._late = {
            row.path
            for row in self._rows.values()
            if row.state is SeenState.INCOMPLETE
            and looked - row.since >= self.watch.settings.late_s
        }

    def _follow(self, look: Look, now: float) -> list[Acquisition]:
        """Do what follows from a look, and return what was judged."""
        self._tell_names(look, now)
        results = self._taker.results_in(str(self.watch.folder))
        folders = self._group(look, results)
        found = [one for folder in folders for one in self._groups.get(folder, ())]
        paths = self._paths_of(folders)
        verdict = judge(
            {path: self._rows[path] for path in paths if path in self._rows},
            found,
            now,
            self.watch.settings.settle_s,
            unknown=look.unknown,
            in_place=results,
            pass_over=self._first and self._pass_over,
        )
        self._keep(verdict.rows)
        self._keep(come_back(self._taker, [self._rows[path] for path in verdict.back], now))
        ready = self._look_inside(verdict.settled, now)
        gone = self._gone.follow(self._taker, self._rows, self._all(), look, verdict.vanished, now)
        self._keep(gone)
        chosen = Chooser(self._taker, self._all(), self._rows).choose(ready, now)
        self._keep(chosen.rows)
        self._save(verdict.rows.keys() | chosen.rows.keys() | {one.row.path for one in ready})
        self._keep(self._taker.take(chosen.ready, now))
        self._link_copies(chosen.copies)
        again = self._judge_copies_again([one for one in chosen.ready if one.row.taken])
        self._settle_folders({*folders, *again})
        return found

    def _see(self, now: float) -> Look | None:
        """Look at the disk; None while the watched folder is away."""
        found = ""
        try:
            look = self._disk.look(self._quiet)
        except OSError as error:
            found = f"{error.strerror or error}."
        else:
            device = self.watch.settings.device
            empty = look.folders[self._disk.root].empty
            if self._rows and empty and device not in (0, look.device):
                found = "it is empty, on another file system than before: its disk is not mounted."
        if not found:
            if self._away:
                taken = [one for one in self._rows.values() if one.state is SeenState.TAKEN]
                self._keep(come_back(self._taker, taken, now, since=self._away))
                self._away = 0.0
                self._quiet.clear()
            return look
        if not self._away:
            self._away = now
            self._taker.tell(errors.watch.VANISHED.notice(self.watch.folder, found), now)
        return None

    def _tell_names(self, look: Look, now: float) -> None:
        for name in look.not_utf8:
            if name not in self._told:
                self._told.add(name)
                self._taker.tell(errors.watch.NOT_UTF8.notice(name, "it is left out."), now)

    def _group(self, look: Look, results: Collection[str]) -> list[str]:
        """Group what has changed, and return the folders to be judged."""
        away = {one for one in self._groups if one not in look.folders and not look.unknown(one)}
        changed = set(look.folders) if self._first else look.changed
        grouped = self._sorter.sort(look, changed, results, self._rows.keys())
        for folder in away:
            self._groups[folder] = []
        self._groups |= grouped
        for folder, acquisitions in grouped.items():
            for one in acquisitions:
                self._owners[one.path] = folder
        if self._first:
            for path in self._rows.keys() - self._owners.keys():
                self._owners[path] = os.path.dirname(path)
            return [*look.folders, *{self._owners[path] for path in self._rows} - {*look.folders}]
        missing = {self._owners[path] for path in self._gone.missing if path in self._owners}
        pending = {one for one in look.folders if one not in self._quiet}
        return sorted(away | grouped.keys() | pending | missing)

    def _paths_of(self, folders: Iterable[str]) -> set[str]:
        """Return the paths of rows that belong to folders."""
        wanted = set(folders)
        return {path for path, folder in self._owners.items() if folder in wanted}

    def _all(self) -> dict[str, Acquisition]:
        return {one.path: one for group in self._groups.values() for one in group}

    def _look_inside(self, settled: Iterable[Acquisition], now: float) -> list[Ready]:
        """Return those that hold all that they promise."""
        ready = []
        for one in settled:
            row = self._rows[one.path]
            try:
                late = now - row.since >= self.watch.settings.late_s
                problem = ""
                if one.same:
                    problem = inside.lacking(Path(one.path), views=one.views, late=late)
                if one.path.lower().endswith(whole_hdf5.SUFFIXES):
                    self._parts |= dict.fromkeys(whole_hdf5.parts_of(Path(one.path)), one.path)
            except OSError as error:
                problem = f"it cannot be read: {error.strerror or error}"
            if problem:
                changed = replace(row, state=SeenState.INCOMPLETE, reason=problem)
                if changed != row:
                    self._taker.save({one.path: changed})
                    self._rows[one.path] = changed
            else:
                ready.append(Ready(one, row))
        return [one for one in ready if one.row.taken or not self._is_part(one.row)]

    def _is_part(self, row: Row) -> bool:
        """Whether a file is no acquisition, since another one links to it; this is kept."""
        whole = self._parts.get(row.path)
        if whole is None:
            return False
        self._rows[row.path] = replace(
            row, state=SeenState.DUPLICATE, reason=f"part of {shown(whole)}"
        )
        self._save([row.path])
        return True

    def _link_copies(self, copies: Mapping[str, str]) -> None:
        """Note of which data set something is a copy."""
        for path, original in copies.items():
            first = self._rows.get(original)
            number = first.data_set if first is not None else None
            if number is None:
                entry = self._taker.data_sets.by_source(Path(original))
                number = entry.id if entry is not None else None
            self._rows[path] = replace(self._rows[path], data_set=number)
        self._save(copies)

    def _judge_copies_again(self, replaced: Iterable[Ready]) -> set[str]:
        """Look anew at copies of what was replaced: they may be all that is left of it."""
        numbers = {one.entry.id for one in replaced if one.entry is not None}
        again = {
            path: replace(row, state=SeenState.GROWING, reason="", data_set=None)
            for path, row in (self._rows.items() if numbers else ())
            if row.state is SeenState.DUPLICATE and row.data_set in numbers
        }
        self._keep(again)
        self._save(again)
        return {self._owners[path] for path in again}

    def _keep(self, rows: Mapping[str, Row | None]) -> None:
        for path, row in rows.items():
            if row is None:
                self._rows.pop(path, None)
                self._owners.pop(path, None)
                self._late.discard(path)
            else:
                self._rows[path] = row

    def _save(self, paths: Iterable[str]) -> None:
        self._taker.save({path: self._rows.get(path) for path in paths})

    def _warn_late(self, found: Iterable[Acquisition], now: float) -> None:
        for one in found:
            row = self._rows.get(one.path)
            if row is None or row.state is not SeenState.INCOMPLETE:
                self._late.discard(one.path)
            elif one.path not in self._late and now - row.since >= self.watch.settings.late_s:
                self._late.add(one.path)
                minutes = (now - row.since) / 60
                notice = errors.watch.INCOMPLETE.notice(
                    one.path, f"for {minutes:.0f} min: {shown(row.reason)}."
                )
                self._taker.tell(notice, now)

    def _settle_folders(self, folders: Iterable[str]) -> None:
        """Note in which folders nothing is pending."""
        needed: set[str] = set()
        for folder in folders:
            rows = [self._rows.get(one.path) for one in self._groups.get(folder, ())]
            if all(row is not None and row.state not in PENDING for row in rows):
                self._quiet.add(folder)
            else:
                self._quiet.discard(folder)
                needed.update(self._sorter.needed(folder))
        self._quiet -= needed
        for folder in self._quiet:
            self._disk.forget_files(folder)
