"""Weights that take away the influence of bad measurements.

Tukey's weights as tiltalign gives them (its man page): a residual is divided by the smoothed median
residual of its view; views are taken together in groups of about a hundred points, and within each
group the weight falls with the distance above the median.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TUKEY = 4.685
GROUP_POINTS = 100
LEAST_TRACK_WEIGHT = 0.02
# Median of the length of a two-dimensional normal error of unit standard deviation.
MEDIAN_LENGTH = float(np.sqrt(2 * np.log(2)))


def noise_level(residuals_px: Floats, used: Bools, unknowns: int) -> float:
    """Estimate the standard deviation of a coordinate from the median residual.

    Parameters
    ----------
    residuals_px : (p, v) float64
        Length of each residual.
    used : (p, v) bool
    unknowns : int
        Number of unknowns that were fitted, which make residuals smaller than the noise.
    """
    measured = 2 * int(used.sum())
    if measured == 0:
        return 0.0
    freedom = max(measured - unknowns, 0.1 * measured)
    return float(np.median(residuals_px[used]) / MEDIAN_LENGTH * np.sqrt(measured / freedom))


def view_medians(residuals_px: Floats, used: Bools, order: NDArray[np.intp]) -> Floats:
    """Return the smoothed median residual of each view, (v,); views taken in `order` of tilt."""
    medians = np.full(residuals_px.shape[1], np.nan)
    for view in range(len(medians)):
        if used[:, view].any():
            medians[view] = np.median(residuals_px[used[:, view], view])
    overall = float(np.median(residuals_px[used])) if used.any() else 1.0
    counts = used.sum(axis=0).astype(np.float64)
    medians = np.where(np.isfinite(medians), medians, overall)
    sorted_medians, sorted_counts = medians[order], counts[order]
    kernel = np.array([0.25, 0.5, 1.0, 0.5, 0.25])
    padded = np.pad(sorted_counts * sorted_medians, 2)
    padded_counts = np.pad(sorted_counts, 2)
    smooth = np.convolve(padded, kernel, "valid")
    total = np.convolve(padded_counts, kernel, "valid")
    result = np.empty_like(medians)
    result[order] = np.where(total > 0, smooth / np.maximum(total, 1e-12), overall)
    # A view may not be so good that a fraction of the common residual counts as an outlier.
    return np.maximum(result, 0.2 * overall + 1e-12)


def tukey(scaled: Floats, k_factor: float) -> Floats:
    """Return the weights of one group of scaled residuals, (n,)."""
    median = float(np.median(scaled))
    spread = 1.4826 * float(np.median(np.abs(scaled - median)))
    distance = (scaled - median) / max(TUKEY * k_factor * spread, 1e-12)
    weights: Floats = np.where(distance < 1, (1 - np.clip(distance, 0, 1) ** 2) ** 2, 0.0)
    return weights


def point_weights(
    residuals_px: Floats, used: Bools, order: NDArray[np.intp], k_factor: float
) -> Floats:
    """Weigh each measurement by its residual.

    Parameters
    ----------
    residuals_px : (p, v) float64
        Length of each residual.
    used : (p, v) bool
        Which measurements there are.
    order : (v,) int
        Views in order of tilt.
    k_factor : float
        Scales Tukey's constant.

    Returns
    -------
    (p, v) float64
        0 to 1; 0 where there is no measurement.
    """
    weights = np.zeros_like(residuals_px)
    scaled = residuals_px / view_medians(residuals_px, used, order)
    for group in _groups_of_views(used.sum(axis=0), order):
        chosen = used[:, group]
        if chosen.any():
            block = np.zeros(chosen.shape)
            block[chosen] = tukey(scaled[:, group][chosen], k_factor)
            weights[:, group] = block
    return weights


def track_weights(
    residuals_px: Floats, used: Bools, order: NDArray[np.intp], k_factor: float
) -> Floats:
    """Weigh each track as a whole by its mean residual; see `point_weights`."""
    scaled = np.where(used, residuals_px / view_medians(residuals_px, used, order), 0.0)
    counts = used.sum(axis=1)
    tracked = counts > 0
    weights = np.zeros_like(residuals_px)
    if tracked.any():
        means = scaled[tracked].sum(axis=1) / counts[tracked]
        track = np.maximum(tukey(means, k_factor), LEAST_TRACK_WEIGHT)
        weights[tracked] = np.where(used[tracked], track[:, None], 0.0)
    return weights


def _groups_of_views(counts: NDArray[np.int_], order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Divide the views, in order of tilt, into groups with about a hundred points each."""
    passed = np.cumsum(counts[order])
    total = int(passed[-1]) if len(passed) else 0
    groups = max(total // GROUP_POINTS, 1)
    label = np.minimum((passed - counts[order] / 2) * groups / max(total, 1), groups - 1)
    labels = label.astype(np.intp)
    return [order[labels == g] for g in range(groups) if (labels == g).any()]
