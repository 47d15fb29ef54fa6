"""Rows of projections made ready for finding the rotation axis: no rings, slopes, even angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32]
Floats = NDArray[np.float64]

# Stripes are narrower than this, the mean of a specimen over all angles is smoother.
_STRIPE_PX = 4.0


def without_stripes(sinogram: Real) -> Real:
    """Take away what a detector adds to every angle, which would pull the axis to its middle.

    Only the fine part of the mean over the angles goes: its coarse part is the specimen's, and
    over half a turn that is not symmetric about the axis.

    Parameters
    ----------
    sinogram : (angle, column) float32

    Returns
    -------
    (angle, column) float32
    """
    from scipy.ndimage import gaussian_filter1d, median_filter

    mean = sinogram.mean(axis=0, dtype=np.float64)
    smooth = gaussian_filter1d(median_filter(mean, 5, mode="nearest"), _STRIPE_PX, mode="nearest")
    clean: Real = sinogram - (mean - smooth).astype(np.float32)
    return clean


def slopes(rows: Real, sigma_px: float) -> Real:
    """Return the derivative along columns of rows smoothed by a Gaussian, times its width.

    Slopes know no level and no slow background, and take specimen and noise of a retrieved phase
    to about equal parts at all scales.

    Parameters
    ----------
    rows : (..., column) float32
    sigma_px : float

    Returns
    -------
    (..., column) float32
    """
    from scipy.ndimage import gaussian_filter1d

    result: Real = gaussian_filter1d(rows, sigma_px, axis=-1, order=1, mode="nearest")
    return result * np.float32(sigma_px)


def taper(width: int, part: float = 0.05) -> Real:
    """Return weights (width,) float32 that fall to 0 over a part of the width at both edges."""
    count = max(1, round(part * width))
    window = np.ones(width, np.float32)
    rise = np.sin(np.pi / 2 * (np.arange(count) + 0.5) / count) ** 2
    window[:count] = rise
    window[-count:] = rise[::-1]
    return window


def bin_columns(rows: Real, factor: int) -> Real:
    """Average `factor` neighbouring columns; columns left over at the end are dropped."""
    if factor == 1:
        return rows
    count = rows.shape[-1] // factor
    kept = rows[..., : count * factor].reshape(*rows.shape[:-1], count, factor)
    binned: Real = kept.mean(axis=-1, dtype=np.float32)
    return binned


def even_half_turn(sinogram: Real, angles_rad: Floats, start_rad: float, count: int) -> Real:
    """Interpolate projections at `count` even steps over half a turn from `start_rad` on.

    Parameters
    ----------
    sinogram : (angle, column) float32
    angles_rad : (angle,) float64
        Increasing.
    start_rad : float
    count : int

    Returns
    -------
    (count, column) float32
        Where the wanted angle lies beyond the recorded ones, the nearest recorded.
    """
    wanted = start_rad + np.arange(count) * (np.pi / count)
    place = np.interp(wanted, angles_rad, np.arange(len(angles_rad), dtype=np.float64))
    low = np.minimum(place.astype(np.int64), len(angles_rad) - 1)
    high = np.minimum(low + 1, len(angles_rad) - 1)
    weight = (place - low).astype(np.float32)[:, None]
    even: Real = sinogram[low] * (1 - weight) + sinogram[high] * weight
    return even
