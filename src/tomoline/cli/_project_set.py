"""``tomoline project set`` and ``copy-down``: what they do and tell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from tomoline import errors
from tomoline.cli._project_given import (
    MOST_LINES,
    Boxes,
    Given,
    read_user_defaults,
    set_on,
    tell_axes,
)
from tomoline.queue.table_keys import BOXES, DUAL
from tomoline.queue.words import count_of

if TYPE_CHECKING:
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project
    from tomoline.surfaces.kept_values import ProjectValues


def apply(
    project: Project,
    names: Sequence[str],
    given: Given,
    boxes: Boxes,
    *,
    unset: Sequence[str],
    axis: str,
) -> None:
    """Set what ``project set`` was given.

    Raises
    ------
    TomolineError
        For options that do not go together, and values that do not fit.
    """
    from tomoline.surfaces.kept_values import ProjectValues

    _refuse_senseless(names, given, boxes, axis)
    values = given.values or ProjectValues()
    written = boxes.settings()
    if written:
        _add_boxes(values, written)
    if unset:
        from tomoline.surfaces.parameter_names import key_of

        unset = [key for text in unset for key in key_of(text)]
    something = bool(
        values.values or values.values_b or values.templates or unset or given.taken_away
    )
    waits_s = boxes.waits_s()
    rest = (boxes.run, boxes.dual, boxes.deliver, boxes.retries, waits_s)
    if not something and not boxes.user_defaults and all(one is None for one in rest):
        raise errors.parameters.BAD_OPTION.error(
            "project set", "nothing to set was given.", "See 'tomoline project set --help'."
        )
    with project.store.write():
        if names:
            _set_data_sets(project, names, values, boxes, unset, axis)
        else:
            _set_project(project, values, boxes, unset, given.taken_away, axis)


def copy_down(project: Project, name: str, keys: Sequence[str], every: bool) -> None:
    """Copy parameters of a line to all lines below it."""
    wanted = list(BOXES)
    if keys:
        from tomoline.surfaces.parameter_names import key_of

        wanted = [found for key in keys for found in key_of(key)]
    if every:
        own = project.data_sets.given(project.data_sets.entry(name))
        wanted = list(dict.fromkeys([*wanted, *own]))
    count = project.data_sets.copy_down(name, wanted)
    typer.echo(f"{', '.join(wanted)}: copied to {count_of(count, 'data set')} below {name}")


def _refuse_senseless(names: Sequence[str], given: Given, boxes: Boxes, axis: str) -> None:
    problem = ""
    if axis not in ("", "b"):
        problem = f"--axis {axis}: only b can be set apart; what is set without it is for both."
    elif axis and (boxes.dual is not None or boxes.run is not None or _templates(given)):
        problem = "--dual, --run and --template are for both axes: leave out --axis."
    elif boxes.run is not None and not names:
        problem = "--run and --no-run need the names of data sets; '*' means all."
    elif names and _templates(given):
        problem = "templates belong to the whole project: leave out the names of data sets."
    elif (names or axis) and (boxes.retries is not None or boxes.retry_waits is not None):
        problem = "--retries and --retry-waits are for the whole project: leave out the names."
    elif names and (boxes.deliver is not None or boxes.user_defaults):
        problem = "--deliver and --user-defaults are for the whole project: leave out the names."
    if problem:
        raise errors.parameters.BAD_OPTION.error("project set", problem)


def _templates(given: Given) -> bool:
    return bool(given.taken_away or (given.values and given.values.templates))


def _add_boxes(values: ProjectValues, written: Sequence[tuple[str, str]]) -> None:
    from tomoline.surfaces.project_values import read_values
    from tomoline.workflow.given import LayerValue

    options = dict(zip((text.partition("=")[0] for text, _ in written), written, strict=True))
    for key, one in read_values([text for text, _ in written]).values.items():
        values.values[key] = LayerValue(one.value, options[key][1])


def _set_data_sets(
    project: Project,
    names: Sequence[str],
    values: ProjectValues,
    boxes: Boxes,
    unset: Sequence[str],
    axis: str,
) -> None:
    entries = project.data_sets.entries(names)
    if boxes.run is not None:
        project.data_sets.set_run(names, boxes.run)
        for_run = "taken by" if boxes.run else "left out of"
        typer.echo(f"{count_of(len(entries), 'data set')} {for_run} runs of the whole project")
    if boxes.dual is not None:
        before = entries
        entries = project.data_sets.set_dual(names, boxes.dual)
        tell_axes(before, entries)
        names = [entry.name for entry in entries]
    if values.values or values.values_b or unset:
        entries = set_on(project, names, values, unset, axis)
        dual = any(entry.dual for entry in entries)
        told = _told(values, unset, with_b=dual)
        typer.echo(f"{told}: set for {count_of(len(entries), 'data set')}")
    _tell_running(project, entries)


def _set_project(
    project: Project,
    values: ProjectValues,
    boxes: Boxes,
    unset: Sequence[str],
    taken_away: Sequence[str],
    axis: str,
) -> None:
    from tomoline.queue.layers import OF_B
    from tomoline.surfaces.project_values import put_user_defaults, set_project_values
    from tomoline.workflow.given import LayerValue

    if boxes.deliver is not None:
        project.store.set_setting("deliver", os.path.abspath(boxes.deliver))
        typer.echo(f"results of data sets added from now on go to {project.deliver}/NAME")
    if boxes.retries is not None or boxes.retry_waits is not None:
        from tomoline.queue.outcome import retries_of, retries_text

        project.set_retries(boxes.retries, boxes.waits_s())
        typer.echo(retries_text(*retries_of(project.store)))
    if boxes.user_defaults:
        path, defaults = read_user_defaults()
        put_user_defaults(project, path, defaults)
        typer.echo(f"user defaults: {count_of(len(defaults), 'parameter')} of {path}")
    if boxes.dual is not None:
        option = "--dual" if boxes.dual else "--no-dual"
        values.values[DUAL] = LayerValue(boxes.dual, option)
    for kind in taken_away:
        project.layers.put(f"{kind} template", {})
        project.layers.put(f"{kind} template{OF_B}", {})
        typer.echo(f"{kind} template taken away")
    set_project_values(project, values, unset=unset, axis=axis)
    for kind, template in values.templates.items():
        number = count_of(len(template.values), "parameter")
        typer.echo(f"{kind} template: {number} of {template.file}")
    if not values.values and not values.values_b and not unset:
        return
    typer.echo(f"{_told(values, unset)}: set for the project")
    for key in values.values:
        count = project.data_sets.count_given(key)
        if count:
            typer.echo(
                f"{count_of(count, 'data set')} already apart in {key}, which stays so; "
                f"'tomoline project set NAME --unset {key}' forgets it"
            )
    _tell_running(project, None)


def _tell_running(project: Project, entries: Sequence[DataSetEntry] | None) -> None:
    from tomoline.queue.rows import running_batches

    wanted = None if entries is None else {entry.id for entry in entries}
    for one in running_batches(project.store):
        if wanted is None or one.data_set in wanted:
            typer.echo(f"{one.name} is being run; what was set takes effect at its next start")


def _told(values: ProjectValues, unset: Sequence[str], *, with_b: bool = True) -> str:
    parts = [f"{key} = {_shown(one.value)}" for key, one in values.values.items()]
    if with_b:
        parts += [f"{key} = {_shown(one.value)} of axis b" for key, one in values.values_b.items()]
    shown = [*parts, *(f"{key} unset" for key in unset)]
    more = f" and {len(shown) - MOST_LINES} more" if len(shown) > MOST_LINES else ""
    return ", ".join(shown[:MOST_LINES]) + more


def _shown(value: object) -> str:
    from tomoline.cli._project_table import shown

    return shown(value)
