"""The course of a bundle adjustment: a linear start, then steps and weights in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import _bundle_robust as robust
from tomoline.kernels._bundle_model import (
    BEAM_TILT,
    MAGNIFICATION,
    PARAMETERS,
    ROTATION,
    TILT,
    project,
)
from tomoline.kernels._bundle_options import BundleOptions
from tomoline.kernels._bundle_solver import Problem, State
from tomoline.kernels._bundle_variables import shift_kinds, variable_kinds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_VIEWS = 3
"""Views that a track must be seen in to take part."""
# Steps that move things by less than this part of the noise change nothing that matters.
_SETTLED = 1e-3
# Weights that have not settled by then swing to and fro, and are averaged.
_PATIENCE = 12


def usable(tracks_px: Floats) -> tuple[Bools, Bools, Bools]:
    """Tell which measurements (p, v), tracks (p,) and views (v,) can take part."""
    used = np.isfinite(tracks_px).all(axis=-1)
    tracked = used.sum(axis=1) >= LEAST_VIEWS
    used = used & tracked[:, None]
    return used, tracked, used.any(axis=0)


@dataclass(frozen=True)
class Prepared:
    """The tracks and views that take part, without gaps in their numbering.

    Attributes
    ----------
    tracks : (p, v, 2) float64
        Sorted by their first view; 0 where nothing was measured.
    mask : (p, v) bool
        Where something was measured.
    rows, columns : (p,), (v,) int
        Their places among all tracks and views.
    """

    tracks: Floats
    mask: Bools
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def prepare(tracks_px: Floats) -> Prepared:
    """Pick the tracks and views that take part.

    Raises
    ------
    ValueError
        If no track is seen in three views.
    """
    used, tracked, seen = usable(tracks_px)
    if not tracked.any():
        raise ValueError("no track is seen in three views")
    rows = np.flatnonzero(tracked)
    rows = rows[np.argsort(used[rows].argmax(axis=1), kind="stable")]
    columns = np.flatnonzero(seen)
    mask = used[np.ix_(rows, columns)]
    tracks = np.where(mask[..., None], tracks_px[np.ix_(rows, columns)], 0.0)
    return Prepared(tracks, mask, rows, columns)


@dataclass(frozen=True)
class Fit:
    """The minimiser's result on the tracks and views that take part."""

    state: State
    weights: Floats
    converged: bool
    iterations: int
    unknowns: int
    noise_px: float


def base_parameters(tilt_rad: Floats, axis_rad: float, options: BundleOptions) -> Floats:
    """Return the view parameters (v, 6) that the minimiser starts from and the priors pull to."""
    base = np.zeros((len(tilt_rad), PARAMETERS))
    base[:, ROTATION], base[:, TILT], base[:, MAGNIFICATION] = axis_rad, tilt_rad, 1.0
    base[:, BEAM_TILT] = options.beam_tilt_rad
    return base


def make_problem(
    tracks: Floats, tilt_rad: Floats, axis_rad: float, options: BundleOptions
) -> Problem:
    """Return the problem with the variables that the options ask for."""
    kinds = [*variable_kinds(options, tilt_rad), *shift_kinds(len(tilt_rad))]
    return Problem(tracks, kinds, base_parameters(tilt_rad, axis_rad, options))


def fit_tracks(data: Prepared, tilt_rad: Floats, axis_rad: float, options: BundleOptions) -> Fit:
    """Minimise in two stages: shifts and points, which is linear, and then everything.

    `tilt_rad` holds the angles of the views that take part.
    """
    tracks, mask = data.tracks, data.mask
    base = base_parameters(tilt_rad, axis_rad, options)
    weights = mask.astype(np.float64)
    state = State(np.zeros((len(tracks), 3)), base)
    first = Problem(tracks, shift_kinds(len(tilt_rad)), base)
    for _ in range(4 if options.robust else 1):
        state, _ = first.step(state, weights, 0.0)
        if options.robust:
            # Weights of least absolute residuals: no outlier pulls the start far away.
            residuals = lengths(tracks, state)
            scale = float(np.median(residuals[mask])) + 1e-9
            weights = np.where(mask, 1 / np.maximum(residuals / scale, 1.0), 0.0)
    problem = make_problem(tracks, tilt_rad, axis_rad, options)
    unknowns = problem.unknowns + 3 * len(tracks) - 3
    return _iterate(problem, state, weights, mask, unknowns, options)


def _iterate(
    problem: Problem,
    state: State,
    weights: Floats,
    mask: Bools,
    unknowns: int,
    options: BundleOptions,
) -> Fit:
    """Step and weigh in turn until neither changes."""
    order = np.argsort(problem.base[:, TILT], kind="stable")
    weigh = robust.track_weights if options.weight_whole_tracks else robust.point_weights
    noise, converged, iteration = 0.0, False, 0
    for iteration in range(1, options.max_iterations + 1):
        residuals = lengths(problem.tracks, state)
        noise = robust.noise_level(residuals, mask, unknowns)
        settled = True
        if options.robust and iteration > 2:
            new = weigh(residuals, mask, order, options.k_factor)
            new = _keep_determined(new, mask)
            if iteration > _PATIENCE:
                new = (new + weights) / 2
            # Residuals that are rounding errors have no order that weights could settle on.
            settled = noise < 1e-9 or bool(np.abs(new - weights).max(initial=0.0) < 0.01)
            weights = new
        elif not options.robust:
            weights = mask.astype(np.float64)
        state, moved = problem.step(state, weights, noise)
        if settled and moved < _SETTLED * max(noise, 1e-5) and iteration > 2:
            converged = True
            break
    residuals = lengths(problem.tracks, state)
    noise = robust.noise_level(residuals, mask, unknowns)
    return Fit(state, weights, converged, iteration, unknowns, noise)


def _keep_determined(weights: Floats, mask: Bools) -> Floats:
    """Give a little weight back to tracks and views that would lose all of theirs."""
    lost = (weights > 0.05).sum(axis=1) < LEAST_VIEWS
    weights = np.where(lost[:, None] & mask, np.maximum(weights, 0.05), weights)
    lost_views = weights.sum(axis=0) < 0.5
    result: Floats = np.where(lost_views[None, :] & mask, np.maximum(weights, 0.05), weights)
    return result


def lengths(tracks: Floats, state: State) -> Floats:
    """Return the lengths of all residuals, (p, v) pixels."""
    residuals = tracks - project(state.points, state.views)
    result: Floats = np.hypot(residuals[..., 0], residuals[..., 1])
    return result
