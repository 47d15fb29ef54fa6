"""Compiled loops of `tomoline.kernels.sirt`, on 32 slices at a time."""

from __future__ import annotations

import numpy as np
from numba import njit

from tomoline.kernels._backproject_numba import (
    TILE_X,
    TILE_Z,
    block_of,
    gather_tile,
    place_row,
)
from tomoline.kernels._lanes import LANES, VIEW_BLOCK, place_views, scatter_views


@njit(nogil=True, cache=True)
def project(  # type: ignore[no-untyped-def]
    volume,
    z_count,
    x_count,
    columns,
    cosines,
    sines,
    sharpness,
    axis_column,
    z_offset,
    x_offset,
    data,
):
    """Add the projections of `volume` (z, x, lane), flat, to `data` (view, column, lane), flat."""
    offsets, bases = np.zeros(VIEW_BLOCK, np.int32), np.zeros(VIEW_BLOCK, np.int32)
    left, right = np.zeros(VIEW_BLOCK, np.float32), np.zeros(VIEW_BLOCK, np.float32)
    starts, slopes = np.zeros(VIEW_BLOCK, np.float32), np.zeros(VIEW_BLOCK, np.float32)
    sharp = np.zeros(VIEW_BLOCK, np.float32)
    # The same tiles as in back-projection: the columns of a tile stay in cache.
    for z_first in range(0, z_count, TILE_Z):
        z_last = min(z_first + TILE_Z, z_count)
        for x_first in range(0, x_count, TILE_X):
            width = min(TILE_X, x_count - x_first)
            for first_view in range(0, cosines.shape[0], VIEW_BLOCK):
                count = min(VIEW_BLOCK, cosines.shape[0] - first_view)
                block_of(cosines, first_view, slopes)
                block_of(sharpness, first_view, sharp)
                for z in range(z_first, z_last):
                    place_row(
                        cosines,
                        sines,
                        first_view,
                        columns,
                        z - z_offset,
                        x_first - x_offset,
                        axis_column,
                        width,
                        starts,
                        bases,
                    )
                    for x in range(width):
                        voxel = (z * x_count + x_first + x) * LANES
                        place_views(  # type: ignore[call-arg]
                            starts, slopes, bases, sharp, np.float32(x), offsets, left, right
                        )
                        scatter_views(volume, voxel, data, offsets, left, right, count)


@njit(nogil=True, cache=True)
def add_backprojection(  # type: ignore[no-untyped-def]
    data, columns, cosines, sines, sharpness, axis_column, z_offset, x_offset, factors, volume
):
    """Add ``factors[z, x]`` times the back-projection of `data` to `volume` (z, x, lane), flat."""
    z_total, x_total = factors.shape
    tile = np.empty(TILE_Z * TILE_X * LANES, dtype=np.float32)
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
            for z in range(z_count):
                for x in range(x_count):
                    factor = factors[z_first + z, x_first + x]
                    voxel = ((z_first + z) * x_total + x_first + x) * LANES
                    place = (z * x_count + x) * LANES
                    for lane in range(LANES):
                        volume[voxel + lane] += factor * tile[place + lane]


@njit(nogil=True, cache=True)
def weighted_residual(measured, factors, data):  # type: ignore[no-untyped-def]
    """Replace projections `data` by ``factors[ray] * (measured - data)``; both flat over lanes."""
    for ray in range(factors.shape[0]):
        factor = factors[ray]
        for lane in range(ray * LANES, (ray + 1) * LANES):
            data[lane] = factor * (measured[lane] - data[lane])


@njit(nogil=True, cache=True)
def from_lanes(volume, out):  # type: ignore[no-untyped-def]
    """Copy ``volume[z, x, lane]`` to ``out[lane, z, x]``."""
    lanes = out.shape[0]
    for z in range(out.shape[1]):
        for first in range(0, out.shape[2], 16):
            for lane in range(lanes):
                for x in range(first, min(first + 16, out.shape[2])):
                    out[lane, z, x] = volume[z, x, lane]
