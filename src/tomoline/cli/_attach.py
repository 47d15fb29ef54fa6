"""Looking at a project's run while it goes on: live on a terminal, in plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tomoline.cli._run_lines import counts_text, lines_of, processor_lines, recap
from tomoline.queue import rows
from tomoline.queue.model import BatchState, Event, RunState

if TYPE_CHECKING:
    from tomoline.queue.project import Project
    from tomoline.queue.status import Status

TURN_S = 0.2
LOOK_S = 1.0
"""How often the state is shown where nothing has changed."""
CHECK_S = 2.0
"""How often it is checked that the runner lives."""


@dataclass
class Seen:
    """What was seen while looking.

    Attributes
    ----------
    ended : dict
        By data set, how it ended last, as an event tells: state and code of the error.
    detached : bool
        Whether the user stopped looking with Ctrl-C.
    began : float or None
        When the first of them was started.
    """

    ended: dict[str, tuple[str, str]] = field(default_factory=dict)
    detached: bool = False
    began: float | None = None

    @property
    def finished(self) -> int:
        """How many finished."""
        return self._count(BatchState.FINISHED)

    @property
    def failed(self) -> int:
        """How many failed, and have not finished since."""
        return self._count(BatchState.FAILED)

    @property
    def killed(self) -> int:
        """How many were killed, and have not gone on since."""
        return self._count(BatchState.KILLED)

    @property
    def failures(self) -> dict[str, str]:
        """Code of the error of each data set that failed."""
        return {name: code for name, (how, code) in self.ended.items() if how == BatchState.FAILED}

    def _count(self, state: BatchState) -> int:
        return sum(how == state for how, _ in self.ended.values())


def attach(project: Project, *, batches: Collection[int] | None = None, since: int = 0) -> Seen:
    """Show the run until it has ended or is paused, or the batches named have ended.

    Ctrl-C ends the looking, never the run.

    Parameters
    ----------
    batches : collection of int, optional
        Numbers of the batches to wait for; by default all of the run.
    since : int
        Number of the last event of the log that is known already.
    """
    seen = Seen()
    try:
        # Loading what draws takes a moment, in which Ctrl-C means the same as later.
        live = _Live() if sys.stderr.isatty() else None
        with live or nullcontext():
            _look(project, seen, batches, since, live)
    except KeyboardInterrupt:
        seen.detached = True
        sys.stderr.write(
            "\nYou look no more, and the run goes on.\n"
            "'tomoline status --follow' looks again, 'tomoline pause' and 'tomoline kill' end it.\n"
        )
        return seen
    # What failed hours ago has long left the screen.
    took = None if seen.began is None else max(0.0, time.time() - seen.began)
    for line in recap(seen.failures, took):
        _print(line)
    return seen


def _look(
    project: Project,
    seen: Seen,
    batches: Collection[int] | None,
    since: int,
    live: _Live | None,
) -> None:
    wanted = None if batches is None else set(batches)
    last, looked, checked, changes = since, 0.0, 0.0, -1
    while True:
        now, before = time.monotonic(), changes
        # What this process writes itself does not count as a change, hence also the time.
        changes = project.store.changes()
        if changes == before and now - looked < LOOK_S:
            time.sleep(TURN_S)
            continue
        looked = now
        if now - checked >= CHECK_S:
            checked = now
            for notice in project.control.recover():
                _print(f"warning {notice}")
        # First the state, then the events: what ended before is told before the end.
        status = project.control.status()
        over = _is_over(project, status, wanted)
        for event in project.log.events(after=last):
            last = max(last, event.id)  # they come by time, which is told by several processes
            if wanted is None or event.batch in wanted:
                _count(seen, event, project)
            for line in lines_of(event, project, plain=live is None):
                _print(line)
        if live is not None:
            live.show(status)
        if over:
            return


def _is_over(project: Project, status: Status, wanted: set[int] | None) -> bool:
    if not status.running and status.wanted is not RunState.RUNNING:
        return True
    if wanted is None:
        return False
    with project.store.read() as db:
        rows = db.execute("SELECT id FROM batch WHERE state IN ('waiting', 'running')")
        return not any(row[0] in wanted for row in rows)


def _count(seen: Seen, event: Event, project: Project) -> None:
    if event.becomes in (BatchState.FINISHED, BatchState.FAILED, BatchState.KILLED):
        seen.ended[event.data_set] = (event.becomes, event.code)
    if event.becomes in (BatchState.FINISHED, BatchState.FAILED) and event.batch is not None:
        one = rows.batch(project.store, event.batch)
        if one is not None and one.started:
            seen.began = min(one.started, seen.began or one.started)


def _print(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class _Live(AbstractContextManager[Any]):
    """The lines at the end of the terminal that change: processors, counts, time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # With it, what is written to sys.stderr goes above the lines.
        self._live = Live(
            console=Console(stderr=True), refresh_per_second=8, transient=True, redirect_stderr=True
        )

    def __enter__(self) -> _Live:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, status: Status) -> None:
        """Show the present state."""
        from rich.text import Text

        width, height = self._live.console.size
        lines = list(processor_lines(status, width))
        room = max(1, height - 2)  # what is too long for the screen would lose its end
        if len(lines) > room:
            lines[room - 1 :] = [f"... and {len(lines) - room + 1} more"]
        lines.append(counts_text(status))
        # Characters of double width count only there.
        self._live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))
