"""Bundle adjustment of a tilt series: the views' geometry and the specimen's points together.

Beads and patches are the same to it: tracks, with gaps. The model is tiltalign's (Mastronarde 2007,
J. Struct. Biol. 159, 1; methods in the module `_bundle_model`); the minimiser is Levenberg-
Marquardt with the points eliminated, which needs a few steps where a variable-metric search needs
hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import _bundle_robust as robust
from tomoline.kernels._bundle_model import (
    BEAM_TILT,
    DX,
    DY,
    MAGNIFICATION,
    PARAMETERS,
    ROTATION,
    TILT,
    equivalent_angles,
    project,
)
from tomoline.kernels._bundle_options import BundleOptions
from tomoline.kernels._bundle_solver import Problem, State
from tomoline.kernels._bundle_variables import shift_kinds, variable_kinds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_VIEWS = 3
"""Views that a track must be seen in to take part."""

__all__ = ["BundleOptions", "BundleSolution", "solvable", "solve_bundle", "usable"]


@dataclass(frozen=True)
class BundleSolution:
    """The solved geometry of a tilt series.

    All positions are in pixels relative to the centre of the image that the tracks were measured
    in. Views without tracks have interpolated parameters; `view_solved` tells them.

    Attributes
    ----------
    points_px : (p, 3) float64
        (x, y, z) of each track's point; NaN where the track has too few views.
    rotation_rad, tilt_rad, magnification : (v,) float64
    shift_px : (v, 2) float64
    beam_tilt_rad : float
    residuals_px : (p, v, 2) float64
        Measured less predicted position; NaN where nothing was measured.
    weights : (p, v) float64
        Robust weights; 1 everywhere without them, 0 where nothing was measured.
    predicted_px : (p, v, 2) float64
        Positions that the solution predicts in all views; NaN for points not solved.
    view_solved : (v,) bool
    converged : bool
    iterations : int
    degrees_of_freedom : int
        Measured coordinates less unknowns.
    unknowns : int
    noise_px : float
        Standard deviation of a coordinate, from the median residual.
    options : BundleOptions
    """

    points_px: Floats
    rotation_rad: Floats
    tilt_rad: Floats
    magnification: Floats
    shift_px: Floats
    beam_tilt_rad: float
    residuals_px: Floats
    weights: Floats
    predicted_px: Floats
    view_solved: Bools
    converged: bool
    iterations: int
    degrees_of_freedom: int
    unknowns: int
    noise_px: float
    options: BundleOptions

    @property
    def parameters(self) -> Floats:
        """The views' six parameters, (v, 6), as `_bundle_model` orders them."""
        beam = np.full(len(self.tilt_rad), self.beam_tilt_rad)
        columns = (self.rotation_rad, self.tilt_rad, self.magnification, beam, *self.shift_px.T)
        return np.stack(columns, axis=1)

    @property
    def residual_lengths_px(self) -> Floats:
        """Length of each residual, (p, v); NaN where nothing was measured."""
        lengths: Floats = np.hypot(self.residuals_px[..., 0], self.residuals_px[..., 1])
        return lengths

    @property
    def mean_residual_px(self) -> float:
        """Mean length of the residuals, all measurements alike."""
        lengths = self.residual_lengths_px
        return float(np.nanmean(lengths)) if np.isfinite(lengths).any() else float("nan")

    @property
    def weighted_residual_px(self) -> float:
        """Mean length of the residuals with their weights."""
        lengths = self.residual_lengths_px
        good = np.isfinite(lengths)
        total = self.weights[good].sum()
        return float((self.weights[good] * lengths[good]).sum() / total) if total else float("nan")

    @property
    def common_rotation_rad(self) -> float:
        """Mean rotation of the solved views: the tilt axis angle."""
        return float(self.rotation_rad[self.view_solved].mean())

    def equivalent(self) -> tuple[Floats, Floats, Floats]:
        """Return rotation, tilt and X-axis tilt of each view, with the beam tilt worked in, (v,).

        Without beam tilt these are the solved ones and zeros.
        """
        return equivalent_angles(self.parameters)

    def transforms(self) -> Floats:
        """Return the transforms from the tracked to the aligned images, (v, 2, 3).

        With A = R(-rotation) / magnification and d = -A shift, the aligned image shows
        (x cos + z sin, y), as `tomoline.geometry.project`. These are the lines of a ``.tltxf``.
        """
        rotation, _, _ = self.equivalent()
        cos, sin = np.cos(rotation), np.sin(rotation)
        matrix = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], axis=1)
        matrix /= self.magnification[:, None, None]
        result = np.empty((len(rotation), 2, 3))
        result[..., :2] = matrix
        result[..., 2] = -(matrix @ self.shift_px[..., None])[..., 0]
        return result


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
        If fewer than one track with three views, or fewer than three views, are left: test with
        `solvable` first.

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
    used, tracked, seen = usable(tracks_px)
    if not tracked.any() or seen.sum() < LEAST_VIEWS:
        raise ValueError("no track is seen in three views")
    rows = np.flatnonzero(tracked)
    rows = rows[np.argsort(used[rows].argmax(axis=1), kind="stable")]
    columns = np.flatnonzero(seen)
    mask = used[np.ix_(rows, columns)]
    tracks = np.where(mask[..., None], tracks_px[np.ix_(rows, columns)], 0.0)
    fit = _fit(tracks, mask, tilt_rad[columns], axis_rad, options)
    return _expand(fit, tracks_px, tilt_rad, rows, columns, options)


