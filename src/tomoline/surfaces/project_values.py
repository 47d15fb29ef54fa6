"""From files and options to the values that a project keeps, checked before they are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tomoline.queue.table_keys import DUAL
from tomoline.recipes import RECIPES
from tomoline.surfaces._project_reading import (
    defaults_path,
    read_values,
    user_defaults,
)
from tomoline.surfaces.kept_values import ProjectValues, TemplateValues
from tomoline.surfaces.value_checks import (
    check_data_sets,
    check_project,
    refuse_other_recipes,
)
from tomoline.workflow.given import Layer, merge

if TYPE_CHECKING:
    from pathlib import Path

    from tomoline.params import StepParams
    from tomoline.queue.layers import Layers
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project
    from tomoline.workflow.given import LayerValue

__all__ = [
    "ProjectValues",
    "TemplateValues",
    "defaults_path",
    "merged_of",
    "put_user_defaults",
    "read_values",
    "set_data_set_values",
    "set_project_values",
    "user_defaults",
]


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
    from tomoline.queue.layers import OF_B, digest_of

    layers = project.layers
    check_project(layers.all() | layers.all("b"), given, unset=unset, axis=axis)
    values, values_b = given.of_axes(axis)
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


def put_user_defaults(project: Project, path: Path, defaults: Mapping[str, LayerValue]) -> None:
    """Keep the user's defaults as the lowest layer of a project; without a file there are none.

    Parameters
    ----------
    project : Project
        The project.
    path : Path
        `defaults_path`.
    defaults : mapping
        What `user_defaults` read there.
    """
    from tomoline.queue.layers import USER_DEFAULTS, digest_of

    file, digest = (str(path), digest_of(path)) if path.exists() else ("", "")
    project.layers.put(USER_DEFAULTS, defaults, file=file, digest=digest)


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
    refuse_other_recipes(entries, {**given.values, **given.values_b})
    values = dict(given.values)
    if (one := values.pop(DUAL, None)) is not None:  # which is a matter of the stacks
        entries = project.data_sets.set_dual(patterns, bool(one.value))
    names = [entry.name for entry in entries]
    dual = [entry for entry in entries if entry.dual]
    if axis == "b":
        values |= given.values_b
        check_data_sets(project, entries, values, unset, "b")
        project.data_sets.set(names, values, unset=unset, axis="b")
        return entries
    check_data_sets(project, entries, values, unset, "")
    if values or unset:
        project.data_sets.set(names, values, unset=unset)
    if given.values_b and dual:
        check_data_sets(project, dual, given.values_b, (), "b")
        project.data_sets.set([entry.name for entry in dual], given.values_b, axis="b")
    return entries


def merged_of(layers: Layers, entry: DataSetEntry, axis: str = "") -> Mapping[str, StepParams]:
    """Return the parameters that all layers of a data set give together, by step.

    Raises
    ------
    Faults
        With all values that do not fit.
    """
    stack = [Layer.from_json(one) for one in layers.stack(entry, axis)]
    return merge(RECIPES[entry.recipe].steps, stack).parameters
