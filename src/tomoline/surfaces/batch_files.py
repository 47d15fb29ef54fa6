"""Batch directive files of a project's data sets: what would make IMOD do the same.

Templates, user defaults, the project's parameters and the data set's own are written out together,
and so is each default of tomoline's that is not IMOD's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.errors import Notice
from tomoline.files import adoc
from tomoline.recipes import TILT
from tomoline.surfaces._directive_axis import COPYARG, add_axis_b, in_order
from tomoline.surfaces._directive_text import Written, written
from tomoline.surfaces.template_files import given_values, leave_out_others
from tomoline.workflow.given import Layer, Validated, merge

if TYPE_CHECKING:
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project

TRACKING = "runtime.Fiducials.any.trackingMethod"
SEEDING = "runtime.Fiducials.any.seedingMethod"
BOUNDARIES = (
    "runtime.SeedFinding.any.rawBoundaryModel",
    "runtime.PatchTracking.any.rawBoundaryModel",
)
SET_HERE = ("name", "dataset_directory", "dual_axis", "boundary_from")
"""Parameters of the set-up that the table of data sets decides."""


@dataclass(frozen=True)
class BatchFile:
    """A batch file that was written.

    Attributes
    ----------
    path : Path
        The file.
    root : str
        Root name by which IMOD finds the stacks.
    stacks : Path
        The folder of the stacks.
    count : int
        Number of directives.
    notices : tuple of Notice
        PROJ-16 for each parameter that is not in it.
    """

    path: Path
    root: str
    stacks: Path
    count: int
    notices: tuple[Notice, ...]


def export(
    project: Project, names: Sequence[str] = (), folder: Path | None = None
) -> list[BatchFile]:
    """Write a batch file for each data set, ``FOLDER/NAME.adoc``; old ones are replaced.

    Parameters
    ----------
    project : Project
        The project.
    names : sequence of str
        Data sets, or patterns; all tilt series if empty.
    folder : Path, optional
        Where to write; the project's folder ``directives`` if left out.

    Raises
    ------
    TomolineError
        PROJ-08 for an unknown data set, FILE-08 or FILE-09 where it cannot be written.
    Faults
        With parameters that do not fit.
    """
    from tomoline.files.atomic import translate_os_error

    place = project.folder / "directives" if folder is None else folder
    entries = project.data_sets.entries(names)
    chosen = [one for one in entries if one.recipe == TILT.name or names]
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise translate_os_error(error, place) from error
    return [_export(project, entry, place) for entry in chosen]


def _export(project: Project, entry: DataSetEntry, folder: Path) -> BatchFile:
    if entry.recipe != TILT.name:
        raise errors.parameters.BAD_OPTION.error(
            entry.name, f"it is a {entry.recipe}; IMOD has directives for tilt series only."
        )
    result, root = batch_of(project, entry)
    path = folder / f"{entry.name}.adoc"
    comments = [f"Data set {entry.name} of project {project.name}"]
    comments += [f"Not in here: {text}" for text in result.left_out]
    adoc.write(path, result.entries, comments=comments)
    return BatchFile(path, root, entry.source.parent, len(result.entries), tuple(result.notices))


def batch_of(project: Project, entry: DataSetEntry) -> tuple[Written, str]:
    """Return the directives of a data set, both axes together, and the root name of its stacks.

    Raises
    ------
    Faults
        With parameters that do not fit.
    """
    axes = ("a", "b") if entry.dual else ("",)
    stacks = [project.data_sets.layers.stack(entry, axis) for axis in axes]
    layers = [[Layer.from_json(one) for one in stack] for stack in stacks]
    merged = [merge(TILT.steps, one) for one in layers]
    result = _directives(merged[0], entry)
    leave_out_others(layers[0], result, entry.name)
    lines = dict(result.entries)
    if entry.dual:
        add_axis_b(lines, _directives(merged[1], entry, "b"), result, entry.name)
        for name in BOUNDARIES:  # IMOD, too, carries that of axis a over, unless it is told not to
            if not lines.get(name.replace(".any.", ".b.")):
                lines.pop(name.replace(".any.", ".b."), None)
    lines = _first_lines(entry, lines, result) | lines
    lines.setdefault(SEEDING, "3" if entry.dual else "1")
    result.entries = in_order(lines)
    return result, lines[COPYARG + "name"]


def _directives(merged: Validated, entry: DataSetEntry, axis: str = "a") -> Written:
    given = given_values(merged)
    setup = given.get("setup", {})
    for name in SET_HERE:
        setup.pop(name, None)
    seeds = given.setdefault("find_fiducials", {})
    if seeds.get("boundary_model") is None and (beside := _boundary(entry, axis)):
        seeds["boundary_model"] = beside
    return written(_settled(given, merged), TILT.steps, where=entry.name, every=True)


def _boundary(entry: DataSetEntry, axis: str) -> Path | None:
    """Return the boundary model that a run finds by itself, and IMOD does not."""
    from tomoline.steps._carry_boundary import is_carried

    second = axis == "b"
    source = entry.source_b if second and entry.source_b else entry.source
    places = (
        entry.folder / f"{entry.roots[second]}_rawbound.mod",
        source.with_name(f"{source.stem}_rawbound.mod"),
    )
    there = (path.absolute() for path in places if path.is_file())
    return next((path for path in there if not is_carried(path)), None)


def _settled(given: dict[str, dict[str, Any]], merged: Validated) -> dict[str, dict[str, Any]]:
    """Decide what IMOD cannot: to follow beads where their size is told, and patches otherwise."""
    method = merged.parameters["find_fiducials"].model_dump()["method"]
    if method == "auto":
        gold = merged.parameters["setup"].model_dump()["gold_diameter_nm"]
        given.setdefault("find_fiducials", {})["method"] = "beads" if gold else "patches"
    return given


def _first_lines(entry: DataSetEntry, lines: Mapping[str, str], result: Written) -> dict[str, str]:
    """Return what tells IMOD which data set it is; IMOD finds stacks by their names."""
    stem = entry.source.stem
    root = stem[:-1] if entry.dual else stem
    if root != entry.name:
        why = f"IMOD names a data set after its stack, {root}"
        result.leave_out(entry.name, "setup.name", entry.name, why)
    return {
        COPYARG + "name": root,
        COPYARG + "dual": str(int(entry.dual)),
        COPYARG + "montage": "0",
        COPYARG + "gold": "0",
        "setupset.datasetDirectory": str(entry.source.parent),
    }
