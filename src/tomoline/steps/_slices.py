"""The work of the reconstruct step on a few slices at a time, and bringing them to the file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tomoline.geometry import centre
from tomoline.kernels import backproject as bp
from tomoline.kernels import filters, sirt
from tomoline.steps._rows import RowReader

Real = NDArray[np.float32]

# Counts below this part of a view's mean are taken to be that, where the logarithm is taken.
_LEAST_FOR_LOG = 1e-3


class Method(Protocol):
    """A way to make slices from rows: its results by name."""

    @property
    def geometry(self) -> bp.SliceGeometry:
        """How the slices lie."""

    @property
    def bytes_per_chunk(self) -> int:
        """Bound on what `slices` holds, its rows and results included."""

    def slices(self, rows: Real, row_px: NDArray[np.float64]) -> dict[int, Real]:
        """Return slices (slice, z, x) made from rows (view, slice, x), by name."""


@dataclass(frozen=True)
class Backprojection:
    """Weighted back-projection; its only result is named 0."""

    geometry: bp.SliceGeometry
    weights: Real
    padded: int

    def slices(self, rows: Real, row_px: NDArray[np.float64]) -> dict[int, Real]:
        """Return the slices, named 0."""
        data = bp.filter_to_lanes(rows, self.weights, self.padded, self.geometry, row_px)
        return {0: bp.backproject(data, self.geometry, rows.shape[1])}

    @property
    def bytes_per_chunk(self) -> int:
        """Rows, their lanes, the transforms and the slices."""
        shape = self.geometry
        views = len(shape.tilt_rad)
        lanes = bp.LANES * 4
        transforms = 4 * self.padded
        rows = views * (2 * shape.width + shape.columns)
        return lanes * (rows + transforms + shape.thickness * shape.x_count)


@dataclass(frozen=True)
class Sirt:
    """SIRT from zero; results are named by their iteration."""

    geometry: bp.SliceGeometry
    factors: sirt.SirtWeights
    low_pass: Real
    padded: int
    names: Sequence[int]
    """Iterations to leave."""
    view_means: NDArray[np.float64]
    """Level of each view, which is taken off: only differences from it are reconstructed."""

    def slices(self, rows: Real, row_px: NDArray[np.float64]) -> dict[int, Real]:
        """Return the slices after the iterations to leave."""
        rows -= self.view_means.astype(np.float32)[:, None, None]
        data = bp.filter_to_lanes(rows, self.low_pass, self.padded, self.geometry, row_px)
        return sirt.sirt(data, self.geometry, self.factors, self.names, rows.shape[1])

    @property
    def bytes_per_chunk(self) -> int:
        """Rows, twice their lanes, the transforms, the volume and all results."""
        shape = self.geometry
        views = len(shape.tilt_rad)
        lanes = bp.LANES * 4
        rows = views * (2 * shape.width + 2 * shape.columns)
        volumes = (1 + len(self.names)) * shape.thickness * shape.x_count
        return lanes * (rows + 4 * self.padded + volumes)


@dataclass(frozen=True)
class RowSource:
    """Rows of the aligned stack in the sheared frame of `kernels.backproject`."""

    reader: RowReader
    x_tilt_rad: float
    log_base: float | None = None

    def rows(self, first: int, last: int) -> tuple[Real, NDArray[np.float64]]:
        """Return rows (view, slice, x) for slices first to last - 1, and their places."""
        height = self.reader.height
        index = np.arange(first, last, dtype=np.float64)
        row_px = (index - centre(height)) * math.cos(self.x_tilt_rad)
        if not self.x_tilt_rad:
            rows = self.reader.read(first, last)
        else:
            places = row_px + centre(height)
            low = int(np.clip(math.floor(places[0]) - 1, 0, height - 1))
            high = int(np.clip(math.floor(places[-1]) + 3, low + 1, height))
            whole = self.reader.read(low, high)
            # Rows beyond the stack get the mean: nothing is known of them.
            rows = np.stack([bp.rows_at(view, places - low) for view in whole])
            outside = (places < -0.5) | (places > height - 0.5)
            rows[:, outside] = whole.mean(axis=(1, 2), keepdims=True)
        if not np.isfinite(rows.sum()):
            np.nan_to_num(rows, copy=False, nan=float(np.nanmean(rows)), posinf=0, neginf=0)
        if self.log_base is not None:
            rows += np.float32(self.log_base)
            least = np.maximum(rows.mean(axis=(1, 2), keepdims=True) * _LEAST_FOR_LOG, 1e-6)
            np.log10(np.maximum(rows, least), out=rows)
        return rows, row_px


class Shearer:
    """Turns slices of the sheared frame, as they come in order, into slices of the tomogram."""

    def __init__(self, geometry: bp.SliceGeometry, height: int) -> None:
        self.geometry = geometry
        self.height = height
        self.reach = bp.shear_reach(geometry)
        self._kept = np.empty((0, geometry.thickness, geometry.x_count), dtype=np.float32)
        self._first = -self.reach
        self._next = 0

    def take(self, slices: Real) -> Iterator[tuple[int, Real]]:
        """Add slices; yield (y, slice) for each that is now complete."""
        self._kept = np.concatenate([self._kept, slices])
        end = self._first + len(self._kept)
        while self._next < self.height and (self._next + self.reach < end):
            yield self._next, bp.shear(self._kept, self._first, self._next, self.geometry)
            self._next += 1
        spare = max(0, min(self._next - self.reach - self._first, len(self._kept)))
        self._kept = self._kept[spare:].copy()
        self._first += spare


def backprojection(geometry: bp.SliceGeometry, radial: filters.RadialFilter) -> Backprojection:
    """Return weighted back-projection with a radial filter."""
    padded = filters.padded_size(geometry.width, geometry.margin)
    weights = filters.radial_weights(geometry.tilt_rad, padded, radial)
    return Backprojection(geometry, weights, padded)


def iterations(
    geometry: bp.SliceGeometry,
    leave: Sequence[int],
    radius_and_sigma: tuple[float, float] | None,
    view_means: NDArray[np.float64],
) -> Sirt:
    """Return SIRT with the iterations to leave and a low-pass of the views."""
    padded = filters.padded_size(geometry.width, geometry.margin)
    factors = np.ones(padded // 2 + 1, dtype=np.float32)
    if radius_and_sigma is not None:
        factors = filters.low_pass_weights(padded, *radius_and_sigma)
    low_pass = np.broadcast_to(factors, (len(geometry.tilt_rad), len(factors)))
    names = tuple(sorted(set(leave)))
    weights = sirt.sirt_weights(geometry)
    return Sirt(geometry, weights, low_pass, padded, names, view_means)
