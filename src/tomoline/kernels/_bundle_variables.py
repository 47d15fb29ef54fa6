"""Which variables the bundle adjustment solves for, and how they make up the views' parameters.

The parameters of one kind (say the rotations of all views) are ``base + M @ variables``. M is the
identity for one variable a view, one column of ones for a common one, and hat functions between
nodes for groups. What the specimen's own scale or turn could explain as well (a common
magnification, a common tilt offset) is left to the minimiser, which makes no step that way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._bundle_model import (
    BEAM_TILT,
    DX,
    DY,
    MAGNIFICATION,
    ROTATION,
    TILT,
)
from tomoline.kernels._bundle_options import BundleOptions

Floats = NDArray[np.float64]


def group_nodes(tilt_rad: Floats, size: float, shrink: bool) -> Floats:
    """Place the nodes of groups along the views, which must be sorted by tilt.

    Parameters
    ----------
    tilt_rad : (v,) float64, ascending
    size : float
        Views between two nodes, at low tilt.
    shrink : bool
        Whether groups become smaller as the tilt grows, with its cosine.

    Returns
    -------
    (g,) float64
        Places of the nodes on the scale of views 0 to v - 1; the first and last are its ends.

    >>> group_nodes(np.zeros(9), 4, shrink=False).tolist()
    [0.0, 4.0, 8.0]
    """
    last = len(tilt_rad) - 1
    if last < 1:
        return np.zeros(1)
    density = np.ones(last) / max(size, 1.0)
    if shrink:
        middle = (tilt_rad[1:] + tilt_rad[:-1]) / 2
        density /= np.maximum(np.cos(middle), 0.2)
    passed = np.concatenate([[0.0], np.cumsum(np.minimum(density, 1.0))])
    count = max(round(float(passed[-1])), 1)
    nodes: Floats = np.interp(np.linspace(0, passed[-1], count + 1), passed, np.arange(last + 1))
    return nodes


def hat_functions(nodes: Floats, count: int) -> Floats:
    """Return the (count, g) matrix that interpolates linearly between values at `nodes`.

    >>> hat_functions(np.array([0.0, 2.0]), 3).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    places = np.arange(count, dtype=np.float64)
    columns = [np.interp(places, nodes, row) for row in np.eye(len(nodes))]
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Kind:
    """The variables of one kind of parameter, with the prior on the parameters they make.

    Attributes
    ----------
    parameter : int
        Place among a view's six parameters.
    matrix : (v, n) float64
        From variables to parameters.
    prior_sd : float
        Standard deviation expected of the parameters round their common value; infinite for none.
    each : bool
        Whether the matrix is the identity.
    """

    parameter: int
    matrix: Floats
    prior_sd: float = np.inf
    each: bool = False


def variable_kinds(options: BundleOptions, tilt_rad: Floats) -> list[Kind]:
    """List the variables that the options ask for, besides the shifts.

    Parameters
    ----------
    options : BundleOptions
    tilt_rad : (v,) float64
        Angles of the views that take part, in any order.
    """
    count = len(tilt_rad)
    order = np.argsort(tilt_rad, kind="stable")

    def kind(parameter: int, choice: str, size: int, prior_sd: float) -> Kind:
        if choice == "one":
            return Kind(parameter, np.ones((count, 1)))
        if choice == "each":
            return Kind(parameter, np.eye(count), prior_sd, each=True)
        nodes = group_nodes(tilt_rad[order], size, shrink=parameter == TILT)
        hats = hat_functions(nodes, count)
        matrix = np.empty_like(hats)
        matrix[order] = hats
        return Kind(parameter, matrix, prior_sd)

    kinds = []
    if options.rotation != "fixed":
        kinds.append(
            kind(ROTATION, options.rotation, options.rotation_group, options.rotation_prior_rad)
        )
    if options.tilt != "fixed":
        kinds.append(kind(TILT, options.tilt, options.tilt_group, options.tilt_prior_rad))
    if options.magnification != "fixed":
        group, prior = options.magnification_group, options.magnification_prior
        kinds.append(kind(MAGNIFICATION, options.magnification, group, prior))
    if options.beam_tilt == "solve":
        kinds.append(Kind(BEAM_TILT, np.ones((count, 1))))
    return kinds


def shift_kinds(count: int) -> list[Kind]:
    """Return the shifts of all views as variables."""
    return [Kind(DX, np.eye(count), each=True), Kind(DY, np.eye(count), each=True)]
