"""What a look means: which acquisitions have settled, vanished, come back or changed; pure.

A mark is compared with the one of the look before, and how long it has been the same is told by our
own clock. What a server's clock says is never compared with ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tomoline.queue.watching.group import Acquisition, described_by, main_of


class SeenState(StrEnum):
    """What is known of an acquisition."""

    GROWING = "growing"
    """It changes, or has not been the same for long enough."""
    INCOMPLETE = "incomplete"
    """It does not change, but what it needs is not there."""
    TAKEN = "taken"
    AWAY = "away"
    """It was taken, and the folder that it lies in cannot be reached."""
    GONE = "gone"
    """Vanished after it was taken."""
    DUPLICATE = "duplicate"
    """The same as one that was taken."""


PENDING = (SeenState.GROWING, SeenState.INCOMPLETE)
"""States of what may still become complete."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was seen of an acquisition, as the store keeps it.

    Attributes
    ----------
    path : str
        Of its main file or its folder.
    state : SeenState
        What is known.
    mark : str
        At the last look.
    taken : str
        Mark with which it was taken; "" if it never was, or could not be run before it vanished.
    since : float
        The mark has been the same since then, by our clock.
    reason : str
        For people.
    data_set : int or None
        What it became.
    """

    path: str
    state: SeenState
    mark: str
    taken: str
    since: float
    reason: str = ""
    data_set: int | None = None


@dataclass
class Verdict:
    """What follows from a look.

    Attributes
    ----------
    rows : dict of str to Row or None
        Rows that have changed; None for one that is to be forgotten.
    settled : list of Acquisition
        Those that have been the same for long enough, to be looked into and taken.
    vanished : list of Row
        Those that had been taken.
    back : list of str
        Paths of those that had vanished, or were away, and are there again as they were.
    """

    rows: dict[str, Row | None] = field(default_factory=dict)
    settled: list[Acquisition] = field(default_factory=list)
    vanished: list[Row] = field(default_factory=list)
    back: list[str] = field(default_factory=list)


def judge(
    rows: Mapping[str, Row],
    found: Iterable[Acquisition],
    now: float,
    settle_s: float,
    *,
    unknown: Callable[[str], bool] = lambda _: False,
    in_place: Collection[str] = (),
    pass_over: bool = False,
) -> Verdict:
    """Compare a look with what was known.

    Parameters
    ----------
    rows : mapping of str to Row
        What was known of the folders looked at, by path.
    found : iterable of Acquisition
        What is there now in these folders.
    now : float
        Time of the look, by our clock.
    settle_s : float
        So long must an acquisition have been the same.
    unknown : callable
        Whether nothing could be seen where a path lies.
    in_place : collection of str
        Folders that results are written to: what describes a stack there may be ours.
    pass_over : bool
        Whether what is there now is not to be taken, unless it changes.

    >>> one = Acquisition("/in/TS.mrc", "TS", "a.b.0", 0)
    >>> first = judge({}, [one], 100.0, 30.0)
    >>> str(first.rows["/in/TS.mrc"].state), first.settled
    ('growing', [])
    >>> [one.name for one in judge(first.rows, [one], 130.0, 30.0).settled]
    ['TS']
    """
    verdict = Verdict()
    there = set()
    for one in found:
        there.add(one.path)
        row = rows.get(one.path)
        if row is None:
            state, reason, taken = SeenState.GROWING, "", ""
            if pass_over and not one.problem:
                state, taken = SeenState.TAKEN, one.mark
                reason = "was there before watching began"
            row = Row(one.path, state, one.mark, taken, now, reason)
            verdict.rows[one.path] = row
            if state is SeenState.TAKEN or settle_s > 0:
                continue
        before, row = row, _seen_again(row, one, now, one.folder in in_place)
        if row.since > now:  # the clock was set back: count from now
            row = replace(row, since=now)
        if row is not before:
            verdict.rows[one.path] = row
        if row.state is SeenState.TAKEN and before.state in (SeenState.AWAY, SeenState.GONE):
            verdict.back.append(one.path)
        if row.state in (SeenState.TAKEN, SeenState.DUPLICATE):
            continue
        waits = settle_s * one.patience
        if now - row.since < waits:
            # What tells no number of frames has to be the same for longer than the watch says.
            longer = one.patience != 1.0
            reason = f"to be the same for {waits:.0f} s" if longer else ""
            changed = replace(row, state=SeenState.GROWING, reason=reason)
        elif one.problem:
            changed = replace(row, state=SeenState.INCOMPLETE, reason=one.problem)
        else:
            verdict.settled.append(one)
            continue
        if changed != row:
            verdict.rows[one.path] = changed
    for path, row in rows.items():
        if path in there or unknown(path) or row.state is SeenState.GONE:
            continue
        if row.taken:
            verdict.vanished.append(row)
        else:
            verdict.rows[path] = None
    return verdict


def _seen_again(row: Row, one: Acquisition, now: float, in_place: bool) -> Row:
    """Return the row of an acquisition that is there, with its present mark."""
    back = row.state in (SeenState.GONE, SeenState.AWAY)
    if one.mark == row.mark and not back and row.state in (SeenState.TAKEN, SeenState.DUPLICATE):
        return row
    if one.mark != row.mark or back:
        row = replace(row, mark=one.mark, since=now, state=SeenState.GROWING, reason="")
    if row.taken and not matters(row.taken, one.mark, in_place):
        return replace(row, state=SeenState.TAKEN, reason="")
    return row


def matters(taken: str, mark: str, in_place: bool = False) -> bool:
    """Whether an acquisition has to be queued again, by the marks when it was taken and now.

    What describes a stack may be deleted once it was read; where results lie beside the stack, some
    of it was written by its own run.

    >>> matters("a.b.1", "a.c.1"), matters("a.b.1", "a.0.0"), matters("a.b.1", "d.b.1")
    (True, False, True)
    """
    if main_of(taken) != main_of(mark):
        return True
    if taken == mark or in_place:
        return False
    return described_by(mark) >= described_by(taken)
