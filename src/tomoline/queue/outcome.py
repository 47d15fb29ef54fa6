"""What follows from how a batch's process ended."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tomoline import errors
from tomoline.queue.model import Batch, BatchState, EventKind
from tomoline.queue.store import Store
from tomoline.queue.words import count_of

WAITS_S = (10.0, 60.0, 300.0)
"""How long a batch waits before it is tried again for the first, second, third and later time."""
RETRIES = 3
SUSPECT = 20
"""From this attempt on, to have ended with the runner counts as a try: it may be the batch that
takes the runner along, say since all of a cgroup is ended for the memory of one process."""
MOST_RETRIES = 1000
MOST_WAIT_S = 7 * 86400.0
S = BatchState


def retries_of(store: Store) -> tuple[int, tuple[float, ...]]:
    """Return how often batches of a project are tried again by themselves, and after what waits.

    They are the settings ``retries`` and ``retry_waits_s``, a list of seconds.
    """
    number = store.setting("retries", str(RETRIES))
    waits = store.setting("retry_waits_s").split()
    return int(number), tuple(float(one) for one in waits) or WAITS_S


def set_retries(
    store: Store, number: int | None = None, waits_s: Sequence[float] | None = None
) -> None:
    """Change how often batches of a project are tried again by themselves, and after what waits.

    It holds from the next failure on, also for what runs already.

    Parameters
    ----------
    number : int, optional
        From 0, never, to `MOST_RETRIES`.
    waits_s : sequence of float, optional
        Seconds before the first, second and each later time; the usual ones if empty.

    Raises
    ------
    TomolineError
        PARAM-06 for numbers that cannot be.
    """
    if number is not None and not 0 <= number <= MOST_RETRIES:
        raise errors.parameters.BAD_OPTION.error(
            "retries", f"{number} is not from 0 to {MOST_RETRIES}."
        )
    for one in waits_s or ():
        if not (math.isfinite(one) and 0 <= one <= MOST_WAIT_S):
            raise errors.parameters.BAD_OPTION.error(
                "retry waits", f"{one:g} is not from 0 to {MOST_WAIT_S:.0f} seconds."
            )
    with store.write():
        if number is not None:
            store.set_setting("retries", str(number))
        if waits_s is not None:
            store.set_setting("retry_waits_s", " ".join(f"{one:g}" for one in waits_s))
        store.add_event(EventKind.PROJECT, retries_text(*retries_of(store)))


def retries_text(number: int, waits_s: Sequence[float]) -> str:
    """Say for people how often is tried again, and after what waits.

    >>> retries_text(2, (10.0, 60.0, 300.0))
    'tried again by itself: 2 times, after 10, 60 s'
    >>> retries_text(3, (5.0, 20.0))
    'tried again by itself: 3 times, after 5, 20 s, later always 20 s'
    """
    if not number:
        return "tried again by itself: never"
    waits = ", ".join(f"{one:g}" for one in waits_s[:number])
    later = f", later always {waits_s[-1]:g} s" if len(waits_s) < number else ""
    return f"tried again by itself: {count_of(number, 'time')}, after {waits} s{later}"


@dataclass(frozen=True)
class End:
    """How a batch's process ended.

    Attributes
    ----------
    event : mapping or None
        Its event ``ended``; None if it died without one.
    killed : bool
        Whether the runner ended it because somebody wanted so.
    witnessed : bool
        Whether the runner that says so has seen it alive. If not, the process has probably ended
        with the runner before, or with the machine, which is no fault of the batch.
    returncode : int or None
        As `subprocess` has it, where that is known.
    output : str
        The last line that it printed.
    threads : int
        How many it had.
    more_memory : bool
        Whether it would have more memory if it ran alone.
    """

    event: Mapping[str, Any] | None
    killed: bool = False
    witnessed: bool = True
    returncode: int | None = None
    output: str = ""
    threads: int = 1
    more_memory: bool = False


@dataclass(frozen=True)
class Outcome:
    """A batch's next state, and what is told and kept with it."""

    state: BatchState
    message: str
    level: str = "info"
    code: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def outcome(
    batch: Batch, end: End, retries: int, now: float, waits_s: Sequence[float] = WAITS_S
) -> Outcome:
    """Decide what becomes of a batch whose process has ended.

    Parameters
    ----------
    batch : Batch
        As it is in the store.
    end : End
        How its process ended.
    retries : int
        How often it is tried again by itself.
    now : float
        Time.
    waits_s : sequence of float
        How long it waits before it is tried again for the first time, the second, and so on.
    """
    event = end.event or {}
    state = event.get("state")
    if state == "finished":
        seconds = now - (batch.started or now)
        return Outcome(S.FINISHED, f"finished after {seconds:.1f} s", fields=_no_error())
    if end.killed or batch.wanted == "kill":
        kind = errors.queue.KILLED
        text = {"at": batch.name, "found": "killed.", "remedy": kind.remedy}
        return Outcome(S.KILLED, "killed", "warning", kind.code, text)
    if state == "paused" and batch.wanted != "pause":
        # It had seen that it was to stop just before it was told to go on.
        return Outcome(S.WAITING, "goes on, since the run goes on", fields=_no_error())
    if state == "paused":
        return Outcome(S.PAUSED, str(event.get("found", "paused")), fields=_no_error())
    interrupted = event.get("code") == errors.running.INTERRUPTED.code
    unseen = not end.witnessed and (end.event is None or interrupted)
    if unseen and batch.attempt < SUSPECT:
        return Outcome(
            S.WAITING,
            "its process ended together with the runner; it goes on from what is complete",
            "warning",
        )
    error = _error_of(batch, end, interrupted)
    if _lacked_memory(end):
        more = _with_more_memory(end, batch, str(event.get("code", "")))
        if more:
            return _again(error, f"tried again {more.pop('words')}", more)
        if end.event is not None:
            return _failed(error)
        # Killed by somebody, not for its memory: that may go well another time.
    if event.get("transient") or end.event is None or interrupted:
        if batch.retries >= retries:
            kind = errors.queue.SET_ASIDE
            times = f"{kind.title} ({kind.code}, {batch.retries}): " if batch.retries else ""
            return _failed(error, times)
        wait = waits_s[min(batch.retries, len(waits_s) - 1)]
        again = {"retries": batch.retries + 1, "not_before": now + wait}
        return _again(error, f"tried again in {wait:g} s", again)
    return _failed(error)


