"""Reading what a project is to keep: options, tables, directives and templates, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.errors import Faults, Notice, TomolineError
from tomoline.recipes import STEPS
from tomoline.surfaces.kept_values import ProjectValues, TemplateValues, whole_path
from tomoline.surfaces.parameter_names import DIRECTIVE_STARTS
from tomoline.surfaces.parameters import Resolution, gather
from tomoline.surfaces.templates import KINDS, TemplatePlaces, find_template
from tomoline.workflow.given import LayerValue, Origin

if TYPE_CHECKING:
    from tomoline.steps import Step

NAMING = frozenset({"setup.name", "setup.dataset_directory", "setup.stack_extension", "scan.name"})
"""Parameters that tell which acquisition is meant; in a project its table does."""


def read_values(
    settings: Sequence[str] = (),
    *,
    directives: Sequence[Path] = (),
    parameters: Sequence[Path] = (),
    templates: Mapping[str, Path | str] | None = None,
    places: TemplatePlaces | None = None,
) -> ProjectValues:
    """Read values as ``tomoline run`` does, but keep each template's apart.

    Parameters
    ----------
    settings : sequence of str
        ``STEP.FIELD=VALUE``, or ``DIRECTIVE=VALUE``.
    directives : sequence of Path
        IMOD's batch directive files; later ones go before earlier ones.
    parameters : sequence of Path
        TOML files with a table for each step.
    templates : mapping, optional
        Templates by kind, paths or names; in place of those that the batch files name.
    places : TemplatePlaces, optional
        Where templates lie; IMOD's places if left out.

    Raises
    ------
    Faults
        With all that is wrong in all of them.

    >>> read_values(["reconstruct.thickness_px=300"]).values["reconstruct.thickness_px"]
    LayerValue(value=300, where='--set reconstruct.thickness_px=300')
    """
    result = ProjectValues()
    faults: list[TomolineError] = []
    steps = _steps_for(settings, files=bool(directives or parameters or templates))
    paths = _templates(templates or {}, directives, places, faults)
    below: dict[str, Path] = {}
    for kind in KINDS:
        if kind in paths:
            below[kind] = paths[kind]
            found = gather(steps, templates=below, places=places)
            layer = f"{kind} template"
            of_kind = dict(_values(found, lambda name, layer=layer: name == layer, steps))
            result.templates[kind] = TemplateValues(paths[kind], of_kind)
            _keep(found, str(paths[kind]), result, faults)
    if settings or directives or parameters:
        found = gather(
            steps,
            directives=directives,
            toml=parameters,
            settings=settings,
            templates=below,
            places=_NOWHERE,
        )
        own = _values(found, lambda name: not name.endswith("template"), steps)
        result.values = dict(own)
        _keep(found, "", result, faults)
    if faults:
        raise Faults(faults)
    _read_axis_b(result, steps, settings, directives, below)
    told = list(dict.fromkeys([*result.notices, *_drop_naming(result)]))
    code = errors.parameters.SECOND_AXIS.code
    result.notices = [one for one in told if one.code != code]
    result.notices_b = [one for one in told if one.code == code]
    return result


def _read_axis_b(
    result: ProjectValues,
    steps: Sequence[Step[Any]],
    settings: Sequence[str],
    directives: Sequence[Path],
    templates: Mapping[str, Path],
) -> None:
    """Read what directives say of axis b alone; the other files do not tell axes apart."""
    from tomoline.surfaces.second_axis import axis_b_values

    of_templates: dict[str, LayerValue] = {}
    for one in result.templates.values():
        path = Path(os.path.abspath(one.file))
        one.values_b = axis_b_values(steps, [path], places=_NOWHERE)
        of_templates |= one.values_b
    written = [text for text in settings if text.startswith(DIRECTIVE_STARTS)]
    if written or directives:
        found = axis_b_values(
            steps,
            [Path(os.path.abspath(path)) for path in directives],
            settings=written,
            templates=templates,
            places=_NOWHERE,
        )
        # What a template says of axis b goes before what a batch file says of both.
        result.values_b = {
            key: one
            for key, one in found.items()
            if key not in of_templates or of_templates[key].value != one.value
        }


_NOWHERE = TemplatePlaces()


def _steps_for(settings: Sequence[str], *, files: bool) -> list[Step[Any]]:
    """Return the steps that have to be known; loading all of them takes a while."""
    named = [text.partition("=")[0].strip().partition(".")[0] for text in settings]
    if files or not all(name in STEPS for name in named):
        return list(STEPS.values())
    return [STEPS[name] for name in dict.fromkeys(named)]


def user_defaults(path: Path) -> dict[str, LayerValue]:
    """Return what the file of a user's defaults says; nothing where there is none.

    Raises
    ------
    Faults
        With all that is wrong in it.
    """
    return read_values(parameters=[path]).values if path.exists() else {}


def defaults_path() -> Path:
    """Return the path of the file of a user's defaults, beside that of the settings."""
    from tomoline.queue.user_settings import settings_path

    return settings_path().with_name("defaults.toml")


