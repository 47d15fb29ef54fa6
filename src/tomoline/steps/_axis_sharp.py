"""The rotation axis from the sharpness of slices: near a candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.files.sinograms import Sinograms
from tomoline.kernels import axis_fit, axis_rows, axis_sharpness
from tomoline.steps._axis_methods import Estimate, unsure
from tomoline.steps._axis_rows import Block, Turn, read_block
from tomoline.steps._axis_sizes import (
    SLICE_ANGLES,
    SLICE_COLUMNS,
    SLICE_SIDE_PX,
    bytes_of_block,
    bytes_of_slices,
)
from tomoline.steps._base import Engine

Real = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """One comparison of slices.

    Attributes
    ----------
    columns : int
        Columns that are left after binning, at most.
    angles : int
        Angles that are used, at most.
    smooth_px, step_px : float
        Smoothing and distance of the axes, in binned pixels.
    size_px : int
        Side of the slices, binned pixels.
    """

    columns: int
    angles: int
    smooth_px: float
    step_px: float
    size_px: int


COARSE = Stage(360, 300, 1.5, 0.8, 320)
FINE = Stage(SLICE_COLUMNS, SLICE_ANGLES, 1.5, 0.3, SLICE_SIDE_PX)
# Noise hides detail; what is left where it is smoothed.
SMOOTH = Stage(SLICE_COLUMNS, SLICE_ANGLES, 3.0, 0.8, SLICE_SIDE_PX)
# What a slice smoothed by s pixels is trusted to, in s squared: streaks of half a turn's ends lie
# on one side.
_BLUR_TRUST = 0.015
_ENOUGH = 0.3
# Much below this depth, the curve says nothing.
_DEPTH = 0.03
_AXES = 31


def by_sharpness(
    sinograms: Sinograms,
    blocks: Sequence[Block],
    turn: Turn,
    engine: Engine,
    start_px: float,
    radius_px: float,
) -> Estimate | None:
    """Refine an axis by the sharpness of a slice of each block.

    Parameters
    ----------
    sinograms, blocks, turn, engine
        The rows to be used.
    start_px : float
        Candidate.
    radius_px : float
        Radius around the axis that all angles see.
    """
    width = sinograms.shape[2]
    middle = (sinograms.shape[0] - 1) / 2
    rows = np.array([block.row - middle for block in blocks])
    at = start_px
    found: Estimate | None = None
    for stage in (COARSE, FINE, SMOOTH):
        if stage is SMOOTH and found is not None and found.reliability > _ENOUGH:
            break
        factor = math.ceil(width / stage.columns)
        step = stage.step_px * factor
        axes = np.array([at + place * step for place in range(-(_AXES // 2), _AXES // 2 + 1)])
        curves = _curves(sinograms, blocks, turn, engine, axes, stage, radius_px)
        one = _judge(axes, curves, rows, 4.5 * step, _BLUR_TRUST * stage.smooth_px**2 * factor)
        if one is None:
            continue
        if stage is COARSE:
            at = one.axis_px if one.reliability > 0.3 else start_px
        elif found is None or one.reliability > found.reliability:
            found = one
    return found


def _curves(
    sinograms: Sinograms,
    blocks: Sequence[Block],
    turn: Turn,
    engine: Engine,
    axes_px: Floats,
    stage: Stage,
    radius_px: float,
) -> Floats:
    """Return the figure of merit of each block for each axis, (block, axis)."""
    width = sinograms.shape[2]
    factor = math.ceil(width / stage.columns)
    stride = math.ceil(turn.count / stage.angles)
    size = int(max(24, min(stage.size_px, 1.9 * radius_px / factor)))

    def curve(block: Block) -> Floats:
        rows = axis_rows.bin_columns(read_block(sinograms, block, turn)[::stride], factor)
        slices = axis_sharpness.slices_for_axes(
            np.ascontiguousarray(rows),
            turn.angles_rad[::stride],
            [float(axis) for axis in (axes_px - (factor - 1) / 2) / factor],
            size,
            stage.smooth_px,
        )
        return axis_sharpness.spread_of_gradients(slices)

    cost = bytes_of_slices(width // factor, min(turn.count, stage.angles), size)
    together = max(block.last - block.first for block in blocks)
    cost += bytes_of_block(turn.count, width, together)
    return np.array(
        list(engine.map(curve, list(blocks), bytes_per_chunk=cost, label="sharpness of slices"))
    )


def _judge(
    axes: Floats, curves: Floats, rows: Floats, window: float, blur_px: float
) -> Estimate | None:
    """Combine the curves of blocks; those with structure count by their depth."""
    # A curve tells by how much it changes, relative to itself.
    total = (curves / curves.min(axis=1, keepdims=True)).sum(axis=0)
    common = axis_sharpness.sharpest(axes, total, window)
    if common is None:
        return None
    vertex, depth, common_error = common
    single, trust, used = [], [], []
    for row, curve in zip(rows, curves, strict=True):
        one = axis_sharpness.sharpest(axes, curve, window)
        if one is not None and one[1] > 0:
            single.append(one[0])
            trust.append(one[1])
            used.append(row)
    slope, slope_error, error = 0.0, math.inf, max(common_error, 0.03)
    if len(single) >= 3:
        line = axis_fit.robust_line(
            np.array(used), np.array(single), np.array(trust), sloping=len(single) >= 4
        )
        slope, slope_error = line.slope, line.slope_error
        vertex, error = line.at_middle, max(line.at_middle_error, 0.02)
    elif single:
        vertex = axis_fit.robust_line(
            np.array(used), np.array(single), np.array(trust), sloping=False
        ).at_middle
    # The bumps of a curve that noise made are as wide as its own steps.
    bends = np.diff(total, 2)
    rough = 1.4826 * float(np.median(np.abs(np.diff(bends)))) / 3.2
    score = min(depth / _DEPTH, depth * len(curves) / max(rough, 1e-9) / 30)
    step = float(axes[1] - axes[0])
    score = min(score, 2.0 * step / max(error, 1e-9))
    error = math.hypot(error, blur_px)
    return Estimate("sharpness", vertex, error, unsure(score), slope, slope_error)
