"""The search for the rotation axis: all methods on a few blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.files.sinograms import Sinograms
from tomoline.kernels.axis_pairs import MirrorSums, find_pairs, mirror_sums
from tomoline.kernels.axis_rows import slopes
from tomoline.kernels.axis_vo import WedgeTerms
from tomoline.kernels.halves import Overlap
from tomoline.steps._axis_methods import (
    Estimate,
    by_halves,
    by_pairs,
    by_wedge,
    halves_of,
    scales_of,
    wedge_of,
)
from tomoline.steps._axis_rows import Block, Turn, read_block
from tomoline.steps._axis_sharp import by_sharpness
from tomoline.steps._axis_sizes import bytes_of_measuring
from tomoline.steps._axis_verdict import Verdict, decide
from tomoline.steps._base import Engine

Floats = NDArray[np.float64]

# With the axis further from the middle than this part of the width, a wedge of a whole turn's
# halves has no mirror images to join.
_WEDGE_OFFSET = 0.2
# Slices smaller than this radius show too little to be called sharp.
_SMALLEST_RADIUS_PX = 48
_SHARP_BLOCKS = 5
# Smoothing that changes are measured after. Blocks below the first part of the strongest tell
# nothing; nor those within the second of the weakest, if it is below the third of the strongest.
_CHANGES_PX, _WEAK, _AIR, _STRONG = 3.0, 0.5, 1.2, 0.8


@dataclass(frozen=True)
class Measured:
    """What was measured in one block of rows; from it, any range of axes can be judged."""

    changes: float
    """How much the slopes of the rows change from angle to angle, on average."""
    mirror: MirrorSums | None
    wedge: list[WedgeTerms] | None
    overlap: Overlap | None


@dataclass(frozen=True)
class Found:
    """The methods' answers over some range, and what they come to.

    Attributes
    ----------
    estimates : tuple of Estimate
        Of every method that gave an answer.
    verdict : Verdict or None
        None where the axis is not known.
    """

    estimates: tuple[Estimate, ...]
    verdict: Verdict | None


class AxisSearch:
    """Measures blocks of rows once, and judges ranges of axes from that.

    Parameters
    ----------
    sinograms : Sinograms
    turn : Turn
    blocks : sequence of Block
    engine : Engine
    methods : sequence of str
        Among ``pairs``, ``wedge``, ``sharpness``.
    """

    def __init__(
        self,
        sinograms: Sinograms,
        turn: Turn,
        blocks: Sequence[Block],
        engine: Engine,
        methods: Sequence[str],
    ) -> None:
        self._sinograms, self._turn, self._blocks = sinograms, turn, list(blocks)
        self._engine, self._methods = engine, tuple(methods)
        self._width = sinograms.shape[2]
        self._pairs = find_pairs(turn.angles_rad, turn.step_rad)
        middle = (sinograms.shape[0] - 1) / 2
        self._rows = np.array([block.row - middle for block in self._blocks])
        self._measured = list(
            engine.map(
                self._measure,
                self._blocks,
                bytes_per_chunk=bytes_of_measuring(
                    turn.count, self._width, max(one.last - one.first for one in self._blocks)
                ),
                label="rotation axis",
            )
        )
        changes = np.array([one.changes for one in self._measured])
        most, least = float(changes.max()), float(changes.min())
        # Air changes least; where all change about as much, all have something to tell.
        self._telling = changes >= max(_WEAK * most, min(_AIR * least, _STRONG * most))

    @property
    def telling_blocks(self) -> list[Block]:
        """The blocks where something turns, not mere air."""
        return [block for block, good in zip(self._blocks, self._telling, strict=True) if good]

    @property
    def shown_block(self) -> Block:
        """The block to show: of those that tell something, the one nearest to the middle."""
        middle = (self._sinograms.shape[0] - 1) / 2
        return min(self.telling_blocks, key=lambda block: abs(block.row - middle))

    def _measure(self, block: Block) -> Measured:
        rows = read_block(self._sinograms, block, self._turn)
        full, half = self._turn.full, self._turn.half
        with_pairs = "pairs" in self._methods and not full and self._pairs.count > 0
        return Measured(
            float(slopes(rows, _CHANGES_PX).std(axis=0).mean()),
            mirror_sums(rows, self._pairs, scales_of(self._width)) if with_pairs else None,
            wedge_of(rows, self._turn) if "wedge" in self._methods and half else None,
            halves_of(rows, self._turn) if "pairs" in self._methods and full else None,
        )

    def judge(self, range_px: tuple[float, float]) -> Found:
        """Return what pairs (or halves) and wedge say of axes within a range."""
        found: list[Estimate | None] = []
        rows = self._rows[self._telling]
        told = [one for one, good in zip(self._measured, self._telling, strict=True) if good]
        width = self._width
        mirrors = [one.mirror for one in told if one.mirror is not None]
        if mirrors:
            step = self._turn.step_rad
            found.append(by_pairs(mirrors, self._pairs, rows, width, step, range_px))
        overlaps = [one.overlap for one in told if one.overlap is not None]
        if overlaps:
            halves = by_halves(overlaps, rows)
            inside = halves is not None and range_px[0] <= halves.axis_px <= range_px[1]
            found.append(halves if inside else None)
        wedges = [one.wedge for one in told if one.wedge is not None]
        if wedges and not self._at_the_side(found):
            found.append(by_wedge(wedges, rows, width, range_px))
        known = tuple(one for one in found if one is not None)
        return Found(known, decide(known, self._width))

    def _at_the_side(self, found: Sequence[Estimate | None]) -> bool:
        """Whether the halves of a full turn surely put the axis far from the middle."""
        middle = (self._width - 1) / 2
        return any(
            one is not None
            and one.method == "halves"
            and one.reliability > 0.5
            and abs(one.axis_px - middle) > _WEDGE_OFFSET * self._width
            for one in found
        )

    def sharpen(self, found: Found, start_px: float) -> Found:
        """Add what the sharpness of slices says near `start_px`."""
        radius = min(start_px, self._width - 1 - start_px)
        if "sharpness" not in self._methods or radius < _SMALLEST_RADIUS_PX:
            return found
        telling = self.telling_blocks
        count = min(_SHARP_BLOCKS, len(telling))
        chosen = np.unique(np.linspace(0, len(telling) - 1, count).round().astype(int))
        sharp = by_sharpness(
            self._sinograms,
            [telling[place] for place in chosen],
            self._turn,
            self._engine,
            start_px,
            radius,
        )
        if sharp is None:
            return found
        estimates = (*found.estimates, sharp)
        return Found(estimates, decide(estimates, self._width))
