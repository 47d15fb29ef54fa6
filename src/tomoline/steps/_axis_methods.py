"""The methods that find the rotation axis, each for all blocks of rows together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import axis_fit, axis_pairs, axis_rows, axis_vo
from tomoline.kernels.axis_fit import Line
from tomoline.kernels.halves import Overlap, find_overlap
from tomoline.steps._axis_rows import Turn
from tomoline.steps._axis_sizes import WEDGE_ANGLES, WEDGE_COLUMNS

Real = NDArray[np.float32]
Floats = NDArray[np.float64]

# Gaussians for pairs, in 1/500 of the width: detail where it is sharp, the whole where it is noisy.
_SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)
_SMALLEST_SCALE_PX = 1.0
# Cutoffs of the wedge's misfit, cycles per pixel.
_CUTOFFS = (0.3, 0.12, 0.05, 0.025)
# Correlations below this, in units of chance, are none; leads below this are chance.
_LEAST_MERIT, _LEAST_LEAD = 4.0, 1.15
# Pairs that miss half a turn by more angular steps are half as good a witness; by less than the
# second, as good as none.
_TOO_FAR_STEPS, _HIT_STEPS = 1.6, 0.6
# Error of reaching from pairs that all miss half a turn to what none would give.
_BEYOND_ERROR_PX = 0.15
# A minimum this much deeper than the next one is clear.
_CLEAR_LEAD = 1.25
# Angles of a half turn that halves are compared at; error of a single block's comparison.
_HALF_ANGLES, _HALVES_ERROR_PX = 360, 0.1
# Mirror images that agree to a part r are not trusted to better than this part of 1 - r scales.
_SCALE_TRUST = 0.2


@dataclass(frozen=True)
class Estimate:
    """What one method says.

    Attributes
    ----------
    method : str
        Its name.
    axis_px : float
        At the middle row.
    error_px : float
        Estimated standard error.
    reliability : float
        0 to 1: how surely it is not a wrong minimum.
    slope, slope_error : float
        Per row; the error is infinite where the method cannot tell.
    """

    method: str
    axis_px: float
    error_px: float
    reliability: float
    slope: float = 0.0
    slope_error: float = math.inf


def scales_of(width: int) -> tuple[float, ...]:
    """Return the Gaussians for pairs of rows of `width` columns, pixels."""
    return tuple(max(scale * width / 500, _SMALLEST_SCALE_PX * scale) for scale in _SCALES)


def unsure(score: float) -> float:
    """Return 0 to 1 for a score of 0 to infinity; 1 gives a half."""
    return max(0.0, score) / (1.0 + max(0.0, score))


# --- pairs ---------------------------------------------------------------------------------------


def by_pairs(
    sums: Sequence[axis_pairs.MirrorSums],
    pairs: axis_pairs.Pairs,
    rows: Floats,
    width: int,
    step_rad: float,
    range_px: tuple[float, float],
) -> Estimate | None:
    """Combine the correlations of pairs over blocks (`rows` relative to the middle) and scales."""
    misses = np.array(
        [
            pairs.miss_steps[pairs.group == group].mean()
            for group in range(int(pairs.group.max()) + 1)
        ]
    )
    nearest = float(np.abs(misses).min())
    near = np.abs(misses) <= max(nearest + 1.1, _HIT_STEPS)
    coarse = []
    for scale, sigma in enumerate(scales_of(width)):
        product = sum(one.product[scale, near].sum(axis=0, dtype=np.float64) for one in sums)
        power = sum(
            np.sqrt(np.maximum(one.power[scale, near], 0)).sum(axis=0, dtype=np.float64)
            for one in sums
        )
        values = axis_pairs.coefficients(np.asarray(product), np.asarray(power) ** 2)
        lines = len(sums) * int(np.isin(pairs.group, np.flatnonzero(near)).sum())
        independent = min(lines, 64) / (3.5 * sigma)
        peak = axis_pairs.find_peak(values, independent, range_px=range_px, apart_px=3 * sigma + 2)
        coarse.append(peak)
    leads = [min(peak.lead, peak.merit / 3) if peak else 0.0 for peak in coarse]
    best = int(np.argmax(leads))
    found = coarse[best]
    if found is None or found.merit < _LEAST_MERIT:
        return None
    # What the specimen moves in a step, at most: half of it is what a miss moves the axis.
    drift = 0.25 * width * step_rad * 0.5
    reach = scales_of(width)[best] + 2 + drift * nearest
    candidates = []
    for scale, sigma in enumerate(scales_of(width)):
        peak = coarse[scale]
        if peak is None or peak.lead < min(_LEAST_LEAD, found.lead):
            continue
        if abs(peak.axis_px - found.axis_px) > reach:
            continue
        line, error = _fit_blocks(sums, scale, sigma, misses, rows, peak.axis_px, drift)
        if line is not None:
            total = math.hypot(error, _SCALE_TRUST * sigma * (1 - peak.height))
            candidates.append((total, line, peak))
    if not candidates:
        return None
    total, line, peak = min(candidates, key=lambda one: one[0])
    score = min((found.lead - 1) / 0.25, found.height / 0.25, (found.merit - _LEAST_MERIT) / 4)
    if nearest > _TOO_FAR_STEPS:
        score *= 0.5
    if nearest > _HIT_STEPS:
        total = math.hypot(total, _BEYOND_ERROR_PX)
    return Estimate(
        "pairs", line.at_middle, max(total, 0.02), unsure(score), line.slope, line.slope_error
    )


def _fit_blocks(
    sums: Sequence[axis_pairs.MirrorSums],
    scale: int,
    sigma: float,
    misses: Floats,
    rows: Floats,
    start_px: float,
    drift_px: float,
) -> tuple[Line | None, float]:
    """Fit a line through the blocks' axes, each freed from what its pairs miss half a turn by."""
    axes, trust, used = [], [], []
    for row, one in zip(rows, sums, strict=True):
        found, weights, miss = [], [], []
        for group, missed in enumerate(misses):
            values = axis_pairs.coefficients(
                one.product[scale, group].astype(np.float64),
                one.power[scale, group].astype(np.float64),
            )
            reach = 2 * sigma + 2 + drift_px * abs(missed)
            peak = axis_pairs.find_peak(
                values,
                1 / (3.5 * sigma),
                range_px=(start_px - reach, start_px + reach),
                apart_px=1.0,
            )
            if peak is None:
                continue
            overlap = len(values) / 2 - abs(2 * peak.axis_px - len(values) / 2)
            variance = (1.02 - peak.height**2) * 3.5 * sigma / (max(overlap, 4.0) * peak.curvature)
            found.append(peak.axis_px)
            weights.append(1 / variance)
            miss.append(missed)
        if not found:
            continue
        axis, error = _without_miss(np.array(miss), np.array(found), np.array(weights))
        axes.append(axis)
        trust.append(1 / error**2)
        used.append(row)
    if not axes:
        return None, math.inf
    weight = np.array(trust)
    line = axis_fit.robust_line(np.array(used), np.array(axes), weight, sloping=len(axes) >= 4)
    model = 1 / math.sqrt(float(weight.sum()))
    # Errors from the scatter of two or three say little.
    return line, max(line.at_middle_error, model / 2) if len(axes) >= 4 else 1.5 * model


