"""Deciding which steps have to run: one rule for resume, restart and changed parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tomoline import errors
from tomoline.files.listing import listing
from tomoline.params import StepParams
from tomoline.recipes import Recipe
from tomoline.steps import Step
from tomoline.steps.artifacts import ARTIFACTS
from tomoline.workflow.boot import boot_id
from tomoline.workflow.dataset import DataSet
from tomoline.workflow.fingerprint import digest, identity, step_fingerprint
from tomoline.workflow.held import Held
from tomoline.workflow.record import Record, jsonable

Action = Literal["run", "keep", "off", "leave"]


@dataclass(frozen=True)
class Decision:
    """Whether a step runs, and why.

    `action` is run, keep (up to date), off (switched off by its parameters) or leave (outside the
    range that was asked for).
    """

    step: Step[Any]
    action: Action
    reason: str
    fingerprint: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


def select(
    recipe: Recipe, first: str | None, last: str | None, only: Collection[str] = ()
) -> list[Step[Any]]:
    """Return the steps of a recipe from `first` to `last`, names or numbers, ends included.

    Of these, with `only`, those of these names.

    Raises
    ------
    TomolineError
        PARAM-05 for an unknown step, PARAM-06 if the end comes before the start.
    """
    begin = recipe.steps.index(recipe.step(first)) if first else 0
    end = recipe.steps.index(recipe.step(last, last=True)) if last else len(recipe.steps) - 1
    if end < begin:
        raise errors.parameters.BAD_OPTION.error(
            "--until",
            f"the last step {recipe.steps[end].name} comes before "
            f"the first {recipe.steps[begin].name}.",
        )
    for name in only:
        recipe.step(name)
    return [step for step in recipe.steps[begin : end + 1] if not only or step.name in only]


def decide(
    step: Step[Any],
    params: StepParams,
    data_set: DataSet,
    record: Record,
    *,
    forced: bool = False,
) -> Decision:
    """Decide whether a step has to run now, from what lies on the disk."""
    if not step.active(params):
        return Decision(step, "off", "switched off by its parameters")
    inputs = _inputs(step, params, data_set, record)
    fingerprint = step_fingerprint(
        step.name, step.code_version, jsonable(params.model_dump(mode="json")), inputs
    )
    decided = Decision(step, "keep", "up to date", fingerprint, inputs)
    reason = _reason_to_run(step, params, data_set, record, decided, forced)
    return decided if reason is None else Decision(step, "run", reason, fingerprint, inputs)


def _reason_to_run(
    step: Step[Any],
    params: StepParams,
    data_set: DataSet,
    record: Record,
    decided: Decision,
    forced: bool,
) -> str | None:
    done = record.step(step.name)
    if forced:
        return "asked for"
    if done is None or done.state in ("waiting", "off"):
        return "not run yet"
    if done.state == "running":
        return "was interrupted"
    if done.state == "failed":
        return "failed before"
    if done.unsynced_boot not in ("", boot_id()):
        return "the machine stopped before its results were on the disk"
    missing = [
        one.file
        for name, one in done.outputs.items()
        # What this version does not know any more cannot be volatile: it was a file.
        if not (name in ARTIFACTS and ARTIFACTS[name].volatile)
        and not (data_set.folder / one.file).exists()
    ]
    if missing:
        return f"{missing[0]} is missing"
    if done.fingerprint == decided.fingerprint:
        return None
    if done.code_version != step.code_version:
        return "tomoline's step has changed"
    if done.parameters != jsonable(params.model_dump(mode="json")):
        return "its parameters have changed"
    return "its input has changed"


def _inputs(
    step: Step[Any], params: StepParams, data_set: DataSet, record: Record
) -> dict[str, str]:
    """Return the identity of everything that a step reads, as it is now."""
    identities = {}
    for artifact in (*step.reads, *step.optional):
        writer = next((one for one in record.steps if artifact in one.outputs), None)
        if ARTIFACTS[artifact].volatile:
            if writer is not None:
                identities[artifact] = writer.outputs[artifact].identity
            continue
        path = data_set.path(artifact)
        if not path.exists():
            continue
        content = digest(path)
        known = writer.outputs[artifact] if writer else None
        if known is not None and known.digest == content:
            identities[artifact] = known.identity
        else:  # put there, or changed, by someone else
            identities[artifact] = identity(path, content, "")
    done = record.step(step.name)
    for path in step.external(data_set.source, params):
        key = f"source:{path.name}"
        if path.is_file():
            identities[key] = digest(path)
        elif done is not None and key in done.inputs:
            # Moved into the data set, or taken away since: the copy in the data set serves.
            identities[key] = done.inputs[key]
    for path in step.beside(data_set.folder, data_set.root, params):
        if path.is_file():
            identities[f"beside:{path.name}"] = digest(path)
    listed = step.listed(data_set.source, params)
    if listed:
        identities["source frames"] = listing(listed)
    return identities


def volatile_writers(recipe: Recipe, chosen: list[Step[Any]]) -> list[Step[Any]]:
    """Return the steps before the chosen ones that write what these read and no file keeps."""
    needed = {name for step in chosen for name in step.reads if ARTIFACTS[name].volatile}
    return [
        step for step in recipe.steps if step not in chosen and needed.intersection(step.writes)
    ]


def volatile_results(step: Step[Any]) -> list[str]:
    """Return the artifacts of a step that no file keeps."""
    return [name for name in step.writes if ARTIFACTS[name].volatile]


def needed_again(
    step: Step[Any],
    decision: Decision,
    later: list[Decision],
    data_set: DataSet,
    held: Held,
) -> Decision:
    """Run a step that is up to date if its volatile results are gone and a later step needs them.

    Parameters
    ----------
    step, decision
        The step, and what was decided for it.
    later : list of Decision
        Of the steps that come after it.
    data_set, held
        Where its results would be.
    """
    volatile = volatile_results(step)
    if decision.action not in ("keep", "leave") or not volatile:
        return decision
    for name in volatile:
        readers = [one.step.name for one in later if one.action == "run" and name in one.step.reads]
        if readers and not held.has(data_set.path(name)):
            reason = f"{readers[0]} needs its {ARTIFACTS[name].title} again"
            return Decision(step, "run", reason, decision.fingerprint, decision.inputs)
    return decision


def plan(
    recipe: Recipe,
    parameters: Mapping[str, StepParams],
    data_set: DataSet,
    record: Record,
    first: str | None = None,
    last: str | None = None,
    held: Held | None = None,
    *,
    only: Collection[str] = (),
) -> list[Decision]:
    """Tell for each step of a recipe what a run would do, without doing anything."""
    chosen = select(recipe, first, last, only)
    again = volatile_writers(recipe, chosen)
    remade: set[str] = set()
    decisions = []
    for step in recipe.steps:
        if step not in chosen and step not in again:
            decisions.append(Decision(step, "leave", "outside the range asked for"))
            continue
        forced = bool(first) and step in chosen
        decision = decide(step, parameters[step.name], data_set, record, forced=forced)
        touched = sorted(remade.intersection((*step.reads, *step.optional)))
        if decision.action == "keep" and touched:
            decision = Decision(step, "run", f"{touched[0]} is made again")
        if decision.action == "run":
            remade.update(step.writes)
        decisions.append(decision)
    for place, decision in enumerate(decisions):
        decisions[place] = needed_again(
            decision.step, decision, decisions[place + 1 :], data_set, held or Held()
        )
    return decisions
