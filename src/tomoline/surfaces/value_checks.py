"""Checking values together with the layers below them, before a project keeps any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.queue.layers import (
    AXIS_B,
    DATA_SET,
    NAMES,
    OF_B,
    PROJECT,
    USER_DEFAULTS,
    Values,
    as_values,
)
from tomoline.recipes import RECIPES, STEPS
from tomoline.workflow.given import Layer, merge

if TYPE_CHECKING:
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project
    from tomoline.steps import Step
    from tomoline.surfaces.kept_values import ProjectValues
    from tomoline.workflow.given import LayerValue


def check_values(layers: Iterable[Mapping[str, Any]], values: Mapping[str, Any], name: str) -> None:
    """Check values together with the layers below them; faults that were there are not told.

    Parameters
    ----------
    layers : iterable of mapping
        What is below, in rising precedence, as `in_order` returns it.
    values : mapping
        The whole layer, by ``step.field``: `LayerValue`, or as a project keeps them.
    name : str
        Of the layer.

    Raises
    ------
    Faults
        With all values that do not fit.
    """
    below = [Layer.from_json(one) for one in layers]
    steps = [STEPS[one] for one in dict.fromkeys(key.partition(".")[0] for key in values)]
    before = {str(fault) for fault in _faults(steps, below)}
    above = [*below, Layer.from_json({"name": name, "values": as_values(values)})]
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
    check_project({USER_DEFAULTS: as_values(defaults)}, given)


def check_project(
    layers: Mapping[str, Values],
    given: ProjectValues,
    *,
    unset: Sequence[str] = (),
    axis: str = "",
) -> None:
    """Check what a project is to keep as its own, together with what it has.

    Parameters
    ----------
    layers : mapping
        The layers that it has now, by name.
    given, unset, axis
        As `project_values.set_project_values` takes them.

    Raises
    ------
    Faults
        With all values that do not fit.
    """
    new = dict(layers)
    for kind, template in given.templates.items():
        new[f"{kind} template"] = as_values(template.values)
        new[f"{kind} template{OF_B}"] = as_values(template.values_b)
    values, values_b = given.of_axes(axis)
    for name, changed, gone in (
        (PROJECT, values, () if axis == "b" else unset),
        (PROJECT + OF_B, values_b, unset if axis == "b" else ()),
    ):
        kept = {key: one for key, one in new.pop(name, {}).items() if key not in gone}
        kept |= as_values(changed)
        check_values(in_order(new), kept, name)
        new[name] = kept


def check_data_sets(
    project: Project,
    entries: Sequence[DataSetEntry],
    values: Mapping[str, LayerValue],
    unset: Sequence[str],
    axis: str,
) -> None:
    """Check values together with what each data set has; most have the same.

    Parameters
    ----------
    project : Project
        The project.
    entries : sequence of DataSetEntry
        The data sets.
    values : mapping
        What is to be set.
    unset : sequence of str
        ``step.field`` that they are to forget.
    axis : str
        ``b`` where it is all meant for axis b alone.

    Raises
    ------
    Faults
        With all values that do not fit, of all data sets.
    """
    from tomoline.queue.store import to_json

    own = project.data_sets.all_given() if len(entries) > 1 else {}
    shared = in_order(project.layers.all() | (project.layers.all("b") if axis == "b" else {}))
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
            check_values(below, kept | as_values(values), f"{name} {entry.name}")
        except Faults as several:
            faults += several.faults
    if faults:
        raise Faults(faults)


def refuse_other_recipes(entries: Sequence[DataSetEntry], values: Iterable[str]) -> None:
    """Refuse parameters of steps that a data set's recipe does not have.

    Raises
    ------
    Faults
        PARAM-03 for each recipe and parameter.
    """
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


def in_order(layers: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Return the layers that data sets share in rising precedence, without empty ones.

    Those of axis b alone are above all others.
    """
    names = [*NAMES, *(name + OF_B for name in NAMES)]
    return [{"name": name, "values": layers[name]} for name in names if layers.get(name)]


def _faults(steps: Sequence[Step[Any]], layers: Sequence[Layer]) -> list[TomolineError]:
    try:
        merge(steps, layers)
    except Faults as several:
        return several.faults
    return []