def _without_miss(misses: Floats, axes_px: Floats, weights: Floats) -> tuple[float, float]:
    """Return the axis that pairs without any miss would give, and its error."""
    model = 1 / math.sqrt(float(weights.sum()))
    sloping = bool((np.abs(misses) > _HIT_STEPS).any() and np.ptp(misses) > 0.5)
    if len(axes_px) < 4 and sloping:
        line = axis_fit.robust_line(misses, axes_px, weights, sloping=len(axes_px) >= 2)
        return line.at_middle, 3 * model
    line = axis_fit.robust_line(misses, axes_px, weights, sloping=sloping)
    scatter = line.at_middle_error if math.isfinite(line.at_middle_error) else 2 * model
    return line.at_middle, max(model, scatter)


# --- the double wedge ----------------------------------------------------------------------------


def wedge_bin(width: int) -> int:
    """Columns that are averaged for the wedge's misfit."""
    return math.ceil(width / WEDGE_COLUMNS)


def wedge_of(sinogram: Real, turn: Turn) -> list[axis_vo.WedgeTerms]:
    """Return the wedge's terms of a block: of its half turn, or of both halves of a full one."""
    columns = axis_rows.bin_columns(sinogram, wedge_bin(sinogram.shape[1]))
    count = max(8, min(WEDGE_ANGLES, round(math.pi / turn.step_rad)))
    starts = [0.0, math.pi] if turn.full else [0.0]
    return [
        axis_vo.wedge_terms(
            axis_rows.even_half_turn(columns, turn.angles_rad, turn.angles_rad[0] + start, count)
        )
        for start in starts
    ]


