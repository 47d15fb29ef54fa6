"""Recognising views without an image: dark, blank, off-scale.

The rules at the ends of the series are batchruntomo's (its man page: endExcludeCriterion,
darkExcludeRatio, darkExcludeFraction). The others compare each view with its neighbours in tilt,
so that the slow darkening of a thick specimen towards high tilt is no fault.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A dark view has less than this part of its neighbours' mean counts and deviation.
_DARK_MEAN = 0.25
_DARK_SD = 0.4
# Counts may stand on an offset; then the deviation alone tells, and must be smaller still.
_COLLAPSED_SD = 0.12
_ENOUGH = 250_000
_OFF_SCALE = 0.5
# Where all views are cut off like this, it is how they were recorded.
_ALL_OFF_SCALE = 0.25
# Squares of larger values overflow in float32.
_SAFE = 1e15
_MAX_NOT_FINITE = 0.2
# Neighbours on each side in tilt that a view is compared with.
_NEIGHBOURS = 3
# Factors from the neighbours' deviation and mean beyond which a view is worth a look.
_ODD_SD = 1.8
_ODD_MEAN = 2.0
_END_NEIGHBOURS = 5
_MAX_LOW_SD = 3
_MAX_DARK_ENDS = 6


@dataclass(frozen=True)
class ViewStatistics:
    """Numbers of one view, over its finite pixels.

    Attributes
    ----------
    mean, sd, minimum, maximum : float
    not_finite : float
        Fraction of pixels that are nan or infinite.
    at_maximum : float
        Fraction of pixels at the largest value.
    dark_fraction, dark_ratio : float
        Of the two peaks of the histogram: the part of the area in the darker one, and its level
        relative to the brighter one; 0 and 1 where there is only one.
    """

    mean: float
    sd: float
    minimum: float
    maximum: float
    not_finite: float
    at_maximum: float
    dark_fraction: float = 0.0
    dark_ratio: float = 1.0


def view_statistics(image: NDArray[np.float32], step: int | None = None) -> ViewStatistics:
    """Measure a view on every `step`-th row.

    Parameters
    ----------
    image : (y, x) float32
        May hold nan and infinite pixels.
    step : int, optional
        By default so that some 250 000 pixels are looked at.

    Examples
    --------
    >>> view_statistics(np.array([[1, 2], [3, 6]], np.float32), step=1).mean
    3.0
    """
    rows = image[:: step or max(1, image.size // _ENOUGH)]
    not_finite = 0.0
    values: NDArray[np.floating[Any]] = rows.reshape(-1)
    if not math.isfinite(float(values.sum(dtype=np.float64))):
        finite = np.isfinite(values)
        not_finite = 1.0 - float(finite.mean())
        values = values[finite]
    if values.size == 0:
        return ViewStatistics(0.0, 0.0, 0.0, 0.0, not_finite, 0.0)
    mean, maximum = float(values.mean(dtype=np.float64)), float(values.max())
    minimum = float(values.min())
    if max(abs(minimum), abs(maximum)) > _SAFE:
        values = values.astype(np.float64)
    sd = math.sqrt(float(np.square(values - values.dtype.type(mean)).mean(dtype=np.float64)))
    at_maximum = float((values == maximum).mean()) if maximum > minimum else 1.0
    fraction, ratio = _two_levels(values[::2], minimum)
    return ViewStatistics(mean, sd, minimum, maximum, not_finite, at_maximum, fraction, ratio)


def _two_levels(values: NDArray[np.floating[Any]], minimum: float) -> tuple[float, float]:
    """Split the histogram where it dips most between two peaks; see `ViewStatistics`."""
    low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    if high <= low:
        return 0.0, 1.0
    counts, edges = np.histogram(values, bins=64, range=(low, high))
    smooth = np.convolve(counts, np.ones(5) / 5, mode="same")
    left = np.maximum.accumulate(smooth)
    right = np.maximum.accumulate(smooth[::-1])[::-1]
    depth = np.minimum(left, right) - smooth
    dip = int(depth.argmax())
    # A dip of noise between two halves of one peak is none.
    if depth[dip] < 0.3 * min(float(left[dip]), float(right[dip])) or dip in (0, 63):
        return 0.0, 1.0
    middles = (edges[1:] + edges[:-1]) / 2
    base = min(0.0, minimum)
    dark = float(middles[int(smooth[:dip].argmax())]) - base
    bright = float(middles[dip + int(smooth[dip:].argmax())]) - base
    return float(counts[:dip].sum() / counts.sum()), dark / bright if bright > 0 else 1.0


@dataclass(frozen=True)
class Judgement:
    """Which views show nothing, and which are only odd.

    Attributes
    ----------
    reasons : tuple of (str or None)
        For each view why it is no image, or None.
    suspicious : tuple of int
        Indices of views whose brightness or contrast differ from their neighbours'.
    """

    reasons: tuple[str | None, ...]
    suspicious: tuple[int, ...]


def judge_views(
    statistics: Sequence[ViewStatistics],
    tilt_rad: Floats,
    *,
    included: NDArray[np.bool_] | None = None,
    end_criterion: float | None = None,
    dark_ratio: float = 0.17,
    dark_fraction: float = 0.33,
) -> Judgement:
    """Tell views without an image.

    Parameters
    ----------
    statistics : sequence of ViewStatistics
        In any order of tilt.
    tilt_rad : (view,) float64
    included : (view,) bool, optional
        Views that take part; others are neither judged nor compared with.
    end_criterion : float, optional
        At each end of the series, views count as bad while their deviation is below this part of
        the mean of the five inside; at most 3. Also switches on the next two.
    dark_ratio, dark_fraction : float
        At each end, views count as bad while a part of at least `dark_fraction` of their area is
        darker than `dark_ratio` of the rest; at most 6.
    """
    count = len(statistics)
    keep = np.ones(count, bool) if included is None else included
    reasons: list[str | None] = [
        _alone(statistics[view]) if keep[view] else None for view in range(count)
    ]
    order = [int(view) for view in np.argsort(tilt_rad, kind="stable") if keep[view]]
    sound = [view for view in order if reasons[view] is None]
    suspicious = []
    for view in sound:
        near = _near(sound, view)
        if not near:
            continue
        mean = float(np.median([statistics[other].mean for other in near]))
        sd = float(np.median([statistics[other].sd for other in near]))
        own = statistics[view]
        cut_off = float(np.median([statistics[other].at_maximum for other in near]))
        if own.at_maximum > _OFF_SCALE and cut_off < _ALL_OFF_SCALE:
            share = f"{100 * own.at_maximum:.0f} % of its pixels are {own.maximum:.5g}"
            reasons[view] = f"off scale ({share})"
        elif own.sd < _COLLAPSED_SD * sd:
            reasons[view] = f"dark (deviation {own.sd:.3g}, its neighbours {sd:.3g})"
        elif 0 < mean and own.mean < _DARK_MEAN * mean and own.sd < _DARK_SD * sd:
            reasons[view] = f"dark (mean {own.mean:.3g}, its neighbours {mean:.3g})"
        elif _ratio(own.sd, sd) > _ODD_SD or _ratio(own.mean, mean) > _ODD_MEAN:
            suspicious.append(view)
    sound = [view for view in sound if reasons[view] is None]
    if end_criterion is not None:
        _judge_ends(statistics, sound, reasons, end_criterion, dark_ratio, dark_fraction)
    return Judgement(tuple(reasons), tuple(view for view in suspicious if reasons[view] is None))


def _alone(own: ViewStatistics) -> str | None:
    """Say what is wrong with a view by itself."""
    if own.not_finite > _MAX_NOT_FINITE:
        return f"no numbers ({100 * own.not_finite:.0f} % of its pixels)"
    if own.sd <= 1e-6 * max(abs(own.mean), abs(own.maximum)):
        return f"blank (all pixels are {own.mean:.3g})"
    return None


def _near(sound: Sequence[int], view: int) -> list[int]:
    place = sound.index(view)
    window = sound[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
    return [other for other in window if other != view]


def _ratio(first: float, second: float) -> float:
    """Return by what factor two positive numbers differ; 1 where either is not positive."""
    if first <= 0 or second <= 0:
        return 1.0
    return max(first / second, second / first)


def _judge_ends(
    statistics: Sequence[ViewStatistics],
    sound: Sequence[int],
    reasons: list[str | None],
    end_criterion: float,
    dark_ratio: float,
    dark_fraction: float,
) -> None:
    for end in (list(sound), list(sound)[::-1]):
        for place in range(min(_MAX_LOW_SD, len(end) - _END_NEIGHBOURS)):
            inside = end[place + 1 : place + 1 + _END_NEIGHBOURS]
            mean_sd = float(np.mean([statistics[view].sd for view in inside]))
            own = statistics[end[place]]
            if own.sd >= end_criterion * mean_sd:
                break
            reasons[end[place]] = f"low contrast at the end (deviation {own.sd:.3g})"
        for view in end[:_MAX_DARK_ENDS]:
            own = statistics[view]
            covered = own.dark_fraction > dark_fraction and own.dark_ratio < dark_ratio
            if reasons[view] is None and not covered:
                break
            if covered:
                share = f"{100 * own.dark_fraction:.0f} % of its area is dark"
                reasons[view] = reasons[view] or share
