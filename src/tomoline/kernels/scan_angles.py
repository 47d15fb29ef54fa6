"""The step between projections whose angles no file tells, from the projections themselves.

Half a turn on, a projection is its own mirror image. So the number of frames in half a turn is the
lag at which mirrored frames look like earlier ones. It is found in two stages: a lag and the shift
between the images, from correlations; then the lag to a fraction of a frame, from how frames grow
apart with the angle between them, which neighbours tell. The second stage also tells whether the
last frame lies at the end of the range or before it, where the lag itself is not among the frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from tomoline.kernels.fourier import forward_rows, good_size, inverse_rows

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Places = NDArray[np.int64]

USUAL_STEPS_DEG = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
"""Steps that are chosen for their round numbers; others come from the number of frames."""

_EVENLY = 48
_WINDOW_DEG = 7.0
_GOOD_SCORE = 0.12
"""Correlation that is enough: noise and an axis at the side leave no more."""
_CHANCE = 6.0
"""Standard deviations of a correlation of noise above which it is taken for more."""
_LAG_STEP = 0.05
_REACH = 6
_FINE = 4
_BROAD_PARTS = (24, 12, 40)
"""Parts of the width that count as broad, for each of the measurements that are compared."""
_ERROR_DEG = (0.1, 0.12)
"""Error of the measured half turn where frames lie on both sides of it, and on one only."""
_ERROR_OF_STEPS = 0.1
"""What is added to the error, in steps: coarse steps leave few neighbours to learn from."""
_USUAL, _ROUND = 2.0, 2.0
"""How much likelier a usual step is than others before anything is measured, and a round one."""
_MORE_DEG = 4.0


@dataclass(frozen=True)
class FoundStep:
    """The step between projections, and how sure it is.

    Attributes
    ----------
    step_deg : float
        Degrees, one of the candidates.
    confidence : float
        0 to 1.
    frames_in_half_turn : float
        As measured, of which the step is the nearest candidate's.
    shift_px : float
        What moves a mirrored frame to the right onto the one half a turn before.
    certain : float
        0 to 1: how sure the kind of turn is, wherever its end may lie.
    """

    step_deg: float
    confidence: float
    frames_in_half_turn: float
    shift_px: float = 0.0
    certain: float = 0.0


def candidate_steps(count: int) -> tuple[float, ...]:
    """Return the steps in degrees that a scan of `count` projections may have, each once.

    >>> [round(step, 3) for step in candidate_steps(181)]
    [0.994, 1.0, 1.989, 2.0]
    """
    steps = [turn / frames for turn in (180, 360) for frames in (count, count - 1) if frames > 0]
    for step in USUAL_STEPS_DEG:
        # Less than half a turn has no mirrored frames, more than a whole one nobody scans.
        if 178 <= step * (count - 1) <= 370:
            steps.append(step)
    for turn in (180, 360):  # and a little more, for a round step
        for hundredths in (turn * 20 // max(count - 1, 1) * 5 + more for more in (5, 10)):
            if 0 < hundredths and turn <= hundredths / 100 * (count - 1) <= turn + _MORE_DEG:
                steps.append(hundredths / 100)
    unique: list[float] = []
    for step in steps:
        if all(abs(step - other) > 1e-9 for other in unique):
            unique.append(step)
    return tuple(sorted(unique))


def frames_to_compare(count: int) -> tuple[int, ...]:
    """Return the projections, by place, that `find_step` needs of a scan of `count`.

    Some evenly spaced ones, and for each candidate groups of neighbours that are half a turn
    apart. For a few hundred projections these are all.
    """
    if count <= 4 * _EVENLY:
        return tuple(range(count))
    wanted = set(np.round(np.linspace(0, count - 1, _EVENLY)).astype(int).tolist())
    offsets = _offsets(count)
    starts = [0]
    lags = sorted({round(180 / step) for step in candidate_steps(count)})
    if any(lag < 0.6 * count for lag in lags):
        starts.append(count // 4)
    for start in starts:
        wanted.update(start + offset for offset in offsets)
        for lag in lags:
            for offset in offsets:
                wanted.update((start + lag - offset, start + lag + offset))
    wanted.update(count - 1 - offset for offset in offsets)
    return tuple(sorted(place for place in wanted if 0 <= place < count))


def _offsets(count: int) -> list[int]:
    """Return how far from the first of a group its other frames lie."""
    last = math.ceil(_WINDOW_DEG / 180 * count)
    unit = max(1, round(last / 16))
    return sorted({*range(min(3, last) + 1), *range(0, last + 1, unit)})


def find_step(images: Images, places: Places | None = None, count: int | None = None) -> FoundStep:
    """Find the step between projections of a parallel beam.

    Parameters
    ----------
    images : (frame, rows, columns) float32
        Attenuation, or any image of the specimen with flats divided out, at low resolution: 100 to
        250 columns do.
    places : (frame,) int64, optional
        Which projections these are, increasing; all of the scan if left out.
    count : int, optional
        Number of projections of the scan.

    Returns
    -------
    FoundStep
        With confidence 0 and a half turn divided by the number of frames where nothing is found.
    """
    where = np.arange(len(images)) if places is None else np.asarray(places, np.int64)
    total = int(where[-1]) + 1 if count is None else count
    candidates = candidate_steps(total)
    if len(images) < 4:
        return FoundStep(180 / max(total, 1), 0.0, float(total))
    prepared = [_prepare(images, where, parts) for parts in _BROAD_PARTS]
    coarse = [_best_shift(prepared[0], where, 180 / step) for step in candidates]
    # A whole turn ends as it began, which needs no mirror, nor an axis that is seen.
    closed = _closed(prepared[0], where, total)
    coarse = [
        (
            max(score, closed) if 180 / step < 0.6 * total else score * (1 - min(2 * closed, 1)),
            shift,
        )
        for step, (score, shift) in zip(candidates, coarse, strict=True)
    ]
    best = int(np.argmax([score for score, _ in coarse]))
    score, shift_px = coarse[best]
    if score <= 0.02:
        return FoundStep(180 / total, 0.0, float(total))
    lag = 180 / candidates[best]
    measurements = [_refine(one, where, lag, shift_px) for one in prepared]
    measured = float(np.median(measurements))
    # Where structures of different sizes disagree, none of them is to be trusted far.
    spread_deg = (max(measurements) - min(measurements)) * 180 / lag
    error_deg = _ERROR_DEG[0 if measured < 0.95 * total else 1] + 0.3 * spread_deg
    error_deg += _ERROR_OF_STEPS * 180 / lag
    certain = _certainty(candidates, coarse, best)
    return choose_step(candidates, measured, error_deg, certain, shift_px)


def choose_step(
    candidates: Sequence[float], measured: float, error_deg: float, certain: float, shift_px: float
) -> FoundStep:
    """Choose the likeliest of some steps, where so many frames were measured in half a turn."""
    likely = np.array([_likelihood(step, measured, error_deg) for step in candidates])
    chosen = int(np.argmax(likely))
    step = candidates[chosen]
    off_deg = (180 / step - measured) * step
    confidence = certain * float(likely[chosen] / likely.sum())
    confidence /= 1 + (off_deg / (4 * error_deg)) ** 2
    return FoundStep(step, float(np.clip(confidence, 0.0, 1.0)), measured, shift_px, certain)


def _likelihood(step_deg: float, measured: float, error_deg: float) -> float:
    """Return how likely a step is, up to a factor, when half a turn was measured in frames."""
    off_deg = abs(180 / step_deg - measured) * step_deg
    usual = any(abs(step_deg - one) < 1e-9 for one in USUAL_STEPS_DEG)
    # Tails longer than a Gaussian's: specimens differ.
    even = abs(100 * step_deg - round(100 * step_deg)) < 1e-6
    return (_USUAL if usual else _ROUND if even else 1.0) / (1 + (off_deg / error_deg) ** 2) ** 2


def _prepare(images: Images, where: Places, broad_parts: int) -> Images:
    """Take away what stays, what is broad, and the mean of each row; scale to a variance of 1."""
    columns = images.shape[2]
    result = images - images.mean(axis=2, keepdims=True)
    reach = max(2, columns // broad_parts)
    sums = np.cumsum(np.pad(result, ((0, 0), (0, 0), (reach + 1, reach)), mode="edge"), axis=2)
    result = result - (sums[:, :, 2 * reach + 1 :] - sums[:, :, : -2 * reach - 1]) / (2 * reach + 1)
    # The mean over evenly spread frames: groups of neighbours would pull it towards them.
    weights = np.gradient(where.astype(np.float64)) if len(where) > 1 else np.ones(1)
    weights /= weights.sum()
    result -= np.tensordot(weights.astype(np.float32), result, axes=(0, 0))
    scale = float(np.sqrt(np.mean(result**2)))
    scaled: Images = (result / max(scale, 1e-30)).astype(np.float32)
    return scaled


def _pairs(where: Places, lag: float, reach: float) -> tuple[Places, Places, Floats]:
    """Return pairs of frames whose lag is within `reach` of `lag`, and their lags."""
    lags = where[None, :] - where[:, None]
    first, second = np.nonzero(np.abs(lags - lag) <= reach)
    return first, second, lags[first, second].astype(np.float64)


def _closed(images: Images, where: Places, count: int) -> float:
    """Return how like the first frames the last ones are, 0 where not nearly as neighbours are."""
    first, last = images[where <= where[0] + 2], images[where >= count - 3]
    if min(len(first), len(last)) < 2:
        return 0.0
    pixels = first[0].size
    found = float(np.einsum("ayx,byx->ab", first, last).mean()) / pixels
    neighbours = float((first[0] * first[-1]).mean())
    return found if found > max(0.5 * neighbours, _CHANCE / math.sqrt(pixels)) else 0.0


def _best_shift(images: Images, where: Places, lag: float) -> tuple[float, float]:
    """Return the mean correlation of frames with mirrored ones about `lag` on, and their shift.

    The shift, in pixels, is that of the mirrored frame to the right that makes them most alike.
    """
    columns = images.shape[2]
    first, second, _ = _pairs(where, lag, max(1.01, 1.0 / 180 * lag))
    if len(first) == 0:
        return 0.0, 0.0
    # Evenly chosen ones are enough where there are many.
    if len(first) > 200:
        keep = np.linspace(0, len(first) - 1, 200).astype(int)
        first, second = first[keep], second[keep]
    size = good_size(2 * columns)
    padded = np.zeros((2, images.shape[1], size), np.float32)
    product = np.zeros(size // 2 + 1, np.complex128)
    for one, other in zip(first, second, strict=True):
        padded[0, :, :columns] = images[one]
        padded[1, :, :columns] = images[other, :, ::-1]
        spectra = forward_rows(padded)
        product += (spectra[0] * np.conj(spectra[1])).sum(axis=0)
    correlation = inverse_rows(product.astype(np.complex64)[None], size)[0].astype(np.float64)
    shifts = np.arange(size)
    shifts[shifts > size // 2] -= size
    overlap = columns - np.abs(shifts)
    # Of an overlap below an eighth of the width little can be said; chance grows with less.
    usable = overlap >= columns / 8
    pixels = len(first) * images.shape[1] * np.sqrt(np.maximum(overlap, 1) * float(columns))
    scores = np.where(usable, correlation / pixels, -1.0)
    peak = int(np.argmax(scores))
    # What is no higher than chance makes it in noise is nothing.
    if scores[peak] < _CHANCE / math.sqrt(len(first) * images.shape[1] * columns):
        return 0.0, 0.0
    before, at, after = scores[[peak - 1, peak, (peak + 1) % size]]
    bend = before - 2 * at + after
    part = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(at), float(shifts[peak]) + min(max(part, -0.5), 0.5)


def _refine(images: Images, where: Places, lag: float, shift_px: float) -> float:
    """Return the lag of half a turn to a fraction of a frame.

    Correlations of neighbours, as a surface over their lag and the shift between them, are laid
    on the surface that mirrored frames make: its place gives the lag of half a turn and what is
    left of the shift. Both have to be found at once, for what lies off the axis also shifts.
    """
    columns = images.shape[2]
    rounded = round(shift_px)
    # Columns about the axis, at (columns - 1 + shift) / 2: mirroring needs no interpolation then.
    images = images[:, :, max(0, rounded) : columns + min(0, rounded)]
    reach = max(4.0, _WINDOW_DEG / 180 * lag)
    # The same lags are used for every trial, or leaving some out would look like a better fit.
    span, inner = 0.4 * reach, 0.6 * reach
    first, second, lags = _pairs(where, lag, inner)
    near_first, near_second, near_lags = _pairs(where, (reach + 1.5) / 2, (reach + 0.5) / 2)
    if len(first) == 0:
        return lag
    low, high = where[near_first], where[near_second]
    early = (low >= where[first].min()) & (high <= where[first].max() + span + 1)
    late = (low >= where[second].min() - span - 1) & (high <= where[second].max())
    if not (early.any() or late.any()):
        return lag
    mirrored = _surface(images, images[:, :, ::-1], first, second, lags)
    # Among frames that are to be mirrored, what moves right moves left: the pair is turned round.
    near = _surface(
        images,
        images,
        np.concatenate([near_first[early], near_second[late]]),
        np.concatenate([near_second[early], near_first[late]]),
        np.concatenate([near_lags[early], near_lags[late]]),
    )
    model = _Model(near)
    trial = lag + np.arange(-span, span + 1e-9, _LAG_STEP)
    fits = np.array([model.fit(mirrored, one) for one in trial])
    return float(trial[int(np.argmax(fits))])


def _surface(
    one: Images, other: Images, first: Places, second: Places, lags: Floats
) -> dict[int, tuple[Floats, int]]:
    """Return for each lag the mean correlation at small shifts, and of how many pairs it is.

    Correlations (2 * _REACH * _FINE + 1,) are those of image `first` with image `second` moved
    right by -_REACH to _REACH pixels in steps of 1 / _FINE.
    """
    columns = one.shape[2]
    size = good_size(columns + 2 * _REACH)
    rows = one.shape[1]
    chosen = np.unique(np.concatenate([first, second]))
    at = {int(frame): index for index, frame in enumerate(chosen)}
    padded = np.zeros((2, len(chosen), rows, size), np.float32)
    padded[0, :, :, :columns] = one[chosen]
    padded[1, :, :, :columns] = other[chosen]
    spectra = forward_rows(padded)
    sums: dict[int, tuple[NDArray[np.complex128], int]] = {}
    for a, b, lag in zip(first, second, lags, strict=True):
        product = (spectra[0, at[int(a)]] * np.conj(spectra[1, at[int(b)]])).sum(axis=0)
        before, count = sums.get(int(lag), (np.zeros(1, np.complex128), 0))
        sums[int(lag)] = before + product, count + 1
    surface = {}
    reach = _REACH * _FINE
    for lag, (product, count) in sums.items():
        fine = np.zeros((1, size * _FINE // 2 + 1), np.complex64)
        fine[0, : len(product)] = product / (count * rows * columns)
        curve = inverse_rows(fine, size * _FINE)[0].astype(np.float64) * _FINE
        surface[lag] = np.concatenate([curve[-reach:], curve[: reach + 1]]), count
    return surface


class _Model:
    """The correlation of frames of a scan over the lag between them and their shift."""

    def __init__(self, near: dict[int, tuple[Floats, int]]) -> None:
        lags = sorted(near)
        curves = [near[lag][0] for lag in lags]
        # Frames correlate with themselves by their noise too: what it is without comes from how
        # it falls with the lag, in squares at first.
        even = [0.5 * (curve + curve[::-1]) for curve in curves]
        if len(lags) > 1 and lags[0] > 0:
            one, two = float(lags[0]) ** 2, float(lags[1]) ** 2
            zero = (even[0] * two - even[1] * one) / (two - one)
        else:
            zero = even[0]
        # A straight line between two lags would make the lags themselves stand out.
        self._lags = np.array([*(-lag for lag in reversed(lags)), 0, *lags], dtype=np.float64)
        table = np.array([*(curve[::-1] for curve in reversed(curves)), zero, *curves])
        self._smooth = CubicSpline(self._lags, table, axis=0)

    def _at(self, lag: float) -> Floats | None:
        """Return the curve at any lag, between those that were measured."""
        if not self._lags[0] <= lag <= self._lags[-1]:
            return None
        curve: Floats = self._smooth(lag)
        return curve

    def fit(self, mirrored: dict[int, tuple[Floats, int]], half_turn: float) -> float:
        """Return how like the surfaces are for half a turn of that many frames: a cosine.

        The shift between them is chosen for the best; a factor between them is allowed.
        """
        margin = _REACH * _FINE // 2
        size = 2 * margin + 1
        total_model, total_seen = 0.0, 0.0
        both = np.zeros(2 * margin + 1)
        for lag, (curve, count) in mirrored.items():
            expected = self._at(lag - half_turn)
            if expected is None:
                return -1.0
            inner = expected[margin:-margin]
            total_model += count * float(inner @ inner)
            total_seen += count * float(curve @ curve) * size / len(curve)
            both += count * np.correlate(curve, inner, "valid")
        if total_model <= 0 or total_seen <= 0:
            return -1.0
        return float(both.max() / math.sqrt(total_model * total_seen))


def _certainty(
    candidates: tuple[float, ...], coarse: list[tuple[float, float]], best: int
) -> float:
    """Return 0 to 1: from the correlation, and its lead over other turns."""
    lag = 180 / candidates[best]
    score = max(coarse[best][0], 0.0)
    others = [
        found
        for other, (found, _) in zip(candidates, coarse, strict=True)
        if abs(180 / other - lag) > 0.05 * lag
    ]
    lead = (score - max([0.0, *others])) / max(score, 1e-9)
    return min(score / _GOOD_SCORE, 1.0) * min(max(lead, 0.0) / 0.5, 1.0)
