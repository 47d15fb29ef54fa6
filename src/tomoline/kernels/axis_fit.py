"""From axes found in single rows to one axis and its slope, robustly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Tukey's biweight: 95 % efficient for normal errors.
_TUKEY = 4.685
_ROUNDS = 20


@dataclass(frozen=True)
class Line:
    """A line through axes at several rows.

    Attributes
    ----------
    at_middle : float
        Value at the row that counts as 0.
    slope : float
        Per row; 0 where it was not asked for.
    at_middle_error, slope_error : float
        Standard errors.
    weights : (point,) float64
        0 to 1, what each point counted for.
    """

    at_middle: float
    slope: float
    at_middle_error: float
    slope_error: float
    weights: Floats


def robust_line(rows: Floats, axes_px: Floats, trust: Floats, *, sloping: bool = True) -> Line:
    """Fit a line with Tukey's weights, from the weighted median on.

    Parameters
    ----------
    rows : (point,) float64
        Rows, relative to the middle one.
    axes_px : (point,) float64
    trust : (point,) float64
        Relative weights, >= 0, not all 0.
    sloping : bool
        False for a constant.

    Returns
    -------
    Line
        Errors from the scatter; those of a single point are infinite.
    """
    sloping = sloping and bool(np.ptp(rows[trust > 0]) > 0)
    design = np.stack([np.ones_like(rows), rows], axis=1)[:, : 2 if sloping else 1]
    solution: Floats = np.zeros(design.shape[1])
    solution[0] = weighted_median(axes_px, trust)
    if sloping:
        # Theil and Sen's slope starts beyond the reach of outliers.
        one, two = np.triu_indices(len(rows), 1)
        apart = rows[two] != rows[one]
        slopes = (axes_px[two] - axes_px[one])[apart] / (rows[two] - rows[one])[apart]
        solution[1] = weighted_median(slopes, (trust[one] * trust[two])[apart])
        solution[0] = weighted_median(axes_px - solution[1] * rows, trust)
    robust = np.ones_like(rows)
    for _ in range(_ROUNDS):
        residual = axes_px - design @ solution
        spread = max(1.4826 * weighted_median(np.abs(residual), trust), 0.02)
        robust = np.maximum(1 - (residual / (_TUKEY * spread)) ** 2, 0.0) ** 2
        weight = trust * robust
        normal = design.T @ (weight[:, None] * design)
        if np.linalg.matrix_rank(normal) < design.shape[1]:
            break
        solution[:] = np.linalg.solve(normal, design.T @ (weight * axes_px))
    weight = trust * robust
    residual = axes_px - design @ solution
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    free = effective - design.shape[1]
    if free <= 0:
        return Line(
            float(solution[0]), float(solution[1]) if sloping else 0.0, math.inf, math.inf, robust
        )
    variance = float((weight * residual**2).sum() / weight.sum()) * effective / free
    covariance = np.linalg.pinv(normal * effective / weight.sum()) * variance
    return Line(
        at_middle=float(solution[0]),
        slope=float(solution[1]) if sloping else 0.0,
        at_middle_error=math.sqrt(covariance[0, 0]),
        slope_error=math.sqrt(covariance[1, 1]) if sloping else math.inf,
        weights=robust,
    )


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the value that half of the weight lies below of.

    >>> weighted_median(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 1.0]))
    2.0
    """
    order = np.argsort(values, kind="stable")
    running = np.cumsum(weights[order])
    half = running[-1] / 2
    place = int(np.searchsorted(running, half))
    if place + 1 < len(order) and math.isclose(running[place], half):
        return float(values[order[place : place + 2]].mean())
    return float(values[order[min(place, len(order) - 1)]])
