"""Compiled loops of `tomoline.kernels.gridding`.

Complex arrays come as float32 views with a last axis of twice the length (real, imaginary), or,
where numbers are only moved, as float64 views.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tomoline.kernels._gridding_lanes import LANES, PAIRS, spread_sample
from tomoline.kernels._gridding_window import WIDTH

# A tile of the grid stays in the first level of cache, a strip of tiles in the second.
TILE_ROWS = 16
TILE_COLUMNS = 32
HALO = WIDTH - 1
MARGIN = WIDTH // 2
"""Rows and columns that the grid is wider, on the low side, than its period."""

BLOCK = 32
"""Columns of the image that are transformed together."""


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
    values, samples, ends, runs, strip, tiles_across, grid, step_rows, step_columns, tile, rows
):
    """Grid the samples of one strip of tiles, adding to ``rows[row, pair, 2 * column]``.

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
    tile : float32
        Room for a tile and its halo.
    rows : (TILE_ROWS + HALO, PAIRS, 2 * grid) float32
        Its first `HALO` rows hold what the strip before left; columns in the order of transforms.
    """
    half = samples // 2
    origin = grid // 2 + MARGIN
    wide = TILE_COLUMNS + HALO
    stride = np.int64(wide * LANES)
    for across in range(tiles_across):
        number = strip * tiles_across + across
        begin = ends[number - 1] if number else 0
        end = ends[number]
        if begin == end:
            continue
        tile[:] = np.float32(0.0)
        top = strip * TILE_ROWS
        left = across * TILE_COLUMNS
        for run in range(begin, end):
            line = runs[run, 0]
            step_row, step_column = step_rows[line], step_columns[line]
            base = np.int64(line) * samples
            for n in range(runs[run, 1], runs[run, 2]):
                row = origin + (n - half) * step_row
                column = origin + (n - half) * step_column
                row_cell, column_cell = np.int64(row), np.int64(column)
                at = (row_cell - (MARGIN - 1) - top) * stride
                at += (column_cell - (MARGIN - 1) - left) * LANES
                spread_sample(  # type: ignore[call-arg]
                    tile,
                    at,
                    stride,
                    values,
                    (base + n) * LANES,
                    np.float32(row - row_cell),
                    np.float32(column - column_cell),
                )
        # Column c of the tile is left + c of the margined grid; the period starts at its middle.
        start = left - MARGIN - grid // 2
        start += grid if start < 0 else 0
        done = 0
        while done < wide:
            place = (start + done) % grid
            count = min(wide - done, grid - place)
            _add_cells(tile, stride, done, count, rows, place)
            done += count


@njit(nogil=True, cache=True)
def _add_cells(tile, stride, done, count, rows, place):  # type: ignore[no-untyped-def]
    for row in range(TILE_ROWS + HALO):
        for pair in range(PAIRS):
            target = rows[row, pair]
            source = row * stride + done * LANES + 2 * pair
            for n in range(count):
                target[2 * (place + n)] += tile[source + n * LANES]
                target[2 * (place + n) + 1] += tile[source + n * LANES + 1]


@njit(nogil=True, cache=True)
def store_strip(rows, strip, grid, size, pairs, out):  # type: ignore[no-untyped-def]
    """Move transformed rows (row, pair, column) to ``out[pair, block, row, column of block]``.

    Only the columns of the image are kept. Rows beyond the grid's period fold onto those before.
    """
    half = size // 2
    for row in range(TILE_ROWS):
        margined = strip * TILE_ROWS + row
        if margined >= grid + MARGIN + HALO:
            break
        place = (margined - MARGIN - grid // 2) % grid
        for pair in range(pairs):
            source = rows[row, pair]
            for first in range(0, size, BLOCK):
                last = min(first + BLOCK, size)
                target = out[pair, first // BLOCK, place]
                split = min(max(half, first), last)
                if margined < grid:
                    for n in range(2 * first, 2 * split):
                        target[n - 2 * first] = source[n + 2 * (grid - half)]
                    for n in range(2 * split, 2 * last):
                        target[n - 2 * first] = source[n - 2 * half]
                else:
                    for n in range(2 * first, 2 * split):
                        target[n - 2 * first] += source[n + 2 * (grid - half)]
                    for n in range(2 * split, 2 * last):
                        target[n - 2 * first] += source[n - 2 * half]


@njit(nogil=True, cache=True)
def finish_block(block, first, scale, left, right, even, odd):  # type: ignore[no-untyped-def]
    """Write a transformed block (row, 2 * column) as columns of two images.

    Parameters
    ----------
    block : (grid, 2 * BLOCK) float32
    first : int
        Column of the image that the block begins at.
    scale : (size,) float32
        Divides the window's transform out, along each axis.
    left, right : (size,) int64
        For each row of the image, the columns inside the circle.
    even, odd : (size, size) float32
        The images of the real and of the imaginary parts; `odd` may be empty.
    """
    grid = block.shape[0]
    size = even.shape[0]
    half = size // 2
    last = min(first + BLOCK, size)
    for y in range(size):
        source = block[(y - half) % grid]
        begin = min(max(left[y], first), last)
        end = max(min(right[y], last), begin)
        factor = scale[y]
        for x in range(first, begin):
            even[y, x] = np.float32(0.0)
        for x in range(begin, end):
            even[y, x] = source[2 * (x - first)] * (factor * scale[x])
        for x in range(end, last):
            even[y, x] = np.float32(0.0)
        if odd.shape[0]:
            for x in range(first, begin):
                odd[y, x] = np.float32(0.0)
            for x in range(begin, end):
                odd[y, x] = source[2 * (x - first) + 1] * (factor * scale[x])
            for x in range(end, last):
                odd[y, x] = np.float32(0.0)


@njit(nogil=True, cache=True)
def pack_rows(  # type: ignore[no-untyped-def]
    even, odd, lines, weights, offset, fade, turn, room, whole, turned
):
    """Pack rows of two slices as complex numbers, padded, in two halves of their spectrum.

    Parameters
    ----------
    even, odd : (angle, column) float32
        The slices; `odd` may be empty.
    lines : (line,) int64
        Which angles.
    weights : (line,) float32
    offset : int
        Place of column 0 in the window.
    fade : (2 * samples,) float32 or empty
        Weight of the last column's value beyond it, at each place of the padded window; that of
        the first column is the rest of the way round. Empty: zeros.
    turn : (2 * samples,) float32
        Complex: takes the odd frequencies of the padded transform to whole ones.
    room : (2, 2 * samples) float32
    whole, turned : (line, 2 * samples) float32
        Complex: what is to be transformed for the even and for the odd frequencies.
    """
    columns = even.shape[1]
    samples = whole.shape[1] // 2
    paired = odd.shape[0] > 0
    room[:] = np.float32(0.0)
    for n in range(lines.shape[0]):
        weight = weights[n]
        for part in range(2 if paired else 1):
            source = even[lines[n]] if part == 0 else odd[lines[n]]
            target = room[part]
            if fade.shape[0]:
                begin, end = weight * source[0], weight * source[columns - 1]
                for place in range(2 * samples):
                    target[place] = fade[place, 0] * begin + fade[place, 1] * end
            for column in range(columns):
                target[offset + column] = weight * source[column]
        real, imaginary = room[0], room[1]
        plain, moved = whole[n], turned[n]
        for place in range(samples):
            plain[2 * place] = real[place] + real[place + samples]
            plain[2 * place + 1] = imaginary[place] + imaginary[place + samples]
            a = real[place] - real[place + samples]
            b = imaginary[place] - imaginary[place + samples]
            c, d = turn[2 * place], turn[2 * place + 1]
            moved[2 * place] = a * c - b * d
            moved[2 * place + 1] = a * d + b * c


@njit(nogil=True, cache=True)
def filter_lines(lines, response):  # type: ignore[no-untyped-def]
    """Multiply complex lines (line, 2 * samples) by a real response (samples,), in place."""
    for n in range(lines.shape[0]):
        line = lines[n]
        for place in range(response.shape[0]):
            line[2 * place] *= response[place]
            line[2 * place + 1] *= response[place]


@njit(nogil=True, cache=True)
def turn_back(lines, turn):  # type: ignore[no-untyped-def]
    """Multiply complex lines by the conjugate of `turn`, in place."""
    for n in range(lines.shape[0]):
        line = lines[n]
        for place in range(turn.shape[0] // 2):
            a, b = line[2 * place], line[2 * place + 1]
            c, d = turn[2 * place], turn[2 * place + 1]
            line[2 * place] = a * c + b * d
            line[2 * place + 1] = b * c - a * d


@njit(nogil=True, cache=True)
def fill_phases(shift, phases):  # type: ignore[no-untyped-def]
    """Fill ``phases[k] = exp(2 pi i k shift / samples)`` for 0 <= k < samples / 2 (complex)."""
    samples = phases.shape[0]
    step = 2.0 * np.pi * shift / samples
    # By pieces of 32, so that a few sines do and no error grows.
    real, imaginary = np.empty(32), np.empty(32)
    for n in range(32):
        real[n], imaginary[n] = np.cos(n * step), np.sin(n * step)
    for first in range(0, samples // 2, 32):
        c, d = np.cos(first * step), np.sin(first * step)
        for n in range(min(32, samples // 2 - first)):
            phases[2 * (first + n)] = real[n] * c - imaginary[n] * d
            phases[2 * (first + n) + 1] = real[n] * d + imaginary[n] * c


@njit(nogil=True, cache=True)
def place_lines(whole, turned, shifts, centre_phases, room, values, first_line):  # type: ignore[no-untyped-def]
    """Join both halves of the spectra, move the axis to the origin, lay out for gridding.

    Parameters
    ----------
    whole, turned : (pair, line, 2 * samples) float32
        Complex, in the order of transforms; `turned` may be empty (one line).
    shifts : (line,) float64
        Further move of each line, pixels.
    centre_phases : (slice, samples) float32
        Complex, samples / 2 phases that move each slice's axis.
    room : (PAIRS + 1, 2 * samples) float32
    values : (all lines, samples, PAIRS) float64
        Complex numbers as they are moved; ascending frequencies.
    """
    pairs, lines, double = whole.shape
    samples = double // 2
    half = samples // 2
    phases = room[PAIRS]
    for n in range(lines):
        fill_phases(shifts[n], phases[:samples])
        for pair in range(pairs):
            _turn_line(
                whole[pair, n],
                turned[pair, n],
                phases,
                centre_phases[2 * pair],
                centre_phases[2 * pair + 1],
                room[pair],
            )
        moved = room.view(np.float64)
        a, b, c, d = moved[0], moved[1], moved[2], moved[3]
        target = values[first_line + n].reshape(-1)
        for k in range(half):
            target[4 * (k + half)] = a[k]
            target[4 * (k + half) + 1] = b[k]
            target[4 * (k + half) + 2] = c[k]
            target[4 * (k + half) + 3] = d[k]
        for k in range(half):
            target[4 * k] = a[k + half]
            target[4 * k + 1] = b[k + half]
            target[4 * k + 2] = c[k + half]
            target[4 * k + 3] = d[k + half]


@njit(nogil=True, cache=True)
def _turn_line(whole, turned, phases, first, second, out):  # type: ignore[no-untyped-def]
    """Multiply the spectra of both slices of a pair by their phases; order of transforms."""
    samples = whole.shape[0] // 2
    out[0] = whole[0] + turned[0]
    out[1] = whole[1] + turned[1]
    for k in range(1, samples // 2):
        low, high = 2 * k, 2 * (samples - k)
        e, f = phases[low], phases[low + 1]
        g = first[low] * e - first[low + 1] * f
        h = first[low] * f + first[low + 1] * e
        p = second[low] * e - second[low + 1] * f
        q = second[low] * f + second[low + 1] * e
        a, b = whole[low] + turned[low], whole[low + 1] + turned[low + 1]
        c, d = whole[high] + turned[high], whole[high + 1] + turned[high + 1]
        # Twice the spectrum of the first slice, and of the second times i.
        r, s = a + c, b - d
        t, u = a - c, b + d
        v, w = r * g - s * h, r * h + s * g
        x, y = t * p - u * q, t * q + u * p
        half = np.float32(0.5)
        out[low] = half * (v + x)
        out[low + 1] = half * (w + y)
        out[high] = half * (v - x)
        out[high + 1] = half * (y - w)
