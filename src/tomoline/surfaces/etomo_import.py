"""Taking over a batch project of Etomo: its table, its batch files, its templates.

All is read and checked first; only then is anything kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.errors import Faults, Notice, TomolineError
from tomoline.files import ebt
from tomoline.queue.layers import effective
from tomoline.queue.table_keys import DUAL, EXCLUDED, MONTAGE, TWO_SURFACES
from tomoline.surfaces._etomo_files import batch_file_of, stacks_of
from tomoline.surfaces._etomo_told import told
from tomoline.surfaces._values import convert
from tomoline.surfaces.project_values import (
    ProjectValues,
    defaults_path,
    put_user_defaults,
    read_values,
    set_project_values,
    user_defaults,
)
from tomoline.surfaces.templates import TemplatePlaces
from tomoline.workflow.given import LayerValue

if TYPE_CHECKING:
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project

NAMING = ("setup.name", "setup.dataset_directory", "setup.stack_extension")
"""What tells which stack is meant; here the table does."""

_NOT_SAID = object()
Values = dict[str, LayerValue]


@dataclass(frozen=True)
class PlannedRow:
    """A line of Etomo's table, read and checked.

    Attributes
    ----------
    row : Row
        As it stands in the file.
    stacks : tuple of Path
        One, or those of both axes.
    values, values_b : dict
        Its own parameters, and those of axis b that differ.
    where : str
        File and line.
    """

    row: ebt.Row
    stacks: tuple[Path, ...]
    values: Values
    values_b: Values
    where: str


@dataclass
class EtomoPlan:
    """What an import is going to do.

    Attributes
    ----------
    batch : BatchProject
        What the file says.
    shared : ProjectValues or None
        Values and templates that all data sets share; None where there is no batch file of them.
    rows : list of PlannedRow
        The data sets, in the order of Etomo's table.
    notices : list of Notice
        What to tell the user.
    """

    batch: ebt.BatchProject
    shared: ProjectValues | None = None
    rows: list[PlannedRow] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def deliver(self) -> Path | None:
        """The folder into which Etomo would put the data sets."""
        named = self.batch.get("DeliverToDirectory")
        return Path(named) if named else None


def plan(path: Path, *, places: TemplatePlaces | None = None) -> EtomoPlan:
    """Read a batch project of Etomo and all files that it names, and change nothing.

    Parameters
    ----------
    path : Path
        The .ebt file.
    places : TemplatePlaces, optional
        Where templates lie; IMOD's places if left out.

    Raises
    ------
    TomolineError
        PROJ-13 where it is no batch project; FILE-.. where it cannot be read.
    Faults
        With all stacks and templates that are not there, and all that is wrong in batch files.
    """
    batch = ebt.read(path)
    folder = Path(os.path.abspath(path)).parent
    result = EtomoPlan(batch)
    faults: list[TomolineError] = []
    shared = folder / f"{batch.root}.adoc"
    if shared.is_file():
        try:
            result.shared = read_values(directives=[shared], places=places)
            result.notices += _worth_telling(result.shared.notices)
        except Faults as several:
            faults += several.faults
    result.notices += told(batch, folder, has_values=shared.is_file())
    for row in batch.rows:
        try:
            result.rows.append(_plan_row(result, row, folder, places))
        except Faults as several:
            faults += several.faults
        except TomolineError as fault:
            faults.append(fault)
    if faults:
        raise Faults(faults)
    result.notices = list(dict.fromkeys(result.notices))
    return result


def apply(project: Project, planned: EtomoPlan) -> list[DataSetEntry]:
    """Keep what was planned in a project: all of it, or where something does not fit nothing.

    Returns
    -------
    list of DataSetEntry
        The data sets, in the order of Etomo's table.

    Raises
    ------
    Faults
        PROJ-09 for names that are taken, and parameters that do not fit.
    """
    origin = f"import-etomo {planned.batch.path.name}"
    entries: list[DataSetEntry] = []
    faults: list[TomolineError] = []
    looked = [project.data_sets.look(one.stacks, pair=one.row.dual) for one in planned.rows]
    with project.store.write():
        if planned.shared is not None:
            set_project_values(project, planned.shared)
        present = list(project.layers.all().values())
        for one, stacks in zip(planned.rows, looked, strict=True):
            own = _boxes(one, present)
            own |= {
                key: value
                for key, value in one.values.items()
                if key not in own and effective(key, present, _NOT_SAID) != value.value
            }
            was_there = project.data_sets.by_source(one.stacks[0]) is not None
            try:
                found = project.data_sets.add(stacks, values=own, origin=origin)
            except Faults as several:
                faults += several.faults
                continue
            if len(found) > 1:
                names = " and ".join(entry.name for entry in found)
                text = f"the two axes of {one.row.name} are the data sets {names} of the project."
                faults.append(errors.project.SAME_NAME.error(one.where, text))
                continue
            [entry] = found
            if was_there:
                project.data_sets.set([entry.name], own)
            if one.values_b:
                project.data_sets.set([entry.name], one.values_b, axis="b")
            if entry.run != one.row.run:
                project.data_sets.set_run([entry.name], one.row.run)
            entries.append(project.data_sets.entry(entry.name))
        if faults:
            raise Faults(faults)
    return entries


def create(folder: Path, planned: EtomoPlan) -> Project:
    """Make the project for an import, with the user's defaults below all else.

    Raises
    ------
    TomolineError
        PROJ-02, PROJ-05, PROJ-06 where it cannot be made.
    """
    from tomoline.queue.project import Project

    path = defaults_path()
    defaults = user_defaults(path)
    project = Project.create(folder, deliver=planned.deliver)
    if defaults:
        put_user_defaults(project, path, defaults)
    return project


def _boxes(one: PlannedRow, shared: Sequence[Mapping[str, Any]]) -> Values:
    """Return the boxes of a line, which would else be those of the line before."""
    found = {DUAL: LayerValue(one.row.dual, one.where)}
    for key in (MONTAGE, TWO_SURFACES):
        value = effective(key, shared, False)
        found[key] = one.values.get(key, LayerValue(value, one.where))
    return found


def _plan_row(
    result: EtomoPlan, row: ebt.Row, folder: Path, places: TemplatePlaces | None
) -> PlannedRow:
    where = f"{result.batch.path}:{row.line}"
    stacks = stacks_of(row, folder, where)
    file = batch_file_of(result.batch.root, row, stacks[0], folder)
    values: Values = {}
    values_b: Values = {}
    if file is None:
        found = f"{row.name} has no batch file {result.batch.root}_{row.name}.adoc of its own."
        text = "Set its montage, two surfaces, boundary model and excluded views, if it has any."
        result.notices.append(errors.project.ETOMO_NOT_ACTED_ON.notice(where, found, text))
    else:
        given = read_values(directives=[file], places=places)
        result.notices += _worth_telling(given.notices)
        for kind, template in given.templates.items():
            same = result.shared.templates.get(kind) if result.shared else None
            if same is None or same.file.resolve() != template.file.resolve():
                values |= template.values
                values_b |= template.values_b
        values |= given.values
        values_b |= given.values_b
    if row.dual and row.skip_b and not (EXCLUDED in values_b and values_b[EXCLUDED].value):
        try:
            views = list(convert(row.skip_b, tuple[int, ...]))
        except ValueError as error:
            text = f"bskip of row {row.id} is {row.skip_b!r}; it {error}."
            raise errors.project.BAD_ETOMO.error(where, text) from error
        values_b[EXCLUDED] = LayerValue(views, f"{where} (bskip)")
    return PlannedRow(row, stacks, values, values_b if row.dual else {}, where)


def _worth_telling(notices: Sequence[Notice]) -> Iterator[Notice]:
    """Leave out that names are told by the table: Etomo writes them into every batch file."""
    for notice in notices:
        if not notice.found.startswith(tuple(f"{key} has no effect" for key in NAMING)):
            if notice.code != errors.parameters.SECOND_AXIS.code:
                yield notice
