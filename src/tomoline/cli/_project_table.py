"""``tomoline project explain`` and ``check``: what they print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from tomoline import errors
from tomoline.errors import TomolineError

if TYPE_CHECKING:
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project

RECORD_SUFFIX = ".tomoline.json"


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
    from tomoline.surfaces.project_values import key_of

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
        sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
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
    faults = [fault for entry in entries for fault in _missing(entry)]
    faults += _faults(project, entries)
    for notice in notices:
        typer.echo(f"warning {notice}")
    for fault in faults:
        typer.echo(f"fault {fault}")
    typer.echo(f"{len(entries)} data sets, {len(faults)} faults, {len(notices)} warnings")
    return 1 if faults else 0


def _missing(entry: DataSetEntry) -> list[TomolineError]:
    """Return a fault for each acquisition that is gone, of which nothing was taken over yet."""
    sources = (entry.source, *((entry.source_b,) if entry.source_b else ()))
    return [
        errors.files.MISSING.error(path, f"the acquisition of {entry.name} is not there any more.")
        for root, path in zip(entry.roots, sources, strict=True)
        if not os.path.exists(path) and not os.path.exists(entry.folder / f"{root}{RECORD_SUFFIX}")
    ]


def _faults(project: Project, entries: Sequence[DataSetEntry]) -> list[TomolineError]:
    """Return the faults of all data sets' parameters; most have the same, which are read once."""
    from tomoline.queue.data_sets import DUAL
    from tomoline.queue.layers import effective
    from tomoline.surfaces.project_values import faults_of

    shared = list(project.layers.all().values())
    own = project.data_sets.all_given()
    known: dict[str, list[TomolineError]] = {}
    found: list[TomolineError] = []
    told: set[str] = set()
    for done, entry in enumerate(entries):
        if len(entries) > 1000 and done % 1000 == 0 and sys.stderr.isatty():
            sys.stderr.write(f"\rchecked {done} of {len(entries)} data sets")
        if (
            entry.recipe == "tilt"
            and not entry.dual
            and effective(DUAL, [*shared, own[entry.id][0]])
        ):
            found.append(errors.project.NOT_DUAL.error(entry.name, "the other stack is not known."))
        for axis in ("a", "b") if entry.dual else ("",):
            mark = json.dumps([entry.recipe, axis, own[entry.id]])
            if mark not in known:
                known[mark] = faults_of(project.layers, entry, axis)
                stack = [layer["values"] for layer in project.layers.stack(entry, axis)]
                if entry.recipe == "tilt" and effective("setup.montage", stack):
                    known[mark].append(errors.tilt.MONTAGE.error("setup.montage", "it is set."))
            for fault in known[mark]:
                if str(fault) not in told:
                    told.add(str(fault))
                    where = f"{entry.name}, {fault.where}"
                    found.append(TomolineError(fault.kind, where, fault.found, fault.remedy))
    return found
