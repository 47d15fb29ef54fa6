"""Slices into a volume file: cut into blocks, reduced to all levels, while they are in memory.

A unit of slices is made, stored and halved in one go, by one thread; level after level as long as
the unit has whole pairs. The few slices of the levels beyond are halved between units, in order.
Values are the same however the slices are divided (see `tomoline.kernels.pyramid`), so the size of
a unit is free to follow the memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.files.volume_blocks import VolumeFile
from tomoline.kernels.blocks import Quantisation, empty_sums, to_pieces
from tomoline.kernels.pyramid import halve
from tomoline.steps._base import Engine

Floats = NDArray[np.float32]
Make = Callable[[int, int], Floats]
_DEEPEST = 3
"""Levels made inside a unit: of eight slices one is left, 1/512 of the voxels."""


@dataclass(frozen=True)
class Sums:
    """What was summed up of the whole volume, (slice, 5) float64 (see `empty_sums`)."""

    slices: NDArray[np.float64]
    voxels_per_slice: int

    @property
    def mean(self) -> float:
        """Mean of all voxels."""
        return float(self.slices[:, 0].sum() / self._count)

    @property
    def sd(self) -> float:
        """Standard deviation of all voxels."""
        return math.sqrt(max(float(self.slices[:, 1].sum()) / self._count - self.mean**2, 0.0))

    @property
    def extremes(self) -> tuple[float, float]:
        """Least and greatest value."""
        return float(self.slices[:, 2].min()), float(self.slices[:, 3].max())

    @property
    def clipped_fraction(self) -> float:
        """Part of the voxels that did not fit the stored integers."""
        return float(self.slices[:, 4].sum() / self._count)

    @property
    def not_finite(self) -> list[int]:
        """Slices that hold values which are no numbers."""
        return [int(one) for one in np.flatnonzero(~np.isfinite(self.slices[:, :2]).all(axis=1))]

    @property
    def _count(self) -> int:
        return len(self.slices) * self.voxels_per_slice


@dataclass(frozen=True)
class Units:
    """How the slices are divided.

    Attributes
    ----------
    slices : int
        Slices of a unit.
    group : int
        Slices to make in one call; a unit is a whole number of groups.
    levels : int
        Levels of the pyramid made inside a unit, besides level 0.
    """

    slices: int
    group: int
    levels: int

    @classmethod
    def choose(
        cls, engine: Engine, group: int, levels: int, bytes_for: Callable[[int], int]
    ) -> Units:
        """Return the deepest units of which the memory holds one for each thread, and one more.

        Parameters
        ----------
        engine : Engine
            Its threads and memory.
        group : int
            Slices to make in one call.
        levels : int
            Levels of the pyramid, besides level 0.
        bytes_for : callable
            Memory of a unit of so many slices.
        """
        for inside in range(min(levels, _DEEPEST), 0, -1):
            slices = math.lcm(group, 2**inside)
            fits = bytes_for(slices) * (engine.threads + 1) <= engine.memory_bytes
            if fits or slices == group:
                return cls(slices, group, inside)
        return cls(group, group, 0)


class VolumeBuilder:
    """Stores slices in a volume file, with all its levels.

    Parameters
    ----------
    file : VolumeFile
        Open for writing.
    dtype : numpy.dtype
        Of the stored voxels.
    quantisation : Quantisation or None
        For stored integers.
    fill : int
        Stored where there is nothing.
    """

    def __init__(
        self, file: VolumeFile, dtype: np.dtype, quantisation: Quantisation | None, fill: int
    ) -> None:
        self._file = file
        self._dtype = dtype
        self._quantisation = quantisation
        self._fill = fill
        self._waiting: dict[int, Floats] = {}

    def build(
        self, make: Make, units: Units, engine: Engine, bytes_per_unit: int, label: str
    ) -> Sums:
        """Make all slices and store them.

        Parameters
        ----------
        make : callable
            ``make(first, last)`` returns slices (n, y, x) float32; from any thread.
        units : Units
            How to divide the work.
        engine : Engine
            Runs the units.
        bytes_per_unit : int
            Memory of a unit.
        label : str
            For the progress bar.
        """
        depth, height, width = self._file.shapes[0]
        chunks = [(z, min(z + units.slices, depth)) for z in range(0, depth, units.slices)]

        def work(chunk: tuple[int, int]) -> tuple[NDArray[np.float64], Floats | None]:
            return self._unit(_made(make, *chunk, units.group, (height, width)), chunk[0], units)

        sums = []
        done = engine.map(work, chunks, bytes_per_chunk=bytes_per_unit, label=label)
        for (first, last), (found, rest) in zip(chunks, done, strict=True):
            sums.append(found)
            if rest is not None:
                self._beyond(units.levels, first >> units.levels, rest, last == depth)
        return Sums(np.concatenate(sums), height * width)

    def _unit(
        self, slices: Floats, first: int, units: Units
    ) -> tuple[NDArray[np.float64], Floats | None]:
        """Store slices and the levels that they make alone; return what the next level needs."""
        sums = self._store(0, first, slices)
        for level in range(1, units.levels + 1):
            slices = halve(slices)
            self._store(level, first >> level, slices)
        return sums, slices if units.levels + 1 < len(self._file.shapes) else None

    def _beyond(self, level: int, first: int, slices: Floats, last: bool) -> None:
        """Make the levels beyond `level` from slices that come in order."""
        if level + 1 == len(self._file.shapes):
            return
        waiting = self._waiting.pop(level, None)
        if waiting is not None:
            slices, first = np.concatenate([waiting, slices]), first - 1
        if len(slices) % 2 and not last:
            self._waiting[level] = slices[-1:].copy()
            slices = slices[:-1]
        if len(slices):
            slices = halve(slices)
            self._store(level + 1, first // 2, slices)
            self._beyond(level + 1, first // 2, slices, last)

    def _store(self, level: int, first: int, slices: Floats) -> NDArray[np.float64]:
        """Cut slices into pieces of blocks and write them; return their sums."""
        deep, high, wide = self._file.block
        depth, height, width = slices.shape
        sums = empty_sums(depth)
        blocks = -(-width // wide)
        begin = 0
        while begin < depth:
            # Up to the next border between layers of blocks.
            end = min(depth, begin + deep - (first + begin) % deep)
            part, totals = slices[begin:end], sums[begin:end]
            pieces = np.empty((blocks, end - begin, high, wide), self._dtype)
            for row, top in enumerate(range(0, height, high)):
                rows = (top, min(top + high, height))
                used = to_pieces(part, rows, pieces, totals, self._quantisation, self._fill)
                self._file.write(level, first + begin, row, pieces, used, totals)
            begin = end
        return sums


def _made(make: Make, first: int, last: int, group: int, size: tuple[int, int]) -> Floats:
    """Return slices first <= z < last, made group by group."""
    if last - first <= group:
        return np.ascontiguousarray(make(first, last), dtype=np.float32)
    slices = np.empty((last - first, *size), np.float32)
    for z in range(first, last, group):
        end = min(z + group, last)
        slices[z - first : end - first] = make(z, end)
    return slices
