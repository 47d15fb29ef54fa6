"""Precise centres of beads: least-squares fit of a radial profile on a sloping background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._centre_numba import fit_all
from tomoline.kernels.bead_model import BeadProfile, Floats, Image

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class BeadFits:
    """Fitted beads of one view, in the order of the starting positions.

    Attributes
    ----------
    centres_px : (n, 2) float64
        (x, y) relative to the image's centre; NaN where the fit failed.
    amplitude : (n,) float64
        Height over the background, in the image's unit; negative for dark beads.
    background : (n,) float64
        Background under the bead.
    noise : (n,) float64
        Rms of what the fit leaves.
    correlation : (n,) float64
        Correlation of bead and profile after the sloping background is taken off, 0 to 1;
        negative if the bead has the other sign than asked for.
    """

    centres_px: Floats
    amplitude: Floats
    background: Floats
    noise: Floats
    correlation: Floats


def refine_centres(
    image: Image,
    centres_px: Floats,
    profile: BeadProfile,
    *,
    max_move_px: float,
    window: float = 1.45,
    light: bool = False,
    avoid_px: Floats | None = None,
    iterations: int = 12,
) -> BeadFits:
    """Fit ``amplitude * profile(|r - centre|) + plane`` to each bead by Gauss-Newton.

    Parameters
    ----------
    image : (y, x) float32
    centres_px : (n, 2) float64
        Starting positions, (x, y) relative to the image's centre, within about half a radius.
    profile : BeadProfile
        Best averaged over beads of the same or nearby views.
    max_move_px : float
        A fit that goes farther from its start has failed.
    window : float
        Radius of the fitted area in units of the bead's radius (one more pixel is added).
    light : bool
        Whether beads are brighter than their surroundings.
    avoid_px : (m, 2) float64, optional
        Known beads; pixels that belong to another than the fitted one are left out of its fit.
        By default those of `centres_px`, which are taken off the image once they are fitted.
    iterations : int
        Steps at most; half of them are enough to tell a bead from something else.

    Returns
    -------
    BeadFits

    Notes
    -----
    Where noise is white this is the maximum-likelihood estimate, with a variance of
    ``2 noise^2 / (amplitude^2 * sum(slope^2))`` along each axis.
    """
    starts = np.ascontiguousarray(centres_px, dtype=np.float64)
    others = starts if avoid_px is None else np.ascontiguousarray(avoid_px, dtype=np.float64)
    fits = np.full((len(starts), 6), np.nan)
    radius = 0.5 * profile.diameter_px
    fit_all(
        image,
        starts,
        others,
        avoid_px is None,
        profile.values,
        profile.slopes,
        window * radius + 1.0,
        radius,
        float(max_move_px),
        1.0 if light else -1.0,
        iterations,
        fits,
    )
    return BeadFits(fits[:, :2], fits[:, 2], fits[:, 3], fits[:, 4], fits[:, 5])
