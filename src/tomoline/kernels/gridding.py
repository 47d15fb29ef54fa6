"""Slices from sinograms by gridding in Fourier space: the whole of direct Fourier inversion.

The slice is the sum over angles of the filtered rows' Fourier coefficients times plane waves; that
sum is a non-uniform Fourier transform of type 1 (Dutt and Rokhlin 1993; O'Sullivan 1985 for
tomography). The coefficients are spread to a regular grid with a Kaiser-Bessel window, the grid is
transformed, and the window's own transform divided out.

What makes it fast:

* Two slices are the real and the imaginary part of one complex image.
* Eight slices are gridded together: they share places and weights, which need no table, because a
  line of samples is a run of equal steps; a plan tells which run falls into which tile of the grid.
* A tile of the grid stays in the first level of cache, a strip of tiles in the second until it is
  transformed. The grid as a whole goes to memory once, and comes back once.
* Rows are padded twofold without transforms of that length: the even and the odd frequencies of the
  padded row are transforms of the simple length.

Densities are per pixel: a disc of density 1 gives 1 inside. The slice (y, x) has the axis at its
centre; a row shows a point (x, y) from there at ``axis_px + x cos + y sin``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoline.kernels import _gridding_numba as loops
from tomoline.kernels import _gridding_rows_numba as rows_loops
from tomoline.kernels import _gridding_window as spreading
from tomoline.kernels import fourier, scan_filters
from tomoline.kernels._gridding_lanes import LANES, PAIRS
from tomoline.kernels.scan_filters import FilterName

Real = NDArray[np.float32]
Floats = NDArray[np.float64]
Padding = Literal["edge", "zero"]

TOGETHER = LANES
"""Slices that are made together; fewer take as long to grid."""

_SAME_AXIS_PX = 0.004
"""Axes of two slices that differ by less are one; half of it is far below what is ever known."""

_LINES = 8
"""Angles that are filtered together: their rows stay in the second level of cache."""


@dataclass
class Room:
    """Arrays that one call works in; kept, for fresh memory costs as much as the work."""

    whole: Real
    turned: Real
    packed: Real
    turning: Real
    values: Real
    cells: Real
    rows: Real
    blocks: Real
    columns: Real


class GriddingPlan:
    """Everything about slices that is the same for all of them.

    Parameters
    ----------
    angles_rad : (angle,) float64
    columns : int
        Of the sinograms.
    axis_px : float or array
        Column of the axis; if it differs between slices, its extremes.
    size : int, optional
        Rows and columns of a slice; by default the columns of the sinogram.
    filter_name : str
        One of `scan_filters.FILTERS`.
    cutoff : float
        Cycles per pixel at which the filter's window ends.
    padding : {"edge", "zero"}
        What lies beyond the row: its last values, fading, or nothing. The former keeps the rim of
        a slice right where the specimen is wider than the field.
    mask_radius_px : float, optional
        Pixels further from the axis are 0.
    taking_part : (angle,) bool, optional
        Angles that count; the others' rows are not looked at.
    gridrec : bool
        Filter as gridrec does: sampled ramp, no value at zero frequency, the row padded to the
        next power of two only. For comparisons; the quantitative scale is lost.
    scale : float
        Multiplies the densities.

    Attributes
    ----------
    samples : int
        Frequencies of a row, of either sign.
    grid : int
        Period of the grid.

    Raises
    ------
    ValueError
        If there is no angle, or the axis lies outside of twice the row.
    """

    def __init__(
        self,
        angles_rad: Floats,
        columns: int,
        axis_px: ArrayLike,
        *,
        size: int | None = None,
        filter_name: FilterName = "ramp",
        cutoff: float = 0.5,
        padding: Padding = "edge",
        mask_radius_px: float | None = None,
        taking_part: NDArray[np.bool_] | None = None,
        gridrec: bool = False,
        scale: float = 1.0,
    ) -> None:
        angles = np.asarray(angles_rad, np.float64)
        used = np.ones(len(angles), bool) if taking_part is None else taking_part
        self.columns, self.angles = columns, len(angles)
        self.size = size or columns
        self._lines = np.flatnonzero(used)
        axis = np.asarray(axis_px, np.float64)
        if not len(self._lines):
            raise ValueError("no angle takes part")
        if axis.min() < -columns or axis.max() > 2 * columns:
            raise ValueError(f"an axis at {axis.min():g} is too far from {columns} columns")
        turned = angles[self._lines]
        self._gridrec = gridrec
        self._place_window(axis, mask_radius_px)
        self._make_filter(filter_name, cutoff, padding)
        self._weights = (scale * scan_filters.angle_weights(turned)).astype(np.float32)
        # The centre of an even size lies between pixels.
        between = 0.5 if self.size % 2 == 0 else 0.0
        self._shifts = between * (np.cos(turned) + np.sin(turned))
        self._make_grid(turned)
        self._make_mask(mask_radius_px)
        self._rooms: list[Room] = []

    def _place_window(self, axis: Floats, mask_radius_px: float | None) -> None:
        """Choose the window of a row, its centre near the axis, that is filtered and kept."""
        reach = self.size / math.sqrt(2) if mask_radius_px is None else mask_radius_px
        field = max(axis.max(), self.columns - 1 - axis.min())
        needed = 2 * math.ceil(max(field, reach) + np.ptp(axis) + 1.5)
        if self._gridrec:
            self.samples = 1 << (needed - 1).bit_length()
        else:
            self.samples = fourier.good_size(needed)
        self._offset = self.samples // 2 - round(float(axis.max() + axis.min()) / 2)

    def _make_filter(self, name: FilterName, cutoff: float, padding: Padding) -> None:
        samples = self.samples
        if self._gridrec:
            whole = scan_filters.gridrec_response(name, samples)
            turned = np.zeros(samples)
        else:
            both = scan_filters.response(name, 2 * samples, cutoff) / 2
            whole, turned = both[::2], both[1::2]
        # One factor of 1 / samples belongs to the way back from frequencies.
        self._whole = (whole / samples).astype(np.float32)
        self._turned = (turned / samples).astype(np.float32)
        half_steps = -1j * np.pi * np.arange(samples) / samples
        self._turn = np.exp(half_steps).astype(np.complex64).view(np.float32)
        self._fade = np.empty((2, 0), np.float32)
        if padding == "edge" and not self._gridrec:
            self._fade = scan_filters.fading(2 * samples, self._offset, self.columns)

    def _make_grid(self, angles_rad: Floats) -> None:
        """Lay the lines of samples over the tiles of the grid."""
        least = math.ceil(spreading.OVERSAMPLING * self.size)
        self.grid = grid = fourier.good_size(max(least, 2 * spreading.WIDTH))
        self._rows_step = np.sin(angles_rad) * (grid / self.samples)
        self._columns_step = np.cos(angles_rad) * (grid / self.samples)
        self._wide = wide = grid + 2 * loops.MARGIN
        self._strips = -(-wide // loops.TILE_ROWS)
        self._across = -(-wide // loops.TILE_COLUMNS)
        ends = np.zeros(self._strips * self._across + 1, np.int64)
        place = (self._rows_step, self._columns_step, grid, self.samples, self._across)
        loops.list_runs(*place, ends, np.empty((0, 3), np.int32))
        np.cumsum(ends, out=ends)
        self._runs = np.empty((ends[-1], 3), np.int32)
        loops.list_runs(*place, ends, self._runs)
        self._ends = ends

    def _make_mask(self, radius_px: float | None) -> None:
        size = self.size
        # The half pixel of an even size is in the samples' phases, so the window knows whole ones.
        whole = np.arange(size) - size // 2
        self._scale = (1 / spreading.transform(whole / self.grid)).astype(np.float32)
        place = np.arange(size) - (size - 1) / 2
        self._left = np.zeros(size, np.int64)
        self._right = np.full(size, size, np.int64)
        if radius_px is not None:
            half = np.sqrt(np.maximum(radius_px**2 - place**2, 0.0))
            inside = np.abs(place) < radius_px
            middle = (size - 1) / 2
            self._left[:] = np.where(inside, np.clip(np.ceil(middle - half), 0, size), 0)
            self._right[:] = np.where(inside, np.clip(np.floor(middle + half) + 1, 0, size), 0)

    @property
    def bytes_of_work(self) -> int:
        """Memory that one call of `reconstruct` works in, besides sinograms and slices."""
        blocks = -(-self.size // loops.BLOCK) * loops.BLOCK * self.grid * 8 * PAIRS
        values = len(self._lines) * self.samples * 4 * LANES
        small = (2 * _LINES * PAIRS + 3 * PAIRS + 4) * self.samples * 8
        strip = (2 * loops.TILE_ROWS + loops.HALO) * PAIRS * self._wide * 8
        columns = self.grid * loops.BLOCK * 8
        return int(blocks + values + small + strip + columns + (1 << 20))

    @property
    def bytes_of_plan(self) -> int:
        """Memory of the plan itself, shared by all calls."""
        return int(self._runs.nbytes + self._ends.nbytes + 64 * self.samples)

    def reconstruct(self, sinograms: Real, axis_px: ArrayLike, out: Real | None = None) -> Real:
        """Make slices; best in multiples of `TOGETHER`. May be called from several threads.

        Parameters
        ----------
        sinograms : (slice, angle, column) float32
            Line integrals per pixel.
        axis_px : float or (slice,) array
            Column of the axis in each slice, between the extremes that the plan was made for.
        out : (slice, size, size) float32, optional

        Returns
        -------
        (slice, y, x) float32
            Density per pixel.

        Raises
        ------
        ValueError
            If the sinograms do not fit the plan.
        """
        count = len(sinograms)
        if sinograms.shape[1:] != (self.angles, self.columns):
            raise ValueError(f"sinograms of shape {sinograms.shape} do not fit the plan")
        axes = np.broadcast_to(np.asarray(axis_px, np.float64), count)
        if out is None:
            out = np.empty((count, self.size, self.size), np.float32)
        try:
            room = self._rooms.pop()
        except IndexError:
            room = self.make_room()
        for first in range(0, count, TOGETHER):
            part = slice(first, min(first + TOGETHER, count))
            self.filter_rows(sinograms[part], axes[part], room)
            self.grid_samples(room, (part.stop - first + 1) // 2)
            self.write_slices(room, out[part])
        self._rooms.append(room)
        return out

    def make_room(self) -> Room:
        """Return arrays for the three parts of the work, which follow; benchmarks time each."""
        double = 2 * self.samples
        blocks = -(-self.size // loops.BLOCK)
        return Room(
            whole=np.zeros((PAIRS, _LINES, double), np.float32),
            turned=np.zeros((PAIRS, _LINES, double), np.float32),
            packed=np.zeros((2, double), np.float32),
            turning=np.zeros((PAIRS + 1, double), np.float32),
            values=_aligned(len(self._lines) * self.samples * LANES),
            cells=_aligned((loops.TILE_ROWS + loops.HALO) * self._wide * LANES),
            rows=np.zeros((loops.TILE_ROWS, PAIRS, 2 * self.grid), np.float32),
            blocks=np.zeros((PAIRS, blocks, self.grid, 2 * loops.BLOCK), np.float32),
            columns=np.zeros((self.grid, 2 * loops.BLOCK), np.float32),
        )

    def filter_rows(self, sinograms: Real, axes: Floats, room: Room) -> None:
        """Fill `room.values` with the filtered spectra of up to eight slices."""
        count = len(sinograms)
        pairs = (count + 1) // 2
        nothing = np.empty((0, self.columns), np.float32)
        centred, common = self._centre(axes, pairs)
        values = room.values.view(np.float64).reshape(len(self._lines), self.samples, PAIRS)
        whole, turned = (part[:pairs] for part in (room.whole, room.turned))
        for first in range(0, len(self._lines), _LINES):
            lines = self._lines[first : first + _LINES]
            for pair in range(pairs):
                odd = sinograms[2 * pair + 1] if 2 * pair + 1 < count else nothing
                rows_loops.pack_rows(
                    sinograms[2 * pair],
                    odd,
                    lines,
                    self._weights[first : first + _LINES],
                    self._offset,
                    self._fade,
                    self._turn,
                    room.packed,
                    whole[pair],
                    turned[pair],
                )
            self._multiply(whole, turned)
            rows_loops.place_lines(
                whole[:, : len(lines)],
                turned[:, : len(lines)],
                self._shifts[first : first + _LINES],
                centred,
                common,
                room.turning,
                values,
                first,
            )

    def _multiply(self, whole: Real, turned: Real) -> None:
        """Filter packed lines (pair, line, 2 * samples), both halves; few calls, many lines."""
        flat = whole.reshape(-1, whole.shape[-1])
        fourier.forward_along(flat.view(np.complex64), -1)
        rows_loops.filter_lines(flat, self._whole)
        if self._gridrec:
            turned[:] = 0.0
            return
        flat = turned.reshape(-1, turned.shape[-1])
        fourier.forward_along(flat.view(np.complex64), -1)
        rows_loops.filter_lines(flat, self._turned)
        fourier.inverse_along(flat.view(np.complex64), -1)
        rows_loops.turn_back(flat, self._turn)
        fourier.forward_along(flat.view(np.complex64), -1)

    def _centre(self, axes: Floats, pairs: int) -> tuple[Real, NDArray[np.bool_]]:
        """Return phases that move each slice's axis to the origin, and which pairs share them."""
        both = np.append(axes, axes[-1])[: 2 * pairs].reshape(pairs, 2)
        common = np.ptp(both, axis=1) <= _SAME_AXIS_PX
        both[common] = both[common].mean(axis=1, keepdims=True)
        centred = np.empty((2 * pairs, 2 * self.samples), np.float32)
        for axis, phases in zip(both.reshape(-1), centred, strict=True):
            rows_loops.fill_phases(axis + self._offset, phases)
        return centred, common

    def grid_samples(self, room: Room, pairs: int) -> None:
        """Spread the samples to the grid, and transform its rows as soon as they are complete."""
        cells, wide = room.cells, self._wide
        by_row = cells.reshape(-1, wide, LANES)
        rows, blocks = room.rows, room.blocks
        cells[:] = 0.0
        for strip in range(self._strips):
            loops.grid_strip(
                room.values,
                self.samples,
                self._ends,
                self._runs,
                strip,
                self._across,
                self.grid,
                self._rows_step,
                self._columns_step,
                cells,
                wide,
            )
            loops.unfold_rows(by_row.view(np.float64), self.grid, rows.view(np.float64))
            loops.fold_columns(by_row, self.grid, rows)
            fourier.inverse_along(rows.view(np.complex64), -1, scaled=False)
            place = (strip, self.grid, self.size, pairs)
            loops.store_strip(rows.view(np.float64), *place, blocks.view(np.float64))
            if (strip + 1) * loops.TILE_ROWS > self.grid:
                loops.fold_rows(rows, *place, blocks)
            by_row[: loops.HALO] = by_row[loops.TILE_ROWS :]
            by_row[loops.HALO :] = 0.0

    def write_slices(self, room: Room, out: Real) -> None:
        """Transform the columns and write the slices."""
        nothing = np.empty((0, self.size), np.float32)
        for pair in range((len(out) + 1) // 2):
            odd = out[2 * pair + 1] if 2 * pair + 1 < len(out) else nothing
            for number, block in enumerate(room.blocks[pair]):
                # Copied as it lies in memory; the transform would fetch it in long steps.
                room.columns[:] = block
                fourier.inverse_along(room.columns.view(np.complex64), 0, scaled=False)
                loops.finish_block(
                    room.columns,
                    number * loops.BLOCK,
                    self._scale,
                    self._left,
                    self._right,
                    out[2 * pair],
                    odd,
                )


def _aligned(count: int) -> Real:
    """Return zeros whose cells do not straddle lines of the cache."""
    room = np.zeros(count + 16, np.float32)
    skip = -(room.ctypes.data // 4) % 16
    return room[skip : skip + count]
