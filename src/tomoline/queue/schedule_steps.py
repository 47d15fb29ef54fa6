"""Which steps a schedule can have, in which order, and what they need to be there."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.queue.store import Store

if TYPE_CHECKING:
    from tomoline.recipes import Recipe

IMPORT = "import"
VALUES = "values"
PROJECT_STEPS = {
    IMPORT: "look once at the folders that are watched, before the other steps",
    VALUES: "write PROJECT/values.csv with the values of all data sets, after the other steps",
}
"""Steps that a schedule does for the project as a whole, from the beginning in each round."""
MOST_RECORDS = 200
"""How many records are looked into for a step that has finished."""


@dataclass(frozen=True)
class Checked:
    """The steps of a schedule, by name, with their recipe.

    Attributes
    ----------
    recipe : str
        "" where there are only steps of the project as a whole.
    steps : tuple of str
        All of them, in order.
    needs : tuple of str
        Other steps that a data set must have run before.
    """

    recipe: str
    steps: tuple[str, ...]
    needs: tuple[str, ...]


def check_steps(store: Store, name: str, steps: Sequence[str], recipe: str) -> Checked:
    """Check the steps of a new schedule.

    Raises
    ------
    Faults
        PARAM-05 for steps that there are not, SCHED-04 for their order, SCHED-03 where nothing is
        there to write what they read.
    """
    given = [step.strip() for step in steps if step.strip()]
    if not given:
        raise errors.parameters.UNKNOWN_STEP.error("--steps", "it names no step.")
    own = [step for step in given if step not in PROJECT_STEPS]
    if not own:
        _check_project_steps(given)
        return Checked("", tuple(given), ())
    from tomoline.recipes import RECIPES

    if recipe and recipe not in RECIPES:
        raise errors.parameters.BAD_OPTION.error(
            "--recipe", f"there is no recipe {recipe!r}; there are {', '.join(RECIPES)}."
        )
    chosen = RECIPES[recipe] if recipe else _recipe_of(own, list(RECIPES.values()))
    named = _named(own, chosen)
    _check_project_steps(given)
    names = chosen.step_names
    for before, after in pairwise(named):
        if names.index(after) <= names.index(before):
            what = "comes twice" if after == before else f"comes after {before}"
            raise errors.schedule.WRONG_ORDER.error("--steps", f"{after} {what}.")
    # What begins with the first step and leaves none out needs nothing: no step has to be loaded.
    needs = () if tuple(named) == names[: len(named)] else needed_by(named, chosen)
    expected = set(_expected(store, chosen, needs, name))
    lacking = [step for step in needs if step not in expected]
    if lacking:
        raise Faults([_no_input(step, named, chosen) for step in lacking])
    iterator = iter(named)
    ordered = tuple(step if step in PROJECT_STEPS else next(iterator) for step in given)
    return Checked(chosen.name, ordered, needs)


def needed_by(steps: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
    """Return the steps outside of a list whose artifacts the list reads, in order.

    >>> from tomoline.recipes import RECIPES
    >>> needed_by(["setup", "preprocess", "prealign"], RECIPES["tilt"])
    ('coarse_align',)
    """
    from tomoline.steps.artifacts import ARTIFACTS

    needs: set[str] = set()
    seen = set(steps)
    left = list(steps)
    while left:
        step = recipe.step(left.pop())
        # One that has to read something, whichever of several it is, gets it from the first.
        for artifact in step.reads or step.optional[:1]:
            writer = next((one for one in recipe.steps if artifact in one.writes), None)
            if writer is None or writer.name in seen:
                continue
            seen.add(writer.name)
            if any(ARTIFACTS[one].volatile for one in writer.writes):
                left.append(writer.name)  # it is run again with the steps that read it
            else:
                needs.add(writer.name)
    return tuple(step for step in recipe.step_names if step in needs)


def _recipe_of(own: Sequence[str], recipes: Sequence[Recipe]) -> Recipe:
    """Return the recipe that has most of the steps; those that it has not are told later."""
    count = {recipe.name: sum(step in own for step in recipe.step_names) for recipe in recipes}
    best = max(recipes, key=lambda recipe: count[recipe.name])
    if count[best.name]:
        return best
    names = [step for recipe in recipes for step in recipe.step_names]
    raise Faults([_unknown(step, [*PROJECT_STEPS, *names]) for step in own])


def _named(own: Sequence[str], recipe: Recipe) -> list[str]:
    """Return the steps by name; some may be given by batchruntomo's numbers."""
    names = recipe.step_names
    found = list(own)
    if not set(own).issubset(names):
        numbers = {f"{step.number:g}": step.name for step in recipe.steps}
        found = [numbers.get(step, step) for step in own]
    faults = [_unknown(step, [*PROJECT_STEPS, *names]) for step in found if step not in names]
    if faults:
        raise Faults(faults)
    return found


def _unknown(step: str, known: Collection[str]) -> TomolineError:
    near = difflib.get_close_matches(step, list(known), n=1)
    hint = f" Did you mean {near[0]}?" if near else f" It has {', '.join(known)}."
    return errors.parameters.UNKNOWN_STEP.error(step, f"no schedule has such a step.{hint}")


def _check_project_steps(given: Sequence[str]) -> None:
    for step, place, word in ((IMPORT, 0, "first"), (VALUES, len(given) - 1, "last")):
        if step in given and (given.count(step) > 1 or given[place] != step):
            raise errors.schedule.WRONG_ORDER.error("--steps", f"{step} comes once, and {word}.")


def _no_input(step: str, named: Sequence[str], recipe: Recipe) -> TomolineError:
    writes = set(recipe.step(step).writes)
    reader, artifact = next(
        (name, one)
        for name in (*named, *recipe.step_names)
        for one in (*recipe.step(name).reads, *recipe.step(name).optional)
        if one in writes
    )
    return errors.schedule.NO_INPUT.error(
        "--steps",
        f"{reader} reads {artifact}, which {step} writes, and nothing has run it or is to run it.",
        f"Add {step} before {reader}, or queue a run of it first.",
    )


def _expected(store: Store, recipe: Recipe, needs: Sequence[str], name: str) -> Iterator[str]:
    """Yield the steps that are to run, or have run, on some data set of a recipe."""
    if not needs:
        return
    names = recipe.step_names
    with store.read() as db:
        for row in db.execute(
            "SELECT steps FROM schedule WHERE recipe = ? AND name != ?", (recipe.name, name)
        ):
            yield from row["steps"].split(",")
        parts = list(
            db.execute(
                "SELECT DISTINCT first, last, only FROM batch JOIN data_set"
                " ON data_set.id = batch.data_set WHERE recipe = ? AND state != 'dropped'",
                (recipe.name,),
            )
        )
        for row in db.execute("SELECT settings FROM watch WHERE recipe = ?", (recipe.name,)):
            settings = json.loads(row[0])
            parts.append((settings.get("first") or "", settings.get("last") or "", ""))
        sets = db.execute(
            "SELECT * FROM data_set WHERE recipe = ? LIMIT ?", (recipe.name, MOST_RECORDS)
        ).fetchall()
    for first, last, only in parts:
        begin = names.index(first) if first in names else 0
        end = names.index(last) if last in names else len(names) - 1
        chosen = only.split(",") if only else names
        yield from (step for step in names[begin : end + 1] if step in chosen)
    from tomoline.queue.rows import to_data_set
    from tomoline.queue.schedule_marks import record_of

    for row in sets:
        entry = to_data_set(row)
        for root in entry.roots:
            record = record_of(entry.folder, root)
            yield from record.done if record is not None else ()
