"""Fast removal of rings: what all angles of a column share and its neighbours do not.

A gain error of a pixel adds the same number to a column of the sinogram at every angle. The step
from a column to the next is estimated over all angles by a mean that large differences (edges of
the specimen, which wander) do not pull (Huber 1964); the steps add up to a profile, and what is
narrow in it is subtracted. Of the class of Titarenko, Withers and
Yagola (2010, Appl. Math. Lett. 23, 1489), with the mean and the smoothing made robust.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Real = NDArray[np.float32]

_ROUNDS = 3


def remove_rings(sinogram: Real, width_px: int = 9) -> Real:
    """Return the sinogram without stripes narrower than half of `width_px`.

    Parameters
    ----------
    sinogram : (angle, column) float32
        Line integrals.
    width_px : int
        Columns that the running median looks at.

    Returns
    -------
    (angle, column) float32
        A new array.
    """
    if sinogram.shape[1] < 3:
        return sinogram.copy()
    return sinogram - stripes_of(robust_steps(sinogram), width_px).astype(np.float32)


def stripes_of(steps: NDArray[np.float64], width_px: int) -> NDArray[np.float64]:
    """Return what is narrow in the profile that steps add up to: neither slope nor edge of it.

    A running median takes edges away, but errs where the profile is steep; so does one of the
    steps before it, which takes the slope.

    Parameters
    ----------
    steps : (column - 1,) float64
    width_px : int

    Returns
    -------
    (column,) float64
    """
    stripes = np.zeros(len(steps) + 1)
    profile = np.zeros(len(steps) + 1)
    for _ in range(_ROUNDS):
        slope = running_median(steps - np.diff(stripes), width_px)
        np.cumsum(steps - slope, out=profile[1:])
        stripes = profile - running_median(profile - stripes, width_px)
    return stripes


def robust_steps(sinogram: Real) -> NDArray[np.float64]:
    """Return the step between neighbouring columns, common to all angles, (columns - 1,)."""
    steps: Real = np.zeros(sinogram.shape[1] - 1, np.float32)
    spread = np.full(len(steps), np.inf, np.float32)
    # The plain mean, then two that each difference pulls by no more than the usual one.
    for _ in range(3):
        moved, size = np.zeros_like(steps), np.zeros_like(steps)
        _add_steps(np.ascontiguousarray(sinogram), steps, spread, moved, size)
        steps = steps + moved / np.float32(len(sinogram))
        spread = size / np.float32(len(sinogram))
    return steps.astype(np.float64)


@njit(nogil=True, cache=True, fastmath=True)
def _add_steps(sinogram, steps, spread, moved, size):  # type: ignore[no-untyped-def]
    for angle in range(sinogram.shape[0]):
        row = sinogram[angle]
        for n in range(steps.shape[0]):
            rest = row[n + 1] - row[n] - steps[n]
            moved[n] += min(max(rest, -spread[n]), spread[n])
            size[n] += abs(rest)


def running_median(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the median of `width` neighbours (made odd), ends mirrored."""
    half = min(width // 2, len(values) - 1)
    padded = np.pad(values, half, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.asarray(np.median(windows, axis=1))
