"""``tomoline project explain`` and ``check``: what they print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tomoline import errors
from tomoline.cli._output import print_json
from tomoline.errors import Faults, TomolineError
from tomoline.queue.records import record_path
from tomoline.queue.words import count_of

if TYPE_CHECKING:
    from tomoline.params import StepParams
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project


def shown(value: object) -> str:
    """Write a value as ``--set`` takes it.

    >>> shown([0.35, 0.05]), shown(True), shown(None)
    ('0.35,0.05', 'yes', 'none')
    """
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(shown(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def print_explanation(
    project: Project, name: str, parameter: str, axis: str, *, as_json: bool
) -> None:
    """Print what each layer gives for a parameter, lowest first, and which one holds."""
    from tomoline.params import describe
    from tomoline.recipes import STEPS
    from tomoline.surfaces import options
    from tomoline.surfaces.parameter_names import key_of

    entry = project.data_sets.entry(name)
    if axis not in ("", "a", "b") or (axis and not entry.dual):
        raise errors.parameters.BAD_OPTION.error(
            f"--axis {axis}", f"{name} has {'axes a and b' if entry.dual else 'one axis only'}."
        )
    document = []
    for key in key_of(parameter):
        step, _, field = key.partition(".")
        info = next(one for one in describe(STEPS[step].params) if one.name == field)
        said = project.layers.explain(entry, key, axis)
        document.append(
            {
                "parameter": key,
                "directive": info.directive,
                "kind": options.kind_text(info),
                "help": info.help,
                "layers": [
                    {
                        "layer": one.layer,
                        "value": one.value,
                        "where": one.where,
                        "holds": one.holds,
                        "note": one.note,
                    }
                    for one in said
                ],
            }
        )
    if as_json:
        print_json(document)
        return
    for one in document:
        _print_explained(name, axis, one)


def _print_explained(name: str, axis: str, one: Mapping[str, Any]) -> None:
    directive = f", IMOD's {one['directive']}" if one["directive"] else ""
    typer.echo(f"{one['parameter']} of {name}{f', axis {axis}' if axis else ''}{directive}")
    typer.echo(f"  {one['help']} ({one['kind']})")
    layers = one["layers"]
    width = max(len(layer["layer"]) for layer in layers)
    values = [shown(layer["value"]) for layer in layers]
    wide = max(len(value) for value in values)
    for layer, value in zip(layers, values, strict=True):
        mark = "->" if layer["holds"] else "  "
        line = f"  {mark} {layer['layer']:<{width}}  {value:<{wide}}  {layer['where']}"
        typer.echo(line.rstrip())
        if layer["note"]:
            typer.echo(f"     {layer['note']}")


def print_check(project: Project) -> int:
    """Print all that would stop or mislead a run; return the exit status."""
    entries = project.data_sets.entries()
    notices = project.layers.changed_templates()
    faults = list({str(fault): fault for fault in _faults(project, entries)}.values())
    for notice in notices:
        typer.echo(f"warning {notice}")
    for fault in faults:
        typer.echo(f"fault {fault}")
    things = ((entries, "data set"), (faults, "fault"), (notices, "warning"))
    typer.echo(", ".join(count_of(len(found), noun) for found, noun in things))
    return 1 if faults else 0


def _faults(project: Project, entries: Sequence[DataSetEntry]) -> Iterator[TomolineError]:
    """Yield the faults of all data sets' parameters and acquisitions, each once.

    Most data sets have the same parameters, which are read once.
    """
    from tomoline.queue.reach import missing_axes

    lonely = {entry.id for entry in missing_axes(project.store, entries)}
    own = project.data_sets.all_given()
    known: dict[str, Mapping[str, StepParams] | list[TomolineError]] = {}
    for done, entry in enumerate(entries):
        if len(entries) > 1000 and done % 1000 == 0 and sys.stderr.isatty():
            sys.stderr.write(f"\rchecked {done} of {len(entries)} data sets")
        if entry.id in lonely:
            yield errors.project.NOT_DUAL.error(entry.name, "the other stack is not known.")
        sources = (entry.source, *((entry.source_b,) if entry.source_b else ()))
        axes = ("a", "b") if entry.dual else ("",)
        for axis, root, source in zip(axes, entry.roots, sources, strict=True):
            mark = json.dumps([entry.recipe, axis, own[entry.id]])
            if mark not in known:
                known[mark] = _parameters(project, entry, axis)
                yield from (
                    TomolineError(one.kind, f"{entry.name}, {one.where}", one.found, one.remedy)
                    for one in _only_faults(known[mark])
                )
            if not os.path.exists(record_path(entry.folder, root)):
                yield from _look(entry, source, known[mark])


def _parameters(
    project: Project, entry: DataSetEntry, axis: str
) -> Mapping[str, StepParams] | list[TomolineError]:
    """Return the parameters of a data set, or what is wrong with them."""
    from tomoline.surfaces.project_values import merged_of

    try:
        return merged_of(project.layers, entry, axis)
    except Faults as several:
        return several.faults


def _only_faults(found: Mapping[str, StepParams] | list[TomolineError]) -> list[TomolineError]:
    return found if isinstance(found, list) else []


def _look(
    entry: DataSetEntry, source: Path, found: Mapping[str, StepParams] | list[TomolineError]
) -> Iterator[TomolineError]:
    """Yield what the headers of an acquisition tell to be no use, of which nothing was run yet."""
    from tomoline.recipes import RECIPES

    if not source.exists():
        text = f"the acquisition of {entry.name} is not there any more."
        yield errors.files.MISSING.error(source, text)
        return
    step = RECIPES[entry.recipe].setup
    parameters = step.validate({}) if isinstance(found, list) else found[step.name]
    try:
        step.look(source, parameters)
    except TomolineError as error:
        for fault in error.faults if isinstance(error, Faults) else [error]:
            tells = str(source) in fault.where
            where = fault.where if tells else f"{entry.name}, {fault.where}"
            yield TomolineError(fault.kind, where, fault.found, fault.remedy)
