"""Planes through solved points: how the specimen lies, and how thick it is.

The points lie on one or two parallel planes ``z = a x + b y + c``. The specimen is level after the
tilt offset is added to all tilt angles and the X-axis tilt is given to the reconstruction; both
have IMOD's signs. With `tomoline.geometry.project`, a specimen that is turned by -offset about y
is seen at tilt theta as a level one is at theta + offset, which makes::

    tilt offset = -atan(a),   X-axis tilt = asin(b / sqrt(1 + a^2 + b^2)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_POINTS = 4
"""Points without which a plane's slopes cannot be judged."""
_LEAST_PER_SURFACE = 3
# Two surfaces are told apart when they lie this many scatters from each other.
_SEPARATION = 5.0
_ROUNDS = 20


@dataclass(frozen=True)
class Surfaces:
    """Planes through points.

    Attributes
    ----------
    tilt_offset_deg : float
        To be added to all tilt angles.
    x_axis_tilt_deg : float
        To be given to the reconstruction as XAXISTILT.
    tilt_offset_sd_deg, x_axis_tilt_sd_deg : float
        Their standard errors, from the scatter round the planes.
    surface : (p,) int
        1 for points on the lower (or only) plane, 2 for those on the upper, 0 for points not used.
    low_px, high_px : float
        Height of the planes in the level frame, relative to the centre; equal for one plane.
    scatter_px : float
        Standard deviation of the points' distance from their plane.
    """

    tilt_offset_deg: float
    x_axis_tilt_deg: float
    tilt_offset_sd_deg: float
    x_axis_tilt_sd_deg: float
    surface: NDArray[np.int_]
    low_px: float
    high_px: float
    scatter_px: float

    @property
    def count(self) -> int:
        """Number of planes."""
        return 2 if self.high_px > self.low_px else 1

    @property
    def thickness_px(self) -> float:
        """Distance between the planes, 0 for one."""
        return self.high_px - self.low_px

    @property
    def middle_px(self) -> float:
        """Height half way between the planes in the level frame."""
        return (self.low_px + self.high_px) / 2


def fit_surfaces(points_px: Floats, surfaces: int | None = None) -> Surfaces | None:
    """Fit one or two parallel planes, whatever single points do.

    Parameters
    ----------
    points_px : (p, 3) float64
        (x, y, z) relative to the centre; rows with NaN are left out.
    surfaces : 1, 2 or None
        Number of planes; None for as many as the points show.

    Returns
    -------
    Surfaces or None
        None where fewer than four points, or points on a line, do not tell.

    Examples
    --------
    >>> x, y = np.meshgrid([-100.0, 0, 100], [-80.0, 0, 80])
    >>> z = x * math.tan(math.radians(3))
    >>> found = fit_surfaces(np.stack([x, y, z], -1).reshape(-1, 3))
    >>> round(found.tilt_offset_deg, 3), found.count
    (-3.0, 1)
    """
    good = np.flatnonzero(np.isfinite(points_px).all(axis=1))
    points = points_px[good]
    if len(points) < LEAST_POINTS or not _spread(points):
        return None
    plane = _fit(points, np.zeros(len(points), dtype=int))
    if surfaces != 1 and len(points) >= 2 * _LEAST_PER_SURFACE:
        double = _best_split(points, plane)
        if double is not None and (surfaces == 2 or _separated(double, plane)):
            plane = double
    return _describe(plane, good, len(points_px))


@dataclass(frozen=True)
class _Plane:
    """Slopes a and b, heights c of the planes, which plane a point is on, and its weight."""

    slopes: Floats
    heights: Floats
    label: NDArray[np.int_]
    weights: Floats
    residuals: Floats
    scatter: float
    covariance: Floats


def _spread(points: Floats) -> bool:
    """Whether the points spread in both directions enough for a plane."""
    values = np.linalg.svd(points[:, :2] - points[:, :2].mean(axis=0), compute_uv=False)
    return bool(values[1] > 0.02 * values[0] and values[1] > 1.0)


