"""Running what a job asks for: each of its parts, and of each the steps that are still to do."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.engine import ThreadsEngine
from tomoline.errors import Notice, TomolineError
from tomoline.queue.job import Job, Part
from tomoline.recipes import RECIPES, Recipe
from tomoline.steps import Step
from tomoline.workflow.dataset import DataSet
from tomoline.workflow.execution import check_destination, run_and_report
from tomoline.workflow.given import Layer, merge
from tomoline.workflow.plan import select
from tomoline.workflow.record import StepRecord
from tomoline.workflow.second_axis import second_axis_layer

if TYPE_CHECKING:
    from tomoline.queue.worker import Events

PROGRESS_S = 0.25
"""At least so long between two events of progress."""


@dataclass(frozen=True)
class Pass:
    """Steps of a part that are run in one go; with `first` they run in any case."""

    first: str
    last: str
    only: tuple[str, ...]


def run_parts(job: Job, events: Events) -> None:
    """Run the parts of a job one after the other.

    Raises
    ------
    TomolineError
        Of the part that failed; those after it are not run. RUN-10 if it was told to stop.
    """
    if job.recipe not in RECIPES:
        raise errors.queue.BAD_JOB.error(job.name, f"there is no recipe {job.recipe!r}.")
    recipe = RECIPES[job.recipe]
    for place, part in enumerate(job.parts):
        try:
            _run_part(job, part, recipe, events)
        except TomolineError as error:
            left = [one.axis for one in job.parts[place + 1 :]]
            if left and error.kind is not errors.running.STOPPED:
                error.found = f"{error.found} So axis {left[0]} was not run."
            raise


def _run_part(job: Job, part: Part, recipe: Recipe, events: Events) -> None:
    events.write("part", root=part.root, axis=part.axis, folder=part.folder)
    listener = _Listener(events, part.axis)
    merged = merge(recipe.steps, layers_of(job, part))
    for notice in merged.notices:
        events.warn(notice)
    data_set = DataSet(part.root, Path(part.folder), Path(part.source))
    if not data_set.source.exists() and not data_set.record_path.exists():
        raise errors.files.MISSING.error(data_set.source, "there is no such acquisition.")
    check_destination(data_set, recipe)
    engine = ThreadsEngine(job.threads, job.memory_bytes, listener)
    for one in passes(recipe, job, part):
        run_and_report(
            recipe,
            merged.parameters,
            data_set,
            engine,
            listener,
            tell=events.warn,
            first=one.first or None,
            last=one.last or None,
            only=one.only,
            scratch=Path(job.scratch) if job.scratch else None,
            stop=lambda: os.path.exists(job.stop),
        )


def layers_of(job: Job, part: Part) -> list[Layer]:
    """Return the layers of a part; axis b takes over what is drawn on axis a."""
    layers = [Layer.from_json(one) for one in part.layers]
    first = next((one for one in job.parts if one.axis == "a"), None)
    if part.axis == "b" and first is not None:
        firsts = [Layer.from_json(one) for one in first.layers]
        layers.append(second_axis_layer(firsts, layers, first.root, part.root))
    return layers


def passes(recipe: Recipe, job: Job, part: Part) -> Sequence[Pass]:
    """Return what is left to do of a part.

    Steps from `Job.first` on run in any case, but not once more if an earlier attempt of this
    batch has run them: those run only if they are not up to date.
    """
    whole = Pass(job.first, job.last, tuple(job.only))
    if not job.first or not job.reached:
        return [whole]
    chosen = [step.name for step in select(recipe, job.first, job.last or None, job.only)]
    axis, _, reached = job.reached.partition(":")
    axes = [one.axis for one in job.parts]
    if axis not in axes or reached not in chosen:
        return [whole]
    here, there = axes.index(part.axis), axes.index(axis)
    if here > there:
        return [whole]
    count = len(chosen) if here < there else chosen.index(reached) + 1
    done, left = chosen[:count], chosen[count:]
    rest = [Pass(left[0], job.last, tuple(job.only))] if left else []
    return [Pass("", "", tuple(done)), *rest]


class _Listener:
    """Turns what a run tells into events; it is the engine's `Progress` as well."""

    def __init__(self, events: Events, axis: str) -> None:
        self._events = events
        self._axis = axis
        self._step = ""
        self._label = ""
        self._done = 0
        self._total = 0
        self._told = 0.0

    def start(self, label: str, total: int) -> None:
        """Take note of a new piece of work."""
        self._label, self._done, self._total = label, 0, total
        self._tell()

    def advance(self, count: int = 1) -> None:
        """Take note of what is done."""
        self._done += count
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told < PROGRESS_S:
            return
        self._told = now
        self._events.write(
            "progress",
            axis=self._axis,
            step=self._step,
            label=self._label,
            done=self._done,
            total=self._total,
        )

    def step_starts(self, step: Step[Any], reason: str) -> None:
        """Tell that a step begins."""
        self._step = step.name
        self._write(step.name, "starts", reason, 0.0)

    def step_kept(self, step: Step[Any], reason: str) -> None:
        """Tell why a step did not run."""
        self._write(step.name, "kept", reason, 0.0)

    def step_ended(self, record: StepRecord) -> None:
        """Tell how a step ended."""
        self._write(record.name, record.state, "", record.seconds)

    def warned(self, step: Step[Any], notice: Notice) -> None:
        """Tell a warning of a step."""
        self._events.warn(notice, step.name)

    def _write(self, step: str, state: str, reason: str, seconds: float) -> None:
        self._events.write(
            "step", axis=self._axis, step=step, state=state, reason=reason, seconds=seconds
        )
