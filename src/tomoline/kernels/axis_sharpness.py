"""The rotation axis from the sharpness of slices.

With a wrong axis each detail of a slice becomes an arc. All axes leave the slice's energy nearly
the same; what changes is how it is spread. So the figure of merit is the sparsity of the slice's
gradients: the mean of their lengths over its root mean square, least where edges are sharpest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import filters
from tomoline.kernels._backproject_numba import lay_out
from tomoline.kernels.backproject import LANES, SliceGeometry, backproject

Real = NDArray[np.float32]
Floats = NDArray[np.float64]


def slices_for_axes(
    sinogram: Real,
    angles_rad: Floats,
    axes_px: Sequence[float],
    size_px: int,
    smooth_px: float,
    centre_px: tuple[float, float] = (0.0, 0.0),
) -> Real:
    """Reconstruct the same part of a slice for several axes, by filtered back-projection.

    Parameters
    ----------
    sinogram : (angle, column) float32
    angles_rad : (angle,) float64
        In any order, over half a turn or more; each counts for the angle around it that no other
        is nearer to, so that directions that are seen twice do not count double.
    axes_px : sequence of float
        Up to 32 axes.
    size_px : int
        Side of the part.
    smooth_px : float
        Gaussian that the slice is smoothed with.
    centre_px : (float, float)
        Middle (x, y) of the part, relative to the axis.

    Returns
    -------
    (axis, y, x) float32
        Density per pixel.
    """
    angles, width = sinogram.shape
    geometry = SliceGeometry(
        np.asarray(angles_rad, np.float64),
        width,
        size_px,
        x_count=size_px,
        x_shift_px=-centre_px[0],
        z_shift_px=-centre_px[1],
    )
    padded = filters.padded_size(width, geometry.margin)
    frequency = np.arange(padded // 2 + 1) / padded
    response = frequency * np.exp(-2 * (math.pi * frequency * smooth_px) ** 2)
    widths = half_turn_widths(np.asarray(angles_rad, np.float64))
    moves = np.zeros(LANES)
    moves[: len(axes_px)] = (width - 1) / 2 - np.asarray(axes_px)
    data = np.empty((angles, geometry.columns, LANES), np.float32)
    rows = np.empty((LANES, width), np.float32)
    for angle in range(angles):
        rows[:] = sinogram[angle]
        weights = (response * widths[angle]).astype(np.float32)
        filtered = filters.filter_rows(rows, weights, padded, shift_px=moves)
        lay_out(filtered, geometry.margin, width, data[angle])
    return backproject(data, geometry, len(axes_px))


def half_turn_widths(angles_rad: Floats) -> Floats:
    """Return the part of half a turn that each angle stands for, (angle,) float64, radians.

    Half a turn later, the same rays are seen again, so angles count modulo pi. Beside a gap in the
    angles, no angle stands for more than three usual steps.

    >>> half_turn_widths(np.radians([0.0, 60.0, 120.0, 180.0])).round(3)
    array([0.524, 1.047, 1.047, 0.524])
    """
    folded = np.mod(angles_rad + 1e-9, math.pi)
    order = np.argsort(folded, kind="stable")
    ordered = folded[order]
    gaps = np.diff(ordered, append=ordered[0] + math.pi)
    gaps = np.minimum(gaps, 3 * max(float(np.median(gaps)), math.pi / len(gaps)))
    widths = np.empty(len(gaps))
    widths[order] = (gaps + np.roll(gaps, 1)) / 2
    return widths


def spread_of_gradients(slices: Real) -> Floats:
    """Return mean over root mean square of the gradients in the inscribed circle, (slice,).

    Least where the slice is sharpest; 1 for a slice without any structure.
    """
    size = slices.shape[-1]
    place = np.arange(size) - (size - 1) / 2
    inside = np.hypot(place[:, None], place[None, :]) < 0.47 * size
    result = np.ones(len(slices))
    for number, one in enumerate(slices):
        down, right = np.gradient(one)
        length = np.hypot(down[inside], right[inside])
        square = float(np.mean(length**2, dtype=np.float64))
        if square > 0:
            result[number] = float(np.mean(length, dtype=np.float64)) / math.sqrt(square)
    return result


def sharpest(
    axes_px: Floats, values: Floats, half_window_px: float
) -> tuple[float, float, float] | None:
    """Find the least of a curve by parabolas over a window that is even about it.

    Parameters
    ----------
    axes_px : (axis,) float64
        Evenly spaced.
    values : (axis,) float64
        Figure of merit, least at the best axis.
    half_window_px : float
        The parabola goes through what lies within this distance of its own vertex: a window that
        is not even about it would pull it to one side.

    Returns
    -------
    (axis_px, depth, error_px) or None
        Vertex; how much higher the curve's ends are, relative; standard error from what the
        parabola leaves. None where the least lies at the edge.
    """
    from scipy.interpolate import CubicSpline

    best = int(np.argmin(values))
    if best in (0, len(values) - 1):
        return None
    curve = CubicSpline(axes_px, values)
    vertex = float(axes_px[best])
    offsets = np.linspace(-half_window_px, half_window_px, 25)
    error = math.inf
    for _ in range(30):
        low, high = vertex - half_window_px, vertex + half_window_px
        if low < axes_px[0] or high > axes_px[-1]:
            return None
        samples = curve(vertex + offsets)
        bend, tilt, _ = np.polyfit(offsets, samples, 2)
        if bend <= 0:
            return None
        move = float(np.clip(-tilt / (2 * bend), -half_window_px / 2, half_window_px / 2))
        even = samples - (samples + samples[::-1]) / 2
        odd = even - offsets * float((even * offsets).sum() / (offsets**2).sum())
        error = float(np.sqrt(np.mean(odd**2))) / (2 * bend * half_window_px)
        vertex += move
        if abs(move) < 1e-4:
            break
    least = float(curve(vertex))
    ends = float(min(values[:3].mean(), values[-3:].mean()))
    return vertex, (ends - least) / max(least, 1e-12), error