def _fit(points: Floats, label: NDArray[np.int_]) -> _Plane:
    """Fit planes with common slopes to labelled points, by Tukey's weights."""
    planes = int(label.max()) + 1
    design = np.concatenate([points[:, :2], np.eye(planes)[label]], axis=1)
    z = points[:, 2]
    weights = np.ones(len(points))
    ridge = 1e-12 * np.diag((design**2).sum(axis=0))
    solution = np.zeros(design.shape[1])
    scatter, normal = 0.0, ridge
    for _ in range(_ROUNDS):
        normal = (design * weights[:, None]).T @ design + ridge
        solution = np.linalg.solve(normal, (design * weights[:, None]).T @ z)
        residuals = z - design @ solution
        freedom = max(len(z) - design.shape[1], 1) / len(z)
        scatter = 1.4826 * float(np.median(np.abs(residuals))) / math.sqrt(freedom)
        scatter = max(scatter, 1e-3)
        ratio = np.clip(residuals / (4.685 * scatter), -1, 1)
        new = (1 - ratio**2) ** 2
        if np.abs(new - weights).max() < 1e-3:
            break
        weights = new if new.sum() > design.shape[1] else weights
    residuals = z - design @ solution
    covariance = np.asarray(np.linalg.inv(normal) * scatter**2, dtype=np.float64)
    return _Plane(solution[:2], solution[2:], label, weights, residuals, scatter, covariance)


def _best_split(points: Floats, single: _Plane) -> _Plane | None:
    """Divide the points into two planes, starting from several slopes; the best one, or None."""
    best = None
    for slopes in (single.slopes, np.zeros(2)):
        label = _split(points[:, 2] - points[:, :2] @ slopes)
        for _ in range(_ROUNDS):
            if min(label.sum(), (1 - label).sum()) < _LEAST_PER_SURFACE:
                break
            plane = _fit(points, label)
            height = points[:, 2] - points[:, :2] @ plane.slopes
            new = (height > plane.heights.mean()).astype(int)
            if np.array_equal(new, label):
                if best is None or plane.scatter < best.scatter:
                    best = plane
                break
            label = new
    return best


def _split(heights: Floats) -> NDArray[np.int_]:
    """Divide heights in two with the least sum of squares within the parts."""
    order = np.argsort(heights, kind="stable")
    values = heights[order]
    count = np.arange(1, len(values))
    sums, squares = np.cumsum(values), np.cumsum(values**2)
    rest, rest_squares = sums[-1] - sums[:-1], squares[-1] - squares[:-1]
    within = squares[:-1] - sums[:-1] ** 2 / count
    within += rest_squares - rest**2 / (len(values) - count)
    margin = min(_LEAST_PER_SURFACE - 1, (len(within) - 1) // 2)
    cut = margin + int(np.argmin(within[margin : len(within) - margin])) + 1
    label = np.zeros(len(values), dtype=int)
    label[order[cut:]] = 1
    return label


def _separated(double: _Plane, single: _Plane) -> bool:
    """Whether two planes are really there: far apart, populated, and much better than one."""
    apart = float(abs(double.heights[1] - double.heights[0]))
    used = [float((double.weights[double.label == side] > 0).mean()) for side in (0, 1)]
    # Robust weights may have left one plane out altogether, so all residuals count here.
    spread = float(np.sqrt(np.mean(single.residuals**2)))
    far = apart > _SEPARATION * double.scatter and double.scatter < 0.5 * spread
    return far and min(used) > 0.5


def _describe(plane: _Plane, good: NDArray[np.intp], count: int) -> Surfaces:
    a, b = (float(value) for value in plane.slopes)
    length = math.sqrt(1 + a * a + b * b)
    offset, x_tilt = -math.atan(a), math.asin(b / length)
    sd_a, sd_b = np.sqrt(np.diag(plane.covariance)[:2])
    surface = np.zeros(count, dtype=int)
    low_first = plane.heights[0] <= plane.heights[-1]
    number = plane.label + 1 if low_first else 2 - plane.label
    surface[good] = np.where(plane.weights > 0, number, 0)
    # The height at x = y = 0 along z becomes the distance along the planes' normal.
    heights = np.sort(plane.heights) / length
    return Surfaces(
        tilt_offset_deg=math.degrees(offset),
        x_axis_tilt_deg=math.degrees(x_tilt),
        tilt_offset_sd_deg=math.degrees(sd_a / (1 + a * a)),
        x_axis_tilt_sd_deg=math.degrees(sd_b / (1 + b * b)),
        surface=surface,
        low_px=float(heights[0]),
        high_px=float(heights[-1]),
        scatter_px=plane.scatter,
    )


def level(points_px: Floats, tilt_offset_deg: float, x_axis_tilt_deg: float) -> Floats:
    """Return points (p, 3) in the frame that is level after the offset and the X-axis tilt."""
    d, a = math.radians(tilt_offset_deg), math.radians(x_axis_tilt_deg)
    x, y, z = np.moveaxis(points_px, -1, 0)
    # p = Ry(d) Rx(a) p'.
    x1, z1 = x * math.cos(d) - z * math.sin(d), x * math.sin(d) + z * math.cos(d)
    return np.stack(
        [x1, y * math.cos(a) + z1 * math.sin(a), z1 * math.cos(a) - y * math.sin(a)], -1
    )
