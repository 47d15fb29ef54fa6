"""Positions of beads from views that differ by shifts only: the quick linear solution.

Everything here is in the turned frame, where the tilt axis is vertical: a bead (x, y, z) is seen at
``u = x cos + z sin + shift_u``, ``v = y + shift_v``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoline.kernels.bead_model import Floats


@dataclass(frozen=True)
class LinearSolution:
    """Beads and shifts that fit tracks best.

    Attributes
    ----------
    points_px : (p, 3) float64
        (x, y, z); NaN for a bead that was seen nowhere.
    shifts_px : (v, 2) float64
        NaN for views without a bead.
    residuals_px : (p, v, 2) float64
        Seen minus predicted.
    covariance : (p, 2, 2) float64
        Of (x, z), for measurements with a variance of 1.
    """

    points_px: Floats
    shifts_px: Floats
    residuals_px: Floats
    covariance: Floats

    def predict(self, tilt_rad: float) -> Floats:
        """Return where the beads would be seen without a shift, (p, 2)."""
        x, y, z = self.points_px.T
        return np.stack([x * np.cos(tilt_rad) + z * np.sin(tilt_rad), y], axis=1)

    def spread(self, tilt_rad: float) -> Floats:
        """Return how uncertain u is in a view, (p,), in standard deviations of a measurement."""
        along = np.array([np.cos(tilt_rad), np.sin(tilt_rad)])
        variance: Floats = np.einsum("i,pij,j->p", along, self.covariance, along)
        return np.sqrt(variance)


def solve_linear(tracks_uv: Floats, tilt_rad: Floats, depth_px: float) -> LinearSolution:
    """Solve for beads and shifts by least squares.

    Parameters
    ----------
    tracks_uv : (p, v, 2) float64
        Where beads were seen in the turned frame; NaN where they were not.
    tilt_rad : (v,) float64
    depth_px : float
        Standard deviation of z known beforehand; keeps beads seen in few views sane.

    Returns
    -------
    LinearSolution

    Notes
    -----
    Beads are eliminated first (2 x 2 for x and z, 1 x 1 for y), which leaves one equation for each
    view's shift. The mean of the shifts and the mean position of the beads can be exchanged; a
    weak pull of the shifts to 0 decides.
    """
    seen = np.isfinite(tracks_uv[..., 0])
    w = seen.astype(np.float64)
    u = np.where(seen, tracks_uv[..., 0], 0.0)
    v = np.where(seen, tracks_uv[..., 1], 0.0)
    basis = np.stack([np.cos(tilt_rad), np.sin(tilt_rad)], axis=1)
    products = basis[:, :, None] * basis[:, None, :]
    normal = (w @ products.reshape(-1, 4)).reshape(-1, 2, 2)
    normal += np.diag([1e-8, 1.0 / depth_px**2])
    covariance = np.linalg.inv(normal)
    per_view = w.sum(axis=0)
    gauge = np.where(per_view > 0, 1e-3, 1.0)
    # u: eliminate (x, z) of every bead.
    weighted = w[:, :, None] * basis[None]
    reduced = weighted @ covariance
    left = np.diag(per_view + gauge)
    left -= reduced[..., 0].T @ weighted[..., 0] + reduced[..., 1].T @ weighted[..., 1]
    moment = u @ basis
    right = u.sum(axis=0) - (reduced * moment[:, None]).sum(axis=(0, 2))
    shift_u = np.linalg.solve(left, right)
    xz = (covariance @ (moment - w @ (basis * shift_u[:, None]))[:, :, None])[..., 0]
    # v: eliminate y of every bead.
    count = w.sum(axis=1)
    share = w / np.maximum(count, 1e-9)[:, None]
    left = np.diag(per_view + gauge) - share.T @ w
    shift_v = np.linalg.solve(left, v.sum(axis=0) - share.T @ v.sum(axis=1))
    y = (v - w * shift_v).sum(axis=1) / np.maximum(count, 1e-9)
    points = np.stack([xz[:, 0], y, xz[:, 1]], axis=1)
    points[count == 0] = np.nan
    shifts = np.stack([shift_u, shift_v], axis=1)
    shifts[per_view == 0] = np.nan
    predicted_u = xz @ basis.T + shift_u
    residuals = tracks_uv - np.stack([predicted_u, y[:, None] + shift_v], axis=2)
    return LinearSolution(points, shifts, residuals, covariance)


def turn(points_px: Floats, axis_rad: float) -> Floats:
    """Turn positions (..., 2) so that a tilt axis at `axis_rad` becomes vertical."""
    cos, sin = np.cos(axis_rad), np.sin(axis_rad)
    x, y = points_px[..., 0], points_px[..., 1]
    return np.stack([cos * x + sin * y, -sin * x + cos * y], axis=-1)


def refine_axis(
    tracks_px: Floats, tilt_rad: Floats, axis_rad: float, depth_px: float, range_rad: float = 0.07
) -> float:
    """Return the axis angle near `axis_rad` at which the linear solution fits best.

    Parameters
    ----------
    tracks_px : (p, v, 2) float64
        Unturned positions.
    tilt_rad : (v,) float64
    axis_rad : float
        Where the search starts.
    depth_px : float
        As for `solve_linear`.
    range_rad : float
        How far the search goes to each side.
    """

    def misfit(angle: float) -> float:
        residuals = solve_linear(turn(tracks_px, angle), tilt_rad, depth_px).residuals_px
        square = (residuals**2).sum(axis=2)
        square = square[np.isfinite(square)]
        # Far outliers may not decide.
        return float(np.minimum(square, 25.0).mean()) if square.size else 0.0

    low, high = axis_rad - range_rad, axis_rad + range_rad
    ratio = (5**0.5 - 1) / 2
    inner = [high - ratio * (high - low), low + ratio * (high - low)]
    costs = [misfit(inner[0]), misfit(inner[1])]
    while high - low > 2e-4:
        if costs[0] <= costs[1]:
            high = inner[1]
            inner = [high - ratio * (high - low), inner[0]]
            costs = [misfit(inner[0]), costs[0]]
        else:
            low = inner[0]
            inner = [inner[1], low + ratio * (high - low)]
            costs = [costs[1], misfit(inner[1])]
    return 0.5 * (low + high)
