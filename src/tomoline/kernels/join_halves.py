"""Joining the halves of a full turn to wide sinograms of half a turn.

A point that the first half shows at column u is shown half a turn later at column 2 a - u, with a
the column of the axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Real = NDArray[np.float32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Half width of the windowed sinc that moves images by parts of a pixel.
_REACH = 4
# Vertical shifts below this are not worth an interpolation along the columns.
_NEGLIGIBLE_PX = 0.02


@dataclass(frozen=True)
class Pairs:
    """Projections that join.

    Attributes
    ----------
    first : (pair,) int64
        Angle that stays as it is.
    second : (pair, 2) int64
        The two angles about half a turn later; the same twice where one fits.
    weight : (pair,) float64
        Weight of the latter of the two.
    shifts_px : (pair, 2) float64
        (dy, dx) that move the mirrored second onto the first.
    """

    first: Integers
    second: Integers
    weight: Floats
    shifts_px: Floats


def halo_rows(dy_px: Floats) -> int:
    """Return how many rows beside its own a row needs, for these vertical shifts.

    >>> halo_rows(np.array([0.0, 0.01])), halo_rows(np.array([0.0, -1.5]))
    (0, 6)
    """
    largest = float(np.abs(dy_px).max(initial=0.0))
    return 0 if largest < _NEGLIGIBLE_PX else math.ceil(largest) + _REACH


def join(
    block: Real,
    first_row: int,
    axes_px: Floats,
    pairs: Pairs,
    width_px: int,
    offset_px: int,
    *,
    mask_px: int = 0,
    match_levels: bool = True,
) -> Real:
    """Join projections half a turn apart to wide sinograms.

    The first of each pair keeps its pixels; the second is mirrored about the axis, moved by its
    shift with a windowed sinc, and blended in with a cosine over the columns that both show.

    Parameters
    ----------
    block : (row, angle, column) float32
        All angles of the wanted rows and of those beside them that there are.
    first_row : int
        Place in `block` of the first wanted row.
    axes_px : (wanted row,) float64
        Column of the axis in each wanted row of the block.
    pairs : Pairs
        What joins what.
    width_px, offset_px : int
        Columns of the result, and where in it the first column of the first projections lies.
    mask_px : int
        Columns at both edges of the projections that are not used; those at the outer edges take
        the value of the last one that is.
    match_levels : bool
        Share the mean difference in the overlap between the two, so that no step remains where
        their backgrounds differ; each takes on half of it at the joint.

    Returns
    -------
    (wanted row, pair, width_px) float32
    """
    result = np.empty((len(axes_px), len(pairs.first), width_px), np.float32)
    vertical = bool(np.abs(pairs.shifts_px[:, 0]).max(initial=0.0) >= _NEGLIGIBLE_PX)
    for row, axis in enumerate(axes_px):
        _join_row(
            block,
            first_row + row,
            float(axis),
            pairs.first,
            pairs.second,
            pairs.weight,
            pairs.shifts_px,
            offset_px,
            mask_px,
            match_levels,
            vertical,
            result[row],
        )
    return result


@njit(nogil=True, cache=True)
def _sinc_weights(fraction: float, weights: Real) -> None:
    """Fill the weights of a Lanczos-windowed sinc for a point `fraction` beyond a pixel."""
    reach = len(weights) // 2
    total = 0.0
    for tap in range(len(weights)):
        x = tap - (reach - 1) - fraction
        if abs(x) < 1e-9:
            value = 1.0
        elif abs(x) >= reach:
            value = 0.0
        else:
            value = (
                math.sin(math.pi * x) * math.sin(math.pi * x / reach) * reach / (math.pi * x) ** 2
            )
        weights[tap] = value
        total += value
    for tap in range(len(weights)):
        weights[tap] /= total


@njit(nogil=True, cache=True)
def _join_row(
    block: Real,
    row: int,
    axis: float,
    firsts: Integers,
    seconds: Integers,
    later_weights: Floats,
    shifts: Floats,
    offset: int,
    mask: int,
    match_levels: bool,
    vertical: bool,
    out: Real,
) -> None:
    columns, wide = block.shape[2], out.shape[1]
    line = np.empty(columns, np.float32)
    mirrored = np.empty(wide, np.float32)
    ramp, weight = np.empty(wide, np.float32), np.empty(wide, np.float32)
    low, high = mask, columns - 1 - mask
    before = (-1, -1)
    for pair in range(len(firsts)):
        _second_line(
            block,
            row - shifts[pair, 0],
            vertical,
            seconds[pair, 0],
            seconds[pair, 1],
            np.float32(later_weights[pair]),
            line,
        )
        # Column j of the result shows the second at u = reflected - j.
        reflected = 2 * axis + shifts[pair, 1] + offset
        # What each shows, as columns of the result; the overlap is what both do.
        second_low = math.ceil(reflected - high)
        second_high = math.floor(reflected - low)
        begin, end = max(offset + low, second_low), min(offset + high, second_high)
        first_is_right = offset + low > second_low
        if first_is_right:
            _mirror(line, reflected, low, high, 0, min(max(begin, end + 1), wide), mirrored)
        else:
            _mirror(line, reflected, low, high, max(min(begin, end + 1), 0), wide, mirrored)
        count = end - begin + 1
        if before != (begin, end):
            before = (begin, end)
            for j in range(count):
                place = math.pi * (j + 0.5) / count
                # Both are best in the middle of the overlap, away from their own edges.
                weight[j] = math.sin(place) ** 2
                ramp[j] = 0.5 - 0.5 * math.cos(place)
        first = block[row, firsts[pair]]
        half_step = np.float32(0.0)
        if match_levels and count > 1:
            total, weights = 0.0, 0.0
            for j in range(count):
                total += weight[j] * (first[begin + j - offset] - mirrored[begin + j])
                weights += weight[j]
            half_step = np.float32(0.5 * total / weights)
        target = out[pair]
        for j in range(wide):
            if (j < begin) == first_is_right and (j < begin or j > end):
                target[j] = mirrored[j] + half_step
            elif j < begin or j > end:
                target[j] = first[min(max(j - offset, low), high)] - half_step
        for j in range(count):
            part = ramp[j] if first_is_right else np.float32(1.0) - ramp[j]
            one = first[begin + j - offset] - half_step
            two = mirrored[begin + j] + half_step
            target[begin + j] = two + part * (one - two)


@njit(nogil=True, cache=True)
def _second_line(
    block: Real,
    row: float,
    vertical: bool,
    earlier: int,
    later: int,
    late: np.float32,
    line: Real,
) -> None:
    """Fill the second projection at a row, between its two neighbours in angle, backwards."""
    rows, _, columns = block.shape
    early = np.float32(1.0) - late
    below = math.floor(row)
    taps = 2 * _REACH if vertical else 1
    weights = np.ones(2 * _REACH, np.float32)
    if vertical:
        _sinc_weights(row - below, weights)
    line[:] = 0.0
    for tap in range(taps):
        y = below + tap - (_REACH - 1) if vertical else round(row)
        y = min(max(y, 0), rows - 1)
        one, two = early * weights[tap], late * weights[tap]
        first, second = block[y, earlier], block[y, later]
        if late == 0:
            for u in range(columns):
                line[columns - 1 - u] += one * first[u]
        else:
            for u in range(columns):
                line[columns - 1 - u] += one * first[u] + two * second[u]


@njit(nogil=True, cache=True)
def _mirror(
    line: Real, reflected: float, low: int, high: int, start: int, stop: int, mirrored: Real
) -> None:
    """Fill ``mirrored[start:stop]`` from a line that lies backwards, moved by parts of a pixel."""
    columns = len(line)
    whole = math.floor(reflected)
    weights = np.empty(2 * _REACH, np.float32)
    _sinc_weights(reflected - whole, weights)
    # From here to there all neighbours are there, and columns follow each other.
    inner = min(max(whole + _REACH - high, start), stop)
    outer = max(min(whole - (_REACH - 1) - low + 1, stop), inner)
    mirrored[start:stop] = 0.0
    for tap in range(2 * _REACH):
        w = weights[tap]
        at = whole - (_REACH - 1) + tap
        for j in range(start, inner):
            mirrored[j] += w * line[columns - 1 - min(max(at - j, low), high)]
        for j in range(outer, stop):
            mirrored[j] += w * line[columns - 1 - min(max(at - j, low), high)]
        source = line[columns - 1 - at + inner : columns - 1 - at + outer]
        target = mirrored[inner:outer]
        for j in range(len(target)):
            target[j] += w * source[j]
