"""The work of the reconstruct step on a few slices at a time, and bringing them to the file."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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
            rows = np.empty((len(whole), last - first, whole.shape[2]), dtype=np.float32)
            for view, into in zip(whole, rows, strict=True):
                bp.rows_at(view, places - low, into)
            outside = (places < -0.5) | (places > height - 0.5)
            if outside.any():
                rows[:, outside] = whole.mean(axis=(1, 2), keepdims=True)
        if not np.isfinite(rows.sum()):
            np.nan_to_num(rows, copy=False, nan=float(np.nanmean(rows)), posinf=0, neginf=0)
        if self.log_base is not None:
            rows += np.float32(self.log_base)
            least = np.maximum(rows.mean(axis=(1, 2), keepdims=True) * _LEAST_FOR_LOG, 1e-6)
            np.log10(np.maximum(rows, least), out=rows)
        return rows, row_px


class Shearer:
    """Turns chunks of slices of the sheared frame into slices of the tomogram.

    Chunks may come from several threads, in any order. Whoever brings the last one that some
    slices of the tomogram need gets these slices to write, so that no thread waits for another.
    """

    def __init__(self, geometry: bp.SliceGeometry, height: int) -> None:
        self.geometry = geometry
        self.height = height
        self.reach = bp.shear_reach(geometry) if geometry.x_tilt_rad else 0
        starts = range(-self.reach, height + self.reach, bp.LANES)
        self.chunks = [(first, min(first + bp.LANES, height + self.reach)) for first in starts]
        self.depth = (bp.LANES - 1 + 2 * self.reach) // bp.LANES
        """How many later chunks each chunk of the tomogram needs."""
        self._lock = threading.Lock()
        self._made: dict[int, dict[int, Real]] = {}
        self._claimed: set[int] = set()

    def bring(self, chunk: tuple[int, int], made: dict[int, Real]) -> Iterator[Ready]:
        """Add a chunk's results; yield the slices of the tomogram that are complete with it."""
        if not self.geometry.x_tilt_rad:
            for name, slices in made.items():
                yield Ready(name, chunk[0], slices)
            return
        index = (chunk[0] + self.reach) // bp.LANES
        with self._lock:
            self._made[index] = made
            claimed = [
                target
                for target in range(max(0, index - self.depth), index + 1)
                if target not in self._claimed and all(n in self._made for n in self._needs(target))
            ]
            self._claimed.update(claimed)
            parts = [[(n, self._made[n]) for n in self._needs(target)] for target in claimed]
            for n in list(self._made):
                if all(t in self._claimed for t in range(max(0, n - self.depth), n + 1)):
                    del self._made[n]
        for target, own in zip(claimed, parts, strict=True):
            for name in made:
                yield from self._slices(name, target, [(n, part[name]) for n, part in own])

    def _needs(self, target: int) -> range:
        return range(target, min(target + self.depth + 1, len(self.chunks)))

    def _slices(self, name: int, target: int, parts: Sequence[tuple[int, Real]]) -> Iterator[Ready]:
        """Yield the slices of one chunk of the tomogram, one at a time."""
        first = target * bp.LANES
        out = np.empty((1, *parts[0][1].shape[1:]), dtype=np.float32)
        for y in range(first, min(first + bp.LANES, self.height)):
            out[...] = 0.0
            for n, slices in parts:
                bp.shear(slices, self.chunks[n][0], y, self.geometry, out[0])
            yield Ready(name, y, out)


class Ready(NamedTuple):
    """Finished slices of a tomogram."""

    name: int
    first: int
    slices: Real
    """(slice, z, x); may be overwritten once the next ones are asked for."""


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
