"""Compiled statistics of darks and flats, pixel by pixel, one frame after another."""

from __future__ import annotations

import numpy as np
from numba import njit

_FAR = 3  # pixels to the neighbours that tell what a pixel should be
_SEARCH = 6  # pixels within which a bad pixel's good neighbours are looked for


@njit(nogil=True, cache=True)
def add_frames(frames, indices, total, low, high, low_at, high_at):  # type: ignore[no-untyped-def]
    """Add frames (n, rows, columns), their numbers `indices`, to sum, extremes and their places.

    What is not a finite number counts as 0. All frames are added to a row before the next row, so
    that the sums stay in the cache.
    """
    count, rows, columns = frames.shape
    huge, zero = np.float32(1e30), np.float32(0.0)
    for y in range(rows):
        sums, least, most = total[y], low[y], high[y]
        least_at, most_at = low_at[y], high_at[y]
        for n in range(count):
            source, index = frames[n, y], np.int32(indices[n])
            for x in range(columns):
                value = np.float32(source[x])
                value = value if abs(value) < huge else zero
                sums[x] += value
                below, above = value < least[x], value > most[x]
                least[x] = value if below else least[x]
                most[x] = value if above else most[x]
                least_at[x] = index if below else least_at[x]
                most_at[x] = index if above else most_at[x]


@njit(nogil=True, cache=True)
def merge(low, low_at, other, other_at, sign):  # type: ignore[no-untyped-def]
    """Take the lower (sign 1) or higher (-1) extremes of two, flat arrays, with their places."""
    for n in range(low.shape[0]):
        better = sign * other[n] < sign * low[n]
        low[n] = other[n] if better else low[n]
        low_at[n] = other_at[n] if better else low_at[n]


@njit(nogil=True, cache=True)
def find_bad(bright, dark, hottest, level):  # type: ignore[no-untyped-def]
    """Flag dead and hot pixels of a mean flat `bright` (dark off), (rows, columns) uint8.

    Its neighbours are the four pixels three away, so that pairs and triples are found too; the
    middle two of them tell what it should be. Where they are dark there is no beam: not flagged.
    """
    rows, columns = bright.shape
    flags = np.zeros((rows, columns), np.uint8)
    for y in range(rows):
        top, bottom = y - _FAR if y >= _FAR else y + _FAR, y + _FAR if y + _FAR < rows else y - _FAR
        for x in range(columns):
            left = x - _FAR if x >= _FAR else x + _FAR
            right = x + _FAR if x + _FAR < columns else x - _FAR
            a, b, c, d = bright[y, left], bright[y, right], bright[top, x], bright[bottom, x]
            least, most = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
            expected = (a + b + c + d - least - most) * np.float32(0.5)
            value = bright[y, x]
            if not abs(value) < 1e30 or dark[y, x] > hottest:
                flags[y, x] = 1
            elif expected > 0.02 * level:
                flags[y, x] = value < 0.3 * expected or value > 3.0 * expected
    return flags


@njit(nogil=True, cache=True)
def find_sources(flags, places):  # type: ignore[no-untyped-def]
    """For each bad pixel (y, x) give the nearest good ones along its row and column.

    Returns (n, 4) int64 places (row * columns + column), -1 where there is none.
    """
    rows, columns = flags.shape
    sources = np.full((places.shape[0], 4), -1, np.int64)
    for n in range(places.shape[0]):
        y, x = places[n]
        for way, (down, over) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0))):
            for step in range(1, _SEARCH + 1):
                row, column = y + down * step, x + over * step
                if not (0 <= row < rows and 0 <= column < columns):
                    break
                if not flags[row, column]:
                    sources[n, way] = row * columns + column
                    break
    return sources


@njit(nogil=True, cache=True)
def find_lone(extreme, sign, excess, flags):  # type: ignore[no-untyped-def]
    """List pixels of `extreme` that stand out of the ring of pixels two away by `excess`.

    `sign` is 1 for pixels that are too high, -1 for those that are too low. The fourth most
    extreme pixel of the ring is what counts, as some may be zingers of other frames; that the mean
    of its neighbours two away along the row, and along the column, is exceeded as well leaves out
    stripes. Flagged pixels are left out. Returns places (row * columns + column), int64.
    """
    rows, columns = extreme.shape
    found = []
    highest = np.empty(4, np.float32)
    for y in range(2, rows - 2):
        for x in range(2, columns - 2):
            value = sign * extreme[y, x]
            along = sign * (extreme[y, x - 2] + extreme[y, x + 2])
            across = sign * (extreme[y - 2, x] + extreme[y + 2, x])
            higher = along if along > across else across
            if not value - 0.5 * higher > excess or flags[y, x]:
                continue
            highest[:] = -np.inf
            for row in range(y - 2, y + 3):
                step = 1 if row == y - 2 or row == y + 2 else 4
                for column in range(x - 2, x + 3, step):
                    other = sign * extreme[row, column]
                    if flags[row, column]:
                        continue
                    for place in range(len(highest)):
                        if other > highest[place]:
                            other, highest[place] = highest[place], other
            if value - highest[-1] > excess:
                found.append(y * columns + x)
    result = np.empty(len(found), np.int64)
    for n, place in enumerate(found):
        result[n] = place
    return result
