"""Compiled loops of `tomoline.kernels.backproject`: tiles that stay in cache."""

from __future__ import annotations

import numpy as np
from numba import njit

from tomoline.kernels._lanes import (
    LANES,
    SQUARE,
    VIEW_BLOCK,
    gather_views,
    place_views,
    transpose_square,
)

# Chosen by benchmarks/backprojection.py: a tile of voxels, and the columns that a block of views
# holds of them, fit the first two levels of cache.
TILE_Z = 8
TILE_X = 16


@njit(nogil=True, cache=True)
def place_row(cosines, sines, first_view, columns, z, x, axis_column, x_count, starts, bases):  # type: ignore[no-untyped-def]
    """Prepare `place_views` for a row of `x_count` voxels from (x, z), relative to the axis."""
    for n in range(min(VIEW_BLOCK, cosines.shape[0] - first_view)):
        view = first_view + n
        u = axis_column + z * sines[view] + x * cosines[view]
        # Relative to a column near by, so that float32 keeps small fractions.
        base = np.int64(min(u, u + cosines[view] * (x_count - 1)))
        starts[n] = u - base
        bases[n] = (view * columns + base) * LANES


@njit(nogil=True, cache=True)
def block_of(values, first_view, out):  # type: ignore[no-untyped-def]
    """Copy the block of views from `first_view` on to `out`, float32."""
    for n in range(min(VIEW_BLOCK, values.shape[0] - first_view)):
        out[n] = values[first_view + n]


@njit(nogil=True, cache=True)
def gather_tile(  # type: ignore[no-untyped-def]
    data, columns, cosines, sines, sharpness, axis_column, z_first, z_count, x_first, x_count, tile
):
    """Back-project a tile into `tile` (z, x, lane), flat.

    `z_first` and `x_first` are the first voxel's place from the rotation axis.
    """
    offsets, bases = np.zeros(VIEW_BLOCK, np.int32), np.zeros(VIEW_BLOCK, np.int32)
    left, right = np.zeros(VIEW_BLOCK, np.float32), np.zeros(VIEW_BLOCK, np.float32)
    starts, slopes = np.zeros(VIEW_BLOCK, np.float32), np.zeros(VIEW_BLOCK, np.float32)
    sharp = np.zeros(VIEW_BLOCK, np.float32)
    tile[: z_count * x_count * LANES] = 0.0
    for first_view in range(0, cosines.shape[0], VIEW_BLOCK):
        count = min(VIEW_BLOCK, cosines.shape[0] - first_view)
        block_of(cosines, first_view, slopes)
        block_of(sharpness, first_view, sharp)
        for z in range(z_count):
            place_row(
                cosines,
                sines,
                first_view,
                columns,
                z_first + z,
                x_first,
                axis_column,
                x_count,
                starts,
                bases,
            )
            for x in range(x_count):
                voxel = (z * x_count + x) * LANES
                place_views(starts, slopes, bases, sharp, np.float32(x), offsets, left, right)  # type: ignore[call-arg]
                gather_views(tile, voxel, data, offsets, left, right, count)


@njit(nogil=True, cache=True)
def store_tile(tile, z_first, z_count, x_first, x_count, out, lanes):  # type: ignore[no-untyped-def]
    """Copy a tile (z, x, lane) to its place in ``out[slice, z, x]``."""
    flat = out.reshape(-1)
    slice_size = out.shape[1] * out.shape[2]
    for z in range(z_count):
        row = (z_first + z) * out.shape[2] + x_first
        x_done = 0
        if lanes == LANES:
            for x in range(0, x_count - SQUARE + 1, SQUARE):
                for lane in range(0, LANES, SQUARE):
                    transpose_square(  # type: ignore[call-arg]
                        tile,
                        (z * x_count + x) * LANES + lane,
                        flat,
                        row + x + lane * slice_size,
                        slice_size,
                    )
                x_done = x + SQUARE
        for lane in range(lanes):
            for x in range(x_done, x_count):
                flat[lane * slice_size + row + x] = tile[(z * x_count + x) * LANES + lane]


@njit(nogil=True, cache=True)
def backproject_slices(  # type: ignore[no-untyped-def]
    data, columns, cosines, sines, sharpness, axis_column, z_offset, x_offset, out, lanes
):
    """Fill ``out[slice, z, x]`` for the first `lanes` slices of `data` (view, column, lane)."""
    tile = np.empty(TILE_Z * TILE_X * LANES, dtype=np.float32)
    z_total, x_total = out.shape[1], out.shape[2]
    for z_first in range(0, z_total, TILE_Z):
        z_count = min(TILE_Z, z_total - z_first)
        for x_first in range(0, x_total, TILE_X):
            x_count = min(TILE_X, x_total - x_first)
            gather_tile(
                data,
                columns,
                cosines,
                sines,
                sharpness,
                axis_column,
                z_first - z_offset,
                z_count,
                x_first - x_offset,
                x_count,
                tile,
            )
            store_tile(tile, z_first, z_count, x_first, x_count, out, lanes)


@njit(nogil=True, cache=True)
def lay_out(filtered, margin, width, out):  # type: ignore[no-untyped-def]
    """Copy filtered rows (slice, padded), circular, into ``out[column, lane]`` with margins."""
    slices, padded = filtered.shape
    columns = out.shape[0]
    # Blocks of columns, so that both sides stay in the first level of cache.
    for first in range(0, columns, 16):
        last = min(first + 16, columns)
        for lane in range(slices):
            for column in range(first, last):
                place = column - margin
                if place < 0:
                    place += padded
                out[column, lane] = filtered[lane, place]


@njit(nogil=True, cache=True)
def _cubic_weights(t):  # type: ignore[no-untyped-def]
    """Weights of cubic convolution (a = -1/2) on the four neighbours at fraction `t`."""
    s = 1.0 - t
    return (
        -0.5 * t * s * s,
        1.0 + t * t * (1.5 * t - 2.5),
        1.0 + s * s * (1.5 * s - 2.5),
        -0.5 * s * t * t,
    )


@njit(nogil=True, cache=True)
def shear_slice(slices, y, slope, z_offset, out):  # type: ignore[no-untyped-def]
    """Add to ``out[z, x]`` what `slices` hold at slice y - slope (z - z_offset)."""
    count = slices.shape[0]
    for z in range(out.shape[0]):
        place = y - slope * (z - z_offset)
        lower = np.int64(np.floor(place))
        weights = _cubic_weights(place - lower)
        for k in range(4):
            source = lower - 1 + k
            if 0 <= source < count:
                weight = np.float32(weights[k])
                for x in range(out.shape[1]):
                    out[z, x] += weight * slices[source, z, x]


@njit(nogil=True, cache=True)
def interpolate_rows(rows, position, out):  # type: ignore[no-untyped-def]
    """Interpolate between rows; 0 beyond half a pixel from the outer ones."""
    count = rows.shape[0]
    for n in range(out.shape[0]):
        out[n] = 0.0
        place = min(max(position[n], 0.0), count - 1.0)
        if abs(place - position[n]) > 0.5 + 1e-9:
            continue
        row = np.int64(place)
        weights = _cubic_weights(place - row)
        for k in range(4):
            source = min(max(row - 1 + k, 0), count - 1)
            weight = np.float32(weights[k])
            for x in range(out.shape[1]):
                out[n, x] += weight * rows[source, x]
