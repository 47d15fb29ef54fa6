"""Storing densities as 16-bit integers: scaled, rounded, clipped and summed up in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

LIMIT = 32767


@dataclass(frozen=True)
class Integers:
    """Scaled slices and what they sum to.

    Attributes
    ----------
    values : (slice, z, x) int16
    clipped : int
        Values that did not fit, and not-a-numbers, which become 0.
    minimum, maximum, mean, variance_sum : (slice,) float64
        Of each slice; the sum of squares is that of the differences from the mean.
    """

    values: NDArray[np.int16]
    clipped: int
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance_sum: NDArray[np.float64]


def to_int16(slices: NDArray[np.float32], add: float, multiply: float) -> Integers:
    """Return ``(slices + add) * multiply`` rounded to 16-bit integers.

    Parameters
    ----------
    slices : (slice, z, x) float32, C-contiguous
    add, multiply : float
        As tilt's SCALE.

    >>> to_int16(np.array([[[0.5, -1.0, 4e4]]], np.float32), 0.0, 2.0).values
    array([[[    1,    -2, 32767]]], dtype=int16)
    """
    out = np.empty(slices.shape, dtype=np.int16)
    flat, stored = slices.reshape(len(slices), -1), out.reshape(len(slices), -1)
    sums = np.empty((len(slices), 5))
    _scale(flat, np.float32(add), np.float32(multiply), stored, sums)
    count = max(flat.shape[1], 1)
    mean = sums[:, 0] / count
    spread = np.maximum(sums[:, 1] - count * mean**2, 0.0)
    return Integers(out, int(sums[:, 4].sum()), sums[:, 2], sums[:, 3], mean, spread)


@njit(nogil=True, cache=True)
def _scale(slices, add, multiply, out, sums):  # type: ignore[no-untyped-def]
    """Fill `out`, and ``sums[n]`` with sum, sum of squares, least, greatest, and number clipped."""
    block = 2048  # stays in the nearest cache, and its integers sum up without overflow
    for n in range(slices.shape[0]):
        total, squares = 0.0, 0.0
        clipped = np.int64(0)
        least, most = np.int16(32767), np.int16(-32768)
        for first in range(0, slices.shape[1], block):
            last = min(first + block, slices.shape[1])
            stored = out[n, first:last]
            clipped += _round(slices[n, first:last], add, multiply, stored)
            part, part_squares, low, high = _sums(stored)
            total += part
            squares += part_squares
            least, most = min(least, low), max(most, high)
        sums[n, 0], sums[n, 1] = total, squares
        sums[n, 2], sums[n, 3], sums[n, 4] = least, most, clipped


@njit(nogil=True, cache=True)
def _round(values, add, multiply, stored):  # type: ignore[no-untyped-def]
    """Scale and round a block; return how many values do not fit."""
    top, zero = np.float32(32767.0), np.float32(0.0)
    clipped = np.int32(0)
    for x in range(values.shape[0]):
        value = (values[x] + add) * multiply
        clipped += np.int32(not (np.abs(value) <= top))
        value = value if value == value else zero
        value = min(max(value, -top), top)
        stored[x] = np.int16(np.rint(value))
    return clipped


@njit(nogil=True, cache=True, fastmath=True)  # integers: any order of summing is exact
def _sums(stored):  # type: ignore[no-untyped-def]
    """Return sum, sum of squares, least and greatest of a block of integers."""
    total, squares = np.int32(0), np.float64(0.0)
    least, most = np.int16(32767), np.int16(-32768)
    for x in range(stored.shape[0]):
        value = np.int32(stored[x])
        total += value
        squares += np.float64(value) * np.float64(value)
        least = min(least, stored[x])
        most = max(most, stored[x])
    return total, squares, least, most