def by_wedge(
    terms: Sequence[list[axis_vo.WedgeTerms]],
    rows: Floats,
    width: int,
    range_px: tuple[float, float],
) -> Estimate | None:
    """Combine the wedge's terms of blocks (`rows` relative to the middle) and cutoffs."""
    factor = wedge_bin(width)
    offset = (factor - 1) / 2
    limits = ((range_px[0] - offset) / factor, (range_px[1] - offset) / factor)
    every = [one for block in terms for one in block]
    minima = []
    for cutoff in _CUTOFFS:
        axes, values = axis_vo.misfit(every, cutoff)
        minimum = axis_vo.find_minimum(axes, values, limits, 1.5 / cutoff)
        if minimum is not None:
            minima.append((minimum, cutoff))
    if not minima:
        return None
    surest = max(minima, key=lambda one: one[0].lead)
    # The finest detail that is clear enough, and means the same minimum.
    found, cutoff = next(
        one
        for one in minima
        if one[0].lead >= min(_CLEAR_LEAD, surest[0].lead)
        and abs(one[0].axis_px - surest[0].axis_px) < 0.5 / surest[1]
    )
    reach = 1.0 / cutoff
    single, weights, used = [], [], []
    for row, block in zip(rows, terms, strict=True):
        axes, values = axis_vo.misfit(block, cutoff)
        one = axis_vo.find_minimum(
            axes, values, (found.axis_px - reach, found.axis_px + reach), 1.5 / cutoff
        )
        if one is not None:
            single.append(one.axis_px)
            weights.append(max(one.strength, 0.1) ** 2)
            used.append(row)
    if len(single) >= 3:
        line = axis_fit.robust_line(
            np.array(used), np.array(single), np.array(weights), sloping=len(single) >= 4
        )
        # The rows' mean and their common minimum both have something to say.
        axis, error = (
            line.at_middle,
            max(line.at_middle_error, abs(line.at_middle - found.axis_px) / 2),
        )
        slope, slope_error = line.slope, line.slope_error
    else:
        axis, error, slope, slope_error = found.axis_px, 0.06 / cutoff, 0.0, math.inf
    score = min((surest[0].lead - 1) / 0.25, surest[0].strength / 3)
    return Estimate(
        "wedge",
        axis * factor + offset,
        max(error, 0.1) * factor,
        unsure(score),
        slope * factor,
        slope_error * factor,
    )


# --- halves of a full turn -----------------------------------------------------------------------


def halves_of(sinogram: Real, turn: Turn) -> Overlap:
    """Return how the two halves of a full turn overlap in a block."""
    count = min(_HALF_ANGLES, turn.first_half)
    start = float(turn.angles_rad[0])
    first, second = (
        axis_rows.even_half_turn(sinogram, turn.angles_rad, start + offset, count)
        for offset in (0.0, math.pi)
    )
    return find_overlap(first, second)


def by_halves(overlaps: Sequence[Overlap], rows: Floats) -> Estimate | None:
    """Combine the overlaps of blocks (`rows` relative to the middle)."""
    axes = np.array([one.axis_px for one in overlaps])
    trust = np.array([one.confidence for one in overlaps])
    if trust.max() <= 0:
        return None
    line = axis_fit.robust_line(rows, axes, trust, sloping=len(axes) >= 4)
    error = line.at_middle_error if math.isfinite(line.at_middle_error) else _HALVES_ERROR_PX
    reliability = float((trust * line.weights).sum() / max((trust > 0).sum(), 1))
    return Estimate(
        "halves",
        line.at_middle,
        max(error, 0.02),
        reliability,
        line.slope,
        line.slope_error if len(axes) >= 4 else math.inf,
    )
