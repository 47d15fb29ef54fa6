"""The result of a bundle adjustment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._bundle_fit import Fit, Prepared
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

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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


def expand(
    fit: Fit, data: Prepared, tracks_px: Floats, tilt_rad: Floats, options: BundleOptions
) -> BundleSolution:
    """Choose the origin, fill in views without tracks, and work out the residuals."""
    rows, columns = data.rows, data.columns
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
    """Make the mean magnification 1, and the origin what stays nearest the images' centres."""
    views, scale = views.copy(), float(views[:, MAGNIFICATION].mean())
    views[:, MAGNIFICATION] /= scale
    points = points * scale
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
    views[:, [DX, DY]] += axes @ origin
    return points - origin, views