def solvable(tracks_px: Floats, least_tracks: int = 1) -> bool:
    """Whether there are enough tracks and views for `solve_bundle`."""
    _, tracked, seen = usable(np.asarray(tracks_px, dtype=np.float64))
    return bool(tracked.sum() >= least_tracks and seen.sum() >= LEAST_VIEWS)


def usable(tracks_px: Floats) -> tuple[Bools, Bools, Bools]:
    """Tell which measurements (p, v), tracks (p,) and views (v,) can take part."""
    used = np.isfinite(tracks_px).all(axis=-1)
    tracked = used.sum(axis=1) >= LEAST_VIEWS
    used = used & tracked[:, None]
    return used, tracked, used.any(axis=0)


@dataclass(frozen=True)
class _Fit:
    """The minimiser's result on the tracks and views that take part."""

    state: State
    weights: Floats
    converged: bool
    iterations: int
    unknowns: int
    noise_px: float


def _fit(
    tracks: Floats, mask: Bools, tilt_rad: Floats, axis_rad: float, options: BundleOptions
) -> _Fit:
    """Minimise in two stages: shifts and points, which is linear, and then everything."""
    base = np.zeros((len(tilt_rad), PARAMETERS))
    base[:, ROTATION], base[:, TILT], base[:, MAGNIFICATION] = axis_rad, tilt_rad, 1.0
    base[:, BEAM_TILT] = options.beam_tilt_rad
    shifts = shift_kinds(len(tilt_rad))
    weights = mask.astype(np.float64)
    state = State(np.zeros((len(tracks), 3)), base.copy())
    first = Problem(tracks, shifts, base)
    for _ in range(4 if options.robust else 1):
        state, _ = first.step(state, weights, 0.0)
        if options.robust:
            # Weights of least absolute residuals: no outlier pulls the start far away.
            lengths = _lengths(tracks, state)
            scale = float(np.median(lengths[mask])) + 1e-9
            weights = np.where(mask, 1 / np.maximum(lengths / scale, 1.0), 0.0)
    problem = Problem(tracks, [*variable_kinds(options, tilt_rad), *shifts], base)
    unknowns = problem.unknowns + 3 * len(tracks) - 3
    return _iterate(problem, state, weights, mask, unknowns, options)


def _iterate(
    problem: Problem,
    state: State,
    weights: Floats,
    mask: Bools,
    unknowns: int,
    options: BundleOptions,
) -> _Fit:
    """Step and weigh in turn until neither changes."""
    order = np.argsort(problem.base[:, TILT], kind="stable")
    weigh = robust.track_weights if options.weight_whole_tracks else robust.point_weights
    noise, converged, iteration = 0.0, False, 0
    for iteration in range(1, options.max_iterations + 1):
        lengths = _lengths(problem.tracks, state)
        noise = robust.noise_level(lengths, mask, unknowns)
        settled = True
        if options.robust and iteration > 2:
            new = weigh(lengths, mask, order, options.k_factor)
            new = _keep_determined(new, mask)
            # Residuals that are rounding errors have no order that weights could settle on.
            settled = noise < 1e-9 or bool(np.abs(new - weights).max(initial=0.0) < 0.01)
            weights = new
        elif not options.robust:
            weights = mask.astype(np.float64)
        state, moved = problem.step(state, weights, noise)
        if settled and moved < 1e-4 * max(noise, 1e-5) and iteration > 2:
            converged = True
            break
    lengths = _lengths(problem.tracks, state)
    noise = robust.noise_level(lengths, mask, unknowns)
    return _Fit(state, weights, converged, iteration, unknowns, noise)


