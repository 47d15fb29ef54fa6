"""The lines that tell of a run: of a processor, of an event, of the whole."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from tomoline.queue import rows
from tomoline.queue.model import Batch, BatchState, Event, EventKind, RunState
from tomoline.queue.words import count_of

if TYPE_CHECKING:
    from tomoline.queue.project import Project
    from tomoline.queue.status import Status

BAR = 20
NAME = 20
FREE = 4
"""So many free processors have a line each."""
IN_FULL = 3
"""So many failures of one kind are told in full."""
WIDE = 100
"""On narrower terminals, bars and names are shorter."""
ENDINGS = (BatchState.FINISHED, BatchState.FAILED, BatchState.KILLED, BatchState.PAUSED)


def lines_of(event: Event, project: Project, *, plain: bool) -> Iterator[str]:
    """Yield what to print when an event happens; of most nothing.

    Parameters
    ----------
    event : Event
        What happened.
    project : Project
        Whose it is.
    plain : bool
        Whether nothing else shows what begins.
    """
    if event.kind == EventKind.STATE:
        becomes = event.becomes
        if becomes == BatchState.RUNNING and plain:
            yield f"{'starts':<9} {event.data_set}"
        elif becomes in ENDINGS or event.level != "info":
            yield from _ending(event, project)
    elif event.kind == EventKind.RUN and event.level == "info":
        if plain:
            yield event.message
    elif event.level != "info":
        where = " ".join(part for part in (event.data_set, event.step) if part)
        code = f"{event.code}: " if event.code and event.code not in event.message else ""
        yield f"{event.level:<9} {where}{'  ' if where else ''}{code}{event.message}"


def _ending(event: Event, project: Project) -> Iterator[str]:
    one = rows.batch(project.store, event.batch) if event.batch is not None else None
    if one is None or one.state != event.becomes or one.state is BatchState.WAITING:
        code = f"  {event.code}:" if event.code and event.code not in event.message else ""
        yield f"{event.becomes:<9} {event.data_set}{code}  {event.message}"
    elif one.state is BatchState.FAILED:
        yield from failure_lines(one)
    else:
        took = ""
        if one.started and one.ended:
            took = f"  {duration_text(one.ended - one.started)}"
        yield f"{one.state:<9} {one.name}{took}"


def failure_lines(one: Batch) -> Iterator[str]:
    """Yield the lines that tell of a failed batch: code, what was found where, remedy."""
    where = f"{one.at}: " if one.at else ""
    yield f"{one.state:<9} {one.name}  {one.code}: {where}{one.found}"
    if one.remedy:
        yield f"{'':<9} remedy: {one.remedy}"


def running_line(one: Batch, width: int | None = None) -> str:
    """Return the line of a processor that is busy, cut to a width."""
    narrow = width is not None and width < WIDE
    bar_width, name_width = (BAR // 2, NAME * 3 // 4) if narrow else (BAR, NAME)
    share = min(1.0, one.done / one.total) if one.total else 0.0
    filled = round(share * bar_width)
    bar = f"[{'#' * filled}{'.' * (bar_width - filled)}] {share:4.0%}"
    if not one.total:
        bar = " " * len(bar)
    passed = duration_text(time.time() - one.started) if one.started else ""
    ending = f"  ({one.wanted} wanted)" if one.wanted else ""
    name = fitted(one.name, name_width)
    text = f"P{one.processor or 0:<3}{name:<{name_width}} {one.step:<15} {bar}  {passed:<10} "
    return f"{f'{text}{one.label}'.rstrip()}{ending}"[:width]


def fitted(name: str, width: int) -> str:
    """Return a name that is at most so long: of long ones the ends, which tell them apart.

    >>> fitted("TS_07", 12), fitted("session_of_may_TS_07", 12)
    ('TS_07', 'sess...TS_07')
    """
    if len(name) <= width:
        return name
    tail = (width - 2) // 2
    return f"{name[: width - 3 - tail]}...{name[-tail:]}"


def processor_lines(status: Status, width: int | None = None) -> Iterator[str]:
    """Yield a line for each processor, cut to a width; of many free ones one for all."""
    busy = {one.processor: one for one in status.running}
    numbers = sorted({*busy, *range(1, status.plan.processors + 1)} - {None})
    free = len(numbers) - len(busy)
    for number in numbers:
        one = busy.get(number)
        if one is not None:
            yield running_line(one, width)
        elif free <= FREE:
            yield f"P{number:<3}free"
    if free > FREE:
        yield f"{free} processors are free"


def counts_text(status: Status) -> str:
    """Return how many data sets are in which state, how long the rest may take, what may come."""
    counts = [f"{count} {state}" for state, count in status.sets.items()]
    if rest := status.data_sets - sum(status.sets.values()):
        counts.append(f"{rest} not queued")
    comes = [
        f"; {count_of(number, what)}"
        for number, what in ((status.watches, "watched folder"), (status.schedules, "schedule"))
        if number
    ]
    return f"{', '.join(counts) or 'no data sets yet'}{left_text(status)}{''.join(comes)}"


def left_text(status: Status) -> str:
    """Return how long the rest may take, in words; "" where that is not known, or nothing runs."""
    # What takes longer than those before it has no time left by this reckoning: say nothing then.
    if status.left_s is None or status.left_s < 1 or status.wanted is not RunState.RUNNING:
        return ""
    return f"; about {about_text(status.left_s)} left"


def duration_text(seconds: float) -> str:
    """Return a duration for people.

    >>> duration_text(4.21), duration_text(75), duration_text(7300)
    ('4.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 59.95:
        return f"{max(0.0, seconds):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def about_text(seconds: float) -> str:
    """Return a duration that nobody needs to know exactly.

    >>> about_text(4.21), about_text(90), about_text(5000), about_text(300_000)
    ('4 s', '2 min', '1 h 23 min', '3 days')
    """
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{round(minutes / 1440)} days"


def terminal_width() -> int | None:
    """Return how many columns standard output has; None where it is no terminal."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def status_lines(status: Status) -> Iterator[str]:
    """Yield the lines of ``tomoline status``: what matters most first."""
    from tomoline.queue.outcome import retries_text
    from tomoline.queue.words import utc_text

    yield f"{status.name}  {status.folder}"
    yield _run_text(status)
    sets = f"{count_of(status.data_sets, 'data set')}: " if status.data_sets else ""
    yield f"{sets}{counts_text(status)}"
    if status.runner:
        yield from processor_lines(status, terminal_width())
    for one in status.paused:
        yield f"{one.state:<9} {one.name}{f'  after {one.step}' if one.step else ''}"
    for one in status.later:
        after = f", after {one.code} {one.at}: {one.found}" if one.code else ""
        wait = about_text(one.not_before - status.time)
        when = f"tried again at {utc_text(one.not_before)}, in {wait}"
        yield f"{one.state:<9} {one.name}  {when}{after}"
    yield from _failures(status.failed)
    more = status.to_retry - len(status.failed)
    if more > 0:
        yield f"and {more} more failed: 'tomoline queue list --state failed'"
    yield (
        f"processors: {status.plan.processors}, threads of each: {status.plan.threads}, "
        f"memory of each: {status.plan.bytes_each / (1 << 30):.1f} GiB"
    )
    yield retries_text(status.retries, status.retry_waits_s)
    yield from _hints(status)


def _run_text(status: Status) -> str:
    """Return whether the run goes on, and since when."""
    from tomoline.queue.words import utc_text

    done = set(status.sets) <= {BatchState.FINISHED, BatchState.FAILED}
    done = done and status.wanted is RunState.STOPPED
    if status.runner:  # it may be there for what is watched, for a schedule, or for mail
        text = "idle" if done else str(status.wanted)
        text, since = f"{text}, runner {status.runner} on {status.host}", status.began
    elif done and status.sets:
        text, since = "all done, no runner", status.last_ended
    else:
        return f"{status.wanted}, no runner"
    if not since:
        return text
    ago = "" if status.runner else " ago"
    return f"{text}, since {utc_text(since)} ({about_text(status.time - since)}{ago})"


def _failures(failed: Sequence[Batch]) -> Iterator[str]:
    """Yield the lines of what failed, those of one error and one remedy together."""
    alike: dict[tuple[str, str], list[Batch]] = {}
    for one in failed:
        alike.setdefault((one.code, one.remedy), []).append(one)
    for group in alike.values():
        remedy: list[str] = []
        for one in group[:IN_FULL]:
            told, *remedy = failure_lines(one)
            yield told
        if others := [one.name for one in group[IN_FULL:]]:
            yield f"{'':<9} {group[0].code} also: {_named(others)}"
        yield from remedy


def _hints(status: Status) -> Iterator[str]:
    if status.to_retry:
        yield (
            "'tomoline retry' queues what failed again; "
            "'tomoline log --data-set NAME' tells what came before."
        )
    if not status.data_sets:
        yield "'tomoline project add PATH' adds data sets."
    elif not (status.sets or status.watches or status.schedules):
        yield "'tomoline run PROJECT' queues all data sets and runs them."
    elif status.wanted is not RunState.RUNNING:
        if status.to_resume:
            yield "'tomoline resume' goes on with what was paused or killed."
        elif status.counts[BatchState.WAITING]:
            yield "'tomoline resume' goes on with what waits."


def recap(failed: Mapping[str, str], seconds: float | None) -> Iterator[str]:
    """Yield what there is to say at the end of a run besides how many ended how.

    Parameters
    ----------
    failed : mapping
        Names of data sets that failed, with the code of the error.
    seconds : float or None
        How long it took; None where that is not known.

    >>> list(recap({"TS_07": "FILE-03", "TS_1": "FID-01", "TS_09": "FILE-03"}, 75.0))[0]
    "failed: FILE-03 TS_07, TS_09; FID-01 TS_1; 'tomoline status' tells why"
    """
    if failed:
        alike: dict[str, list[str]] = {}
        for name, code in failed.items():
            alike.setdefault(code, []).append(name)
        named = "; ".join(f"{code} {_named(names)}".lstrip() for code, names in alike.items())
        yield f"failed: {named}; 'tomoline status' tells why"
    if seconds is not None:
        yield f"took {duration_text(seconds)}"


def _named(names: Sequence[str]) -> str:
    from tomoline.queue.reach import shortened

    return shortened(names)
