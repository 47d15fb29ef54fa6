"""Compiled loops of `tomoline.kernels.reduce`."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True, fastmath=True)
def reduce_columns(image, first, weights, out):  # type: ignore[no-untyped-def]
    """Weighted sums of rows: ``out[r] = sum_k weights[r, k] image[first[r] + k]``."""
    width = image.shape[1]
    for row in range(out.shape[0]):
        out_row = out[row]
        for x in range(width):
            out_row[x] = 0.0
        for k in range(weights.shape[1]):
            weight = weights[row, k]
            if weight != 0.0:
                source = image[first[row] + k]
                for x in range(width):
                    out_row[x] += weight * source[x]


@njit(nogil=True, cache=True, fastmath=True)
def reduce_rows(image, first, weights, out):  # type: ignore[no-untyped-def]
    """Weighted sums within rows: ``out[:, c] = sum_k weights[c, k] image[:, first[c] + k]``."""
    taps = weights.shape[1]
    for row in range(out.shape[0]):
        source = image[row]
        for column in range(out.shape[1]):
            start = first[column]
            total = weights[column, 0] * source[start]
            for k in range(1, taps):
                total += weights[column, k] * source[start + k]
            out[row, column] = total
