"""Slices cut into blocks as they are stored, converted and summed up in the same pass.

What is stored block by block (the chunks of Zarr and HDF5) has the values of a block side by side.
A block is filled a few slices at a time, so pieces of it are made here: ``pieces[b, z]`` is slice
z of block b of a band of rows. A file of whole slices is the same with blocks as large as a slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Stored = NDArray[np.float32] | NDArray[np.uint16]
HIGHEST = 65535


@dataclass(frozen=True)
class Quantisation:
    """How values become unsigned 16-bit integers: ``value = low + step * stored``.

    >>> Quantisation.between(-1.0, 1.0).step * 65535
    2.0
    """

    low: float
    step: float

    @classmethod
    def between(cls, low: float, high: float) -> Quantisation:
        """Return the one that makes `low` 0 and `high` 65535; `high` must be above `low`."""
        if not high > low:
            raise ValueError(f"{high} is not above {low}")
        return cls(low, (high - low) / HIGHEST)

    def stored(self, value: float) -> int:
        """Return what a value is stored as."""
        return int(min(max(round((value - self.low) / self.step), 0), HIGHEST))


SUMS = 5
"""Sum, sum of squares, least, greatest, clipped: what `to_pieces` tells of each slice."""


def empty_sums(slices: int) -> NDArray[np.float64]:
    """Return what `to_pieces` adds to: (slice, 5) float64."""
    sums = np.zeros((slices, SUMS))
    sums[:, 2], sums[:, 3] = np.inf, -np.inf
    return sums


def to_pieces(
    slices: Floats,
    rows: tuple[int, int],
    pieces: Stored,
    sums: NDArray[np.float64],
    quantisation: Quantisation | None = None,
    fill: int = 0,
) -> NDArray[np.bool_]:
    """Cut a band of rows into pieces of blocks.

    Parameters
    ----------
    slices : (slice, row, column) float32, C-contiguous
    rows : (first, last)
        Of the band, at most as many as a block has.
    pieces : (block, slice, block row, block column) float32 or uint16, C-contiguous
        Filled; beyond the last row of the band and the last column with `fill`.
    sums : (slice, 5) float64
        Sum, sum of squares, least, greatest value and number of clipped values of each slice are
        brought up to date (see `empty_sums`). Of the values before they are converted.
    quantisation : Quantisation, optional
        Must be given for uint16: values beyond its range are clipped, not-a-number becomes 0 and
        counts as clipped.
    fill : int
        What is stored where there is nothing.

    Returns
    -------
    (block,) bool
        Whether a piece holds anything but `fill`.
    """
    used = np.zeros(len(pieces), np.bool_)
    first, last = rows
    if quantisation is None:
        _float_pieces(slices, first, last, pieces, np.float32(fill), sums, used)
    else:
        low, factor = np.float32(quantisation.low), np.float32(1 / quantisation.step)
        _integer_pieces(slices, first, last, pieces, low, factor, np.uint16(fill), sums, used)
    return used


# Sums may be grouped as the processor likes; they are rounded alike on every run.
@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz", "nnan"})
def _sum_row(row, totals, least, greatest):  # type: ignore[no-untyped-def]
    """Bring the totals of a slice up to date with one of its rows.

    Extremes are kept by column in `least` and `greatest` (column,), since compilers vectorise
    that, but not a minimum over one row.
    """
    total, squares = 0.0, 0.0
    for x in range(row.size):
        wide = np.float64(row[x])
        total += wide
        squares += wide * wide
    totals[0] += total
    totals[1] += squares
    for x in range(row.size):
        value = row[x]
        least[x] = value if value < least[x] else least[x]
        greatest[x] = value if value > greatest[x] else greatest[x]


@njit(nogil=True, cache=True)
def _spread(row, z, y, pieces, fill, used):  # type: ignore[no-untyped-def]
    """Store row `y` of slice `z` in the pieces."""
    blocks, _, _, wide = pieces.shape
    columns = row.size
    for block in range(blocks):
        first = block * wide
        count = min(wide, columns - first)
        for x in range(count):
            pieces[block, z, y, x] = row[first + x]
        for x in range(count, wide):
            pieces[block, z, y, x] = fill
        if not used[block]:
            for x in range(count):
                if row[first + x] != fill:
                    used[block] = True
                    break


@njit(nogil=True, cache=True)
def _float_pieces(slices, first, last, pieces, fill, sums, used):  # type: ignore[no-untyped-def]
    depth, _, columns = slices.shape
    least, greatest = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for z in range(depth):
        least[:], greatest[:] = np.inf, -np.inf
        for y in range(first, last):
            _sum_row(slices[z, y], sums[z], least, greatest)
            _spread(slices[z, y], z, y - first, pieces, fill, used)
        _end_slice(z, last - first, least, greatest, pieces, fill, sums)


@njit(nogil=True, cache=True)
def _integer_pieces(  # type: ignore[no-untyped-def]
    slices, first, last, pieces, low, factor, fill, sums, used
):
    depth, _, columns = slices.shape
    least, greatest = np.empty(columns, np.float32), np.empty(columns, np.float32)
    scaled = np.empty(columns, np.uint16)
    for z in range(depth):
        least[:], greatest[:] = np.inf, -np.inf
        for y in range(first, last):
            _sum_row(slices[z, y], sums[z], least, greatest)
            sums[z, 4] += _scale_row(slices[z, y], low, factor, scaled)
            _spread(scaled, z, y - first, pieces, fill, used)
        _end_slice(z, last - first, least, greatest, pieces, fill, sums)


@njit(nogil=True, cache=True)
def _end_slice(z, rows, least, greatest, pieces, fill, sums):  # type: ignore[no-untyped-def]
    sums[z, 2] = min(sums[z, 2], least.min())
    sums[z, 3] = max(sums[z, 3], greatest.max())
    for block in range(pieces.shape[0]):
        pieces[block, z, rows:] = fill


@njit(nogil=True, cache=True)
def _scale_row(row, low, factor, out):  # type: ignore[no-untyped-def]
    """Convert a row and return how many values did not fit."""
    zero, half, top = np.float32(0), np.float32(0.5), np.float32(HIGHEST)
    clipped = 0
    for x in range(row.size):
        value = (row[x] - low) * factor + half
        # Written so that not-a-number fails both tests.
        fits = (value >= zero) & (value < top + np.float32(1))
        clipped += not fits
        value = value if value > zero else zero
        value = value if value < top else top
        out[x] = np.uint16(np.int32(value))
    return clipped
