"""Which of the complete acquisitions to take, under which name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from tomoline import errors
from tomoline.queue.axes import other_stem
from tomoline.queue.watching.copies import same_content
from tomoline.queue.watching.group import Acquisition
from tomoline.queue.watching.names import printable, shown
from tomoline.queue.watching.settle import PENDING, Row, SeenState
from tomoline.queue.watching.take import Ready, Taker


@dataclass
class Chosen:
    """What is taken, what is known now of the others, and which are copies of which."""

    ready: list[Ready] = field(default_factory=list)
    rows: dict[str, Row | None] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)


class Chooser:
    """Chooses among acquisitions that are complete.

    Parameters
    ----------
    taker : Taker
        Asked for data sets that are there.
    there : mapping of str to Acquisition
        All that is there, by path.
    rows : mapping of str to Row
        What is known of it.
    """

    def __init__(
        self, taker: Taker, there: Mapping[str, Acquisition], rows: Mapping[str, Row]
    ) -> None:
        self._taker = taker
        self._there = there
        self._rows = rows
        self._names: dict[str, dict[str, str]] = {}  # path of each axis, "" for one that has none
        self._late_s = taker.watch.settings.late_s
        self._pairs = taker.pairs
        self._needs_both = taker.needs_both

    def choose(self, ready: Sequence[Ready], now: float) -> Chosen:
        """Return what to take, in the order in which it is to be queued."""
        chosen = Chosen()
        complete = {one.acquisition.path for one in ready}
        taken: dict[tuple[int, ...], str] = {}
        for one in sorted(ready, key=lambda one: (one.acquisition.newest_ns, one.acquisition.path)):
            acquisition = one.acquisition
            row = self._rows[acquisition.path]
            if row.state is SeenState.TAKEN:
                continue  # it has been moved here
            one = replace(one, row=row)
            if row.data_set is not None:
                entry = self._taker.data_sets.by_id(row.data_set)
                if entry is not None:
                    chosen.ready.append(replace(one, entry=entry))
                    continue
                one = replace(one, row=replace(row, data_set=None, taken=""))
            waits = self._waits_for(acquisition, complete, now)
            if waits:
                chosen.rows[acquisition.path] = replace(
                    row, state=SeenState.INCOMPLETE, reason=f"waits for {shown(waits)}"
                )
                continue
            link = taken.get(acquisition.same) or self._link(acquisition)
            if link:
                self._duplicate(one, link, chosen, now)
                continue
            self._name(one, chosen, now)
            if acquisition.same:
                taken[acquisition.same] = acquisition.path
        if self._taker.watch.on_top:
            chosen.ready.reverse()
        return chosen

    def _waits_for(self, one: Acquisition, complete: set[str], now: float) -> str:
        """Return the stack of the other axis if it is to come, or there and not complete yet.

        One to which nothing is added any more is not waited for for ever, unless somebody has said
        that there are two axes.
        """
        other = one.other_axis
        if not other or not self._pairs or other not in self._there:
            return self._to_come(one) if self._needs_both else ""
        if other in complete:
            return ""
        row = self._rows.get(other)
        if row is None:
            return os.path.basename(other)
        late = row.state is SeenState.INCOMPLETE and now - row.since >= self._late_s
        waiting = row.state in PENDING and not row.taken and not (late and not self._needs_both)
        return os.path.basename(other) if waiting else ""

    def _to_come(self, one: Acquisition) -> str:
        """Return the stack of the other axis, which is not there; "" for what cannot have one.

        What somebody has added, itself or its other axis, waits for nothing.
        """
        folder, base = os.path.split(one.path)
        stem = other_stem(base[: len(one.name)])
        if not stem:
            return ""
        other = f"{stem}{base[len(one.name) :]}"
        by_source = self._taker.data_sets.by_source
        added = by_source(Path(one.path)) or by_source(Path(folder, other))
        return "" if added else other

    def _link(self, one: Acquisition) -> str:
        """Return the path of what was taken and is the same file."""
        for path in self._links[one.same] if one.same else ():
            row = self._rows.get(path)
            taken = row is not None and row.state is SeenState.TAKEN and row.data_set is not None
            if taken and path != one.path:
                return path
        return ""

    @cached_property
    def _links(self) -> dict[tuple[int, ...], list[str]]:
        """Paths by device and inode: those of one file are links to it."""
        found = defaultdict(list)
        for path, one in self._there.items():
            found[one.same].append(path)
        return found

    def _name(self, one: Ready, chosen: Chosen, now: float) -> None:
        """Find the data set or the name of an acquisition that was not taken before."""
        acquisition = one.acquisition
        known = self._taker.data_sets.by_source(Path(acquisition.path))
        if known is not None:
            chosen.ready.append(replace(one, entry=known))
            return
        name = root = printable(acquisition.name)
        paired = acquisition.other_axis and self._pairs
        other, axis = (acquisition.other_axis, root[-1]) if paired else ("", "")
        if paired:
            row = self._rows.get(other)
            name = root if row is not None and row.taken else root[:-1]
        taken_by = self._owner_of(name, axis)
        if taken_by and taken_by == other:
            taken_by = ""  # its other axis, of this look
        if taken_by and self._is_copy(acquisition, taken_by):
            self._duplicate(one, taken_by, chosen, now)
            return
        if taken_by:
            name = self._free_name(acquisition, name, axis, other)
        self._names.setdefault(name, {})[axis] = acquisition.path
        usual = (root[:-1], acquisition.name) if paired else (acquisition.name,)
        other_name = "" if name in usual else name
        chosen.ready.append(replace(one, name=other_name))

    def _owner_of(self, name: str, axis: str) -> str:
        """Return the acquisition of the data set that has a name, of its axis if it has more.

        It is "" if the name is free.
        """
        there = self._names.get(name)
        if there:
            return there.get(axis) or next(iter(there.values()))
        entry = self._taker.by_name(name)
        if entry is None:
            return ""
        return str(entry.source_b if axis == "b" and entry.source_b else entry.source)

    def _is_copy(self, one: Acquisition, path: str) -> bool:
        other = self._there.get(path)
        if other is None and one.files > 1:
            return False  # nothing is known of the other's frames
        samples = other.samples if other is not None else (path,)
        files = other.files if other is not None else 1
        return files == one.files and same_content(one.samples, samples)

    def _free_name(self, one: Acquisition, name: str, axis: str, other: str) -> str:
        """Return a name that is free, or that of its other axis of this look."""
        folder = printable(os.path.basename(one.folder))
        candidate, number = f"{folder}_{name}", 1
        while self._owner_of(candidate, axis) not in ("", other):
            number += 1
            candidate = f"{folder}_{name}_{number}"
        return candidate

    def _duplicate(self, one: Ready, path: str, chosen: Chosen, now: float) -> None:
        found = f"it is the same as {shown(path)}."
        notice = errors.watch.DUPLICATE.notice(one.acquisition.path, found)
        self._taker.tell(notice, now)
        row = replace(one.row, state=SeenState.DUPLICATE, reason=f"the same as {shown(path)}")
        chosen.rows[row.path] = row
        chosen.copies[row.path] = path
