"""Bundle adjustment of a tilt series: the views' geometry and the specimen's points together.

Beads and patches are the same to it: tracks, with gaps. The model is tiltalign's (Mastronarde 2007,
J. Struct. Biol. 159, 1; formulas in the module `_bundle_model`); the minimiser is Levenberg-
Marquardt with the points eliminated, which needs a few steps where a variable-metric search needs
hundreds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._bundle_fit import LEAST_VIEWS, fit_tracks, prepare, usable
from tomoline.kernels._bundle_leave_out import LeaveOut, leave_out_error
from tomoline.kernels._bundle_options import BundleOptions
from tomoline.kernels._bundle_restrict import Restricted, restrict
from tomoline.kernels._bundle_solution import BundleSolution, expand

Floats = NDArray[np.float64]

__all__ = [
    "LEAST_VIEWS",
    "BundleOptions",
    "BundleSolution",
    "LeaveOut",
    "Restricted",
    "leave_out_error",
    "restrict",
    "solvable",
    "solve_bundle",
    "usable",
]


def solve_bundle(
    tracks_px: Floats, tilt_rad: Floats, axis_rad: float, options: BundleOptions | None = None
) -> BundleSolution:
    """Solve for the views' geometry and the points' places from tracked positions.

    Parameters
    ----------
    tracks_px : (p, v, 2) float64
        Measured (x, y), relative to the centre of the image; NaN where missing.
    tilt_rad : (v,) float64
        Nominal tilt angles.
    axis_rad : float
        Tilt axis angle in these images, from the vertical, counter-clockwise: where the search
        starts, or the fixed rotation.
    options : BundleOptions, optional

    Returns
    -------
    BundleSolution
        Its origin is the specimen point that stays nearest to the images' centres through all
        views, so the field stays where the coarse alignment had it, also in z.

    Raises
    ------
    ValueError
        If no track is seen in three views: test with `solvable` first.

    Examples
    --------
    >>> tilt = np.radians([-40.0, -20.0, 0.0, 20.0, 40.0])
    >>> points = np.array([[50.0, 10, 5], [-40, 30, -8], [10, -60, 3], [-20, -20, 12]])
    >>> u = points[:, :1] * np.cos(tilt) + points[:, 2:] * np.sin(tilt)
    >>> tracks = np.stack([u, np.broadcast_to(points[:, 1:2], u.shape)], axis=-1)
    >>> bool(solve_bundle(tracks, tilt, 0.0).mean_residual_px < 1e-6)
    True
    """
    options = options or BundleOptions()
    tracks_px = np.asarray(tracks_px, dtype=np.float64)
    tilt_rad = np.asarray(tilt_rad, dtype=np.float64)
    data = prepare(tracks_px)
    fit = fit_tracks(data, tilt_rad[data.columns], axis_rad, options)
    return expand(fit, data, tracks_px, tilt_rad, options)


def solvable(tracks_px: Floats, least_tracks: int = 1) -> bool:
    """Whether there are enough tracks and views for `solve_bundle`."""
    _, tracked, seen = usable(np.asarray(tracks_px, dtype=np.float64))
    return bool(tracked.sum() >= least_tracks and seen.sum() >= LEAST_VIEWS)
