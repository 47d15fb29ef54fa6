"""The compiled part of `tomoline.kernels.xrays` that fills patches from their surroundings."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float32]
Floats = NDArray[np.float64]
Flags = NDArray[np.uint8]

# How far from a patch its border reaches.
_BORDER = 2


@njit(nogil=True, cache=True)
def fill(
    image: Image, flags: Flags, patch_y: NDArray[np.int64], patch_x: NDArray[np.int64]
) -> None:
    """Replace a patch by a quadratic surface through its border, kept within the border's range."""
    height, width = image.shape
    top, bottom = max(patch_y.min() - _BORDER, 0), min(patch_y.max() + _BORDER, height - 1)
    left, right = max(patch_x.min() - _BORDER, 0), min(patch_x.max() + _BORDER, width - 1)
    y0, x0 = patch_y.mean(), patch_x.mean()
    scale = 1.0 / max(bottom - top, right - left, 1)
    matrix = np.zeros((6, 6))
    vector = np.zeros(6)
    terms = np.empty(6)
    count, total, low, high = 0, 0.0, np.inf, -np.inf
    for y in range(top, bottom + 1):
        for x in range(left, right + 1):
            if flags[y, x] != 0:
                continue
            value = np.float64(image[y, x])
            _terms(terms, (y - y0) * scale, (x - x0) * scale)
            for i in range(6):
                vector[i] += terms[i] * value
                for j in range(6):
                    matrix[i, j] += terms[i] * terms[j]
            count += 1
            total += value
            low, high = min(low, value), max(high, value)
    if count == 0:
        return
    for i in range(6):
        matrix[i, i] += 1e-9 * count
    order = 6 if count >= 12 else (3 if count >= 6 else 1)
    solution = np.linalg.solve(matrix[:order, :order], vector[:order])
    for index in range(len(patch_y)):
        _terms(terms, (patch_y[index] - y0) * scale, (patch_x[index] - x0) * scale)
        fitted = 0.0
        for i in range(order):
            fitted += solution[i] * terms[i]
        image[patch_y[index], patch_x[index]] = min(max(fitted, low), high)


@njit(nogil=True, cache=True)
def _terms(terms: Floats, y: float, x: float) -> None:
    terms[0], terms[1], terms[2] = 1.0, y, x
    terms[3], terms[4], terms[5] = y * y, x * y, x * x


@njit(nogil=True, cache=True)
def fill_not_finite(image: Image, wrong: NDArray[np.bool_], reach: int, middle: np.float32) -> None:
    """Replace the `wrong` pixels by the mean of the others within `reach`, else by `middle`."""
    height, width = image.shape
    for y in range(height):
        for x in range(width):
            if not wrong[y, x]:
                continue
            count, total = 0, 0.0
            for row in range(max(y - reach, 0), min(y + reach + 1, height)):
                for column in range(max(x - reach, 0), min(x + reach + 1, width)):
                    if not wrong[row, column]:
                        total += image[row, column]
                        count += 1
            image[y, x] = np.float32(total / count) if count else middle
