"""Running a recipe on a data set."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.files.atomic import remove, remove_leftovers, translate_os_error
from tomoline.params import StepParams
from tomoline.recipes import Recipe
from tomoline.steps import Engine, Step
from tomoline.steps.artifacts import ARTIFACTS
from tomoline.workflow._allocator import keep_freed_memory
from tomoline.workflow.boot import boot_id
from tomoline.workflow.dataset import DataSet, RunContext
from tomoline.workflow.durable import DiskWriter
from tomoline.workflow.fingerprint import digest, identity
from tomoline.workflow.held import Held
from tomoline.workflow.memory import PeakMemory
from tomoline.workflow.plan import (
    Decision,
    decide,
    needed_again,
    plan,
    select,
    volatile_results,
    volatile_writers,
)
from tomoline.workflow.record import OutputRecord, Record, StepRecord, WarningRecord, jsonable


class Listener(Protocol):
    """Is told what happens during a run."""

    def step_starts(self, step: Step[Any], reason: str) -> None:
        """A step begins."""

    def step_kept(self, step: Step[Any], reason: str) -> None:
        """A step need not run."""

    def step_ended(self, record: StepRecord) -> None:
        """A step has finished or failed."""

    def warned(self, step: Step[Any], notice: Notice) -> None:
        """A step gave a warning."""


def load_record(data_set: DataSet, recipe: Recipe) -> Record:
    """Return the record of a data set, a new one where there is none."""
    if data_set.record_path.exists():
        record = Record.read(data_set.record_path)
        record.source = str(data_set.source)
        return record
    return Record(root=data_set.root, recipe=recipe.name, source=str(data_set.source))


def run_recipe(
    recipe: Recipe,
    parameters: Mapping[str, StepParams],
    data_set: DataSet,
    engine: Engine,
    listener: Listener,
    first: str | None = None,
    last: str | None = None,
    scratch: Path | None = None,
    prepared: Mapping[str, Any] | None = None,
    only: Collection[str] = (),
    stop: Callable[[], bool] | None = None,
) -> Record:
    """Run the steps of a recipe that are not up to date; the record tells what happened.

    Parameters
    ----------
    recipe, parameters
        The steps, and the parameters of each by its name.
    data_set : DataSet
        Its folder must exist.
    engine : Engine
        Where the steps' chunks run.
    listener : Listener
        Is told of each step.
    first, last : str, optional
        Names or batchruntomo numbers; with `first` the steps from there run in any case.
    scratch : Path, optional
        Folder for what does not fit the memory; the data set's own if left out.
    prepared : mapping, optional
        What steps may `recall`.
    only : collection of str
        Names of the steps to run; all from `first` to `last` if empty.
    stop : callable, optional
        Is asked before each step that has to run; if it says yes, the run ends there with RUN-10.

    Returns
    -------
    Record
        As it was last written.

    Raises
    ------
    TomolineError
        Of the step that failed; the record holds it too, and what finished before is kept.
    """
    chosen = select(recipe, first, last, only)
    again = volatile_writers(recipe, chosen)
    stopped_before = ""
    keep_freed_memory()
    users = [
        (step, parameters[step.name])
        for step in recipe.steps
        if any(ARTIFACTS[name].volatile for name in (*step.reads, *step.writes))
    ]
    held = Held(scratch, users)
    with data_set.locked(), DiskWriter() as disk:
        remove_leftovers(data_set.folder, data_set.owns)
        record = load_record(data_set, recipe)
        try:
            for step in recipe.steps:
                if step not in chosen and step not in again:
                    continue
                params = parameters[step.name]
                forced = bool(first) and step in chosen
                decision = decide(step, params, data_set, record, forced=forced)
                if decision.action == "keep" and volatile_results(step):
                    all_of_them = plan(
                        recipe, parameters, data_set, record, first, last, held, only=only
                    )
                    later = all_of_them[recipe.steps.index(step) + 1 :]
                    decision = needed_again(step, decision, later, data_set, held)
                if decision.action == "keep":
                    listener.step_kept(step, decision.reason)
                elif decision.action == "off":
                    _switch_off(step, data_set, record)
                    listener.step_kept(step, decision.reason)
                elif stop is not None and stop():
                    stopped_before = step.name
                    break
                else:
                    listener.step_starts(step, decision.reason)
                    context = _ReportingContext(
                        data_set, engine, held, prepared or {}, step, listener
                    )
                    _run_step(decision, params, data_set, record, context, listener)
                    disk.add(_files_of(step, data_set, record))
            _drop_what_is_done(recipe, data_set, record, held)
        finally:
            held.release()
        disk.wait()
        for entry in record.steps:
            entry.unsynced_boot = ""
        record.write(data_set.record_path)
    if stopped_before:
        raise errors.running.STOPPED.error(data_set.root, f"told to stop before {stopped_before}.")
    return record


def _files_of(step: Step[Any], data_set: DataSet, record: Record) -> list[Path]:
    entry = record.step(step.name)
    paths = [data_set.folder / one.file for one in entry.outputs.values()] if entry else []
    return [path for path in paths if path.exists()]


def _drop_what_is_done(recipe: Recipe, data_set: DataSet, record: Record, held: Held) -> None:
    """Delete the scratch files that no step needs any more."""
    for name, artifact in ARTIFACTS.items():
        if not artifact.volatile or not held.has(data_set.path(name)):
            continue
        readers = [record.step(step.name) for step in recipe.steps if name in step.reads]
        if all(one is not None and one.state in ("finished", "off") for one in readers):
            held.remove(data_set.path(name))


def _switch_off(step: Step[Any], data_set: DataSet, record: Record) -> None:
    """Take away what a step that is now off wrote before, so that nobody reads it."""
    known = record.step(step.name)
    if known is not None and known.state == "off":
        return
    for output in known.outputs.values() if known else ():
        remove(data_set.folder / output.file)
    record.replace(StepRecord(name=step.name, number=step.number, title=step.title, state="off"))
    record.write(data_set.record_path)


def _run_step(
    decision: Decision,
    params: StepParams,
    data_set: DataSet,
    record: Record,
    context: _ReportingContext,
    listener: Listener,
) -> None:
    step = decision.step
    earlier = record.step(step.name)
    entry = StepRecord(
        name=step.name,
        number=step.number,
        title=step.title,
        state="running",
        fingerprint=decision.fingerprint,
        code_version=step.code_version,
        parameters=jsonable(params.model_dump(mode="json")),
        inputs=dict(decision.inputs),
        # Kept until the step ends, so that outputs of an earlier run can be taken away then.
        outputs=earlier.outputs if earlier else {},
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    record.replace(entry)
    record.write(data_set.record_path)
    context.log(f"{step.name} starts ({decision.reason})")
    memory = PeakMemory()
    memory.reset()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    failure: TomolineError | None = None
    try:
        _check_inputs(step, context)
        values = step.run(params, context)
        entry.values = jsonable(values)
        entry.outputs = _outputs(step, context, data_set, entry)
        entry.unsynced_boot = boot_id()
        entry.state = "finished"
    except BaseException as error:
        failure = _as_failure(error, step, context)
        entry.state = "failed"
        entry.error = _warning(Notice(failure.code, failure.where, failure.found, failure.remedy))
    entry.seconds = round(time.perf_counter() - begin, 3)
    entry.core_seconds = round(time.process_time() - begin_cpu, 3)
    entry.peak_memory_bytes = memory.read()
    entry.warnings = [_warning(notice) for notice in context.notices]
    record.replace(entry)
    try:
        record.write(data_set.record_path)
        context.log(f"{step.name} {entry.state} after {entry.seconds:.2f} s")
    except TomolineError:
        if failure is None:
            raise
    listener.step_ended(entry)
    if failure is not None:
        raise failure


class _ReportingContext(RunContext):
    """The context of one step, whose warnings also go to the listener."""

    def __init__(
        self,
        data_set: DataSet,
        engine: Engine,
        held: Held,
        prepared: Mapping[str, Any],
        step: Step[Any],
        listener: Listener,
    ) -> None:
        super().__init__(data_set, engine, held, prepared)
        self._step = step
        self._listener = listener

    def warn(self, notice: Notice) -> None:
        super().warn(notice)
        self._listener.warned(self._step, notice)


def _check_inputs(step: Step[Any], context: RunContext) -> None:
    for artifact in step.reads:
        if ARTIFACTS[artifact].volatile:
            context.sinograms(artifact)
        else:
            context.input(artifact)


def _outputs(
    step: Step[Any], context: RunContext, data_set: DataSet, entry: StepRecord
) -> dict[str, OutputRecord]:
    outputs = {}
    for artifact in step.writes:
        path = context.written.get(artifact)
        known = entry.outputs.get(artifact)
        if known is not None and (path is None or known.file != path.name):
            remove(data_set.folder / known.file)  # written by an earlier run, not by this one
        if path is None:
            continue
        volatile = ARTIFACTS[artifact].volatile
        content = "" if volatile else digest(path)
        outputs[artifact] = OutputRecord(
            file=path.name,
            digest=content,
            # What is volatile may be made again: what it was made from tells what it is.
            identity=entry.fingerprint if volatile else identity(path, content, entry.fingerprint),
        )
    return outputs


def _as_failure(error: BaseException, step: Step[Any], context: RunContext) -> TomolineError:
    """Turn whatever ended a step into a coded error; the log keeps the traceback."""
    if isinstance(error, TomolineError):
        failure = error
    elif isinstance(error, KeyboardInterrupt | SystemExit):
        failure = errors.running.INTERRUPTED.error(step.name, "the run was told to stop.")
    elif isinstance(error, MemoryError):
        failure = errors.running.OUT_OF_MEMORY.error(step.name, "no memory left.")
    elif isinstance(error, OSError):
        failure = translate_os_error(error, context.folder)
    else:
        failure = errors.running.INTERNAL.error(
            step.name, f"{type(error).__name__}: {error} (details in {context.data_set.log_path})."
        )
    try:
        if not isinstance(error, TomolineError | KeyboardInterrupt):
            context.log("".join(traceback.format_exception(error)))
        context.log(f"{step.name} failed: {failure}")
    except TomolineError:
        pass  # a full disk must not hide the failure itself
    return failure


def _warning(notice: Notice) -> WarningRecord:
    return WarningRecord(
        code=notice.code, where=notice.where, found=notice.found, remedy=notice.remedy
    )
