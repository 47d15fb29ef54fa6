"""Compiled loops of `tomoline.kernels.gridding`: from samples of lines to slices.

Complex arrays come as float32 views with a last axis of twice the length (real, imaginary), or,
where numbers are only moved, as float64 views.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tomoline.kernels._gridding_lanes import LANES, PAIRS, fetch, spread_sample
from tomoline.kernels._gridding_window import WIDTH

# A tile of the grid stays in the first level of cache, a strip of tiles in the second.
TILE_ROWS = 16
TILE_COLUMNS = 32
HALO = WIDTH - 1
MARGIN = WIDTH // 2
"""Rows and columns that the grid is wider, on the low side, than its period."""

AHEAD = 4
"""Runs of samples that are asked for before they are needed."""

BLOCK = 128
"""Columns of the image that are transformed together: a compromise between long runs in memory and
the second level of cache."""


@njit(nogil=True, cache=True)
def list_runs(step_rows, step_columns, grid, samples, tiles_across, starts, runs):  # type: ignore[no-untyped-def]
    """Find which samples of which line fall into each tile.

    Called twice: with empty `runs` it counts the runs of each tile into ``starts[tile + 1]``; then,
    with `starts` summed up, it writes ``runs[place] = (line, first, last + 1)`` and leaves in
    ``starts[tile]`` the end of each tile's runs.
    """
    half = samples // 2
    origin = grid // 2 + MARGIN
    for line in range(step_rows.shape[0]):
        before, first = -1, 1
        for n in range(1, samples + 1):
            tile = -1
            if n < samples:
                row = np.int64(origin + (n - half) * step_rows[line]) - (MARGIN - 1)
                column = np.int64(origin + (n - half) * step_columns[line]) - (MARGIN - 1)
                tile = (row // TILE_ROWS) * tiles_across + column // TILE_COLUMNS
            if tile != before:
                if before >= 0:
                    if runs.shape[0]:
                        place = starts[before]
                        runs[place, 0] = line
                        runs[place, 1] = first
                        runs[place, 2] = n
                        starts[before] = place + 1
                    else:
                        starts[before + 1] += 1
                before, first = tile, n


@njit(nogil=True, cache=True)
def grid_strip(  # type: ignore[no-untyped-def]
    values, samples, ends, runs, strip, tiles_across, grid, step_rows, step_columns, cells, wide
):
    """Add the samples of one strip of tiles to its cells.

    Parameters
    ----------
    values : (lines * samples * LANES,) float32
    samples : int
        Samples of a line.
    ends, runs
        From `list_runs`.
    strip : int
        Number of the strip.
    grid : int
        Period of the grid.
    step_rows, step_columns : (lines,) float64
        Grid points from one sample of a line to the next.
    cells : ((TILE_ROWS + HALO) * wide * LANES,) float32
        Rows of cells of the grid with its margins; the last `HALO` are the next strip's too.
    wide : int
        Cells of a row.
    """
    half = samples // 2
    # Places count from the first cell that a sample there would touch.
    origin = grid // 2 + MARGIN
    first_row = strip * TILE_ROWS
    stride = np.int64(wide * LANES)
    for tile in range(strip * tiles_across, (strip + 1) * tiles_across):
        begin = ends[tile - 1] if tile else 0
        for run in range(begin, ends[tile]):
            line = runs[run, 0]
            step_row, step_column = step_rows[line], step_columns[line]
            base = np.int64(line) * samples
            # A later run is elsewhere in memory, where no processor would guess it.
            later = min(run + AHEAD, runs.shape[0] - 1)
            place = (np.int64(runs[later, 0]) * samples + runs[later, 1]) * LANES
            for n in range(0, (runs[later, 2] - runs[later, 1]) * LANES + 15, 16):
                fetch(values, place + n)  # type: ignore[call-arg]
            for n in range(runs[run, 1], runs[run, 2]):
                # The margin keeps both above 0, so that cutting off rounds down.
                # The sums of `list_runs`, rounded as there: a sample on the border of two strips
                # must not fall out of its own.
                row = (origin + (n - half) * step_row) - first_row
                column = origin + (n - half) * step_column
                row_cell, column_cell = np.int64(row), np.int64(column)
                at = (row_cell - (MARGIN - 1)) * stride + (column_cell - (MARGIN - 1)) * LANES
                spread_sample(  # type: ignore[call-arg]
                    cells,
                    at,
                    stride,
                    values,
                    (base + n) * LANES,
                    np.float32(row - row_cell),
                    np.float32(column - column_cell),
                )


@njit(nogil=True, cache=True)
def unfold_rows(cells, grid, rows):  # type: ignore[no-untyped-def]
    """Bring complete rows of cells to rows of each pair, in the order of transforms.

    Parameters
    ----------
    cells : (row, column, PAIRS) float64
        Complex numbers as they are moved; with margins.
    grid : int
    rows : (TILE_ROWS, PAIRS, grid) float64
    """
    half = grid // 2
    for row in range(TILE_ROWS):
        source = cells[row].reshape(-1)
        a, b, c, d = rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3]
        for n in range(half):
            at = 4 * (n + half + MARGIN)
            a[n] = source[at]
            b[n] = source[at + 1]
            c[n] = source[at + 2]
            d[n] = source[at + 3]
        for n in range(half):
            at = 4 * (n + MARGIN)
            a[n + half] = source[at]
            b[n + half] = source[at + 1]
            c[n + half] = source[at + 2]
            d[n + half] = source[at + 3]


@njit(nogil=True, cache=True)
def fold_columns(cells, grid, rows):  # type: ignore[no-untyped-def]
    """Add the margins' cells (row, column, 2 * PAIRS) to ``rows[row, pair, 2 * column]``."""
    half = grid // 2
    for row in range(TILE_ROWS):
        for pair in range(PAIRS):
            for n in range(MARGIN):
                for part in range(2):
                    low = cells[row, n, 2 * pair + part]
                    high = cells[row, n + MARGIN + grid, 2 * pair + part]
                    rows[row, pair, 2 * (half - MARGIN + n) + part] += low
                    rows[row, pair, 2 * (half + n) + part] += high


