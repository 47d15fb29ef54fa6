"""Removal of all kinds of rings: algorithms 4 to 6 of Vo, Atwood and Drakopoulos (2018).

Opt. Express 26, 28396: dead and fluctuating columns are found and interpolated, large stripes found
and replaced, the rest taken away by sorting. In contrast to the paper, which divides intensities,
factors are differences here, for these sinograms are logarithms already and near zero in air.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import rings_sorting as sorting
from tomoline.kernels.rings_fast import running_median

Real = NDArray[np.float32]
Mask = NDArray[np.bool_]

_SMOOTH_ANGLES = 10
_DROPPED = 0.1


def remove_rings(sinogram: Real, width_px: int = 21, large_px: int = 61, snr: float = 3.0) -> Real:
    """Return the sinogram without dead columns, large and small stripes.

    Parameters
    ----------
    sinogram : (angle, column) float32
        Line integrals, finite.
    width_px, large_px : int
        Columns of the medians for small and for large stripes.
    snr : float
        How far above the usual a column must be to count as bad or as a large stripe.

    Returns
    -------
    (angle, column) float32
        A new array.
    """
    repaired = interpolate_dead(sinogram, snr, width_px)
    return sorting.remove_rings(remove_large(repaired, snr, large_px), width_px)


def outliers(values: NDArray[np.float64], snr: float) -> Mask:
    """Find what lies beyond the straight line that most of the sorted values follow (A4)."""
    count = len(values)
    ordered = np.sort(values)
    place = np.arange(count, dtype=np.float64)
    drop = count // 4
    slope, start = np.polyfit(place[drop : count - drop], ordered[drop : count - drop], 1)
    end = start + slope * (count - 1)
    # Nothing to compare with where all values are the same.
    noise = max(abs(end - start), 1e-6 * max(1.0, float(np.abs(ordered).max())))
    if max(abs(ordered[0] - start), abs(ordered[-1] - end)) < snr * noise:
        return np.zeros(count, bool)
    found: Mask = (values > end + 0.5 * snr * noise) | (values < start - 0.5 * snr * noise)
    return found


def _relative(values: NDArray[np.float64], width_px: int) -> NDArray[np.float64]:
    """Return values (column,) as multiples of the usual one thereabouts; 1 where that is 0."""
    usual = running_median(values, width_px)
    # What is far below all others is as good as 0.
    some = usual > 1e-3 * usual.max()
    return np.where(some, values / np.where(some, usual, 1.0), 1.0)


def _widened(mask: Mask) -> Mask:
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    return wide


def interpolate_dead(sinogram: Real, snr: float, width_px: int) -> Real:
    """Replace columns that fluctuate too much or not at all by their neighbours (A6)."""
    angles = len(sinogram)
    if angles <= _SMOOTH_ANGLES or sinogram.shape[1] < 8:
        return sinogram.copy()
    sums = np.cumsum(sinogram, axis=0, dtype=np.float64)
    smooth = (sums[_SMOOTH_ANGLES:] - sums[:-_SMOOTH_ANGLES]) / _SMOOTH_ANGLES
    middle = sinogram[_SMOOTH_ANGLES // 2 : _SMOOTH_ANGLES // 2 + len(smooth)]
    restless = np.abs(middle - smooth).mean(axis=0)
    bad = _widened(outliers(_relative(restless, width_px), snr))
    bad[:2] = bad[-2:] = False
    result = sinogram.copy()
    if not bad.any():
        return result
    good = np.flatnonzero(~bad)
    column = np.flatnonzero(bad)
    right = good[np.searchsorted(good, column)]
    left = good[np.searchsorted(good, column) - 1]
    share = ((column - left) / (right - left)).astype(np.float32)
    result[:, column] = sinogram[:, left] * (1 - share) + sinogram[:, right] * share
    return result


def remove_large(sinogram: Real, snr: float, large_px: int) -> Real:
    """Level columns that differ from their surroundings, and replace those that do most (A5)."""
    ordered, places = sorting.sort_columns(sinogram)
    smooth = sorting.median_of_columns(ordered, large_px)
    drop = int(_DROPPED / 2 * ordered.shape[1])
    inner = slice(drop, ordered.shape[1] - drop)
    offset = (ordered[:, inner] - smooth[:, inner]).mean(axis=1, dtype=np.float64)
    # Beside the usual offset thereabouts: at edges of the specimen all columns have one.
    large = _widened(outliers(_relative(np.abs(offset), large_px), snr))
    result = sinogram.copy()
    if not large.any():
        return result
    result[:, large] = sorting.unsort_columns(smooth[large], places[large])
    return result
