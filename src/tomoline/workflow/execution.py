"""What every face does around a run: the folder, what lies there already, and the report.

`tomoline run` and the process of a batch both come through here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.files.atomic import translate_os_error
from tomoline.params import StepParams
from tomoline.recipes import Recipe
from tomoline.steps import Engine
from tomoline.steps.artifacts import ARTIFACTS
from tomoline.workflow.dataset import DataSet
from tomoline.workflow.fingerprint import digest
from tomoline.workflow.record import Record
from tomoline.workflow.run import Listener, load_record, run_recipe

# Artifacts that may lie beside a recording before it is run; the others are results.
RECORDED = ("raw_stack", "raw_tilt_angles", "boundary")


def run_and_report(
    recipe: Recipe,
    parameters: Mapping[str, StepParams],
    data_set: DataSet,
    engine: Engine,
    listener: Listener,
    *,
    tell: Callable[[Notice], None],
    first: str | None = None,
    last: str | None = None,
    only: Collection[str] = (),
    scratch: Path | None = None,
    prepared: Mapping[str, Any] | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[Record, Path | None]:
    """Run a recipe on a data set as `run_recipe` does, and write the report however it ends.

    Parameters
    ----------
    tell : callable
        Gets the reason where the report cannot be written.

    Returns
    -------
    Record, Path or None
        The record, and the path of the report.
    """
    make_folder(data_set)
    try:
        record = run_recipe(
            recipe,
            parameters,
            data_set,
            engine,
            listener,
            first=first,
            last=last,
            scratch=scratch,
            prepared=prepared,
            only=only,
            stop=stop,
        )
    finally:
        report = write_the_report(data_set, recipe, tell)
    return record, report


def make_folder(data_set: DataSet) -> None:
    """Make the folder of a data set where there is none.

    Raises
    ------
    TomolineError
        FILE-08, FILE-09 if it cannot be made.
    """
    if data_set.folder.exists() and not data_set.folder.is_dir():
        raise errors.files.NOT_WRITABLE.error(
            data_set.folder,
            "A file of this name is where the folder of results belongs.",
            "Choose another folder with --deliver, or another name with --root.",
        )
    try:
        data_set.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise translate_os_error(error, data_set.folder) from error


def check_destination(data_set: DataSet, recipe: Recipe) -> None:
    """Refuse to deliver onto another result of the same name."""
    if data_set.record_path.exists():
        record = Record.read(data_set.record_path)
        if record.source == str(data_set.source):
            return
        setup = record.step(recipe.setup.name)
        known = setup.inputs.get(f"source:{data_set.source.name}") if setup else None
        is_file = data_set.source.is_file()
        if setup is not None and not (is_file and known == digest(data_set.source)):
            raise errors.running.OTHER_RESULT.error(
                data_set.folder, f"it holds the results of {record.source}."
            )
    elif data_set.folder.is_dir():
        in_place = data_set.source.parent == data_set.folder
        ours = [data_set.path(name) for name in ARTIFACTS if name not in RECORDED]
        others = [path for path in ours if path.exists()]
        if not in_place:
            others += data_set.folder.glob(f"{data_set.root}*.*")
        if others:
            raise errors.running.OTHER_RESULT.error(
                data_set.folder, f"it holds {others[0].name}, which is not of this run."
            )


def root_of(path: Path, recipe: Recipe) -> str:
    """Return the root name that the name of an acquisition's file or folder gives.

    >>> from tomoline.recipes import RECIPES
    >>> root_of(Path("TS_01.mrc"), RECIPES["tilt"]), root_of(Path("tomo.txt"), RECIPES["scan"])
    ('TS_01', 'tomo')
    """
    if path.is_dir():
        return path.name
    known = path.suffix.lower() in recipe.suffixes or not recipe.in_place
    return path.stem if known else path.name


def as_before(
    recipe: Recipe, parameters: Mapping[str, StepParams], record: Record
) -> dict[str, StepParams]:
    """Take what is not given now from the record: a data set goes on with its parameters."""
    merged = {}
    for step in recipe.steps:
        given = parameters[step.name]
        known = record.step(step.name)
        before = known.parameters if known is not None else {}
        values = {name: before[name] for name in before if name in type(given).model_fields}
        values |= {name: getattr(given, name) for name in given.model_fields_set}
        merged[step.name] = step.validate(values)
    return merged


def write_the_report(
    data_set: DataSet, recipe: Recipe, tell: Callable[[Notice], None]
) -> Path | None:
    """Write the report, also of a run that failed; its own failure must not hide that one."""
    from tomoline.workflow.report import write_report

    if not data_set.record_path.exists():
        return None
    try:
        record = load_record(data_set, recipe)
        document = record.model_dump(by_alias=True)
        document["artifacts"] = record.artifacts()
        return write_report(data_set.folder, data_set.root, document)
    except TomolineError as error:
        tell(Notice(error.code, error.where, error.found, error.remedy))
        return None