def _templates(
    named: Mapping[str, Path | str],
    directives: Sequence[Path],
    places: TemplatePlaces | None,
    faults: list[TomolineError],
) -> dict[str, Path]:
    """Return the files of templates, given or named by batch files."""
    from tomoline.surfaces.directives import peek

    there = TemplatePlaces.of_imod() if places is None else places
    wanted: dict[str, tuple[str, Path | None, str]] = {}
    for path in directives:
        try:
            content = peek(path)
        except TomolineError:
            continue  # gather tells of it
        for kind in KINDS:
            if name := content.get(f"setupset.{kind}Template"):
                wanted[kind] = (name, path.parent, str(path))
    for kind, given in named.items():
        wanted[kind] = (str(given), None, f"--template {kind}={given}")
    found = {}
    for kind, (name, beside, where) in wanted.items():
        try:
            found[kind] = find_template(name, kind, there, beside=beside, where=where)
        except TomolineError as fault:
            faults.append(fault)
    return found


def _values(
    found: Resolution, wanted: Any, steps: Sequence[Step[Any]]
) -> Iterator[tuple[str, LayerValue]]:
    """Yield the values of one layer, and the defaults where it cancels what is below."""
    from tomoline.surfaces.directive_table import declared

    for step, origins in found.origins.items():
        if step not in found.parameters:
            continue
        values = found.parameters[step].model_dump()
        for name, origin in origins.items():
            if wanted(origin.layer):
                value = _absolute(values[name], name, origin.file)
                yield f"{step}.{name}", LayerValue(value, _where(origin))
    targets = declared(steps)
    for setting in found.directives.values():
        if setting.text or not wanted(setting.origin.layer):
            continue
        for target in targets.get(setting.name, ()):
            if target.info.name not in found.origins.get(target.step, {}):
                value = _absolute(target.info.default, "", "")
                yield target.name, LayerValue(value, f"{_where(setting.origin)} (empty)")


def _where(origin: Origin) -> str:
    """Say where a value stands, also for those who read it in another folder."""
    return str(replace(origin, file=os.path.abspath(origin.file)) if origin.file else origin)


def _absolute(value: Any, name: str, file: str) -> Any:
    """Return a value for JSON; a file beside the one that names it gets its whole path."""
    from tomoline.queue.layers import jsonable

    if value and (isinstance(value, Path) or (isinstance(value, str) and name.endswith("_file"))):
        return whole_path(value, file)
    return jsonable(value)


def _keep(found: Resolution, file: str, result: ProjectValues, faults: list[TomolineError]) -> None:
    """Take over notices and faults that are not there yet."""
    known = {_mark(fault) for fault in faults}
    faults += [fault for fault in found.faults if _mark(fault) not in known]
    result.notices += [one for one in found.notices if not file or file in one.where]


def _mark(fault: TomolineError) -> str:
    """Return what tells faults apart; a template that is missing is looked for twice."""
    text, sign, _ = fault.found.partition(" does not exist, nor is there one")
    return text if sign else str(fault)


def _drop_naming(result: ProjectValues) -> Iterator[Notice]:
    for values in (result.values, *(one.values for one in result.templates.values())):
        for key in NAMING & values.keys():
            found = f"{key} has no effect: the project's table tells which acquisition is meant."
            yield errors.parameters.NOT_ACTED_ON.notice(values.pop(key).where, found)
