"""The parameters of an earlier run, as a data set's own: it goes on with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tomoline.queue.layers import Values, effective, jsonable

ABOUT_THE_SET = frozenset({"dual_axis", "boundary_from", "boundary_from_model"})
"""Parameters of the set-up that follow from the table of data sets."""


def recorded_values(
    record: Mapping[str, Any], recipe: str, below: Sequence[Mapping[str, Any]]
) -> Values:
    """Return the recorded parameters that differ from what the layers below give.

    Parameters
    ----------
    record : mapping
        ``steps``, each with its parameters, and ``path``.
    recipe : str
        Name of the recipe.
    below : sequence of mapping
        Layers in rising precedence.
    """
    from tomoline.params import describe
    from tomoline.recipes import RECIPES

    found: Values = {}
    kind = RECIPES[recipe]
    for step in kind.steps:
        parameters = record["steps"].get(step.name, {})
        for info in describe(step.params):
            if info.name not in parameters:
                continue
            if step is kind.setup and info.name in ABOUT_THE_SET | {"name"}:
                continue
            key, value = f"{step.name}.{info.name}", parameters[info.name]
            if value != effective(key, below, jsonable(info.default)):
                found[key] = [value, record["path"]]
    return found
