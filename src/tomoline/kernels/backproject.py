"""Weighted back-projection of aligned views, slice by slice perpendicular to the tilt axis.

Slices are handled 32 at a time, slice index innermost, so that they share indices and weights.

Geometry, relative to the centres: an aligned view (y, x) has the axis vertical at its middle. A
specimen point is first turned about x by the X-axis tilt alpha, then tilted by theta::

    v = y cos(alpha) - z sin(alpha)
    u = x cos(theta) + (y sin(alpha) + z cos(alpha)) sin(theta)

With alpha, all slices still share their indices in a sheared frame: for
``y' = y - z tan(alpha)``, the row is ``v = y' cos(alpha)``, and
``u = x cos(theta) + z sin(theta) / cos(alpha) + v tan(alpha) sin(theta)``, whose last term moves
whole rows. So rows are taken at ``y' cos(alpha)`` and moved while they are filtered, slices of y'
are back-projected as without alpha, and `shear` takes the volume back to y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomoline.geometry import centre
from tomoline.kernels import _backproject_numba, filters
from tomoline.kernels._lanes import LANES
from tomoline.kernels.filters import RadialFilter

Real = NDArray[np.float32]
Floats = NDArray[np.float64]

__all__ = [
    "LANES",
    "SliceGeometry",
    "backproject",
    "backproject_volume",
    "filter_to_lanes",
    "shear",
    "to_lanes",
]


@dataclass(frozen=True)
class SliceGeometry:
    """How the slices of a tomogram lie to the aligned views.

    Attributes
    ----------
    tilt_rad : (view,) float64
        Tilt angles, in any order.
    width : int
        Columns of an aligned view.
    thickness : int
        Voxels along z.
    x_count : int
        Voxels along x; 0 for `width`.
    x_tilt_rad : float
        X-axis tilt alpha.
    z_shift_px, x_shift_px : float
        How far the specimen is moved in the slices.
    view_x_tilt_rad : (view,) float64, optional
        Each view's own addition to `x_tilt_rad`; only its part that moves rows is acted on.
    """

    tilt_rad: Floats
    width: int
    thickness: int
    x_count: int = 0
    x_tilt_rad: float = 0.0
    z_shift_px: float = 0.0
    x_shift_px: float = 0.0
    view_x_tilt_rad: Floats | None = None
    margin: int = field(init=False)
    """Columns needed beyond each edge of a view."""

    def __post_init__(self) -> None:
        if not self.x_count:
            object.__setattr__(self, "x_count", self.width)
        half_x = centre(self.x_count) + abs(self.x_shift_px)
        half_z = centre(self.thickness) + abs(self.z_shift_px)
        reach = np.max(np.abs(self.cosines) * half_x + np.abs(self.sines) * half_z)
        object.__setattr__(self, "margin", max(2, math.ceil(reach - centre(self.width)) + 2))

    @property
    def cosines(self) -> Floats:
        """Columns for each voxel along x, (view,)."""
        return np.cos(self.tilt_rad)

    @property
    def sines(self) -> Floats:
        """Columns for each voxel along z, (view,)."""
        return np.sin(self.tilt_rad) / math.cos(self.x_tilt_rad)

    @property
    def columns(self) -> int:
        """Columns of the filtered data, margins included."""
        return self.width + 2 * self.margin

    @property
    def axis_column(self) -> float:
        """Place of the tilt axis among them."""
        return self.margin + centre(self.width)

    @property
    def z_offset(self) -> float:
        """Voxel index of the axis along z."""
        return centre(self.thickness) + self.z_shift_px

    @property
    def x_offset(self) -> float:
        """Voxel index of the axis along x."""
        return centre(self.x_count) + self.x_shift_px

    def row_shifts(self, row_px: Floats) -> Floats | None:
        """Return how far rows at v = `row_px` must move, (view, row), or None for not at all."""
        tilts = np.full(len(self.tilt_rad), self.x_tilt_rad)
        if self.view_x_tilt_rad is not None:
            tilts = tilts + self.view_x_tilt_rad
        if not tilts.any():
            return None
        shifts: Floats = -np.outer(np.tan(tilts) * np.sin(self.tilt_rad), row_px)
        return shifts


def filter_to_lanes(
    rows: Real, weights: Real, padded: int, geometry: SliceGeometry, row_px: Floats | None = None
) -> Real:
    """Filter up to 32 rows of all views and lay them out for `backproject`.

    Parameters
    ----------
    rows : (view, slice, x) float32
        The same rows of each view.
    weights : (view, padded // 2 + 1) float32
        From `filters.radial_weights`.
    padded : int
        Length of the transforms, at least the geometry's `columns`.
    geometry : SliceGeometry
    row_px : (slice,) float64, optional
        Places of the rows relative to the centre of the view, needed with an X-axis tilt.

    Returns
    -------
    (view, column, 32) float32
        Lanes without a slice are 0.
    """
    views, slices, width = rows.shape
    if padded < geometry.columns:
        raise ValueError(f"rows padded to {padded} do not hold {geometry.columns} columns")
    shifts = None if row_px is None else geometry.row_shifts(row_px)
    out = np.empty((views, geometry.columns, LANES), dtype=np.float32)
    if slices < LANES:
        out[:, :, slices:] = 0.0
    for view in range(views):
        filtered = filters.filter_rows(
            rows[view], weights[view], padded, shift_px=None if shifts is None else shifts[view]
        )
        _backproject_numba.lay_out(filtered, geometry.margin, width, out[view])
    return out


def to_lanes(rows: Real, geometry: SliceGeometry) -> Real:
    """Lay out up to 32 unfiltered rows (view, slice, x), margins repeating the edges."""
    views, slices, _ = rows.shape
    margin = geometry.margin
    out = np.zeros((views, geometry.columns, LANES), dtype=np.float32)
    padded = np.pad(rows, ((0, 0), (0, 0), (margin, margin)), mode="edge")
    out[:, :, :slices] = padded.transpose(0, 2, 1)
    return out


def backproject(
    data: Real, geometry: SliceGeometry, slices: int = LANES, out: Real | None = None
) -> Real:
    """Back-project up to 32 slices.

    Parameters
    ----------
    data : (view, column, 32) float32
        From `filter_to_lanes`.
    geometry : SliceGeometry
    slices : int
        How many of the lanes are slices.
    out : (slices, thickness, x) float32, optional
        C-contiguous; written and returned.

    Returns
    -------
    (slices, thickness, x) float32

    Raises
    ------
    ValueError
        If `data` does not fit the geometry.
    """
    if data.shape != (len(geometry.tilt_rad), geometry.columns, LANES):
        raise ValueError(f"data of shape {data.shape} do not fit the geometry")
    if data.size >= 2**31:
        raise ValueError("too many views and columns for 32-bit places")
    if out is None:
        out = np.empty((slices, geometry.thickness, geometry.x_count), dtype=np.float32)
    _backproject_numba.backproject_slices(
        data.reshape(-1),
        geometry.columns,
        geometry.cosines,
        geometry.sines,
        np.ones(len(geometry.tilt_rad)),
        geometry.axis_column,
        geometry.z_offset,
        geometry.x_offset,
        out,
        slices,
    )
    return out


def shear(
    slices: Real, first_slice: int, y: int, geometry: SliceGeometry, out: Real | None = None
) -> Real:
    """Return slice `y` of the tomogram from slices of the sheared frame.

    Parameters
    ----------
    slices : (slice, z, x) float32
        Consecutive slices of y'; those beyond either end count as 0.
    first_slice : int
        Index of the first of them.
    y : int
        Index of the wanted slice.
    geometry : SliceGeometry
    out : (z, x) float32, optional
        Added to: parts of the slices may so be given one after the other.

    Returns
    -------
    (z, x) float32
    """
    if out is None:
        out = np.zeros(slices.shape[1:], dtype=np.float32)
    slope = math.tan(geometry.x_tilt_rad)
    _backproject_numba.shear_slice(slices, float(y - first_slice), slope, geometry.z_offset, out)
    return out


def shear_reach(geometry: SliceGeometry) -> int:
    """Return how many slices of y' beyond a slice of y are needed on either side."""
    half = centre(geometry.thickness) + abs(geometry.z_shift_px)
    # And one more neighbour for the interpolation.
    return math.ceil(abs(math.tan(geometry.x_tilt_rad)) * half) + 1


def rows_at(rows: Real, position: Floats, out: Real | None = None) -> Real:
    """Interpolate rows (row, x) at fractional row indices, cubic; 0 beyond the first and last."""
    if out is None:
        out = np.empty((len(position), rows.shape[1]), dtype=np.float32)
    _backproject_numba.interpolate_rows(rows, position, out)
    return out


def backproject_volume(
    stack: Real,
    tilt_rad: Floats,
    thickness: int,
    *,
    radial: RadialFilter | None = None,
    x_tilt_rad: float = 0.0,
    z_shift_px: float = 0.0,
    x_shift_px: float = 0.0,
) -> Real:
    """Reconstruct a whole tomogram in memory: for small ones, samples and tests.

    Parameters
    ----------
    stack : (view, y, x) float32
        Aligned views, axis vertical.
    tilt_rad : (view,) float64
    thickness : int
        Voxels along z.
    radial : RadialFilter, optional
        IMOD's standard filter unless given.
    x_tilt_rad, z_shift_px, x_shift_px : float
        As in `SliceGeometry`.

    Returns
    -------
    (y, thickness, x) float32
    """
    _, height, width = stack.shape
    geometry = SliceGeometry(
        np.asarray(tilt_rad, dtype=np.float64),
        width,
        thickness,
        x_tilt_rad=x_tilt_rad,
        z_shift_px=z_shift_px,
        x_shift_px=x_shift_px,
    )
    padded = filters.padded_size(width, geometry.margin)
    weights = filters.radial_weights(geometry.tilt_rad, padded, radial or RadialFilter())
    reach = shear_reach(geometry) if x_tilt_rad else 0
    volume = np.empty((height + 2 * reach, thickness, width), dtype=np.float32)
    for first in range(0, len(volume), LANES):
        count = min(LANES, len(volume) - first)
        index = np.arange(first, first + count, dtype=np.float64)
        row_px = (index - reach - centre(height)) * math.cos(x_tilt_rad)
        if x_tilt_rad:
            rows = np.stack([rows_at(view, row_px + centre(height)) for view in stack])
        else:
            rows = stack[:, first : first + count]
        data = filter_to_lanes(rows, weights, padded, geometry, row_px)
        backproject(data, geometry, count, volume[first : first + count])
    if not reach:
        return volume
    return np.stack([shear(volume, -reach, y, geometry) for y in range(height)])
