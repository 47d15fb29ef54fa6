"""Removal of rings by sorting: algorithm 3 of Vo, Atwood and Drakopoulos (2018).

Opt. Express 26, 28396. The values of each column are sorted; in sorted order neighbouring columns
of a specimen differ little, whatever it is, and a median over them takes away what a single column
has too much. The result goes back to where the values were.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Real = NDArray[np.float32]
Ranks = NDArray[np.uint64]


def remove_rings(sinogram: Real, width_px: int = 21) -> Real:
    """Return the sinogram without stripes narrower than half of `width_px`.

    Parameters
    ----------
    sinogram : (angle, column) float32
        Line integrals, finite.
    width_px : int
        Columns that the median is of (made odd).

    Returns
    -------
    (angle, column) float32
        A new array.
    """
    ordered, places = sort_columns(sinogram)
    return unsort_columns(median_of_columns(ordered, width_px), places)


def sort_columns(sinogram: Real) -> tuple[Real, Ranks]:
    """Sort each column.

    Returns
    -------
    ordered : (column, angle) float32
        Rising.
    places : (column, angle) uint64
        Whose low halves are the angles that the values come from.
    """
    keys = np.empty(sinogram.shape[::-1], np.uint64)
    _make_keys(np.ascontiguousarray(sinogram).view(np.uint32), keys)
    # numpy sorts whole numbers with vectors, several times faster than it orders places.
    keys.sort(axis=1)
    ordered = np.empty(keys.shape, np.uint32)
    _values_of_keys(keys, ordered)
    return ordered.view(np.float32), keys


def unsort_columns(ordered: Real, places: Ranks) -> Real:
    """Undo `sort_columns`: return (angle, column)."""
    result = np.empty(ordered.shape[::-1], np.float32)
    _scatter(ordered, places, result)
    return result


def median_of_columns(ordered: Real, width_px: int) -> Real:
    """Return the median over `width_px` neighbouring columns (made odd), ends mirrored.

    Parameters
    ----------
    ordered : (column, angle) float32
    width_px : int

    Returns
    -------
    (column, angle) float32
    """
    columns = len(ordered)
    half = min(width_px // 2, columns - 1)
    if half < 1:
        return ordered.copy()
    result = np.empty_like(ordered)
    _network_medians(ordered, half, _exchanges(2 * half + 1), result)
    return result


def _exchanges(count: int) -> NDArray[np.int64]:
    """Return the exchanges of a sorting network (Batcher 1968) that the median depends on."""
    pairs = []
    step = 1
    while step < count:
        inner = step
        while inner >= 1:
            for first in range(inner % step, count - inner, 2 * inner):
                for n in range(min(inner, count - first - inner)):
                    if (n + first) // (2 * step) == (n + first + inner) // (2 * step):
                        pairs.append((n + first, n + first + inner))
            inner //= 2
        step *= 2
    needed, kept = {count // 2}, []
    for low, high in reversed(pairs):
        if low in needed or high in needed:
            needed |= {low, high}
            kept.append((low, high))
    return np.array(kept[::-1], np.int64).reshape(-1, 2)


@njit(nogil=True, cache=True)
def _make_keys(bits, keys):  # type: ignore[no-untyped-def]
    """Turn float bits (angle, column) to whole numbers of the same order, angle in the low half."""
    angles, columns = bits.shape
    for first in range(0, columns, 16):
        for angle in range(angles):
            for column in range(first, min(first + 16, columns)):
                value = bits[angle, column]
                flip = np.uint32(0xFFFFFFFF) if value >> np.uint32(31) else np.uint32(0x80000000)
                keys[column, angle] = (np.uint64(value ^ flip) << np.uint64(32)) | np.uint64(angle)


@njit(nogil=True, cache=True)
def _values_of_keys(keys, bits):  # type: ignore[no-untyped-def]
    for column in range(keys.shape[0]):
        for n in range(keys.shape[1]):
            value = np.uint32(keys[column, n] >> np.uint64(32))
            flip = np.uint32(0x80000000) if value >> np.uint32(31) else np.uint32(0xFFFFFFFF)
            bits[column, n] = value ^ flip


@njit(nogil=True, cache=True)
def _scatter(ordered, places, result):  # type: ignore[no-untyped-def]
    columns, angles = ordered.shape
    low = np.uint64(0xFFFFFFFF)
    block = np.empty((16, angles), np.float32)
    for first in range(0, columns, 16):
        count = min(16, columns - first)
        for n in range(count):
            for rank in range(angles):
                block[n, np.int64(places[first + n, rank] & low)] = ordered[first + n, rank]
        for angle in range(angles):
            for n in range(count):
                result[angle, first + n] = block[n, angle]


@njit(nogil=True, cache=True)
def _network_medians(ordered, half, exchanges, result):  # type: ignore[no-untyped-def]
    columns, angles = ordered.shape
    wide = 64
    room = np.empty((2 * half + 1, wide), np.float32)
    for first in range(0, angles, wide):
        count = min(wide, angles - first)
        for column in range(columns):
            for n in range(2 * half + 1):
                source = abs(column - half + n)
                if source >= columns:
                    source = 2 * (columns - 1) - source
                for k in range(count):
                    room[n, k] = ordered[source, first + k]
            for n in range(exchanges.shape[0]):
                low, high = room[exchanges[n, 0]], room[exchanges[n, 1]]
                for k in range(wide):
                    a, b = low[k], high[k]
                    low[k] = a if a < b else b
                    high[k] = b if a < b else a
            for k in range(count):
                result[column, first + k] = room[half, k]
