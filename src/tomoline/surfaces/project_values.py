"""From files and options to the values that a project keeps, checked before they are kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.errors import Faults, Notice, TomolineError
from tomoline.recipes import RECIPES, STEPS
from tomoline.surfaces.parameters import Resolution, gather
from tomoline.surfaces.templates import KINDS, TemplatePlaces, find_template
from tomoline.workflow.given import Layer, LayerValue, Origin, merge

if TYPE_CHECKING:
    from tomoline.queue.layers import Layers
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project
    from tomoline.steps import Step

NAMING = frozenset({"setup.name", "setup.dataset_directory", "setup.stack_extension", "scan.name"})
"""Parameters that tell which acquisition is meant; in a project its table does."""
DIRECTIVE_STARTS = ("setupset.", "comparam.", "runtime.")


@dataclass
class TemplateValues:
    """What a template says."""

    file: Path
    values: dict[str, LayerValue]


@dataclass
class ProjectValues:
    """Values for a project or for data sets of it.

    Attributes
    ----------
    values : dict
        By ``step.field``, as JSON holds them, with where they were given.
    templates : dict
        The templates that were given, or that batch files name, by kind.
    notices : list
        What to tell the user.
    """

    values: dict[str, LayerValue] = field(default_factory=dict)
    templates: dict[str, TemplateValues] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)


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
    result.notices = list(dict.fromkeys([*result.notices, *_drop_naming(result)]))
    if faults:
        raise Faults(faults)
    return result


_NOWHERE = TemplatePlaces()


def _steps_for(settings: Sequence[str], *, files: bool) -> list[Step[Any]]:
    """Return the steps that have to be known; loading all of them takes a while."""
    named = [text.partition("=")[0].strip().partition(".")[0] for text in settings]
    if files or not all(name in STEPS for name in named):
        return list(STEPS.values())
    return [STEPS[name] for name in dict.fromkeys(named)]


def check_values(
    layers: Iterable[Mapping[str, Any]], values: Mapping[str, LayerValue], name: str
) -> None:
    """Check values together with the layers below them; faults that were there are not told.

    Raises
    ------
    Faults
        With all values that do not fit.
    """
    below = [Layer.from_json(one) for one in layers]
    steps = [STEPS[one] for one in dict.fromkeys(key.partition(".")[0] for key in values)]
    before = {str(fault) for fault in _faults(steps, below)}
    above = [*below, Layer(name, values)]
    faults = [fault for fault in _faults(steps, above) if str(fault) not in before]
    if faults:
        raise Faults(faults)


def set_project_values(
    project: Project, given: ProjectValues, *, unset: Sequence[str] = ()
) -> None:
    """Keep values as the project's own, and templates as the layers below.

    Raises
    ------
    Faults
        With all values that do not fit.
    """
    from tomoline.queue.layers import PROJECT, digest_of

    layers = project.layers
    new: dict[str, Any] = {name: values for name, values in layers.all().items() if values}
    for kind, template in given.templates.items():
        new[f"{kind} template"] = _json(template.values)
    own = {key: one for key, one in new.pop(PROJECT, {}).items() if key not in unset}
    check_values(_ordered(new), {**_of_json(own), **given.values}, PROJECT)
    with project.store.write():
        for kind, template in given.templates.items():
            layers.put(
                f"{kind} template",
                template.values,
                file=os.path.abspath(template.file),
                digest=digest_of(template.file),
            )
        if given.values or unset:
            layers.update(given.values, unset=unset)


def set_data_set_values(
    project: Project,
    patterns: Sequence[str],
    given: ProjectValues,
    *,
    unset: Sequence[str] = (),
    axis: str = "",
) -> list[DataSetEntry]:
    """Keep values as data sets' own.

    Returns
    -------
    list of DataSetEntry
        Those that have them now.

    Raises
    ------
    Faults
        With all values that do not fit, PROJ-08.
    """
    from tomoline.queue.layers import AXIS_B, DATA_SET
    from tomoline.queue.store import to_json

    entries = project.data_sets.entries(patterns)
    _refuse_other_recipes(entries, given.values)
    own = project.data_sets.all_given() if len(entries) > 1 else {}
    seen = set()
    shared = _ordered({name: values for name, values in project.layers.all().items() if values})
    faults: list[TomolineError] = []
    for entry in entries:
        given_a = own[entry.id][0] if own else project.data_sets.given(entry)
        given_b = {}
        if axis == "b":
            given_b = own[entry.id][1] if own else project.data_sets.given(entry, "b")
        mark = to_json([given_a, given_b])
        if mark in seen:  # most data sets have the same
            continue
        seen.add(mark)
        below = [*shared, *([{"name": DATA_SET, "values": given_a}] if axis == "b" else [])]
        top = given_b if axis == "b" else given_a
        kept = {key: one for key, one in top.items() if key not in unset}
        name = AXIS_B if axis == "b" else DATA_SET
        try:
            check_values(below, {**_of_json(kept), **given.values}, f"{name} {entry.name}")
        except Faults as several:
            faults += several.faults
    if faults:
        raise Faults(faults)
    if given.values or unset:
        project.data_sets.set(patterns, given.values, unset=unset, axis=axis)
    return entries


def _refuse_other_recipes(entries: Sequence[DataSetEntry], values: Iterable[str]) -> None:
    """Refuse parameters of steps that a data set's recipe does not have."""
    first = {entry.recipe: entry.name for entry in reversed(entries)}
    faults: list[TomolineError] = [
        errors.parameters.UNKNOWN_PARAMETER.error(
            key,
            f"recipe {recipe}, which {name} has, does not have this step.",
            "Name only data sets whose recipe has it, or set it for the whole project.",
        )
        for recipe, name in first.items()
        for key in values
        if key.partition(".")[0] not in RECIPES[recipe].step_names
    ]
    if faults:
        raise Faults(faults)