def _no_error() -> dict[str, Any]:
    return {"at": "", "found": "", "remedy": "", "step": "", "label": ""}


def _error_of(batch: Batch, end: End, interrupted: bool) -> dict[str, Any]:
    """Return code, place, finding and remedy of what ended a batch."""
    if end.event is not None and not interrupted:
        names = {"code": "code", "where": "at", "found": "found", "remedy": "remedy"}
        return {kept: str(end.event.get(told, "")) for told, kept in names.items()}
    kind = errors.queue.DIED
    if interrupted:
        found = "somebody else has ended its process."
    elif end.returncode is None:
        found = "its process is gone."
    elif end.returncode < 0:
        found = f"its process was ended by signal {_signal_name(-end.returncode)}."
    else:
        found = f"its process ended with code {end.returncode}."
    if end.output:
        found = f"{found} It said: {end.output}"
    step = f" in {batch.step}" if batch.step else ""
    return {
        "code": kind.code,
        "at": f"{batch.name}{step}",
        "found": found,
        "remedy": kind.remedy,
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _lacked_memory(end: End) -> bool:
    """Whether memory ran out; a kill that we did not send is nearly always the kernel's for it."""
    if end.event is not None:
        return bool(end.event.get("memory"))
    return end.returncode == -signal.SIGKILL


def _with_more_memory(end: End, batch: Batch, code: str) -> dict[str, Any]:
    """Return what to change so that there is more memory; empty if there is nothing left."""
    # One piece that does not fit the limit does not fit it with fewer threads either.
    too_large = code == errors.running.NO_MEMORY.code
    if end.threads > 1 and not too_large:
        threads = end.threads // 2
        return {"threads": threads, "words": f"with threads: {threads}"}
    if end.more_memory and not batch.alone:
        return {"alone": 1, "words": "alone, with all the memory"}
    return {}


def _again(error: dict[str, Any], words: str, fields: dict[str, Any]) -> Outcome:
    message = f"{words} ({errors.queue.RETRIED.code}), after {_text(error)}"
    return Outcome(S.WAITING, message, "warning", error["code"], {**_kept(error), **fields})


def _failed(error: dict[str, Any], before: str = "") -> Outcome:
    return Outcome(S.FAILED, f"{before}{_text(error)}", "error", error["code"], _kept(error))


def _kept(error: dict[str, Any]) -> dict[str, Any]:
    return {name: error[name] for name in ("at", "found", "remedy")}


def _text(error: dict[str, Any]) -> str:
    where = f"{error['at']}: " if error["at"] else ""
    return f"{error['code']} {where}{error['found']} {error['remedy']}".strip()
