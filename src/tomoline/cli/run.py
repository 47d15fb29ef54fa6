"""``tomoline run``: from requests to finished data sets."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tomoline import errors
from tomoline.cli._bytes import bytes_of
from tomoline.cli._compiled import kernels_are_compiled
from tomoline.cli._output import plan_line
from tomoline.cli._progress import RunDisplay
from tomoline.engine import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.params import StepParams
from tomoline.recipes import RECIPES, Recipe, recipe_for
from tomoline.surfaces.parameters import resolve
from tomoline.workflow.dataset import DataSet, find
from tomoline.workflow.execution import (
    as_before,
    check_destination,
    make_folder,
    root_of,
    run_and_report,
)
from tomoline.workflow.follow import follow_recipe
from tomoline.workflow.memory import available_threads, memory_limit
from tomoline.workflow.places import RECORD_SUFFIX
from tomoline.workflow.plan import plan
from tomoline.workflow.record import Record
from tomoline.workflow.run import load_record


@dataclass(frozen=True)
class Request:
    """One data set to process, as the command line asks for it."""

    path: Path
    recipe: str | None = None
    root: str | None = None
    deliver: Path | None = None
    directives: tuple[Path, ...] = ()
    parameters: tuple[Path, ...] = ()
    settings: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    threads: int | None = None
    memory: str | None = None
    scratch: Path | None = None
    patience_s: float | None = None
    """To follow a scan that is being recorded: how long to wait for its next frame."""
    dry_run: bool = False


def execute_all(requests: Sequence[Request]) -> int:
    """Process data sets one after another; one that fails does not stop the others.

    Returns
    -------
    int
        Number of data sets that failed.
    """
    console = Console(stderr=True)
    failed = []
    for request in requests:
        try:
            execute(request, console)
        except TomolineError as error:
            failed.append(request.path)
            sys.stderr.write(f"{error}\n")
            if error.kind is errors.running.INTERRUPTED:
                raise KeyboardInterrupt from error
    if len(requests) > 1:
        done = len(requests) - len(failed)
        console.print(f"{done} of {len(requests)} data sets finished.")
        for path in failed:
            console.print(f"  failed: {path}", markup=False)
    return len(failed)


def execute(request: Request, console: Console) -> DataSet:
    """Process one data set.

    Raises
    ------
    TomolineError
        Of the parameters, the delivery, or the step that failed.
    """
    recipe = choose_recipe(request)
    resolved = resolve(
        recipe,
        directives=request.directives,
        toml=request.parameters,
        settings=request.settings,
    )
    memory = bytes_of(request.memory)
    engine_memory = memory_limit() if memory is None else memory
    if request.scratch is not None and not request.scratch.is_dir():
        raise errors.parameters.BAD_OPTION.error(
            "--scratch", f"{request.scratch} is no folder; it must exist."
        )
    data_set = locate(request, recipe, resolved.parameters)
    parameters = resolved.parameters
    if _is_data_set(request.path):
        parameters = as_before(recipe, parameters, load_record(data_set, recipe))
    if request.dry_run:
        _print_plan(recipe, parameters, data_set, request, console)
        return data_set
    make_folder(data_set)
    if not kernels_are_compiled():
        console.print(
            "First run on this machine: the kernels are compiled once, which takes about a minute "
            "in all; they are kept for all later runs.",
            soft_wrap=True,
        )
    with RunDisplay(console, data_set.root) as display:
        for notice in resolved.notices:
            display.notice(notice)
        engine = ThreadsEngine(request.threads or available_threads(), engine_memory, display)
        prepared: Mapping[str, Any] = {}
        if request.patience_s is not None:
            prepared = follow_recipe(recipe, parameters, data_set, engine, request.patience_s)
        record, report = run_and_report(
            recipe,
            parameters,
            data_set,
            engine,
            display,
            tell=display.notice,
            first=request.first,
            last=request.last,
            scratch=request.scratch,
            prepared=prepared,
        )
    _print_results(data_set, recipe, record, report, console)
    return data_set


def choose_recipe(request: Request) -> Recipe:
    """Return the recipe that was asked for, that the data set has, or that the file is for.

    Raises
    ------
    TomolineError
        PARAM-06 for a recipe that there is not, RUN-05 for a folder with nothing in it.
    """
    if request.recipe is not None:
        if request.recipe not in RECIPES:
            raise errors.parameters.BAD_OPTION.error(
                "--recipe", f"{request.recipe!r} is unknown; there are {', '.join(RECIPES)}."
            )
        return RECIPES[request.recipe]
    if _is_data_set(request.path):
        name = Record.read(find(request.path).record_path).recipe
        if name in RECIPES:
            return RECIPES[name]
    return recipe_for(request.path, announced=request.patience_s is not None)


def locate(request: Request, recipe: Recipe, parameters: Mapping[str, StepParams]) -> DataSet:
    """Find out the root name, the source and the folder of a request.

    Raises
    ------
    TomolineError
        FILE-.. where there is no acquisition, RUN-03 where the folder belongs to another one.
    """
    path = request.path
    if _is_data_set(path):
        return find(path)
    # A scan that is followed may have been announced before its first file is there.
    announced = request.patience_s is not None and path.parent.is_dir()
    if not path.exists() and not announced:
        raise errors.files.MISSING.error(path, "there is no such file.")
    if path.is_dir() and recipe.in_place:
        return find(path)  # which says that there is no data set
    name = parameters[recipe.setup.name].model_dump()["name"]
    root = request.root or name or root_of(path, recipe)
    beside = path.resolve() if path.is_dir() else path.resolve().parent
    in_place = recipe.in_place and request.deliver is None and beside.name == root
    folder = beside if in_place else ((request.deliver or beside) / root).resolve()
    data_set = DataSet(root, folder, path.resolve())
    check_destination(data_set, recipe)
    return data_set


def _is_data_set(path: Path) -> bool:
    return path.name.endswith(RECORD_SUFFIX) or (
        path.is_dir() and any(path.glob(f"*{RECORD_SUFFIX}"))
    )


def _print_plan(
    recipe: Recipe,
    parameters: Mapping[str, StepParams],
    data_set: DataSet,
    request: Request,
    console: Console,
) -> None:
    record = load_record(data_set, recipe)
    console.print(f"{data_set.root} in {data_set.folder}", markup=False)
    for decision in plan(recipe, parameters, data_set, record, request.first, request.last):
        step = decision.step
        line = plan_line(step.number, step.name, decision.action, decision.reason)
        console.print(line, markup=False)


def _print_results(
    data_set: DataSet, recipe: Recipe, record: Record, report: Path | None, console: Console
) -> None:
    lines = []
    artifacts = record.artifacts()
    if recipe.result in artifacts:
        lines.append((recipe.result, data_set.folder / artifacts[recipe.result]))
    lines += [
        ("slice", one) for one in sorted(data_set.folder.glob(f"{data_set.root}_slice_*.png"))
    ]
    if report is not None:
        lines.append(("report", report))
    for label, path in lines:
        console.print(f"  {label:<10}{path}", markup=False, soft_wrap=True)
