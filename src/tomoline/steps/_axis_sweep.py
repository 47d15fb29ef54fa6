"""The picture ``axis_sweep``: the same part of a slice for several positions of the axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.files.sinograms import Sinograms
from tomoline.steps._axis_rows import Block, Turn, read_block
from tomoline.steps._axis_sizes import (
    SWEEP_ANGLES,
    SWEEP_SIDE_PX,
    bytes_of_block,
    bytes_of_slices,
)
from tomoline.steps._base import Engine

Bytes = NDArray[np.uint8]
Real = NDArray[np.float32]
Floats = NDArray[np.float64]

# Border between parts, and columns of the overview that the part is chosen on.
_GAP_PX = 6
_OVERVIEW_COLUMNS = 256


@dataclass(frozen=True)
class Sweep:
    """The slices of a sweep.

    Attributes
    ----------
    axes_px : (axis,) float64
        Increasing, at the row of the slices; the used one is in the middle.
    row : float
        Row of the slices.
    centre_px : (float, float)
        Middle (x, y) of the part, relative to the axis.
    slices : (axis, y, x) float32
    """

    axes_px: Floats
    row: float
    centre_px: tuple[float, float]
    slices: Real


def sweep_axes(used_px: float, step_px: float, count: int) -> Floats:
    """Return an odd number of axes around the used one.

    >>> sweep_axes(100.25, 0.5, 3).tolist()
    [99.75, 100.25, 100.75]
    """
    half = count // 2
    return np.array([used_px + place * step_px for place in range(-half, half + 1)])


def make_sweep(
    sinograms: Sinograms,
    block: Block,
    turn: Turn,
    engine: Engine,
    axes_px: Floats,
    radius_px: float,
) -> Sweep:
    """Reconstruct the part of a slice with the sharpest detail for each of the axes.

    Parameters
    ----------
    sinograms, turn, engine
    block : Block
        Rows of the slice.
    axes_px : (axis,) float64
        At the block's row; at most 32.
    radius_px : float
        The part lies within this distance of the axis.
    """

    def work(block: Block) -> Sweep:
        from tomoline.kernels.axis_sharpness import slices_for_axes

        rows = read_block(sinograms, block, turn)
        stride = math.ceil(turn.count / SWEEP_ANGLES)
        rows, angles = np.ascontiguousarray(rows[::stride]), turn.angles_rad[::stride]
        centre = _sharpest_part(rows, angles, float(axes_px[len(axes_px) // 2]), radius_px)
        slices = slices_for_axes(rows, angles, axes_px.tolist(), SWEEP_SIDE_PX, 0.7, centre)
        return Sweep(axes_px, block.row, centre, slices)

    width = sinograms.shape[2]
    cost = bytes_of_slices(width, min(turn.count, SWEEP_ANGLES), SWEEP_SIDE_PX)
    cost += bytes_of_block(turn.count, width, block.last - block.first)
    return next(iter(engine.map(work, [block], bytes_per_chunk=cost, label="axis sweep")))


def _sharpest_part(
    rows: Real, angles_rad: Floats, axis_px: float, radius_px: float
) -> tuple[float, float]:
    """Return the middle (x, y), relative to the axis, of the part with the most detail."""
    from scipy.ndimage import uniform_filter

    from tomoline.kernels.axis_rows import bin_columns
    from tomoline.kernels.axis_sharpness import slices_for_axes

    room = max(0.0, radius_px - SWEEP_SIDE_PX / 2)
    if room < 1:
        return 0.0, 0.0
    factor = math.ceil(rows.shape[1] / _OVERVIEW_COLUMNS)
    stride = math.ceil(len(rows) / 300)
    size = math.ceil(2 * radius_px / factor)
    overview = slices_for_axes(
        np.ascontiguousarray(bin_columns(rows[::stride], factor)),
        angles_rad[::stride],
        [(axis_px - (factor - 1) / 2) / factor],
        size,
        1.0,
    )[0]
    down, right = np.gradient(overview)
    place = (np.arange(size) - (size - 1) / 2) * factor
    away = np.hypot(place[:, None], place[None, :])
    detail = np.where(away < radius_px - 2 * factor, down**2 + right**2, 0.0)
    detail = uniform_filter(detail, max(3, SWEEP_SIDE_PX // factor), mode="constant")
    # The part's corners may leave the circle, its middle part may not.
    y, x = np.unravel_index(np.argmax(np.where(away <= room, detail, -1.0)), detail.shape)
    return float(place[x]), float(place[y])


def picture_of(sweep: Sweep) -> Bytes:
    """Arrange the slices, each stamped with its axis in pixels, the used one framed in white.

    Row 0 of a slice is at the top, as where the volume is looked at.
    """
    from tomoline.kernels.stamp import frame, stamp

    count, side = sweep.slices.shape[:2]
    columns = math.ceil(math.sqrt(count))
    pitch = side + _GAP_PX
    picture = np.full((math.ceil(count / columns) * pitch, columns * pitch), 64, np.uint8)
    low, high = (float(value) for value in np.percentile(sweep.slices, (1.0, 99.7)))
    scale = 255.0 / (high - low) if high > low else 0.0
    for number, one in enumerate(sweep.slices):
        top, left = part_corner(number, count, side)
        grey = np.clip((one - low) * scale, 0, 255).astype(np.uint8)
        picture[top : top + side, left : left + side] = grey
        if number == count // 2:
            frame(picture, top, left, side, side)
        stamp(picture, label_of(float(sweep.axes_px[number])), top + 6, left + 6)
    return picture


def part_corner(number: int, count: int, side: int = SWEEP_SIDE_PX) -> tuple[int, int]:
    """Return (top, left) of a part in the picture of `count` parts."""
    columns = math.ceil(math.sqrt(count))
    row, column = divmod(number, columns)
    half = _GAP_PX // 2
    return row * (side + _GAP_PX) + half, column * (side + _GAP_PX) + half


def label_of(axis_px: float) -> str:
    """Return what is stamped on the part of an axis.

    >>> label_of(1023.456)
    '1023.46 px'
    """
    return f"{axis_px:.2f} px"
