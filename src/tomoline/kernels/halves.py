"""The two halves of a full turn: how far they overlap.

A point that the first half shows at column u is shown half a turn later at column 2 a - u, with a
the column of the axis. The second half, mirrored left to right, is therefore the first half
displaced by s = W - 1 - 2 a columns: positive with the axis at the left, negative with the axis
at the right, and W less the size of s columns are seen twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels.fourier import forward_rows, good_size, inverse_rows

Real = NDArray[np.float32]
Floats = NDArray[np.float64]

# Displacements on each side that the sub-pixel part of the search looks at.
_REFINE = 4


@dataclass(frozen=True)
class Overlap:
    """How two halves of a full turn overlap.

    Attributes
    ----------
    side : str
        Side of the frame that the axis is at, ``left`` or ``right``.
    overlap_px : float
        Columns that both halves show.
    axis_px : float
        Column of the axis in the frames, pixel centres at integers.
    confidence : float
        0 to 1: from the correlation, and its lead over the next best overlap; 0 if there is none.
    correlation : float
        Correlation coefficient of the high-passed halves in the overlap.
    """

    side: Literal["left", "right"]
    overlap_px: float
    axis_px: float
    confidence: float
    correlation: float


def find_overlap(
    first: Real,
    second: Real,
    *,
    least_px: int = 6,
    detail_px: float = 12.0,
    smooth_px: float = 1.0,
    match_px: float = 4.0,
) -> Overlap:
    """Find side and overlap of the two halves of a full turn.

    Every displacement is tried, from `least_px` columns of overlap at the right over the whole
    width to as little at the left. The figure of merit is Pearson's coefficient over the columns
    that both show, in units of what chance would give for that many of them (Fisher's z), so that
    small overlaps do not win by luck.

    Parameters
    ----------
    first, second : (angle, column) or (angle, row, column) float32
        Line integrals (or anything linear in them) at the same angles, the second 180 degrees
        later, not mirrored. What stays in place from angle to angle (stripes) is removed here.
    least_px : int
        Least overlap to be considered.
    detail_px : float
        Sigma of the Gaussian that is removed along the columns: structure wider than that agrees
        at any displacement.
    smooth_px : float
        Sigma of the Gaussian that noise is smoothed with.
    match_px : float
        The same for the last, sub-pixel part, where structure of all sizes above it counts: the
        coarse one agrees best between the halves of real scans.

    Returns
    -------
    Overlap
        Confidence 0 where nothing in the halves correlates.

    Notes
    -----
    After Vo et al., Opt. Express 29 (2021) 17849, who slide a window of fixed width; here all
    common columns count, by masked correlation in Fourier space (Padfield, IEEE TIP 21 (2012)
    2706).
    """
    one, two = _detail(first, detail_px, smooth_px), _detail(second, detail_px, smooth_px)
    width = one.shape[1]
    least = max(4, min(least_px, width))
    coefficients, counts = _pearson_all(one, np.ascontiguousarray(two[:, ::-1]), least)
    # Neighbours within the smoothing are not independent, so fewer values count.
    independent = np.maximum(counts * one.shape[0] / (4.0 * smooth_px), 4.0)
    merit = np.arctanh(np.clip(coefficients, -0.9999, 0.9999)) * np.sqrt(independent)
    best = int(np.argmax(merit))
    displacement = best - (width - least) + _vertex(coefficients, best)
    displacement = _refine(first, second, displacement, match_px)
    displacement = max(-(width - 1.0), min(width - 1.0, displacement))
    axis = (width - 1 - displacement) / 2
    return Overlap(
        side="left" if displacement > 0 else "right",
        overlap_px=width - abs(displacement),
        axis_px=axis,
        confidence=_confidence(merit, coefficients, best, max(3, round(6 * smooth_px))),
        correlation=float(coefficients[best]),
    )


def _refine(first: Real, second: Real, start: float, match_px: float) -> float:
    """Return the displacement near `start` at which whole structure, not only detail, agrees."""
    from scipy.ndimage import gaussian_filter1d

    width = first.shape[-1]
    displacements = round(start) + np.arange(-_REFINE, _REFINE + 1)
    low, high = max(0, -displacements[0]), min(width, width - displacements[-1])
    if high - low < 2 * _REFINE:
        return start

    def smoothed(half: Real) -> Real:
        values = np.asarray(half, np.float32)
        values = values - values.mean(axis=0, keepdims=True)
        rows: Real = gaussian_filter1d(values.reshape(-1, width), match_px, axis=-1, mode="nearest")
        return rows

    window = np.sin(np.pi * (np.arange(high - low) + 0.5) / (high - low)) ** 2
    window = (window / window.sum()).astype(np.float32)

    def centred(values: Real) -> Real:
        middle: Real = values - (values @ window)[:, None]
        return middle

    one, two = centred(smoothed(first)[:, low:high]), smoothed(second)[:, ::-1]
    power = float(((one * one) @ window).sum(dtype=np.float64))
    matches = np.zeros(len(displacements))
    for place, displacement in enumerate(displacements):
        other = centred(two[:, low + displacement : high + displacement])
        both = float(((one * other) @ window).sum(dtype=np.float64))
        scale = power * float(((other * other) @ window).sum(dtype=np.float64))
        matches[place] = both / math.sqrt(scale) if scale > 0 else 0.0
    offsets = displacements - start
    fit = np.polyfit(offsets, matches, 4)
    fine = np.linspace(-2.0, 2.0, 4001)
    found = float(fine[np.argmax(np.polyval(fit, fine))])
    # At the end of its range it found another structure, or none; the first answer stands.
    return start + found if abs(found) < 1.99 else start


def _detail(half: Real, detail_px: float, smooth_px: float) -> Real:
    """Return (rows, columns) without what is common to all angles, and without slow structure."""
    from scipy.ndimage import gaussian_filter1d

    values = np.asarray(half, np.float32)
    values = values - values.mean(axis=0, keepdims=True)
    values = values.reshape(-1, values.shape[-1])
    fine: Real = gaussian_filter1d(values, smooth_px, axis=-1, mode="nearest")
    fine -= gaussian_filter1d(values, detail_px, axis=-1, mode="nearest")
    return fine


def _pearson_all(one: Real, two: Real, least: int) -> tuple[Floats, Floats]:
    """Return Pearson's coefficient for each displacement of `two`, and the columns in common.

    Displacement s means that column u of `one` lies at column u + s of `two`; they run from
    -(width - least) to width - least.
    """
    rows, width = one.shape
    size = good_size(2 * width)
    products = np.zeros(size)
    # In pieces, so that the padded transforms stay small whatever the number of angles.
    for start in range(0, rows, 256):
        part = np.zeros((2, min(256, rows - start), size), np.float32)
        part[0, :, :width] = one[start : start + 256]
        part[1, :, :width] = two[start : start + 256]
        spectrum = forward_rows(part)
        cross = (np.conj(spectrum[0]) * spectrum[1]).sum(axis=0, keepdims=True)
        products += inverse_rows(cross.astype(np.complex64), size)[0]

    def running(values: Real) -> Floats:
        return np.concatenate([[0.0], np.cumsum(values.sum(axis=0, dtype=np.float64))])

    displacements = np.arange(-(width - least), width - least + 1)
    # Columns of `one` that are in common, first and one past the last.
    low, high = np.maximum(0, -displacements), np.minimum(width, width - displacements)
    sums = []
    for values, offset in ((one, 0), (two, 1)):
        begin, end = low + offset * displacements, high + offset * displacements
        linear, square = running(values), running(values**2)
        sums.append((linear[end] - linear[begin], square[end] - square[begin]))
    common = (high - low).astype(np.float64)
    number = common * rows
    covariance = products[displacements % size] - sums[0][0] * sums[1][0] / number
    spread = [np.maximum(square - linear**2 / number, 0.0) for linear, square in sums]
    power = np.sqrt(spread[0] * spread[1])
    # A part without any structure correlates with nothing.
    floor = 1e-6 * math.sqrt(max(sums[0][1].max(), 0.0) * max(sums[1][1].max(), 0.0))
    usable = power > max(floor, 1e-30)
    coefficients = np.where(usable, covariance / np.where(usable, power, 1.0), 0.0)
    return coefficients, common


def _vertex(values: Floats, place: int) -> float:
    """Return where the parabola through three values peaks, relative to the middle one."""
    if not 0 < place < len(values) - 1:
        return 0.0
    before, here, after = values[place - 1 : place + 2]
    curvature = before - 2 * here + after
    if curvature >= 0:
        return 0.0
    return float(np.clip(0.5 * (before - after) / curvature, -0.5, 0.5))


def _confidence(merit: Floats, coefficients: Floats, best: int, apart: int) -> float:
    """Return 0 to 1 from how high the best stands, and how far above the best elsewhere."""
    if coefficients[best] <= 0 or merit[best] < 5:
        return 0.0
    elsewhere = np.ones(len(merit), bool)
    elsewhere[max(0, best - apart) : best + apart + 1] = False
    second = max(float(merit[elsewhere].max()), 1.0) if elsewhere.any() else 1.0
    lead = max(0.0, float(merit[best]) / second - 1.0) / 0.5
    height = float(coefficients[best]) / 0.2
    edge = 0.3 if best in (0, len(merit) - 1) else 1.0
    score = edge * min(lead, height)
    return score / (1.0 + score)
