"""Rows of a scan as the search for its axis takes them: a few blocks spread over the height."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tomoline.files.sinograms import Sinograms

Real = NDArray[np.float32]
Floats = NDArray[np.float64]

_NEARLY_RAD = math.radians(3.0)


@dataclass(frozen=True)
class Turn:
    """The projections that take part, in order of their angles.

    Attributes
    ----------
    places : (angle,) int64
        Where they stand in the scan.
    angles_rad : (angle,) float64
        Increasing.
    step_rad : float
        Usual distance of neighbours.
    """

    places: NDArray[np.int64]
    angles_rad: Floats
    step_rad: float

    @classmethod
    def of(cls, angles_deg: Floats, taking_part: NDArray[np.bool_]) -> Turn:
        """Sort the angles of those that take part."""
        places = np.flatnonzero(taking_part)
        places = places[np.argsort(angles_deg[places], kind="stable")]
        angles = np.radians(angles_deg[places])
        gaps = np.diff(angles)
        gaps = gaps[gaps > 1e-9]
        return cls(places, angles, float(np.median(gaps)) if len(gaps) else math.pi)

    @property
    def count(self) -> int:
        """Number of projections."""
        return len(self.places)

    @property
    def covered_rad(self) -> float:
        """Angle that they cover, the last one's own step included."""
        return float(self.angles_rad[-1] - self.angles_rad[0]) + self.step_rad

    @property
    def full(self) -> bool:
        """Whether it is a whole turn."""
        return self.covered_rad > 2 * math.pi - 1.5 * self.step_rad

    @property
    def half(self) -> bool:
        """Whether it is half a turn at least, or so nearly that its ends still meet."""
        return self.covered_rad > math.pi - max(1.5 * self.step_rad, _NEARLY_RAD)

    @cached_property
    def first_half(self) -> int:
        """How many of them lie within half a turn from the first."""
        limit = self.angles_rad[0] + math.pi - self.step_rad / 2
        return int(np.searchsorted(self.angles_rad, limit))


@dataclass(frozen=True)
class Block:
    """Neighbouring rows that are averaged: first <= row < last."""

    first: int
    last: int

    @property
    def row(self) -> float:
        """Its middle."""
        return (self.first + self.last - 1) / 2


def spread_blocks(
    rows: int, blocks: int, together: int, chosen: tuple[int, int] | None
) -> list[Block]:
    """Return blocks of rows spread evenly over the height, or over a chosen part of it.

    >>> [(block.first, block.last) for block in spread_blocks(100, 3, 4, None)]
    [(15, 19), (48, 52), (81, 85)]
    """
    low, high = chosen or (0, rows)
    count = min(blocks, high - low)
    size = max(1, min(together, (high - low) // count))
    middles = low + (np.arange(count) + 0.5) * (high - low) / count
    firsts = [min(max(low, math.floor(middle - size / 2 + 0.5)), high - size) for middle in middles]
    return [Block(first, first + size) for first in firsts]


def read_block(sinograms: Sinograms, block: Block, turn: Turn) -> Real:
    """Return the mean sinogram (angle, column) of a block, without stripes."""
    from tomoline.kernels.axis_rows import without_stripes

    rows = sinograms.read_rows(block.first, block.last)
    total = rows[0].astype(np.float32)
    for row in rows[1:]:
        total += row
    if len(rows) > 1:
        total /= np.float32(len(rows))
    return without_stripes(total[turn.places])
