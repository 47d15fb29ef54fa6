"""Simultaneous iterative reconstruction (SIRT) with a matched pair of projectors.

Projection A is Joseph's (1982): along each ray the volume is interpolated linearly between voxels
of a row, or of a column where the ray is nearer to those. Back-projection A' has the same weights,
so they are each other's adjoint. An iteration is ``x += C A' R (b - A x)``, where R and C divide by
the sums of A's rows and columns (Gregor and Benson 2008). Slices are handled 32 at a time, in the
layouts of `tomoline.kernels.backproject`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import _sirt_numba
from tomoline.kernels.backproject import LANES, SliceGeometry

Real = NDArray[np.float32]

# Rays that meet less than this many voxels say nothing.
_SHORTEST_RAY = 0.1


@dataclass(frozen=True)
class SirtWeights:
    """The factors of an iteration, which all slices share.

    Attributes
    ----------
    rays : (view, column) float32
        One over the length of each ray in the volume; 0 for columns beyond the view.
    voxels : (z, x) float32
        One over the sum of each voxel's weights in all views.
    """

    rays: Real
    voxels: Real


def _sharpness(geometry: SliceGeometry) -> NDArray[np.float64]:
    """Return one over the half width of a voxel's shadow, (view,), as in Joseph's method."""
    return 1 / np.maximum(np.abs(geometry.cosines), np.abs(geometry.sines))


def project(volume: Real, geometry: SliceGeometry) -> Real:
    """Project a volume (z, x, 32) onto all views.

    Returns
    -------
    (view, column, 32) float32
        Margins included.
    """
    data = np.zeros((len(geometry.tilt_rad), geometry.columns, LANES), dtype=np.float32)
    _project_into(np.ascontiguousarray(volume), geometry, data)
    return data


def _project_into(volume: Real, geometry: SliceGeometry, data: Real) -> None:
    _sirt_numba.project(
        volume.reshape(-1),
        geometry.thickness,
        geometry.x_count,
        geometry.columns,
        geometry.cosines,
        geometry.sines,
        _sharpness(geometry),
        geometry.axis_column,
        geometry.z_offset,
        geometry.x_offset,
        data.reshape(-1),
    )


def backproject(data: Real, geometry: SliceGeometry) -> Real:
    """Return the adjoint of `project`: (view, column, 32) to (z, x, 32) float32."""
    shape = (geometry.thickness, geometry.x_count)
    volume = np.zeros((*shape, LANES), dtype=np.float32)
    _add_backprojection(data, geometry, np.ones(shape, dtype=np.float32), volume)
    return volume


def _add_backprojection(data: Real, geometry: SliceGeometry, factors: Real, volume: Real) -> None:
    _sirt_numba.add_backprojection(
        data.reshape(-1),
        geometry.columns,
        geometry.cosines,
        geometry.sines,
        _sharpness(geometry),
        geometry.axis_column,
        geometry.z_offset,
        geometry.x_offset,
        factors,
        volume.reshape(-1),
    )


def sirt_weights(geometry: SliceGeometry) -> SirtWeights:
    """Return the factors for a geometry; once for all slices."""
    ones = np.ones((geometry.thickness, geometry.x_count, LANES), dtype=np.float32)
    lengths = project(ones, geometry)[:, :, 0]
    rays = np.zeros_like(lengths)
    inner = slice(geometry.margin, geometry.margin + geometry.width)
    long_enough = lengths[:, inner] > _SHORTEST_RAY
    rays[:, inner][long_enough] = 1 / lengths[:, inner][long_enough]
    seen = np.repeat((rays > 0).astype(np.float32)[:, :, None], LANES, axis=2)
    sums = backproject(seen, geometry)[:, :, 0]
    voxels = np.zeros_like(sums)
    voxels[sums > 0] = 1 / sums[sums > 0]
    return SirtWeights(rays, voxels)


def sirt(
    measured: Real,
    geometry: SliceGeometry,
    weights: SirtWeights,
    leave: Sequence[int],
    slices: int = LANES,
    start: Real | None = None,
) -> dict[int, Real]:
    """Reconstruct up to 32 slices by SIRT.

    Parameters
    ----------
    measured : (view, column, 32) float32
        Line integrals, from `backproject.to_lanes` or filtered; margins are not looked at.
    geometry : SliceGeometry
    weights : SirtWeights
        From `sirt_weights`.
    leave : sequence of int
        After which iterations to keep the slices; the largest is the number of iterations.
    slices : int
        How many of the lanes are slices.
    start : (slices, z, x) float32, optional
        Where to start from; zero unless given.

    Returns
    -------
    dict of int to (slices, z, x) float32
        The slices after each iteration of `leave`.
    """
    shape = (geometry.thickness, geometry.x_count)
    volume = np.zeros((*shape, LANES), dtype=np.float32)
    if start is not None:
        volume[:, :, : len(start)] = start.transpose(1, 2, 0)
    data = np.empty_like(measured)
    flat_rays = weights.rays.reshape(-1)
    kept: dict[int, Real] = {}
    for iteration in range(1, max(leave) + 1):
        data[...] = 0.0
        _project_into(volume, geometry, data)
        _sirt_numba.weighted_residual(measured.reshape(-1), flat_rays, data.reshape(-1))
        _add_backprojection(data, geometry, weights.voxels, volume)
        if iteration in leave:
            out = np.empty((slices, *shape), dtype=np.float32)
            _sirt_numba.from_lanes(volume, out)
            kept[iteration] = out
    return kept


__all__ = ["SirtWeights", "backproject", "project", "sirt", "sirt_weights"]
