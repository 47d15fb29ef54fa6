"""Templates of directives: saving a project's parameters as one, and finding those that are there.

A template lies where IMOD looks for its kind, so that Etomo offers it, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.files.atomic import translate_os_error
from tomoline.surfaces.names import suggestion
from tomoline.surfaces.templates import KINDS, TemplatePlaces, find_template

if TYPE_CHECKING:
    from tomoline.queue.project import Project
    from tomoline.surfaces._directive_text import Written
    from tomoline.workflow.given import Layer, Validated

SUFFIX = ".adoc"


@dataclass(frozen=True)
class TemplateFile:
    """A template that is there.

    Attributes
    ----------
    name, kind : str
        Its name without ``.adoc``, and its kind.
    path : Path
        The file.
    hidden_by : Path or None
        The file of the same name and kind in a folder that is looked at first.
    """

    name: str
    kind: str
    path: Path
    hidden_by: Path | None = None


@dataclass(frozen=True)
class SavedTemplate:
    """A template that was written: its file, its directives, and what they leave out."""

    path: Path
    entries: tuple[tuple[str, str], ...]
    notices: tuple[Notice, ...]


def templates(kind: str = "", places: TemplatePlaces | None = None) -> list[TemplateFile]:
    """Return the templates in IMOD's places, by kind and name; of one kind if that is given.

    Raises
    ------
    TomolineError
        PARAM-06 for another kind.
    """
    kinds = (check_kind(kind),) if kind else KINDS
    places = TemplatePlaces.of_imod() if places is None else places
    found: list[TemplateFile] = []
    for one in kinds:
        first: dict[str, Path] = {}
        for path in _files(places.folders(one)):
            found.append(TemplateFile(path.stem, one, path, first.get(path.stem)))
            first.setdefault(path.stem, path)
    return sorted(found, key=lambda file: (KINDS.index(file.kind), file.name))


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        try:
            yield from sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
        except OSError:
            continue


def find(name: str, kind: str = "", places: TemplatePlaces | None = None) -> tuple[str, Path]:
    """Return the kind and the file of a template; without a kind, the one that goes before others.

    Raises
    ------
    TomolineError
        FILE-01 if there is none, PARAM-06 for an unknown kind.
    """
    places = TemplatePlaces.of_imod() if places is None else places
    if kind:
        return kind, find_template(name, check_kind(kind), places)
    for one in reversed(KINDS):
        try:
            return one, find_template(name, one, places)
        except TomolineError:
            continue
    looked = ", ".join(str(folder) for one in KINDS for folder in places.folders(one))
    near = suggestion(name.removesuffix(SUFFIX), {one.name for one in templates(places=places)})
    raise errors.files.MISSING.error(
        "",
        f"there is no template {name} in {looked}.{near}",
        "Correct the name; 'tomoline template list' tells what there is.",
    )


def check_kind(kind: str) -> str:
    """Return a kind of template.

    Raises
    ------
    TomolineError
        PARAM-06 if it is none.
    """
    if kind not in KINDS:
        raise errors.parameters.BAD_OPTION.error(
            "--kind", f"{kind!r} is no kind of template; there are {', '.join(KINDS)}."
        )
    return kind


def save(
    project: Project,
    name: str,
    kind: str,
    *,
    data_set: str = "",
    replace: bool = False,
    folder: Path | None = None,
    places: TemplatePlaces | None = None,
) -> SavedTemplate:
    """Write the parameters that all data sets of a project share as a template.

    It holds all that differs from the steps' defaults, also what came from other templates: by
    itself it gives the same results.

    Parameters
    ----------
    project : Project
        Whose parameters.
    name : str
        Of the template, with or without ``.adoc``.
    kind : str
        ``scope``, ``system`` or ``user``.
    data_set : str
        The data set whose parameters are written, in place of the project's.
    replace : bool
        Whether a template of that name may be written over.
    folder : Path, optional
        Where to write, in place of IMOD's place for that kind.
    places : TemplatePlaces, optional
        IMOD's places.

    Raises
    ------
    TomolineError
        PROJ-15 if there is one of that name, PROJ-08 for an unknown data set, PARAM-06 for a name
        that cannot be a file's, FILE-08 or FILE-09 where it cannot be written.
    Faults
        With parameters of the project that do not fit.
    """
    from tomoline.files import adoc
    from tomoline.surfaces._directive_axis import add_axis_b, in_order

    places = TemplatePlaces.of_imod() if places is None else places
    path = (folder or places.folders(check_kind(kind))[0]) / _file_name(name)
    if path.exists() and not replace:
        raise errors.project.TEMPLATE_EXISTS.error(path, "it would be written over.")
    where = data_set or os.fspath(project.folder)
    layers = _layers(project, data_set, "")
    result = _written(layers, where, keep_defaults=not data_set)
    leave_out_others(layers, result, where)
    if of_b := _layers(project, data_set, "b"):
        lines = dict(result.entries)
        other = _written(of_b, where, keep_defaults=not data_set)
        add_axis_b(lines, other, result, where, template=True)
        result.entries = in_order(lines)
    source = f"data set {data_set} of project" if data_set else "project"
    comments = [f"{kind.title()} template, from {source} {project.name}", *result.left_out]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise translate_os_error(error, path.parent) from error
    adoc.write(path, result.entries, comments=comments)
    return SavedTemplate(path, tuple(result.entries), tuple(result.notices))


def _file_name(name: str) -> str:
    plain = name.removesuffix(SUFFIX)
    if not plain or plain != Path(plain).name or not plain.isprintable() or plain.startswith("."):
        raise errors.parameters.BAD_OPTION.error(
            "NAME", f"{name!r} cannot be the name of a template; --dir tells the folder."
        )
    return plain + SUFFIX


def _layers(project: Project, data_set: str, axis: str) -> list[Layer]:
    """Return the layers of a data set, or those that all share; of axis b if there is such."""
    from tomoline.workflow.given import Layer

    if data_set:
        entry = project.data_sets.entry(data_set)
        if axis == "b" and not entry.dual:
            return []
        stack = project.data_sets.layers.stack(entry, axis)
    else:
        of_b = project.layers.all("b") if axis == "b" else {}
        if axis == "b" and not any(of_b.values()):
            return []
        shared = project.layers.all() | of_b
        stack = [{"name": name, "values": one} for name, one in shared.items()]
    return [Layer.from_json(one) for one in stack]


def _written(layers: Sequence[Layer], where: str, *, keep_defaults: bool) -> Written:
    from tomoline.recipes import TILT
    from tomoline.surfaces._directive_text import written
    from tomoline.workflow.given import merge

    given = given_values(merge(TILT.steps, layers), keep_defaults=keep_defaults)
    return written(given, TILT.steps, template=True, where=where)


def given_values(merged: Validated, *, keep_defaults: bool = True) -> dict[str, dict[str, Any]]:
    """Return the parameters that were given, by step and field.

    Parameters
    ----------
    merged : Validated
        Parameters and where they were given.
    keep_defaults : bool
        Also those that were given the value they would have had anyway.
    """
    found: dict[str, dict[str, Any]] = {}
    for step, origins in merged.origins.items():
        params = merged.parameters[step]
        for name in origins:
            value = getattr(params, name)
            if keep_defaults or value != type(params).model_fields[name].default:
                found.setdefault(step, {})[name] = value
    return found


def leave_out_others(layers: Sequence[Layer], result: Written, where: str) -> None:
    """Tell the parameters of recipes that have no directives."""
    from tomoline.recipes import TILT

    others = {
        key: one.value
        for layer in layers
        for key, one in layer.values.items()
        if key.partition(".")[0] not in TILT.step_names
    }
    for key, value in others.items():
        result.leave_out(where, key, value, "only tilt series have directives")
