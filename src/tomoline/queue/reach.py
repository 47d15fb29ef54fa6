"""Which part of a recipe a run may be asked for, from what its data sets have reached."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.queue.model import DataSetEntry
from tomoline.queue.records import DONE, record_or_none, record_path
from tomoline.queue.store import Store
from tomoline.queue.table_keys import DUAL, TABLE_RECIPE

if TYPE_CHECKING:
    from tomoline.recipes import Recipe

NAMED = 8
"""How many data sets a message names."""


@dataclass(frozen=True)
class Asked:
    """The part of a recipe that is asked for, by names of its steps; "" for its ends."""

    first: str = ""
    last: str = ""


def asked_for(
    entries: Sequence[DataSetEntry], first: str, last: str, *, any_step: bool = False
) -> dict[str, Asked]:
    """Return for each recipe of some data sets the part that is asked for.

    Parameters
    ----------
    entries : sequence of DataSetEntry
        What is to be run.
    first, last : str
        Names or batchruntomo's numbers of steps; "" for the ends.
    any_step : bool
        Whether to start later than what a data set has reached.

    Raises
    ------
    TomolineError
        PARAM-05 for a step that a recipe does not have, PARAM-06 for an end before the start,
        QUEUE-04 for a start that is later than what a data set has reached.
    """
    names = sorted({entry.recipe for entry in entries})
    if not first and not last:
        return dict.fromkeys(names, Asked())
    from tomoline.recipes import RECIPES

    found = {}
    for name in names:
        try:
            found[name] = _part_of(RECIPES[name], first, last)
        except TomolineError as error:
            if len(names) == 1 or error.kind is not errors.parameters.UNKNOWN_STEP:
                raise
            others = [entry.name for entry in entries if entry.recipe == name]
            raise errors.parameters.UNKNOWN_STEP.error(
                error.where,
                f"the recipe {name} of {shortened(others)} has no such step.",
                f"Name the data sets to run, or take a step of the recipe {name}: "
                f"{', '.join(RECIPES[name].step_names)}.",
            ) from error
    if first and not any_step:
        _refuse_gaps(entries, {name: RECIPES[name].step_names for name in names}, found)
    return found


def _part_of(recipe: Recipe, first: str, last: str) -> Asked:
    names = recipe.step_names
    begin = recipe.step(first).name if first else ""
    end = recipe.step(last, last=True).name if last else ""
    if begin and end and names.index(end) < names.index(begin):
        raise errors.parameters.BAD_OPTION.error(
            "--until", f"the last step {end} comes before the first {begin}."
        )
    return Asked(begin, end)


def _refuse_gaps(
    entries: Sequence[DataSetEntry],
    steps_of: Mapping[str, Sequence[str]],
    found: Mapping[str, Asked],
) -> None:
    faults: list[TomolineError] = []
    for entry in entries:
        steps, start = steps_of[entry.recipe], found[entry.recipe].first
        count = reached(entry, steps)
        if count < steps.index(start):
            what = f"it has reached {steps[count - 1]}" if count else "nothing of it has been run"
            faults.append(
                errors.queue.TOO_LATE.error(
                    entry.name, f"{what}; {steps[count]} comes before {start}, the step to start."
                )
            )
    if faults:
        raise Faults(faults)


def missing_axes(store: Store, entries: Sequence[DataSetEntry]) -> list[DataSetEntry]:
    """Return the data sets that are marked dual axis and have one stack, in the table's order."""
    from tomoline.queue.layers import Layers, effective

    single = {one.id: one for one in entries if not one.dual and one.recipe == TABLE_RECIPE}
    marked = bool(effective(DUAL, Layers(store).all().values()))
    with store.read() as db:
        rows = db.execute("SELECT id, given FROM data_set ORDER BY place").fetchall()
    return [
        single[number]
        for number, given in rows
        # Reading the JSON of tens of thousands takes longer than all the rest.
        if number in single
        and (effective(DUAL, [json.loads(given)], marked) if DUAL in given else marked)
    ]


def refuse_missing_axes(store: Store, entries: Sequence[DataSetEntry]) -> None:
    """Refuse data sets that are marked dual axis and have one stack.

    Raises
    ------
    Faults
        PROJ-11 for each of them.
    """
    faults: list[TomolineError] = [
        errors.project.NOT_DUAL.error(entry.name, f"it has {entry.source}.")
        for entry in missing_axes(store, entries)
    ]
    if faults:
        raise Faults(faults)


def reached(entry: DataSetEntry, steps: Sequence[str]) -> int:
    """Return how many of a recipe's first steps are done, of two axes the fewer.

    >>> reached(DataSetEntry(1, "no", "tilt", Path(), None, Path("/no"), True, 0.0), ["setup"])
    0
    """
    counts = []
    for root in entry.roots:
        states = step_states(record_path(entry.folder, root))
        done = [states.get(name) in DONE for name in steps]
        counts.append(done.index(False) if False in done else len(done))
    return min(counts)


def step_states(record: Path) -> dict[str, str]:
    """Return the state of each step in a data set's record; none where it cannot be read."""
    content = record_or_none(record)
    steps = content.get("steps") if content else None
    if not isinstance(steps, list):
        return {}
    return {
        str(step.get("name")): str(step.get("state")) for step in steps if isinstance(step, dict)
    }


def shortened(names: Sequence[str]) -> str:
    """Return names for a message, not too many of them.

    >>> shortened(["a", "b"])
    'a, b'
    >>> shortened([str(number) for number in range(20)])
    '0, 1, 2, 3, 4, 5, 6, 7 and 12 more'
    """
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
