"""``tomoline project new`` and ``add``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tomoline import errors
from tomoline.cli._output import warn
from tomoline.cli._project_given import (
    MOST_LINES,
    Given,
    read_user_defaults,
    set_on,
)
from tomoline.errors import Faults
from tomoline.queue.words import count_of

if TYPE_CHECKING:
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project


def new_project(folder: Path, deliver: Path | None, given: Given) -> None:
    """Make a project with its layers."""
    from tomoline.queue.project import Project
    from tomoline.surfaces.project_values import put_user_defaults, set_project_values
    from tomoline.surfaces.value_checks import check_new

    path, defaults = read_user_defaults()
    if given.values is not None:
        check_new(defaults, given.values)
    with Project.create(folder, deliver=deliver) as project:
        typer.echo(f"project {project.name} in {project.folder}")
        typer.echo(f"results go to {project.deliver}/NAME")
        if defaults:
            put_user_defaults(project, path, defaults)
        if given.values is not None:
            set_project_values(project, given.values)
        for name, values in project.layers.all().items():
            file = project.layers.files().get(name, ("",))[0]
            typer.echo(f"{name}: {count_of(len(values), 'parameter')}{' of ' * bool(file)}{file}")


def add_paths(
    project: Project,
    paths: Sequence[Path],
    given: Given,
    *,
    name: str,
    recipe: str,
    folder: Path | None,
    pair: bool,
    queue: bool,
) -> None:
    """Add acquisitions with parameters of their own, all in one transaction."""
    from tomoline.queue.reach import missing_axes

    if len(paths) > 1000 and sys.stderr.isatty():
        sys.stderr.write(f"looking at {len(paths)} files ...\n")
    start = time.time()
    looked = project.data_sets.look(paths, name=name, recipe=recipe, folder=folder, pair=pair)
    with project.store.write():
        entries = project.data_sets.add(looked, origin="project add")
        if given.values is not None:
            set_on(project, [entry.name for entry in entries], given.values)
            names = [entry.id for entry in entries]
            entries = [one for number in names if (one := project.data_sets.by_id(number))]
    fresh = [entry for entry in entries if entry.added >= start]
    lonely = {entry.id for entry in missing_axes(project.store, fresh)}
    entries = [_paired(project, entry) if entry.id in lonely else entry for entry in entries]
    lonely = {entry.id for entry in entries if entry.id in lonely and not entry.dual}
    new = [entry for entry in entries if entry.added >= start]
    if queue:
        ready = [entry for entry in entries if entry.id not in lonely]
        project.queue.add(ready, origin="project add")
    if len(entries) <= MOST_LINES:
        width = max((len(entry.name) for entry in entries), default=0)
        for entry in entries:
            there = "" if entry.added >= start else "  (was there already)"
            axes = f" and {entry.source_b.name}" if entry.source_b else ""
            typer.echo(f"{entry.name:<{width}}  {entry.recipe}  {entry.source}{axes}{there}")
    warn(
        errors.project.NOT_DUAL.notice(
            entry.name, f"it is marked dual axis, as before it, and has {entry.source.name} only."
        )
        for entry in new
        if entry.id in lonely
    )
    there_text = f", {len(entries) - len(new)} there already" if len(new) < len(entries) else ""
    queued = f", {len(ready)} queued" if queue else ""
    typer.echo(f"{count_of(len(new), 'data set')} added{there_text}{queued}")


def _paired(project: Project, entry: DataSetEntry) -> DataSetEntry:
    """Give a data set the stack of the other axis, where it lies beside the first."""
    try:
        return project.data_sets.set_dual([entry.name], True)[0]
    except Faults:  # there is none, which is told
        return entry