def _keep_determined(weights: Floats, mask: Bools) -> Floats:
    """Give a little weight back to tracks and views that would lose all of theirs."""
    lost = (weights > 0.05).sum(axis=1) < LEAST_VIEWS
    weights = np.where(lost[:, None] & mask, np.maximum(weights, 0.05), weights)
    lost_views = weights.sum(axis=0) < 0.5
    result: Floats = np.where(lost_views[None, :] & mask, np.maximum(weights, 0.05), weights)
    return result


def _lengths(tracks: Floats, state: State) -> Floats:
    residuals = tracks - project(state.points, state.views)
    lengths: Floats = np.hypot(residuals[..., 0], residuals[..., 1])
    return lengths


def _expand(
    fit: _Fit,
    tracks_px: Floats,
    tilt_rad: Floats,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    options: BundleOptions,
) -> BundleSolution:
    """Choose the origin, fill in views without tracks, and work out the residuals."""
    points, solved_views = _centre(fit.state.points, fit.state.views)
    solved = np.zeros(len(tilt_rad), dtype=bool)
    solved[columns] = True
    views = np.empty((len(tilt_rad), PARAMETERS))
    order = np.argsort(tilt_rad[columns], kind="stable")
    for parameter in range(PARAMETERS):
        values = solved_views[:, parameter].copy()
        nominal = np.zeros(len(tilt_rad))
        if parameter == TILT:
            nominal = tilt_rad
            values -= tilt_rad[columns]
        views[:, parameter] = nominal + np.interp(tilt_rad, tilt_rad[columns][order], values[order])
        views[columns, parameter] = solved_views[:, parameter]
    all_points = np.full((len(tracks_px), 3), np.nan)
    all_points[rows] = points
    weights = np.zeros(tracks_px.shape[:2])
    weights[np.ix_(rows, columns)] = fit.weights
    predicted = project(all_points, views)
    measured = 2 * int(np.isfinite(tracks_px[rows]).all(axis=-1).sum())
    return BundleSolution(
        points_px=all_points,
        rotation_rad=views[:, ROTATION],
        tilt_rad=views[:, TILT],
        magnification=views[:, MAGNIFICATION],
        shift_px=np.ascontiguousarray(views[:, [DX, DY]]),
        beam_tilt_rad=float(views[0, BEAM_TILT]),
        residuals_px=tracks_px - predicted,
        weights=weights,
        predicted_px=predicted,
        view_solved=solved,
        converged=fit.converged,
        iterations=fit.iterations,
        degrees_of_freedom=measured - fit.unknowns,
        unknowns=fit.unknowns,
        noise_px=fit.noise_px,
        options=options,
    )


def _centre(points: Floats, views: Floats) -> tuple[Floats, Floats]:
    """Move the origin to the point that stays nearest to the centres of the images."""
    base = views.copy()
    base[:, [DX, DY]] = 0.0
    axes = np.moveaxis(project(np.eye(3), base), 0, -1)  # (v, 2, 3)
    target = -views[:, [DX, DY]]
    weights = np.ones(len(views))
    origin = np.zeros(3)
    ridge = 1e-3 * len(views) * np.diag([0.0, 0.0, 1.0])
    for _ in range(10):
        normal = np.einsum("v,vka,vkb->ab", weights, axes, axes) + ridge
        origin = np.linalg.solve(normal, np.einsum("v,vka,vk->a", weights, axes, target))
        distance = np.hypot(*(target - axes @ origin).T)
        weights = 1 / np.maximum(distance, float(np.median(distance)) + 1e-9)
    views = views.copy()
    views[:, [DX, DY]] += axes @ origin
    return points - origin, views
