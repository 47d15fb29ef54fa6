"""What is not where it was: it has been moved, cannot be reached for a while, or has vanished.

An acquisition has vanished when it is missing from a folder that is there. Where the folder itself
is missing, or lies on another file system than before, a disk may be unmounted, and so for a while
nothing is concluded from that.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.listing import state_is
from tomoline.queue.model import LIVE, BatchState, EventKind
from tomoline.queue.transient import MISSING
from tomoline.queue.watches import Watch
from tomoline.queue.watching.group import Acquisition, main_of
from tomoline.queue.watching.mounts import Mounts
from tomoline.queue.watching.names import shown
from tomoline.queue.watching.scan import Look
from tomoline.queue.watching.settle import Row, SeenState
from tomoline.queue.watching.take import Taker
from tomoline.queue.words import count_of

_LACKED = tuple(kind.code for kind in (*MISSING, errors.running.MISSING_INPUT))
"""Codes of batches that failed because files were not there."""
_CROWD = 2
"""So many, with all else in their folder, are hardly deleted between two looks."""


class Gone:
    """Follows what a watch misses.

    Parameters
    ----------
    watch : Watch
        As it was when watching began.
    """

    def __init__(self, watch: Watch) -> None:
        self.missing: set[str] = set()
        self._mounts = Mounts(watch)
        self._unreadable: set[str] = set()

    def devices(self, look: Look) -> tuple[int, Mapping[str, int]]:
        """Return on which file systems the folders lie; see `Mounts.seen`."""
        return self._mounts.seen(look, self.missing)

    def follow(
        self,
        taker: Taker,
        rows: Mapping[str, Row],
        there: Mapping[str, Acquisition],
        look: Look,
        gone: Sequence[Row],
        now: float,
    ) -> dict[str, Row | None]:
        """Follow what was moved; believe that something is gone when it was missing twice.

        Parameters
        ----------
        taker : Taker
            Writes what follows.
        rows, there : mapping
            All that is known, and all that is there, by path.
        look : Look
            What was seen.
        gone : sequence of Row
            What had been taken, and is not where it was.
        now : float
            Time of the look.

        Returns
        -------
        dict of str to Row or None
            Rows that have changed; None for one that is to be forgotten.
        """
        self._tell_unreadable(taker, rows, look, now)
        changed, busy, left = _moved(taker, rows, there, gone)
        really = [row for row in left if row.path in self.missing or row.state is SeenState.AWAY]
        away = self._away(taker, really, look, now)
        self.missing = {row.path for row in (*busy, *left)} - {row.path for row in really}
        self.missing |= away.keys()
        with taker.store.write():
            news = {path: row for path, row in away.items() if row != rows[path]}
            taker.save(news)
            changed |= news
            if vanished := [row for row in really if row.path not in away]:
                changed |= _vanished(taker, vanished, now)
        return changed

    def _away(self, taker: Taker, missing: Sequence[Row], look: Look, now: float) -> dict[str, Row]:
        """Return those that have not been run and may come back, and tell of them once."""
        live = _with_batches(taker, LIVE) if missing else set()
        crowds = Counter(os.path.dirname(row.path) for row in missing)
        found: dict[str, Row] = {}
        new: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in missing:
            folder = os.path.dirname(row.path)
            was_away = row.state is SeenState.AWAY
            crowd = was_away or crowds[folder] >= _CROWD
            place, why = self._mounts.out_of_reach(folder, look, crowd)
            since = min(row.since, now) if was_away else now
            if not place or row.data_set not in live:
                continue
            if now - since < taker.watch.settings.away_s:
                reason = f"{shown(place)}: {why}"
                found[row.path] = replace(row, state=SeenState.AWAY, since=since, reason=reason)
                if not was_away:
                    new[place, why].append(row)
        for (place, why), rows in new.items():
            wait = "waits" if len(rows) == 1 else "wait"
            text = f"{why} {count_of(len(rows), 'acquisition')} of it {wait} in the queue."
            taker.tell(errors.watch.AWAY.notice(place, text), now)
        return found

    def _tell_unreadable(
        self, taker: Taker, rows: Mapping[str, Row], look: Look, now: float
    ) -> None:
        """Tell once of a folder that cannot be listed; what is in it is neither there nor gone."""
        new = look.unreadable.keys() - self._unreadable
        self._unreadable = set(look.unreadable)
        live = _with_batches(taker, LIVE) if new else set()
        for place in sorted(new):
            held = sum(
                path.startswith(f"{place}/") and row.data_set in live for path, row in rows.items()
            )
            if held:
                wait = "waits" if held == 1 else "wait"
                text = f"{look.unreadable[place]}. {count_of(held, 'acquisition')} of it {wait}"
                taker.tell(errors.watch.AWAY.notice(place, f"{text} in the queue."), now)


def come_back(
    taker: Taker, rows: Iterable[Row], now: float, *, since: float = 0.0
) -> dict[str, Row | None]:
    """Have those that failed while they could not be reached settle again, and then be queued.

    Parameters
    ----------
    taker : Taker
        Writes what follows.
    rows : iterable of Row
        What is there again.
    now : float
        Time of the look.
    since : float
        What failed before then failed for another reason.
    """
    failed = _with_batches(taker, (BatchState.FAILED,))
    again: dict[str, Row | None] = {}
    with taker.store.write():
        for row in rows:
            if row.data_set is None or row.data_set not in failed:
                continue
            batch = taker.latest(row.data_set)
            if batch is None or batch.state is not BatchState.FAILED:
                continue
            lacked = batch.code in _LACKED or batch.retries > 0
            if lacked and (batch.ended or 0.0) >= since:
                again[row.path] = replace(
                    row, state=SeenState.GROWING, taken="", since=now, reason=""
                )
                message = f"{shown(row.path)} can be reached again"
                taker.store.add_event(EventKind.WATCH, message, data_set=batch.name, when=now)
        taker.save(again)
    return again


def _with_batches(taker: Taker, states: Sequence[BatchState]) -> set[int]:
    """Return the data sets with a batch in one of these states."""
    with taker.store.read() as db:
        found = db.execute(f"SELECT data_set FROM batch WHERE {state_is(states)}")
        return {row[0] for row in found}


def _moved(
    taker: Taker, rows: Mapping[str, Row], there: Mapping[str, Acquisition], gone: Sequence[Row]
) -> tuple[dict[str, Row | None], list[Row], list[Row]]:
    """Follow what was moved; return what follows, what cannot be moved now, and the others."""
    new: dict[str, list[Acquisition]] = defaultdict(list)
    for one in there.values() if gone else ():
        known = rows.get(one.path)
        if known is not None and not known.taken:
            new[main_of(one.mark)].append(one)
    changed: dict[str, Row | None] = {}
    busy: list[Row] = []
    left: list[Row] = []
    for row in gone:
        alike = new[main_of(row.taken)]
        place = next((one for one in alike if _is_same(row, one)), None)
        if place is None:
            place = next(iter(_copies(row, rows, there)), None)
        if place is None:
            left.append(row)
        elif not (moved := _move(taker, row, place.path, place.mark)):
            busy.append(row)
        else:
            changed |= moved
            if place in alike:
                alike.remove(place)
    return changed, busy, left


def _is_same(row: Row, one: Acquisition) -> bool:
    """Whether what has appeared can be what has vanished: times in seconds do not tell enough."""
    return not one.coarse or os.path.basename(row.path) == os.path.basename(one.path)


def _copies(
    row: Row, rows: Mapping[str, Row], there: Mapping[str, Acquisition]
) -> list[Acquisition]:
    """Return copies of an acquisition that are there."""
    if row.data_set is None:
        return []
    return [
        there[path]
        for path, other in rows.items()
        if other.state is SeenState.DUPLICATE and other.data_set == row.data_set and path in there
    ]


def _move(taker: Taker, row: Row, path: str, mark: str) -> dict[str, Row | None]:
    """Follow an acquisition that was taken to its new place; nothing while it is being run."""
    entry = taker.data_sets.by_id(row.data_set) if row.data_set is not None else None
    new = replace(row, path=path, state=SeenState.TAKEN, mark=mark, taken=mark, reason="")
    rows: dict[str, Row | None] = {row.path: None, path: new}
    before = os.path.realpath(row.path)  # asked before the store is held
    try:
        with taker.store.write():
            if entry is not None:
                axis = "b" if str(entry.source_b or "") == before else ""
                taker.data_sets.set_source(entry.name, Path(path), axis=axis)
            taker.save(rows)
    except TomolineError:
        return {}
    return rows


def _vanished(taker: Taker, rows: Iterable[Row], now: float) -> dict[str, Row | None]:
    """Take the batches of acquisitions that are gone out of the queue, and tell."""
    done: dict[str, Row | None] = {}
    with taker.store.write():
        for row in rows:
            batch = taker.latest(row.data_set) if row.data_set is not None else None
            gone = replace(row, state=SeenState.GONE, reason="")
            if batch is not None and batch.state is BatchState.WAITING:
                taker.queue.drop(batch, "its acquisition vanished before it was run")
                found = "it is not there any more; its batch was taken out of the queue."
                notice = errors.watch.SOURCE_GONE.notice(row.path, found)
                taker.tell(notice, now, data_set=batch.name)
                gone = replace(gone, taken="", reason="vanished before it was run")
            done[row.path] = gone
        taker.save(done)
    return done
