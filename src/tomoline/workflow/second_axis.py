"""What axis b of a dual-axis set takes over from axis a."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tomoline.workflow.given import Layer, LayerValue

NAME = "axis a"
SEEDS = "find_fiducials.boundary_model"
PATCHES = "track.patch_boundary_model"
FROM = "setup.boundary_from"
FROM_MODEL = "setup.boundary_from_model"
WHERE = "carried over from axis a"


def second_axis_layer(
    first: Sequence[Layer], second: Sequence[Layer], first_root: str, second_root: str
) -> Layer:
    """Return the layer, above all others, by which axis b takes over the boundary of axis a.

    Boundary models are drawn on raw views of one axis, so that one which axis b has only because
    axis a has it must not be used as it is: the set-up of axis b turns it. A model that axis b has
    of its own is left to it.

    Parameters
    ----------
    first, second : sequence of Layer
        Layers of the two axes, in rising precedence.
    first_root, second_root : str
        Their root names.

    Returns
    -------
    Layer
        Without values where axis b says itself where its boundary comes from.

    >>> drawn = Layer("data set", {"find_fiducials.boundary_model": LayerValue("cell.mod")})
    >>> layer = second_axis_layer([drawn], [drawn], "TSa", "TSb")
    >>> {key: one.value for key, one in layer.values.items()}
    {'find_fiducials.boundary_model': None, 'setup.boundary_from': 'TSa', \
'setup.boundary_from_model': 'cell.mod'}
    """
    given_a, given_b = _holding(first), _holding(second)
    values: dict[str, Any] = {}
    if FROM in given_b:
        return Layer(NAME)
    inherited = [key for key in (SEEDS, PATCHES) if given_a.get(key) is not None]
    own = [key for key in (SEEDS, PATCHES) if given_b.get(key) not in (None, given_a.get(key))]
    for key in inherited:
        if given_b.get(key) == given_a[key]:
            values[key] = None
    if not own:
        drawn = given_a.get(SEEDS) or given_a.get(PATCHES)
        values[FROM] = first_root
        if drawn is not None:
            values[FROM_MODEL] = drawn
        if given_a.get(PATCHES) is not None and given_a[PATCHES] == drawn:
            values[PATCHES] = f"{second_root}_rawbound.mod"
    return Layer(NAME, {key: LayerValue(value, WHERE) for key, value in values.items()})


def _holding(layers: Sequence[Layer]) -> dict[str, Any]:
    """Return the value of each parameter that holds."""
    return {key: one.value for layer in layers for key, one in layer.values.items()}