@njit(nogil=True, cache=True)
def store_strip(rows, strip, grid, size, pairs, out):  # type: ignore[no-untyped-def]
    """Move transformed rows to ``out[pair, block, row, column of block]``.

    Only the columns of the image are kept. Complex numbers as they are moved (float64).

    Parameters
    ----------
    rows : (TILE_ROWS, PAIRS, grid) float64
    strip, grid, size, pairs : int
    out : (pair, block, grid, BLOCK) float64
    """
    half = size // 2
    first_row = strip * TILE_ROWS
    for pair in range(pairs):
        for first in range(0, size, BLOCK):
            last = min(first + BLOCK, size)
            split = min(max(half, first), last)
            for row in range(min(TILE_ROWS, grid - first_row)):
                source = rows[row, pair]
                place = (first_row + row - MARGIN - grid // 2) % grid
                target = out[pair, first // BLOCK, place]
                if split == last:
                    move = grid - half + first
                    for n in range(last - first):
                        target[n] = source[move + n]
                elif split == first:
                    move = first - half
                    for n in range(last - first):
                        target[n] = source[move + n]
                else:
                    for n in range(first, split):
                        target[n - first] = source[n + grid - half]
                    for n in range(split, last):
                        target[n - first] = source[n - half]


@njit(nogil=True, cache=True)
def fold_rows(rows, strip, grid, size, pairs, out):  # type: ignore[no-untyped-def]
    """Add rows beyond the grid's period to those before; as `store_strip`, but float32."""
    half = size // 2
    for row in range(TILE_ROWS):
        margined = strip * TILE_ROWS + row
        if grid <= margined < grid + 2 * MARGIN:
            place = (margined - MARGIN - grid // 2) % grid
            for pair in range(pairs):
                for column in range(size):
                    target = out[pair, column // BLOCK, place]
                    source = column - half + (grid if column < half else 0)
                    at = 2 * (column % BLOCK)
                    target[at] += rows[row, pair, 2 * source]
                    target[at + 1] += rows[row, pair, 2 * source + 1]


@njit(nogil=True, cache=True)
def finish_block(block, first, scale, left, right, even, odd):  # type: ignore[no-untyped-def]
    """Write a transformed block (row, 2 * column) as columns of two images.

    Parameters
    ----------
    block : (grid, 2 * BLOCK) float32
    first : int
        Column of the image that it begins at.
    scale : (size,) float32
        Divides the window's transform out, along each axis.
    left, right : (size,) int64
        For each row of the image, the columns inside the circle.
    even, odd : (size, size) float32
        The images of the real and of the imaginary parts; `odd` may be empty.
    """
    size, grid = even.shape[0], block.shape[0]
    half = size // 2
    last = min(first + BLOCK, size)
    for y in range(size):
        row = block[y - half + grid if y < half else y - half]
        begin = min(max(left[y], first), last)
        end = max(min(right[y], last), begin)
        for part in range(2 if odd.shape[0] else 1):
            target = odd[y, first:last] if part else even[y, first:last]
            if end > begin:
                _take_part(row, part, scale[y], scale[first:last], target)
            target[: begin - first] = np.float32(0.0)
            target[end - first :] = np.float32(0.0)


@njit(nogil=True, cache=True)
def _take_part(source, part, factor, scale, out):  # type: ignore[no-untyped-def]
    if part == 0:
        for x in range(out.shape[0]):
            out[x] = source[2 * x] * (factor * scale[x])
    else:
        for x in range(out.shape[0]):
            out[x] = source[2 * x + 1] * (factor * scale[x])
