"""``tomoline run PROJECT`` and ``tomoline resume``: start a project's run and look at it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.queue.words import count_of

if TYPE_CHECKING:
    from tomoline.queue.control import Started
    from tomoline.queue.project import Project

SETS = "Set it for the project: 'tomoline project set --help'."
ELSEWHERE = {
    "--recipe": "A data set has its recipe since it was added: 'tomoline project add --recipe'.",
    "--directives": SETS,
    "--parameters": SETS,
    "--set": SETS,
    "--deliver": "A project's results go where 'tomoline project new DIR --deliver' said.",
    "--root": "A data set has its name since it was added: 'tomoline project add --name'.",
    "--scratch": "Leave it out; what does not fit the memory goes to the data set's folder.",
    "--follow": "Watch the folder where scans appear: 'tomoline watch'.",
}
"""Options of ``run`` that are for single acquisitions, and what does it in a project."""
ONLY_PROJECTS = "Leave it out, or make a project: 'tomoline project --help'."


@dataclass(frozen=True)
class ProjectRun:
    """What a run of a project is asked for."""

    folder: Path
    names: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    any_step: bool = False
    processors: int | None = None


def refuse(*for_acquisitions: Any, **for_projects: Any) -> None:
    """Refuse options of ``run`` that are given and make no sense here.

    Parameters
    ----------
    *for_acquisitions
        In a project: what was given of `ELSEWHERE`, in that order.
    **for_projects
        Without a project: what was given of the options that are for projects; None where not.

    Raises
    ------
    TomolineError
        PARAM-06.
    """
    for (name, remedy), value in zip(ELSEWHERE.items(), for_acquisitions, strict=False):
        if value:
            found = "it is not for a project's data sets."
            raise errors.parameters.BAD_OPTION.error(name, found, remedy)
    for option, value in for_projects.items():
        if value is not None:
            name = f"--{option.replace('_', '-')}"
            found = "it is for projects."
            raise errors.parameters.BAD_OPTION.error(name, found, ONLY_PROJECTS)


def run_project(
    asked: ProjectRun,
    threads: int | None,
    memory: str | None,
    *,
    detach: bool = False,
    dry_run: bool = False,
) -> int:
    """Start the run of a project and look at it.

    Parameters
    ----------
    asked : ProjectRun
        What to run.
    threads, memory
        Cores of each processor, limit for all together; None to leave them as they are.
    detach : bool
        Do not look at it.
    dry_run : bool
        Only print what would be run.

    Returns
    -------
    int
        How many of its batches failed, or were killed, while it was looked at.
    """
    from tomoline.cli._bytes import bytes_of
    from tomoline.cli._project import open_project

    limit = bytes_of(memory)
    with open_project(asked.folder, looking=dry_run) as project:
        started = project.control.start(
            asked.names,
            first=asked.first,
            last=asked.last,
            any_step=asked.any_step,
            processors=asked.processors,
            threads=threads,
            memory=limit,
            dry_run=dry_run,
        )
        if dry_run:
            print_plans(started)
            return sum(plan.error is not None for plan in started.plans)
        sys.stderr.write(f"{_told(started)}\n")
        # Without names it is all that waits, also what was queued before.
        batches = started.batches if asked.names else None
        return look(project, batches=batches, since=started.event, detach=detach)


def look(project: Project, *, batches: list[int] | None, since: int, detach: bool) -> int:
    """Look at a project's run, if that is wanted; return how many batches failed or were killed."""
    if detach:
        sys.stderr.write("The run goes on; 'tomoline status --follow' looks at it.\n")
        return 0
    from tomoline.cli._attach import attach
    from tomoline.queue.model import RunState

    seen = attach(project, batches=batches, since=since)
    if seen.detached:
        return 0
    status = project.control.status()
    counts = [
        f"{count} {state}"
        for state, count in (
            ("finished", seen.finished),
            ("failed", seen.failed),
            ("killed", seen.killed),
        )
        if count or state == "finished"
    ]
    more = ""
    if status.wanted is RunState.PAUSED:
        more = "; paused, 'tomoline resume' goes on"
    elif seen.killed and status.wanted is RunState.STOPPED:
        more = "; 'tomoline resume' goes on with what was killed"
    elif status.running:
        more = f"; the run goes on with {count_of(len(status.running), 'other')}"
    sys.stderr.write(f"{', '.join(counts)}{more}.\n")
    return seen.failed + seen.killed


def print_plans(started: Started) -> None:
    """Print what a run would do, on standard output; data sets of which it is the same together."""
    from tomoline.cli._output import plan_line
    from tomoline.queue.reach import shortened

    same: dict[tuple[tuple[float, str, str, str], ...], list[str]] = {}
    for plan in started.plans:
        name = plan.name if plan.root == plan.name else f"{plan.name} ({plan.root})"
        name = f"{name} (being run just now)" if plan.busy else name
        if plan.error is not None:
            print(f"{name} cannot be run: {plan.error}")
        else:
            same.setdefault(tuple(plan.steps), []).append(name)
    for steps, names in same.items():
        print(f"{shortened(names)}:")
        for step in steps:
            print(plan_line(*step))


def _told(started: Started) -> str:
    from tomoline.queue.reach import shortened

    if not started.names and not started.already:
        return "Runs what waits in the queue."
    parts = []
    if started.names:
        parts.append(f"{len(started.names)} queued: {shortened(started.names)}")
    if started.already:
        parts.append(f"being run already: {shortened(started.already)}")
    return f"{'; '.join(parts)}."
