"""Searching the tilt axis over all directions, and checking a given one.

Three facts of the images are used, each for what it tells best. (1) Neighbouring views agree best
when they are stretched perpendicular to the true axis; over the direction, that agreement is a
smooth curve with one maximum, so a few directions place it roughly. (2) The common line
(`tomoline.kernels.tilt_axis`) is sharper, but has side maxima; it helps where (1) is unclear, as
for lone particles. (3) The motion of patches (`tomoline.kernels.axis_refine`) makes the result
exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._image import Image, bin_mean, move
from tomoline.kernels.axis_refine import refine_axis
from tomoline.kernels.coarse import CoarseOptions, align_neighbours
from tomoline.kernels.correlator import Correlator, stretch
from tomoline.kernels.tilt_axis import AxisResult, axis_difference, find_axis, wrap_half_turn

Floats = NDArray[np.float64]
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]

_SIZE_PX = 256
_DIRECTIONS_RAD = np.radians(np.arange(-67.5, 90.1, 22.5))
_MAX_PAIRS = 16
# Correlation gained by stretching along the best direction instead of the worst, relative.
_CLEAR_GAIN = 0.05
# The best of nine correlations of noise is this sure.
_CHANCE = 0.5
# Both facts must point in the same direction to within this.
_NEAR_RAD = math.radians(20.0)


def reduced(images: Sequence[Image], size_px: int = _SIZE_PX) -> tuple[list[Image], int]:
    """Return the images binned to about `size_px` pixels, and the factor."""
    factor = max(1, round(min(images[0].shape) / size_px))
    if factor == 1:
        return list(images), 1
    return [bin_mean(image, factor) for image in images], factor


def search_axis(
    images: Sequence[Image],
    tilt_rad: Floats,
    *,
    included: NDArray[np.bool_] | None = None,
    given_rad: float | None = None,
    run: Run = map,
) -> AxisResult:
    """Find the tilt axis in all directions.

    Parameters
    ----------
    images : sequence of (y, x) float32
        Levelled, reduced views.
    tilt_rad : (view,) float64
    included : (view,) bool, optional
        Views that take part.
    given_rad : float, optional
        An angle to check: where it fits the stretching, the search starts from it.
    run : callable
        Applies a function to a sequence of items, in order.

    Returns
    -------
    AxisResult
        Its curve tells how well stretched neighbours agree, over all directions.
    """
    small, _ = reduced(images)
    keep = np.ones(len(small), bool) if included is None else included
    rough, gain, curve = _by_stretching(small, tilt_rad, keep, run)
    if given_rad is not None and (
        gain < _CLEAR_GAIN or axis_difference(rough, given_rad) < _NEAR_RAD
    ):
        start = given_rad
    elif gain >= _CLEAR_GAIN:
        start = rough
    else:
        start = _with_common_line(small, tilt_rad, keep, rough, gain, run)
    axis = refine_axis(small, tilt_rad, start, included=keep, run=run)
    if axis is None or axis_difference(axis, start) > _NEAR_RAD:
        axis = wrap_half_turn(start)
    return AxisResult(axis, _confidence(gain, rough, axis), _DIRECTIONS_RAD, curve)


def _with_common_line(
    images: Sequence[Image],
    tilt_rad: Floats,
    keep: NDArray[np.bool_],
    rough_rad: float,
    gain: float,
    run: Run,
) -> float:
    """Return the direction that common line and stretching support together."""
    options = CoarseOptions(refinements=0)
    aligned = align_neighbours(images, tilt_rad, rough_rad, options, included=keep, run=run)
    # All directions in smaller images, the surroundings of the best in larger ones.
    smallest, factor = reduced(images, _SIZE_PX // 2)
    centres = aligned.centre_px / factor
    whole = find_axis(smallest, tilt_rad, centres, included=keep, run=run)
    best = _together(whole, rough_rad, gain)
    near = best + np.radians(np.arange(-6.0, 6.1, 2.0))
    local = find_axis(images, tilt_rad, aligned.centre_px, included=keep, angles_rad=near, run=run)
    return local.axis_rad


def _confidence(gain: float, rough_rad: float, found_rad: float) -> float:
    """0 to 1: how much stretching matters, and how well the two facts agree."""
    by_gain = gain / (gain + _CLEAR_GAIN)
    apart = axis_difference(rough_rad, found_rad) / _NEAR_RAD
    return by_gain / (1.0 + apart * apart)


def _together(whole: AxisResult, rough_rad: float, gain: float) -> float:
    """Return the direction that both facts support, each in proportion to how clear it is."""
    low, high = float(whole.scores.min()), float(whole.scores.max())
    lines = (whole.scores - low) / max(high - low, 1e-9)
    smooth = 0.5 + 0.5 * np.cos(2 * (whole.angles_rad - rough_rad))
    weight = 2.0 * gain / (gain + _CLEAR_GAIN)
    return float(whole.angles_rad[int(np.argmax(lines + weight * smooth))])


def _by_stretching(
    images: Sequence[Image], tilt_rad: Floats, keep: NDArray[np.bool_], run: Run
) -> tuple[float, float, Floats]:
    """Return where stretched neighbours agree best, the relative gain, and their agreement."""
    pairs = _stretched_pairs(tilt_rad, keep)
    if not pairs:
        return 0.0, 0.0, np.zeros(len(_DIRECTIONS_RAD))
    correlator = Correlator(images[0].shape, CoarseOptions(limit_fraction=0.3))

    def heights(pair: tuple[int, int]) -> tuple[list[float], float]:
        low, high = pair
        result, sure = [], 0.0
        for axis in (None, *_DIRECTIONS_RAD):
            matrix = stretch(float(tilt_rad[low]), float(tilt_rad[high]), axis)
            moved = move(images[high], matrix, np.zeros(2), images[high].shape)
            peak = correlator(images[low], moved)
            result.append(0.0 if peak is None else peak.height)
            sure = max(sure, 0.0 if peak is None else peak.confidence)
        return result, sure

    results = list(run(heights, pairs))
    unstretched, *rest = np.mean([each for each, _ in results], axis=0)
    curve = np.array(rest)
    turn = np.exp(2j * _DIRECTIONS_RAD)
    wave = 2.0 * complex((curve * turn).mean())
    middle = max(float(curve.mean()), 1e-9)
    chance = float(np.median([sure for _, sure in results])) < _CHANCE
    if chance or curve.max() < unstretched:
        # Noise, a lone particle, or a series stretched already: stretching says little.
        return float(np.angle(wave) / 2), min(_CLEAR_GAIN / 2, 2.0 * abs(wave) / middle), curve
    return float(np.angle(wave) / 2), 2.0 * abs(wave) / middle, curve


def _stretched_pairs(tilt_rad: Floats, keep: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Choose pairs of near views with the largest ratio of cosines, on both sides of zero."""
    order = [int(view) for view in np.argsort(tilt_rad, kind="stable") if keep[view]]
    found: list[tuple[float, int, int]] = []
    for apart in (1, 2, 3):
        for first, second in zip(order, order[apart:], strict=False):
            low, high = sorted((first, second), key=lambda view: abs(float(tilt_rad[view])))
            cosine = math.cos(float(tilt_rad[high]))
            ratio = math.cos(float(tilt_rad[low])) / cosine if cosine > 0.2 else 9.0
            if 1.02 < ratio < 1.3:
                found.append((ratio, low, high))
    found.sort(reverse=True)
    return [(low, high) for _, low, high in found[:_MAX_PAIRS]]
