"""The lines that tell of a run: of a processor, of an event, of the whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tomoline.queue import rows
from tomoline.queue.model import Batch, BatchState, Event, EventKind, RunState

if TYPE_CHECKING:
    from tomoline.queue.project import Project
    from tomoline.queue.status import Status

BAR = 20
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
    if one is None or one.state != event.becomes:
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
    share = one.done / one.total if one.total else 0.0
    filled = round(min(1.0, share) * BAR)
    bar = f"[{'#' * filled}{'.' * (BAR - filled)}] {share:4.0%}" if one.total else " " * (BAR + 7)
    passed = duration_text(time.time() - one.started) if one.started else ""
    ending = f"  ({one.wanted} wanted)" if one.wanted else ""
    text = f"P{one.processor or 0:<3}{one.name:<20} {one.step:<15} {bar}  {passed:<11}{one.label}"
    return f"{text.rstrip()}{ending}"[:width]


def processor_lines(status: Status, width: int | None = None) -> Iterator[str]:
    """Yield a line for each processor, busy or free, cut to a width."""
    busy = {one.processor: one for one in status.running}
    for number in sorted({*busy, *range(1, status.plan.processors + 1)} - {None}):
        one = busy.get(number)
        yield f"P{number:<3}free" if one is None else running_line(one, width)


def counts_text(status: Status) -> str:
    """Return how many batches are in which state, how long they may take, and what may come."""
    counts = [
        f"{count} {state}"
        for state, count in status.counts.items()
        if count and state != BatchState.DROPPED
    ]
    comes = [
        f"; {what}: {number}"
        for number, what in ((status.watches, "watched folders"), (status.schedules, "schedules"))
        if number
    ]
    return f"{', '.join(counts) or 'none'}{left_text(status)}{''.join(comes)}"


def left_text(status: Status) -> str:
    """Return how long the rest may take, in words; "" where that is not known."""
    return "" if status.left_s is None else f"; about {duration_text(status.left_s)} left"


def duration_text(seconds: float) -> str:
    """Return a duration for people.

    >>> duration_text(4.21), duration_text(75), duration_text(7300)
    ('4.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{max(0.0, seconds):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def status_lines(status: Status) -> Iterator[str]:
    """Yield the lines of ``tomoline status``."""
    from tomoline.queue.outcome import retries_text
    from tomoline.queue.recovery import utc

    yield f"{status.name}  {status.folder}"
    runner = f", runner {status.runner} on {status.host}" if status.runner else ", no runner"
    since = f" since {utc(status.began)}" if status.runner and status.began else ""
    yield f"{status.wanted}{runner}{since}"
    yield (
        f"processors: {status.plan.processors}, threads of each: {status.plan.threads}, "
        f"memory of each: {status.plan.bytes_each / (1 << 30):.1f} GiB"
    )
    yield retries_text(status.retries, status.retry_waits_s)
    yield f"data sets: {status.data_sets}, batches: {counts_text(status)}"
    if status.runner:
        yield from processor_lines(status)
    for one in status.paused:
        yield f"{one.state:<9} {one.name}{f'  after {one.step}' if one.step else ''}"
    for one in status.later:
        after = f", after {one.code} {one.at}: {one.found}" if one.code else ""
        yield f"{one.state:<9} {one.name}  tried again at {utc(one.not_before)}{after}"
    for one in status.failed:
        yield from failure_lines(one)
    more = status.to_retry - len(status.failed)
    if more > 0:
        yield f"and {more} more failed: 'tomoline queue list --state failed'"
    yield from _hints(status)


def _hints(status: Status) -> Iterator[str]:
    if status.to_retry:
        yield "'tomoline retry' queues what failed again."
    if status.wanted is not RunState.RUNNING and status.to_resume:
        yield "'tomoline resume' goes on with what was paused or killed."
