"""Compiled loops of `tomoline.kernels.phase`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, fastmath=True)
def pad_rows(rows, width, fade):  # type: ignore[no-untyped-def]
    """Fill the columns after the image, so that each row goes over from its end to its beginning.

    ``fade[t]`` is the part of the last pixel at t + 1 pixels beyond it; the rest is the first's.
    """
    for y in range(rows.shape[0]):
        first, last = rows[y, 0], rows[y, width - 1]
        for t in range(fade.shape[0]):
            rows[y, width + t] = first + (last - first) * fade[t]


@njit(nogil=True, cache=True, fastmath=True)
def pad_columns(parts, height, fade):  # type: ignore[no-untyped-def]
    """Fill the rows below the image, (y, 2 x) float32, where rows are transformed already.

    A row's transform is linear, so what `pad_rows` does to pixels is done to coefficients, whose
    real and imaginary parts stand by turns.
    """
    first, last = parts[0], parts[height - 1]
    for t in range(fade.shape[0]):
        row, of_last = parts[height + t], fade[t]
        for x in range(parts.shape[1]):
            row[x] = first[x] + (last[x] - first[x]) * of_last


@njit(nogil=True, cache=True, fastmath=True)
def weight(total, weights):  # type: ignore[no-untyped-def]
    """Multiply the first distance's spectrum, (y, 2 x) float32, by its weights.

    Rows y and -y share a row of `weights`, (y // 2 + 1, x).
    """
    height = total.shape[0]
    for y in range(height):
        target, factor = total[y], weights[min(y, height - y)]
        for x in range(factor.shape[0]):
            target[2 * x] *= factor[x]
            target[2 * x + 1] *= factor[x]


@njit(nogil=True, cache=True, fastmath=True)
def add_weighted(total, parts, weights):  # type: ignore[no-untyped-def]
    """Add another distance's spectrum times its weights."""
    height = total.shape[0]
    for y in range(height):
        target, source, factor = total[y], parts[y], weights[min(y, height - y)]
        for x in range(factor.shape[0]):
            target[2 * x] += factor[x] * source[2 * x]
            target[2 * x + 1] += factor[x] * source[2 * x + 1]


@njit(nogil=True, cache=True, fastmath=True)
def add_moved(total, parts, weights, ramp_y, ramp_x):  # type: ignore[no-untyped-def]
    """Add another distance's spectrum times its weights, its image moved.

    Parameters
    ----------
    total, parts : (y, 2 x) float32
        Real and imaginary parts by turns.
    weights : (y // 2 + 1, x) float32
    ramp_y, ramp_x : (2, y), (2, x) float32
        Real and imaginary parts of the phase ramps, whose product moves the image.
    """
    height = total.shape[0]
    x_real, x_imag = ramp_x[0], ramp_x[1]
    for y in range(height):
        target, source, factor = total[y], parts[y], weights[min(y, height - y)]
        y_real, y_imag = ramp_y[0, y], ramp_y[1, y]
        for x in range(factor.shape[0]):
            real = factor[x] * (y_real * x_real[x] - y_imag * x_imag[x])
            imag = factor[x] * (y_real * x_imag[x] + y_imag * x_real[x])
            source_real, source_imag = source[2 * x], source[2 * x + 1]
            target[2 * x] += real * source_real - imag * source_imag
            target[2 * x + 1] += real * source_imag + imag * source_real


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def crop(rows, offset, least, out):  # type: ignore[no-untyped-def]
    """Copy the image out of the padded rows, less `offset`.

    Returns its sum, which is not finite if any pixel is not, and how many are below `least`.
    """
    total, below = np.float64(0.0), np.int64(0)
    for y in range(out.shape[0]):
        sum_of_row, few = np.float32(0.0), np.int32(0)
        for x in range(out.shape[1]):
            value = rows[y, x] - offset
            sum_of_row += value
            few += value < least
            out[y, x] = value
        total += sum_of_row
        below += few
    return total, below
