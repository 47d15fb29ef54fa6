"""Robust local fits: smooth shifts from measurements of which some are wrong.

Each fit looks at a few neighbours only, so that shifts are known while a scan is recorded.
Tukey's biweight after a start from least absolute residuals (Cleveland, JASA 74 (1979) 829,
who fits with weights that fall with distance too; windows here are short enough without).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_TUKEY = 4.685
_FLOOR_PX = 0.03


def local_fit(
    positions: Floats, values_px: Floats, usable: Flags, at: float, *, quadratic_from: int = 6
) -> Floats | None:
    """Fit a line, or a parabola, robustly through points, and return its value at one place.

    Parameters
    ----------
    positions : (point,) float64
        Places of the points.
    values_px : (point, 2) float64
        What was measured there; both columns of a point are trusted, or not, together.
    usable : (point,) bool
        Which points count at all.
    at : float
        Where to evaluate.
    quadratic_from : int
        Least number of points for a parabola; 3 for a line, a mean below that.

    Returns
    -------
    (2,) float64 or None
        None without any usable point.

    >>> place = np.arange(7.0)
    >>> values = np.stack([0.1 * place, place * 0], axis=1)
    >>> values[2] = 5.0
    >>> local_fit(place, values, np.ones(7, bool), 3.0).round(3).tolist()
    [0.3, 0.0]
    """
    count = int(usable.sum())
    if count == 0:
        return None
    place = positions[usable] - at
    place = place / max(float(np.abs(place).max()), 1.0)
    values = values_px[usable]
    if count < 3:
        mean: Floats = values.mean(axis=0)
        return mean
    # A line first: a parabola bends towards a wrong point.
    fit = _absolute(np.stack([np.ones(count), place], axis=1), values)
    degree = 2 if count >= quadratic_from else 1
    design = np.stack([place**power for power in range(degree + 1)], axis=1)
    residual = _lengths(values - (fit[0] + place[:, None] * fit[1]).astype(np.float64))
    for _ in range(8):
        scale = max(1.4826 * float(np.median(residual)), _FLOOR_PX)
        weights: Floats = np.maximum(1.0 - (residual / (_TUKEY * scale)) ** 2, 0.0) ** 2
        if np.count_nonzero(weights) <= degree:
            break
        fit = _weighted(design, values, weights)
        residual = _lengths(values - design @ fit)
    value: Floats = fit[0]
    return value


def _lengths(vectors: Floats) -> Floats:
    lengths: Floats = np.hypot(vectors[:, 0], vectors[:, 1])
    return lengths


def _weighted(design: Floats, values: Floats, weights: Floats) -> Floats:
    root = np.sqrt(weights)[:, None]
    fit: Floats = np.linalg.lstsq(design * root, values * root, rcond=None)[0].astype(np.float64)
    return fit


def _absolute(design: Floats, values: Floats) -> Floats:
    """Return the fit of least absolute residuals, by reweighting."""
    weights = np.ones(len(values))
    fit = _weighted(design, values, weights)
    for _ in range(12):
        weights = 1.0 / np.maximum(_lengths(values - design @ fit), 1e-3)
        fit = _weighted(design, values, weights)
    return fit
