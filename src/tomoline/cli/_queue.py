"""The queue on the command line: the list of batches, and changes of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline.cli._aligned import aligned
from tomoline.cli._output import print_json, warn
from tomoline.cli._project import open_project
from tomoline.queue.model import Batch, BatchState, RunState
from tomoline.queue.rows import wanted_of
from tomoline.queue.words import count_of, time_text

if TYPE_CHECKING:
    from tomoline.queue.project import Project

SHOWN = tuple(
    state for state in BatchState if state not in (BatchState.FINISHED, BatchState.DROPPED)
)
TIMES = ("queued", "started", "ended", "not_before")
# Those that the runner keeps for itself.
HIDDEN = frozenset({"place", "birth", "read_bytes", "data_set", "wanted"})


def print_queue(
    folder: Path | None,
    names: Sequence[str],
    states: Sequence[BatchState],
    *,
    limit: int,
    as_json: bool,
) -> None:
    """Print batches in their order."""
    with closing(open_project(folder, looking=True)) as project:
        for name in names:
            project.data_sets.entries([name])  # refuses what there is not
        batches = project.queue.batches(
            states=states or SHOWN, patterns=names, limit=limit, newest=True
        )
        positions = _positions(project, batches, filtered=bool(names))
        counts = project.queue.counts(newest=True)
    if as_json:
        print_json([_document(one, positions.get(one.id)) for one in batches])
        return
    rows = [_row(one, positions.get(one.id)) for one in batches]
    header = ["pos", "data set", "state", "part", "doing", "tries", "queued by", "error"]
    lines = list(aligned(header, rows, ["pos", "tries"])) if rows else []
    total = sum(counts[state] for state in states or SHOWN)
    if not names and len(batches) < total:
        lines.append(f"... and {total - len(batches)} more: --limit 0 shows all")
    summary = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    lines.append(summary or "the queue is empty")
    sys.stdout.write("\n".join(lines) + "\n")


def add(
    folder: Path | None,
    names: Sequence[str],
    *,
    first: str,
    last: str,
    any_step: bool,
    settings: Sequence[str],
    top: bool,
) -> None:
    """Queue data sets, with parameters of their own if some are given."""
    from tomoline.queue.reach import asked_for, refuse_missing_axes

    with closing(open_project(folder)) as project:
        entries = project.data_sets.entries(names, as_named=True)
        refuse_missing_axes(project.store, entries)
        asked = asked_for(entries, first, last, any_step=any_step)
        given = _read(settings)
        with project.store.write():
            if given is not None:
                from tomoline.surfaces.project_values import set_data_set_values

                set_data_set_values(project, names, given)
            # From the last to the first: each group goes on top of those before.
            parts = list(asked.items())
            for recipe, part in reversed(parts) if top else parts:
                project.queue.add(
                    [one for one in entries if one.recipe == recipe],
                    first=part.first,
                    last=part.last,
                    origin="queue add",
                    top=top,
                )
        _say(f"queued {count_of(len(entries), 'data set')}{' on top' if top else ''}")
        _tell_if_idle(project)


def move(folder: Path | None, names: Sequence[str], position: int) -> None:
    """Move batches that wait."""
    with closing(open_project(folder)) as project:
        project.queue.move(names, position)


def take_out(folder: Path | None, names: Sequence[str]) -> None:
    """Take batches that wait out of the queue."""
    with closing(open_project(folder)) as project:
        taken = project.queue.take_out(names)
    _say(f"took {count_of(len(taken), 'data set')} out of the queue")


def retry(folder: Path | None, names: Sequence[str], *, start: bool) -> None:
    """Queue failed batches again, tell what was wrong with each, and start the run."""
    with closing(open_project(folder)) as project:
        failed = project.queue.retry(names)
        for one in failed:
            where = f"{one.at}: " if one.at else ""
            _say(f"{one.name}  {one.code}  {where}{one.found}")
            if one.remedy:
                _say(f"    {one.remedy}")
        number = count_of(len(failed), "data set")
        _say(f"queued {number} again" if failed else "no data set has failed")
        if failed and start and wanted_of(project.store) is not RunState.PAUSED:
            project.control.run_queue("retry")
        elif failed:
            _tell_if_idle(project)


def _read(settings: Sequence[str]) -> Any:
    """Return the values that settings give, and tell what is to be told about them."""
    if not settings:
        return None
    from tomoline.surfaces.project_values import read_values

    given = read_values(settings)
    warn(given.notices)
    return given


def _positions(project: Project, batches: Sequence[Batch], *, filtered: bool) -> Mapping[int, int]:
    waiting = [one.id for one in batches if one.state is BatchState.WAITING]
    if filtered and waiting:
        return project.queue.positions()
    return {number: position for position, number in enumerate(waiting, 1)}


def _row(one: Batch, position: int | None) -> list[str]:
    from tomoline.queue.batch_range import range_of, range_text

    return [
        str(position) if position else "-",
        one.name,
        str(one.state),
        range_text(range_of(one)) or "whole",
        _doing(one, time.time()),
        str(one.attempt),
        one.origin,
        one.code,
    ]


def _doing(one: Batch, now: float) -> str:
    """Return what a batch is doing, or what it waits for besides its turn."""
    if one.state is BatchState.WAITING:
        words = [f"not before {time_text(one.not_before)}"] if one.not_before > now else []
        return ", ".join([*words, "alone"] if one.alone else words)
    if one.state not in (BatchState.RUNNING, BatchState.PAUSED):
        return ""
    pieces = f"{one.done}/{one.total}" if one.total else ""
    processor = f"(P{one.processor})" if one.processor is not None else ""
    return " ".join(word for word in (one.step, pieces, processor) if word)


def _document(one: Batch, position: int | None) -> dict[str, Any]:
    fields = {name: value for name, value in vars(one).items() if name not in HIDDEN}
    for name in TIMES:
        fields[name] = _iso(fields[name])
    return {"position": position, **fields}


def _iso(when: float | None) -> str | None:
    if not when:
        return None
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")


def _tell_if_idle(project: Project) -> None:
    wanted = wanted_of(project.store)
    if wanted is not RunState.RUNNING:
        _say(f"the run is {wanted}: 'tomoline resume' goes on with the queue")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
