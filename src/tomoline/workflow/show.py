"""What ``tomoline show --json`` prints: a stable contract with a version and a schema."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tomoline.workflow.dataset import DataSet
from tomoline.workflow.record import Record

SHOW_SCHEMA = 1


class ShownWarning(BaseModel):
    """A warning or error of a step."""

    model_config = ConfigDict(extra="forbid")

    step: str = Field(description="Name of the step that gave it.")
    code: str = Field(description="Code; 'tomoline explain CODE' tells the rule and the remedy.")
    where: str = Field(description="File, view or directive that it is about.")
    found: str = Field(description="What was found, with the numbers.")
    remedy: str = Field(description="What to do about it.")


class ShownStep(BaseModel):
    """One step of the recipe."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Name of the step.")
    number: float = Field(description="batchruntomo's number of the step.")
    title: str = Field(description="What the step does.")
    state: Literal["waiting", "running", "finished", "failed", "off"] = Field(
        description="'running' in a record that nobody is working on means: interrupted."
    )
    started: str = Field(description="Start in UTC, ISO 8601; empty if it never started.")
    seconds: float = Field(description="Duration of the last run.")
    core_seconds: float = Field(description="Processor time of all its threads together.")
    peak_memory_bytes: int = Field(description="Largest resident memory during the step.")
    parameters: dict[str, Any] = Field(description="All parameters that it ran with.")
    values: dict[str, Any] = Field(description="What it measured; units in the names.")


class Shown(BaseModel):
    """A data set: what was done, what was found, and where the results lie."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    schema_version: int = Field(SHOW_SCHEMA, alias="schema", description="Version of this layout.")
    tomoline: str = Field(description="Version of tomoline that wrote the record.")
    root: str = Field(description="Root name.")
    recipe: str = Field(description="Name of the recipe.")
    folder: str = Field(description="Absolute path of the data set's folder.")
    source: str = Field(description="Absolute path of the stack as it was given.")
    state: Literal["waiting", "running", "finished", "failed"] = Field(
        description="finished: every step is finished or off; failed: one has failed."
    )
    steps: list[ShownStep] = Field(description="All steps of the recipe that have a record.")
    warnings: list[ShownWarning] = Field(description="Warnings of all steps, in order.")
    errors: list[ShownWarning] = Field(description="Errors of failed steps.")
    artifacts: dict[str, str] = Field(description="Absolute path of each result, by its name.")


def show(data_set: DataSet, record: Record, step_names: list[str]) -> Shown:
    """Build the document that tells all about a data set.

    Parameters
    ----------
    data_set, record
        The data set and its record.
    step_names : list of str
        Names of all steps of its recipe.
    """
    states = {step.name: step.state for step in record.steps}
    state: Literal["waiting", "running", "finished", "failed"] = "waiting"
    if "failed" in states.values():
        state = "failed"
    elif all(states.get(name) in ("finished", "off") for name in step_names):
        state = "finished"
    elif "running" in states.values():
        state = "running"
    return Shown(
        tomoline=record.tomoline,
        root=record.root,
        recipe=record.recipe,
        folder=str(data_set.folder),
        source=record.source,
        state=state,
        steps=[
            ShownStep(**step.model_dump(include=set(ShownStep.model_fields)))
            for step in record.steps
        ],
        warnings=[
            ShownWarning(step=step.name, **warning.model_dump())
            for step in record.steps
            for warning in step.warnings
        ],
        errors=[
            ShownWarning(step=step.name, **step.error.model_dump())
            for step in record.steps
            if step.error is not None
        ],
        artifacts={
            name: str(data_set.folder / file)
            for name, file in record.artifacts().items()
            if (data_set.folder / file).exists()
        },
    )
