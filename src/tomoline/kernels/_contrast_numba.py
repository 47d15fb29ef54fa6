"""Compiled loops of `tomoline.kernels.contrast`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def add_to_histogram(values, low, factor, counts):  # type: ignore[no-untyped-def]
    """Count flat `values` in bins of width 1 / factor from `low`; extremes go to the end bins."""
    last = counts.shape[0] - 1
    for n in range(values.shape[0]):
        value = (values[n] - low) * factor
        if value == value:
            counts[min(max(np.int64(value), 0), last)] += 1


@njit(nogil=True, cache=True)
def rows_to_bytes(values, x_first, low, factor, out, row, sums, backwards):  # type: ignore[no-untyped-def]
    """Scale ``values[n, x_first:]`` to 0..255, round, clip, and store less 128 in ``out[n, row]``.

    Backwards, the last of `values` becomes the first section.
    Adds count, sum and sum of squares of the bytes to ``sums[n]``, and keeps their extremes there.
    """
    black, white, half = np.float32(0.0), np.float32(255.0), np.float32(0.5)
    sections = out.shape[0]
    for n in range(sections):
        source = sections - 1 - n if backwards else n
        total, squares = np.int64(0), np.int64(0)
        least, most = np.int32(255), np.int32(0)
        for x in range(out.shape[2]):
            value = (values[source, x_first + x] - low) * factor
            # Not a number becomes the middle.
            value = value if value == value else np.float32(128.0)
            gray = np.int32(min(max(value, black), white) + half)
            out[n, row, x] = np.int8(gray - 128)
            total += gray
            squares += gray * gray
            least = min(least, gray)
            most = max(most, gray)
        sums[n, 0] += out.shape[2]
        sums[n, 1] += total
        sums[n, 2] += squares
        sums[n, 3] = min(sums[n, 3], least)
        sums[n, 4] = max(sums[n, 4], most)
