"""How well an alignment predicts what it was not told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._bundle_fit import LEAST_VIEWS, Prepared, fit_tracks, make_problem, prepare
from tomoline.kernels._bundle_model import project
from tomoline.kernels._bundle_options import BundleOptions
from tomoline.kernels._bundle_solution import BundleSolution
from tomoline.kernels._bundle_solver import State

Floats = NDArray[np.float64]

# Root mean square over median of the length of a two-dimensional normal error.
_RMS_OF_MEDIAN = float(1 / np.sqrt(np.log(2)))
_STEPS = 2


@dataclass(frozen=True)
class LeaveOut:
    """Errors of predicted positions that took no part in the fit.

    Attributes
    ----------
    rms_px : float
        Root mean square length from the median length, as if the errors were normal: outliers do
        not count. NaN where nothing could be left out.
    mean_px : float
        Mean length, outliers included.
    measured : int
        Number of positions predicted.
    errors_px : (p, v) float64
        Length of each error; NaN where nothing was predicted.
    """

    rms_px: float
    mean_px: float
    measured: int
    errors_px: Floats


def leave_out_error(
    tracks_px: Floats,
    tilt_rad: Floats,
    axis_rad: float,
    options: BundleOptions | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    solution: BundleSolution | None = None,
) -> LeaveOut:
    """Leave measurements out of the fit, a part at a time, and predict them.

    A part is a random selection of single measurements. Each fit starts from the full solution
    and keeps its robust weights, so that two steps are enough. Every measurement counts, also one
    that the robust fit gave no weight, so a fit does not look better for ignoring points.

    Parameters
    ----------
    tracks_px, tilt_rad, axis_rad, options
        As for `tomoline.kernels.bundle.solve_bundle`.
    folds : int
        Number of parts, at least 2.
    seed : int
        Of the selection: the same seed gives the same parts.
    solution : BundleSolution, optional
        The full solution, if it is at hand.

    Returns
    -------
    LeaveOut
    """
    options = options or BundleOptions()
    tracks_px = np.asarray(tracks_px, dtype=np.float64)
    tilt_rad = np.asarray(tilt_rad, dtype=np.float64)
    data = prepare(tracks_px)
    angles = tilt_rad[data.columns]
    if solution is None:
        fit = fit_tracks(data, angles, axis_rad, options)
        start, weights, noise = fit.state, fit.weights, fit.noise_px
    else:
        start = State(solution.points_px[data.rows], solution.parameters[data.columns])
        weights = solution.weights[np.ix_(data.rows, data.columns)]
        noise = solution.noise_px
    problem = make_problem(data.tracks, angles, axis_rad, options)
    part = np.random.default_rng(seed).integers(folds, size=data.mask.shape)
    errors = np.full(data.mask.shape, np.nan)
    for fold in range(folds):
        left_out = data.mask & (part == fold)
        kept = np.where(left_out, 0.0, weights)
        left_out &= _determined(data, kept)
        if not left_out.any():
            continue
        state = start
        for _ in range(_STEPS):
            state, _ = problem.step(state, kept, noise)
        difference = data.tracks - project(state.points, state.views)
        errors[left_out] = np.hypot(difference[..., 0], difference[..., 1])[left_out]
    measured = errors[np.isfinite(errors)]
    everything = np.full(tracks_px.shape[:2], np.nan)
    everything[np.ix_(data.rows, data.columns)] = errors
    if not len(measured):
        return LeaveOut(float("nan"), float("nan"), 0, everything)
    rms = float(np.median(measured)) * _RMS_OF_MEDIAN
    return LeaveOut(rms, float(measured.mean()), len(measured), everything)


def _determined(data: Prepared, kept: Floats) -> NDArray[np.bool_]:
    """Tell which tracks and views keep enough measurements to predict one, (p, v)."""
    tracks = (kept > 0).sum(axis=1) >= LEAST_VIEWS
    views = (kept > 0).sum(axis=0) >= 2
    result: NDArray[np.bool_] = tracks[:, None] & views[None, :]
    return result
