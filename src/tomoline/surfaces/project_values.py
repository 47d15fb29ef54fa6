"""From files and options to the values that a project keeps, checked before they are kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.recipes import RECIPES, STEPS
from tomoline.surfaces._project_reading import (
    DIRECTIVE_STARTS,
    defaults_path,
    read_values,
    user_defaults,
)
from tomoline.surfaces.kept_values import ProjectValues, TemplateValues
from tomoline.workflow.given import Layer, LayerValue, merge

if TYPE_CHECKING:
    from tomoline.params import StepParams
    from tomoline.queue.layers import Layers
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project
    from tomoline.steps import Step

__all__ = [
    "ProjectValues",
    "TemplateValues",
    "check_new",
    "check_values",
    "defaults_path",
    "key_of",
    "merged_of",
    "read_values",
    "set_data_set_values",
    "set_project_values",
    "user_defaults",
]

DUAL = "setup.dual_axis"


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


def check_new(defaults: Mapping[str, LayerValue], given: ProjectValues) -> None:
    """Check what a new project is to hold, before it is made.

    Raises
    ------
    Faults
        With all values that do not fit.
    """
    from tomoline.queue.layers import OF_B, PROJECT, USER_DEFAULTS

    new = {USER_DEFAULTS: _json(defaults)}
    for kind, template in given.templates.items():
        new[f"{kind} template"] = _json(template.values)
        new[f"{kind} template{OF_B}"] = _json(template.values_b)
    check_values(_ordered(new), given.values, PROJECT)
    new[PROJECT] = _json(given.values)
    check_values(_ordered(new), given.values_b, PROJECT + OF_B)


def set_project_values(
    project: Project, given: ProjectValues, *, unset: Sequence[str] = (), axis: str = ""
) -> None:
    """Keep values as the project's own, and templates as the layers below.

    Parameters
    ----------
    project : Project
        The project.
    given : ProjectValues
        What to keep.
    unset : sequence of str
        ``step.field`` that the project forgets.
    axis : str
        ``b`` where it is all meant for axis b alone.

    Raises
    ------
    Faults
        With all values that do not fit.
    """
    from tomoline.queue.layers import OF_B, PROJECT, digest_of

    layers = project.layers
    new: dict[str, Any] = layers.all() | layers.all("b")
    for kind, template in given.templates.items():
        new[f"{kind} template"] = _json(template.values)
        new[f"{kind} template{OF_B}"] = _json(template.values_b)
    values, values_b = given.values, given.values_b
    if axis == "b":
        values, values_b = {}, {**given.values, **given.values_b}
    for name, changed, gone in (
        (PROJECT, values, () if axis == "b" else unset),
        (PROJECT + OF_B, values_b, unset if axis == "b" else ()),
    ):
        kept = {key: one for key, one in new.pop(name, {}).items() if key not in gone}
        check_values(_ordered(new), {**_of_json(kept), **changed}, name)
        new[name] = kept | _json(changed)
    with project.store.write():
        for kind, template in given.templates.items():
            layers.put(
                f"{kind} template",
                template.values,
                file=os.path.abspath(template.file),
                digest=digest_of(template.file),
            )
            layers.put(f"{kind} template{OF_B}", template.values_b)
        if values or (unset and axis != "b"):
            layers.update(values, unset=unset)
        if values_b or (unset and axis == "b"):
            layers.update(values_b, unset=unset if axis == "b" else (), axis="b")


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
    with project.store.write():
        return _set_data_sets(project, patterns, given, unset, axis)


def _set_data_sets(
    project: Project,
    patterns: Sequence[str],
    given: ProjectValues,
    unset: Sequence[str],
    axis: str,
) -> list[DataSetEntry]:
    entries = project.data_sets.entries(patterns)
    _refuse_other_recipes(entries, {**given.values, **given.values_b})
    values = dict(given.values)
    if (one := values.pop(DUAL, None)) is not None:  # which is a matter of the stacks
        entries = project.data_sets.set_dual(patterns, bool(one.value))
    names = [entry.name for entry in entries]
    dual = [entry for entry in entries if entry.dual]
    if axis == "b":
        values |= given.values_b
        _check_data_sets(project, entries, values, unset, "b")
        project.data_sets.set(names, values, unset=unset, axis="b")
        return entries
    _check_data_sets(project, entries, values, unset, "")
    if values or unset:
        project.data_sets.set(names, values, unset=unset)
    if given.values_b and dual:
        _check_data_sets(project, dual, given.values_b, (), "b")
        project.data_sets.set([entry.name for entry in dual], given.values_b, axis="b")
    return entries


def _check_data_sets(
    project: Project,
    entries: Sequence[DataSetEntry],
    values: Mapping[str, LayerValue],
    unset: Sequence[str],
    axis: str,
) -> None:
    """Check values together with what each data set has; most have the same."""
    from tomoline.queue.layers import AXIS_B, DATA_SET
    from tomoline.queue.store import to_json

    own = project.data_sets.all_given() if len(entries) > 1 else {}
    shared = _ordered(project.layers.all() | (project.layers.all("b") if axis == "b" else {}))
    seen = set()
    faults: list[TomolineError] = []
    for entry in entries:
        both = own.get(entry.id) or (project.data_sets.given(entry), {})
        top = both[0]
        if axis == "b":
            top = both[1] if own else project.data_sets.given(entry, "b")
        mark = to_json([both[0], top])
        if mark in seen:
            continue
        seen.add(mark)
        below = [*shared, *([{"name": DATA_SET, "values": both[0]}] if axis == "b" else [])]
        kept = {key: one for key, one in top.items() if key not in unset}
        name = AXIS_B if axis == "b" else DATA_SET
        try:
            check_values(below, {**_of_json(kept), **values}, f"{name} {entry.name}")
        except Faults as several:
            faults += several.faults
    if faults:
        raise Faults(faults)


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


def merged_of(layers: Layers, entry: DataSetEntry, axis: str = "") -> Mapping[str, StepParams]:
    """Return the parameters that all layers of a data set give together, by step.

    Raises
    ------
    Faults
        With all values that do not fit.
    """
    stack = [Layer.from_json(one) for one in layers.stack(entry, axis)]
    return merge(RECIPES[entry.recipe].steps, stack).parameters


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


def _faults(steps: Sequence[Step[Any]], layers: Sequence[Layer]) -> list[TomolineError]:
    try:
        merge(steps, layers)
    except Faults as several:
        return several.faults
    return []


def _ordered(layers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return layers in rising precedence; those of axis b are above all others."""
    from tomoline.queue.layers import NAMES, OF_B

    names = [*NAMES, *(name + OF_B for name in NAMES)]
    return [{"name": name, "values": layers[name]} for name in names if layers.get(name)]


def _json(values: Mapping[str, LayerValue]) -> dict[str, list[Any]]:
    return {key: [one.value, one.where] for key, one in values.items()}


def _of_json(values: Mapping[str, Sequence[Any]]) -> dict[str, LayerValue]:
    return {key: LayerValue(*one) for key, one in values.items()}
