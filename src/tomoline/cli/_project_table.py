"""``tomoline project list``, ``explain``, ``check``: what they print."""

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

HEADINGS = (
    "name",
    "recipe",
    "state",
    "run",
    "dual",
    "montage",
    "surfaces",
    "boundary",
    "excluded views",
    "own",
    "source",
)
BOUNDARY = "find_fiducials.boundary_model"
EXCLUDED = "setup.exclude_views"
BEGUN = "SELECT data_set FROM batch WHERE attempt > 0"
RECORD_SUFFIX = ".tomoline.json"


def print_table(project: Project, patterns: Sequence[str], *, as_json: bool) -> None:
    """Print the table of data sets; reads rows as they are, since there may be thousands."""
    from tomoline.queue._many import without_collecting

    with without_collecting():
        lines = _lines(project, patterns)
        text = json.dumps(lines, indent=1, ensure_ascii=False) + "\n" if as_json else _text(lines)
    if not lines and not as_json:
        text = f"no data sets in {project.folder} yet: tomoline project add PATH adds some\n"
    sys.stdout.write(text)


def _text(lines: Sequence[Mapping[str, Any]]) -> str:
    rows = [HEADINGS, *(_cells(line) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join([*(f"%-{width}s" for width in widths[:-1]), "%s\n"])
    return "".join([form % row for row in rows])


def _lines(project: Project, patterns: Sequence[str]) -> list[dict[str, Any]]:
    from tomoline.queue.data_sets import TABLE_KEYS, TABLE_RECIPE
    from tomoline.queue.layers import effective

    with project.store.read() as db:
        shared = list(project.layers.all().values())
        chosen = {one.id for one in project.data_sets.entries(patterns)} if patterns else None
        cursor = db.cursor()
        cursor.row_factory = None  # plain tuples are faster
        states = {
            number: state
            for number, state, _ in cursor.execute(
                "SELECT data_set, state, max(id) FROM batch WHERE state != 'dropped'"
                " GROUP BY data_set"
            )
        }
        begun = {number for (number,) in cursor.execute(BEGUN)}
        rows = cursor.execute(
            "SELECT id, name, recipe, source, source_b, folder, run, given, given_b"
            " FROM data_set ORDER BY place"
        ).fetchall()
    keys = (*TABLE_KEYS, BOUNDARY, EXCLUDED)
    common = {key: effective(key, shared) for key in keys}
    listed: dict[str, frozenset[str]] = {}
    decoded: dict[str, dict[str, Any]] = {}  # most have the same
    lines = []
    for number, name, recipe, source, source_b, folder, run, given, given_b in rows:
        if chosen is not None and number not in chosen:
            continue
        for text in (given, given_b):
            if text not in decoded:
                decoded[text] = json.loads(text)
        own, own_b = decoded[given], decoded[given_b]
        has = recipe == TABLE_RECIPE  # the others have no such steps
        value = {key: own[key][0] if key in own else common[key] for key in keys if has}
        boundary = value.get(BOUNDARY) or ""
        if has and not boundary:
            root = f"{name}a" if source_b else name
            boundary = _boundary(root, source, folder if number in begun else "", listed)
        lines.append(
            {
                "name": name,
                "recipe": recipe,
                "state": states.get(number, ""),
                "run": bool(run),
                "dual_axis": bool(source_b) or bool(value.get("setup.dual_axis")),
                "montage": bool(value.get("setup.montage")),
                "two_surfaces": bool(value.get("find_fiducials.two_surfaces")),
                "boundary_model": boundary,
                "excluded_views": value.get(EXCLUDED) or [],
                "excluded_views_b": own_b[EXCLUDED][0] if EXCLUDED in own_b else [],
                "own_parameters": len(own) + len(own_b),
                "source": source,
                "source_b": source_b,
                "folder": folder,
            }
        )
    return lines


def _boundary(root: str, source: str, folder: str, listed: dict[str, frozenset[str]]) -> str:
    """Return the path of a boundary model beside the stack, or where results are; "" if none."""
    beside, _, file = source.rpartition("/")
    if beside not in listed:
        try:
            names = [one for one in os.listdir(beside) if one.endswith("_rawbound.mod")]
        except OSError:
            names = []
        listed[beside] = frozenset(names)
    if not listed[beside] and not folder:
        return ""
    for name in (f"{os.path.splitext(file)[0]}_rawbound.mod", f"{root}_rawbound.mod"):
        if name in listed[beside]:
            return os.path.join(beside, name)
    there = os.path.join(folder, f"{root}_rawbound.mod")
    return there if folder and os.path.exists(there) else ""


def _cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    views, views_b = line["excluded_views"], line["excluded_views_b"]
    excluded = ranges(views) + (f" / b: {ranges(views_b)}" if views_b else "")
    axes = f" and {os.path.basename(line['source_b'])}" if line["source_b"] else ""
    return (
        line["name"],
        line["recipe"],
        line["state"] or "-",
        "yes" if line["run"] else "no",
        "dual" if line["dual_axis"] else "-",
        "yes" if line["montage"] else "-",
        "2" if line["two_surfaces"] else "-",
        "yes" if line["boundary_model"] else "-",
        excluded or "-",
        str(line["own_parameters"] or "-"),
        line["source"] + axes,
    )


def ranges(numbers: Sequence[int]) -> str:
    """Write a list of numbers as IMOD does.

    >>> ranges([1, 4, 5, 6])
    '1,4-6'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(one[0]) if len(one) == 1 else f"{one[0]}-{one[-1]}" for one in parts)


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
    from tomoline.surfaces.project_values import faults_of

    own = project.data_sets.all_given()
    known: dict[str, list[TomolineError]] = {}
    found: list[TomolineError] = []
    told: set[str] = set()
    for done, entry in enumerate(entries):
        if len(entries) > 1000 and done % 1000 == 0 and sys.stderr.isatty():
            sys.stderr.write(f"\rchecked {done} of {len(entries)} data sets")
        if not entry.dual and own[entry.id][0].get("setup.dual_axis", [False])[0]:
            found.append(errors.project.NOT_DUAL.error(entry.name, "the other stack is not known."))
        for axis in ("a", "b") if entry.dual else ("",):
            mark = json.dumps([entry.recipe, axis, own[entry.id]])
            if mark not in known:
                known[mark] = faults_of(project.layers, entry, axis)
            for fault in known[mark]:
                if str(fault) not in told:
                    told.add(str(fault))
                    where = f"{entry.name}, {fault.where}"
                    found.append(TomolineError(fault.kind, where, fault.found, fault.remedy))
    return found