def user_defaults(path: Path) -> dict[str, LayerValue]:
    """Return what the file of a user's defaults says; nothing where there is none.

    Raises
    ------
    Faults
        With all that is wrong in it.
    """
    return read_values(parameters=[path]).values if path.exists() else {}


def defaults_path() -> Path:
    """Return the path of the file of a user's defaults."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(config) / "tomoline" / "defaults.toml"


def faults_of(layers: Layers, entry: DataSetEntry, axis: str = "") -> list[TomolineError]:
    """Return what is wrong with the parameters that all layers of a data set give together."""
    stack = [Layer.from_json(one) for one in layers.stack(entry, axis)]
    return _faults(RECIPES[entry.recipe].steps, stack)


def key_of(parameter: str) -> list[str]:
    """Return the ``step.field`` that a parameter's name or IMOD's directive means.

    Raises
    ------
    TomolineError
        PARAM-01, PARAM-03 for a name that there is not, with the nearest one that there is.

    >>> key_of("comparam.tilt.tilt.THICKNESS")
    ['reconstruct.thickness_px']
    """
    from tomoline.params import describe
    from tomoline.surfaces.directive_table import declared
    from tomoline.surfaces.names import suggestion

    if parameter.startswith(DIRECTIVE_STARTS):
        by_directive = declared(list(STEPS.values()))
        if parameter not in by_directive:
            found = f"{parameter} sets no parameter.{suggestion(parameter, by_directive, 0.7)}"
            raise errors.parameters.UNKNOWN_DIRECTIVE.error("", found)
        return [target.name for target in by_directive[parameter]]
    step, _, name = parameter.partition(".")
    if step in STEPS and name in {info.name for info in describe(STEPS[step].params)}:
        return [parameter]
    every = [f"{one.name}.{info.name}" for one in STEPS.values() for info in describe(one.params)]
    ending = [one for one in every if one.endswith(f".{parameter}")]
    if len(ending) == 1:
        return ending
    near = f" Did you mean {' or '.join(ending)}?" if ending else suggestion(parameter, every, 0.6)
    raise errors.parameters.UNKNOWN_PARAMETER.error("", f"there is no parameter {parameter}.{near}")


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
        named = Path(value).expanduser()
        there = (Path(file).parent if file else Path()) / named
        if there.exists():
            return os.path.abspath(there)
        return str(named)
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


def _faults(steps: Sequence[Step[Any]], layers: Sequence[Layer]) -> list[TomolineError]:
    try:
        merge(steps, layers)
    except Faults as several:
        return several.faults
    return []


def _ordered(layers: Mapping[str, Any]) -> list[dict[str, Any]]:
    from tomoline.queue.layers import NAMES

    return [{"name": name, "values": layers[name]} for name in NAMES if name in layers]


def _json(values: Mapping[str, LayerValue]) -> dict[str, list[Any]]:
    return {key: [one.value, one.where] for key, one in values.items()}


def _of_json(values: Mapping[str, Sequence[Any]]) -> dict[str, LayerValue]:
    return {key: LayerValue(*one) for key, one in values.items()}
